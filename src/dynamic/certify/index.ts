/** Certificates and calibration: statistics on plain arrays, with no model in sight. */
export { bettingPValue, hoeffdingBentkusPValue } from './betting.ts';
export {
  binomialCdf,
  binomialPmf,
  binomialPValue,
  binomialTail,
  clopperPearsonLower,
  clopperPearsonUpper,
} from './binomial.ts';
export { type Certificate, type CertifyOptions, certifiedText, certifyPoints, type TestedPoint } from './certify.ts';
export { type Drift, driftCheck } from './drift.ts';
export { exitCounts, exitsTaken, meanCost } from './exits.ts';
export { checkLevel, fixedSequence, type Level, learnThenTest, riskPValue } from './ltt.ts';
export { type OperatingPoint, operatingPath, type PathOptions, pathAgainst } from './path.ts';
export { exitLosses, isSigned, losses, lossOf, needsLabels, type Risk } from './risks.ts';
export {
  bettingSampleSize,
  binomialSampleSize,
  reachableRate,
  reachOf,
  type SampleSizes,
  smallestEpsilon,
  zeroLossSampleSize,
  zeroSignedLossSampleSize,
} from './sample-size.ts';
export { calibrationError, fitTemperature, negativeLogLikelihood, type TemperatureFit } from './temperature.ts';

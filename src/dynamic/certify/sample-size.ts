import { bettingPValue } from './betting.ts';
import { binomialCdf } from './binomial.ts';
import { checkLevel, type Level } from './ltt.ts';
import { REACH } from './path.ts';
import { isSigned, type Risk } from './risks.ts';
import { bisect, firstInteger, normalQuantile } from './special.ts';

/** How many inputs a certificate needs, at best and in earnest. */
export interface SampleSizes {
  /** The smallest n that certifies if no input at all shows a loss. */
  readonly zeroLoss: number;
  /** The n that certifies with 80 % probability at the observed rate; Infinity if that rate is not under epsilon. */
  readonly power80: number;
}

/**
 * The smallest n with (1 - epsilon)^n <= delta: fewer inputs cannot certify a 0/1 risk, even if none shows harm.
 *
 * @example
 * zeroLossSampleSize({ epsilon: 0.005, delta: 0.1 }) // 460
 */
export function zeroLossSampleSize(level: Level): number {
  checkLevel(level);
  return firstInteger((n) => n * Math.log1p(-level.epsilon) <= Math.log(level.delta), 1);
}

/**
 * The smallest n at which the exact binomial test of H0: risk >= epsilon passes with probability >= `power` when the true
 * risk is `rate`; Infinity when rate >= epsilon.
 */
export function binomialSampleSize(rate: number, level: Level, power = 0.8): number {
  checkLevel(level);
  if (!(rate < level.epsilon)) return Infinity;
  // with k losses allowed, power is largest at the smallest n that allows k
  const smallestN = (k: number) => firstInteger((n) => binomialCdf(k, n, level.epsilon) <= level.delta, k + 1);
  const enough = (k: number) => binomialCdf(k, smallestN(k), rate) >= power;
  let k = 0;
  while (k < 100 && !enough(k)) k++;
  return smallestN(k < 100 ? k : firstInteger(enough, k));
}

/**
 * The largest rate at which the exact binomial test of H0: risk >= epsilon passes with probability >= `power` on `n` inputs; 0
 * where it cannot pass: what to aim at before the inputs are looked at.
 *
 * @example
 * reachableRate(1500, { epsilon: 0.005, delta: 0.1 }) // 0.00153: three losses pass, and a rate of 0.5 % shows more
 */
export function reachableRate(n: number, level: Level, power = 0.8): number {
  checkLevel(level);
  const { epsilon, delta } = level;
  const most = firstInteger((k) => binomialCdf(k, n, epsilon) > delta, 0) - 1;
  if (most < 0) return 0;
  return bisect((rate) => binomialCdf(most, n, rate) < power, 0, epsilon);
}

/** The same for a risk; for signed ones, whose test sees more than a rate, a share of epsilon that some thousand inputs reach. */
export const reachOf = (risk: Risk, n: number, level: Level): number =>
  isSigned(risk) ? REACH * level.epsilon : reachableRate(n, level);

/** The smallest n at which the betting test passes if every loss is 0. */
export function zeroSignedLossSampleSize(level: Level): number {
  checkLevel(level);
  const passes = (n: number) => bettingPValue(new Int8Array(n), level.epsilon, level.delta) <= level.delta;
  return firstInteger(passes, zeroLossSampleSize(level), 2 ** 26);
}

/**
 * About the n at which the betting test of H0: mean >= epsilon passes with probability >= `power`, for a loss that is +1 with
 * probability `worse`, -1 with probability `better` and else 0 (normal approximation of the log capital).
 */
export function bettingSampleSize(worse: number, better: number, level: Level, power = 0.8): number {
  const { epsilon, delta } = level;
  checkLevel(level);
  const mean = worse - better;
  if (!(mean < epsilon)) return Infinity;
  const atLeast = zeroSignedLossSampleSize(level);
  const variance = worse + better - mean * mean;
  if (variance <= 0) return atLeast;
  const z = normalQuantile(power);
  const target = Math.log(1 / delta);
  const enough = (n: number) => {
    const bet = Math.min(Math.sqrt((2 * target) / (n * variance)), 0.75 / (1 - epsilon));
    const steps = [-1, 0, 1].map((x) => Math.log1p(bet * (epsilon - x)));
    const shares = [better, 1 - better - worse, worse];
    const growth = shares.reduce((sum, p, i) => sum + p * steps[i], 0);
    const spread = Math.sqrt(shares.reduce((sum, p, i) => sum + p * (steps[i] - growth) ** 2, 0));
    return n * growth - z * Math.sqrt(n) * spread >= target;
  };
  return firstInteger(enough, atLeast);
}

/** The smallest epsilon that n inputs without any harm could certify at level delta. */
export function smallestEpsilon(n: number, delta: number): number {
  return bisect((epsilon) => n * Math.log1p(-epsilon) <= Math.log(delta), 0, 1);
}

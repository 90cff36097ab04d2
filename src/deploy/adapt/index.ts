/** Somebody else's static ONNX classifier becomes a dynamic one, with a certificate. */
export { type Adapted, adapt } from './adapt.ts';
export type { Claim } from './claim.ts';
export { type Compared, type ComparedTimes, compareAnswers, compareTimes, type Difference } from './compare.ts';
export type { Expected, TimeShares } from './expected.ts';
export { type Foreign, itemShape, readForeign } from './foreign.ts';
export type { AdaptOptions, AdaptStage, Way } from './options.ts';
export { type ExitPlan, type Place, type PlanOptions, planExits } from './plan.ts';
export { describeSkip, type SkipPlace, skipPlaces } from './skips.ts';
export { pixelText, statedPixels } from './stated.ts';
export type { AdaptSummary } from './summary.ts';
export type { Times } from './times.ts';
export { removeWork } from './work.ts';

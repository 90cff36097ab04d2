/** Somebody else's static ONNX classifier becomes a dynamic one, with a certificate. */
export { type Adapted, type AdaptOptions, type AdaptStage, type AdaptSummary, adapt, type Way } from './adapt.ts';
export type { Claim } from './against.ts';
export { type Compared, type ComparedTimes, compareAnswers, compareTimes, type Difference } from './compare.ts';
export { type Foreign, itemShape, readForeign } from './foreign.ts';
export { type ExitPlan, type Place, type PlanOptions, planExits } from './plan.ts';

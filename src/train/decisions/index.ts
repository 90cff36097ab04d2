/** Ways to train decisions that are not exits: what stands for the hard choice, and what compute costs. */
export { loadBalance, type MacTargetOptions, macPrice, macTarget, type RateOptions, rateTarget } from './cost.ts';
export { type ExactPolicyOptions, exactPolicy } from './exact-policy.ts';
export { type GumbelOptions, gumbel } from './gumbel.ts';
export { type ReinforceOptions, reinforce } from './reinforce.ts';
export { softMixture } from './soft.ts';
export { exponential } from './temperature.ts';
export type {
  Decided,
  DecisionTraining,
  LossTerm,
  LossView,
  Meeting,
  PathView,
  UnitsMeeting,
  Weighed,
} from './types.ts';
export { type KeepTargetOptions, keepTarget, straightUnits } from './units.ts';

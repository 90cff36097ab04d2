export * from './blocks/index.ts';
export { certify } from './calibrate.ts';
export { type Candidates, type CertifyModelOptions, certifiedModel } from './candidates.ts';
export * from './certify/index.ts';
export { addCosts, type CostVector, costTable, macsOf, pathCost, type RegionCost, type UnitCost } from './cost.ts';
export {
  type Among,
  amongPeers,
  answerNames,
  type Decision,
  type Exactness,
  FINAL,
  groupsOf,
  isExit,
  isSelect,
  type KeepDecision,
  neutral,
  type Option,
  ownThresholds,
  plainOption,
  Select,
  type SelectDecision,
  type WeighDecision,
} from './decision.ts';
export { exitCosts } from './exit-costs.ts';
export { fittedTemperatures, lastTaken } from './exit-path.ts';
export { expectedCost } from './expected-cost.ts';
export { forcedThresholds, fullThresholds } from './forced.ts';
export {
  fullFirst,
  type GateSettings,
  gateSettings,
  runSettings,
  settingAnswers,
  settingPoints,
} from './gate-path.ts';
export { argmaxAt, confidenceAt } from './logits.ts';
export { type Thresholds, thresholdName } from './lower/choice.ts';
export { type Column, columnsOf } from './lower/columns.ts';
export type { SparseForm } from './lower/form.ts';
export { type Lowered, masked } from './lower/masked.ts';
export { hardMask, type MaskUnits, type Mixed, mixed, optionLogits, type Weigh } from './lower/mixed.ts';
export { type Observed, observe } from './lower/observe.ts';
export { type Population, populations } from './lower/populations.ts';
export { type Settled, settled } from './lower/settled.ts';
export { type SparseOptions, sparse } from './lower/sparse.ts';
export { type Choices, cut, everyWidth, fixed } from './lower/static.ts';
export { ownViews } from './lower/views.ts';
export { bindingHash, type CertifiedModel, type Model, type Point, type Preprocessing } from './model.ts';
export { type ExitOptions, exit, type NetOptions, net, type SelectOptions, select } from './net.ts';
export { type Observations, type ObserveOptions, observations } from './observations.ts';
export { extremeMacs, type Paths } from './paths.ts';
export { type DecisionPlan, LEAST_RATIO, laptop, type Machine, plan } from './plan.ts';
export { confidence, type ExitView, entropy, type Policy, type PolicyName, patience } from './policies.ts';
export type { SettingsRun } from './run-ways.ts';
export { decodeTrace, type Trace, type TraceKey, type TraceRow, traceKey, traceSchema } from './trace.ts';
export {
  type Answer,
  answersOf,
  decidersOf,
  decisionsOf,
  joinsOf,
  MOST_NESTED,
  type Net,
  type NetSpec,
  parametersOf,
} from './traced.ts';
export {
  type KeepOptions,
  type KeepRule,
  type KeptUnits,
  type KeptValue,
  keep,
  type WeighOptions,
  weigh,
} from './units.ts';
export { everyWay, type TracedWay, traceWay, type Way, waysOf, wordsOf } from './ways.ts';

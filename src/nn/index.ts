export { currentClasses, withClasses } from './context.ts';
export {
  fans,
  type HeOptions,
  heNormal,
  heUniform,
  type Initializer,
  materialize,
  ones,
  xavierNormal,
  xavierUniform,
  zeros,
} from './init.ts';
export * from './layers/index.ts';
export {
  accuracy,
  binaryCrossEntropy,
  type CrossEntropyOptions,
  crossEntropy,
  type DistillationOptions,
  distillation,
  entropy,
  klDivergence,
  type LossOptions,
  mse,
} from './losses.ts';
export { type HeatLossOptions, heatLoss, maskedL1 } from './losses-detect.ts';
export * from './optim/index.ts';
export { paramsOf } from './params.ts';
export {
  type CosineOptions,
  constantRate,
  cosine,
  type OneCycleOptions,
  oneCycle,
  type Schedule,
  type StepwiseOptions,
  stepwise,
  type WarmupOptions,
} from './schedules.ts';
export { sharedWeights } from './shared-weights.ts';
export { stopGradient } from './stop-gradient.ts';

export {
  averagePool,
  flatten,
  gelu,
  globalAveragePool,
  hardSwish,
  leakyRelu,
  logSoftmax,
  maxPool,
  relu,
  sigmoid,
  silu,
  softmax,
  softplus,
  tanh,
} from '../../graph/index.ts';
export { type Activation, activate, elu } from './activation.ts';
export { type ClassifyOptions, classify } from './classify.ts';
export { type ConvLayerOptions, conv, type Norm } from './conv.ts';
export { Dropout, type DropoutOptions, dropout, dropoutRate } from './dropout.ts';
export { type LayerOptions, layer } from './layer.ts';
export { type LinearOptions, linear } from './linear.ts';
export {
  type BatchNormOptions,
  batchNorm,
  type GroupNormOptions,
  groupNorm,
  type LayerNormOptions,
  layerNorm,
  type NormOptions,
} from './norm.ts';
export { type ResidualOptions, residual } from './residual.ts';

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
export { type AttentionOptions, multiHeadAttention } from './attention.ts';
export { type ClassifyOptions, classify } from './classify.ts';
export { type ConvLayerOptions, conv, type Norm } from './conv.ts';
export {
  type DeformableConvOptions,
  type DeformedConvolveOptions,
  deformableConv,
  deformedConvolve,
} from './deformable.ts';
export { Dropout, type DropoutOptions, dropout, dropoutRate } from './dropout.ts';
export { channelSaliency, type GateOptions, gate, type RoutingOptions, routing } from './gate.ts';
export { type LayerOptions, layer } from './layer.ts';
export { type LinearOptions, linear } from './linear.ts';
export { type MixtureConvOptions, mixtureConv } from './mixture.ts';
export {
  type BatchNormOptions,
  batchNorm,
  type GroupNormOptions,
  groupNorm,
  type LayerNormOptions,
  layerNorm,
  type NormOptions,
} from './norm.ts';
export { pooled } from './pooled.ts';
export { type ResidualOptions, residual } from './residual.ts';
export { classToken, type PatchEmbedOptions, patchEmbed, positionEmbedding, takeToken } from './tokens.ts';
export { type MlpOptions, mlp, type TransformerLayerOptions, transformerLayer } from './transformer.ts';

/**
 * Neural networks that spend compute only where an input needs it.
 *
 * The front page of the library; each floor has more: dynaneural/graph, /nn, /data, /dynamic, /train, /runtime, /deploy.
 */
export {
  bccd,
  cifar10,
  type Dataset,
  dataset,
  fashionMnist,
  imageFolder,
  mnist,
  splitDataset,
} from './data/index.ts';
export { adapt, type LoadedModel, load, type RunResult, readCard, save, toBytes } from './deploy/index.ts';
export {
  type CertifiedModel,
  certify,
  costTable,
  cut,
  dense,
  everyWidth,
  exit,
  experts,
  keepChannels,
  keepHeads,
  keepTokens,
  type Model,
  masked,
  mixture,
  type Net,
  net,
  type Policy,
  plan,
  policy,
  select,
  skip,
  sparse,
  type Trace,
  widths,
} from './dynamic/index.ts';
export { DynaError, type ErrorCode } from './errors.ts';
export { ndarray, scope, Tensor } from './graph/index.ts';
export {
  adamW,
  batchNorm,
  classify,
  classToken,
  conv,
  cosine,
  dropout,
  gate,
  globalAveragePool,
  layerNorm,
  linear,
  maxPool,
  multiHeadAttention,
  oneCycle,
  patchEmbed,
  positionEmbedding,
  relu,
  residual,
  sgd,
  takeToken,
  transformerLayer,
} from './nn/index.ts';
export {
  exponential,
  gumbel,
  keepTarget,
  loadBalance,
  macPrice,
  macTarget,
  openTrained,
  rateTarget,
  recalibrate,
  reinforce,
  saveTrained,
  softMixture,
  type Trained,
  type TrainOptions,
  train,
} from './train/index.ts';

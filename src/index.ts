/**
 * Neural networks that spend compute only where an input needs it.
 *
 * The front page of the library; each floor has more: dynaneural/graph, /nn, /data, /dynamic, /train, /runtime, /deploy.
 */
export {
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
  everyWidth,
  exit,
  experts,
  type Model,
  masked,
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
  relu,
  residual,
  sgd,
  transformerLayer,
} from './nn/index.ts';
export {
  exponential,
  gumbel,
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

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
  exit,
  type Model,
  masked,
  type Net,
  net,
  type Policy,
  select,
  sparse,
  type Trace,
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
  globalAveragePool,
  layerNorm,
  linear,
  maxPool,
  oneCycle,
  relu,
  residual,
  sgd,
} from './nn/index.ts';
export { openTrained, saveTrained, type Trained, type TrainOptions, train } from './train/index.ts';

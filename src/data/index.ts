/** Data sets, where they come from, and the batches made of them. */

export { type AloneOptions, alone } from '../lock.ts';
export { type Augment, type Batch, normalise, type Preprocessing, takeBatch } from './batch.ts';
export { type BccdOptions, type BccdSplit, bccd, locateBccd } from './bccd.ts';
export { readCifar } from './cifar.ts';
export { type CocoAnnotations, type CocoImage, type CocoOptions, cocoFolder, readCoco } from './coco.ts';
export {
  channelStatistics,
  classCounts,
  type Dataset,
  type DatasetInit,
  dataset,
  fingerprint,
  requireClasses,
  subset,
} from './dataset.ts';
export * from './detection/index.ts';
export { type DownloadOptions, download, type Pin, type Progress } from './download.ts';
export { dealt, evenly } from './evenly.ts';
export type { SetOptions } from './fetch-set.ts';
export { type FolderDataset, type FolderOptions, imageFolder, imageStream } from './folder.ts';
export { readIdx } from './idx.ts';
export { type DecodedImage, decodeImage, type Fit, type ImageChange, type ImageOptions } from './image.ts';
export { type Loader, type LoaderOptions, loader } from './loader.ts';
export {
  cifar10,
  type DatasetName,
  datasets,
  fashionMnist,
  locateDataset,
  mnist,
} from './official.ts';
export { cacheFolder } from './places.ts';
export { Random } from './random.ts';
export type { Split } from './sets.ts';
export { type PartSize, type SplitOptions, splitDataset, splitIndices } from './split.ts';
export {
  type IndexedSource,
  type SequentialSource,
  type StreamItem,
  type StreamLoader,
  type StreamOptions,
  type StreamSource,
  streamLoader,
} from './stream.ts';
export { readVoc, type VocAnnotation, type VocObject } from './voc.ts';
export { pascalVoc, type VocOptions } from './voc-folder.ts';

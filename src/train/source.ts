import { createHash } from 'node:crypto';
import {
  type Augment,
  type Batch,
  type Dataset,
  fingerprint,
  type IndexedSource,
  loader,
  streamLoader,
} from '../data/index.ts';

/** What can be trained on: a set in memory, or items that are read by number while the training runs. */
export type TrainingData = Dataset | IndexedSource;

/** The batches of a training; those of an epoch depend on (seed, epoch, batch) alone. */
export interface Batches {
  readonly batchesPerEpoch: number;
  epoch(epoch: number, fromBatch?: number): Iterable<Batch> | AsyncIterable<Batch>;
}

const inMemory = (data: TrainingData): data is Dataset => 'inputs' in data;

export function batchesOf(
  data: TrainingData,
  options: { readonly batch: number; readonly seed: number; readonly augment?: Augment | undefined },
): Batches {
  const { batch, seed, augment } = options;
  const all = { batch, seed, shuffle: true, dropLast: true, ...(augment ? { augment } : {}) };
  if (inMemory(data)) return loader(data, all);
  const stream = streamLoader(data, all);
  return { batchesPerEpoch: stream.batchesPerEpoch!, epoch: (e, from) => stream.epoch(e, from) };
}

/** The class numbers, where they are known before items are read. */
export const labelsOf = (data: TrainingData): Int32Array | undefined => (inMemory(data) ? data.labels : undefined);

/** Whether raw items are bytes, of which value / 255 is normalised. */
export const holdsBytes = async (data: TrainingData): Promise<boolean> =>
  (inMemory(data) ? data.inputs : (await data.read(0)).inputs) instanceof Uint8Array;

/** What tells training data apart: all content of a set in memory; name, number, shape and classes of a stream. */
export const identity = (data: TrainingData): string =>
  inMemory(data)
    ? fingerprint(data)
    : createHash('sha256')
        .update(JSON.stringify([data.name, data.length, data.shape, data.classes]))
        .digest('hex');

import { DynaError } from '../errors.ts';
import { type Augment, assemble, type Batch, itemRandom, itemWriter, orderRandom } from './batch.ts';
import type { Dataset } from './dataset.ts';

export interface LoaderOptions {
  /** Items in a batch. */
  batch: number;
  /** Decides order and augmentation, together with the epoch. Default 0. */
  seed?: number;
  /** A new random order each epoch. Default false: the order of the data set. */
  shuffle?: boolean;
  /** Random crops and flips; none by default. */
  augment?: Augment;
  /** Leaves out a last batch that is not full (batch statistics of a few items are noise). Default false. */
  dropLast?: boolean;
}

/** Batches of a data set in memory. */
export interface Loader {
  readonly dataset: Dataset;
  readonly batch: number;
  readonly batchesPerEpoch: number;
  /** Items that one epoch yields. */
  readonly itemsPerEpoch: number;
  /**
   * The batches of an epoch from number `fromBatch` on. They depend on (seed, epoch, batch) alone, so a run that
   * stopped after any batch goes on with the very batches an unbroken run would have seen.
   */
  epoch(epoch: number, fromBatch?: number): IterableIterator<Batch>;
}

/**
 * Loads batches from memory, shuffled and augmented by seed.
 *
 * @throws DynaError 'usage' for a batch size below 1, 'data' when the set is too small for one batch
 * @example
 * const batches = loader(train, { batch: 64, seed: 1, shuffle: true, augment: { crop: 4, flip: true }, dropLast: true })
 * for (const { x, y } of batches.epoch(0)) step(x, y)
 */
export function loader(dataset: Dataset, options: LoaderOptions): Loader {
  const { batch, seed = 0, shuffle = false, augment, dropLast = false } = options;
  checkBatch(batch);
  const batchesPerEpoch = (dropLast ? Math.floor : Math.ceil)(dataset.length / batch);
  if (batchesPerEpoch < 1)
    throw new DynaError('data', `${dataset.name} has ${dataset.length} items, too few for one batch of ${batch}`, {
      fix: 'take a smaller batch or set dropLast to false',
    });
  const itemsPerEpoch = dropLast ? batchesPerEpoch * batch : dataset.length;
  const write = itemWriter(dataset, dataset.inputs instanceof Uint8Array, augment);

  function* batches(epoch: number, fromBatch: number): Generator<Batch> {
    const order = shuffle ? orderRandom(seed, epoch).permutation(dataset.length) : null;
    const randomOf = augment ? (item: number) => itemRandom(seed, epoch, item) : () => null;
    for (let b = fromBatch; b < batchesPerEpoch; b++) {
      const from = b * batch;
      const n = Math.min(batch, itemsPerEpoch - from);
      const indices = order ? order.slice(from, from + n) : Int32Array.from({ length: n }, (_, i) => from + i);
      yield assemble(dataset, indices, write, randomOf);
    }
  }

  return {
    dataset,
    batch,
    batchesPerEpoch,
    itemsPerEpoch,
    epoch(epoch, fromBatch = 0) {
      checkPosition(epoch, fromBatch);
      return batches(epoch, fromBatch);
    },
  };
}

export function checkBatch(batch: number): void {
  if (!Number.isInteger(batch) || batch < 1)
    throw new DynaError('usage', `a batch is a whole number of at least 1, got ${batch}`);
}

export function checkPosition(epoch: number, fromBatch: number): void {
  if (!Number.isInteger(epoch) || epoch < 0 || !Number.isInteger(fromBatch) || fromBatch < 0)
    throw new DynaError('usage', `epoch and first batch are whole numbers from 0, got ${epoch} and ${fromBatch}`);
}

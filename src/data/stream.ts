import { DynaError } from '../errors.ts';
import { sizeOf } from '../graph/array.ts';
import { type Augment, type Batch, itemRandom, itemWriter, labelArray, orderRandom } from './batch.ts';
import { checkFinite, checkLabels, checkNormalisation, checkShape } from './dataset.ts';
import { checkBatch, checkPosition } from './loader.ts';
import type { Random } from './random.ts';

/** One raw item of a stream. */
export interface StreamItem {
  inputs: Uint8Array | Float32Array;
  /** Left out where the items have no labels. */
  label?: number;
}

interface StreamBase {
  name: string;
  /** The shape of one item. */
  shape: number[];
  /** Empty where the items have no labels. */
  classes: string[];
  mean: number[];
  std: number[];
}

/** Items that can be read by number, e.g. files of a folder: shuffled as a whole, read ahead in order. */
export interface IndexedSource extends StreamBase {
  length: number;
  read(index: number): Promise<StreamItem>;
}

/** Items that come one after another, e.g. from a generator: shuffled through a buffer. */
export interface SequentialSource extends StreamBase {
  items(epoch: number): AsyncIterable<StreamItem> | Iterable<StreamItem>;
}

/** Where a stream takes its items from: by number, or one after another. */
export type StreamSource = IndexedSource | SequentialSource;

export interface StreamOptions {
  batch: number;
  /** Decides order and augmentation, together with the epoch. Default 0. */
  seed?: number;
  shuffle?: boolean;
  augment?: Augment;
  dropLast?: boolean;
  /** Items of an indexed source that are read at the same time and wait in memory. Default 2 batches. */
  ahead?: number;
  /** Items among which a sequential source is shuffled; they wait in memory. Default 1024. */
  shuffleBuffer?: number;
}

export interface StreamLoader {
  readonly source: StreamSource;
  readonly batch: number;
  /** Known for indexed sources only. */
  readonly batchesPerEpoch: number | undefined;
  /**
   * The batches of an epoch from number `fromBatch` on; the same ones for the same (seed, epoch, batch). An indexed
   * source skips ahead for nothing, a sequential one has to be run through. Leaving the loop early ends the source.
   */
  epoch(epoch: number, fromBatch?: number): AsyncIterableIterator<Batch>;
}

/**
 * Loads batches from a source that does not fit into memory; never more than `ahead` or `shuffleBuffer` items, and
 * one batch, are held.
 *
 * @throws DynaError 'data' for items of another size, labels out of range, NaN, or a source without items
 * @example
 * const batches = streamLoader(await imageStream('photos'), { batch: 32, seed: 1, shuffle: true })
 * for await (const { x } of batches.epoch(0)) await model.run(x)
 */
export function streamLoader(source: StreamSource, options: StreamOptions): StreamLoader {
  const { batch, seed = 0, shuffle = false, dropLast = false, ahead = 2 * batch, shuffleBuffer = 1024 } = options;
  checkBatch(batch);
  if (!(ahead >= 1 && shuffleBuffer >= 1))
    throw new DynaError('usage', `ahead and shuffleBuffer are at least 1, got ${ahead} and ${shuffleBuffer}`);
  checkShape(source.name, source.shape);
  checkNormalisation(source.name, source.shape, source.mean, source.std);
  const indexed = 'read' in source;
  const batchesPerEpoch = indexed ? (dropLast ? Math.floor : Math.ceil)(source.length / batch) : undefined;
  if (batchesPerEpoch === 0) throw tooFew(source.name, batch);

  async function* batches(epoch: number, fromBatch: number): AsyncGenerator<Batch> {
    const skipped = fromBatch * batch;
    const random = shuffle ? orderRandom(seed, epoch) : null;
    const items = indexed
      ? readAhead(source, random, skipped, ahead)
      : skip(shuffled(numbered(source.items(epoch)), random, shuffleBuffer), skipped);
    const collect = collector(source, options, epoch, seed);
    let any = fromBatch > 0;
    for await (const item of items) {
      const full = collect.add(item);
      if (full) {
        any = true;
        yield full;
      }
    }
    const rest = dropLast ? null : collect.take();
    if (rest) yield rest;
    else if (!any) throw tooFew(source.name, batch);
  }

  return {
    source,
    batch,
    batchesPerEpoch,
    epoch(epoch, fromBatch = 0) {
      checkPosition(epoch, fromBatch);
      return batches(epoch, fromBatch);
    },
  };
}

const tooFew = (name: string, batch: number): DynaError =>
  new DynaError('data', `${name} has too few items for one batch of ${batch}`, {
    fix: 'check the source, or take a smaller batch',
  });

interface Numbered {
  item: StreamItem;
  index: number;
}

/** Reads items in their final order, `ahead` of them at a time. */
async function* readAhead(
  source: IndexedSource,
  random: Random | null,
  from: number,
  ahead: number,
): AsyncGenerator<Numbered> {
  const order = random?.permutation(source.length);
  const pending: { index: number; item: Promise<StreamItem> }[] = [];
  let next = from;
  try {
    while (next < source.length || pending.length) {
      for (; next < source.length && pending.length < ahead; next++) {
        const index = order ? order[next] : next;
        const item = source.read(index);
        item.catch(() => {}); // seen when its turn comes
        pending.push({ index, item });
      }
      const first = pending.shift()!;
      yield { item: await first.item, index: first.index };
    }
  } finally {
    await Promise.allSettled(pending.map(({ item }) => item));
  }
}

async function* numbered(items: AsyncIterable<StreamItem> | Iterable<StreamItem>): AsyncGenerator<Numbered> {
  let index = 0;
  for await (const item of items) yield { item, index: index++ };
}

/** The usual shuffle buffer: once full, a random one of its items goes out for each that comes in. */
async function* shuffled(
  items: AsyncIterable<Numbered>,
  random: Random | null,
  size: number,
): AsyncGenerator<Numbered> {
  if (!random) return yield* items;
  const buffer: Numbered[] = [];
  for await (const item of items) {
    if (buffer.length < size) {
      buffer.push(item);
      continue;
    }
    const k = random.int(size);
    yield buffer[k];
    buffer[k] = item;
  }
  yield* random.shuffle(buffer);
}

async function* skip(items: AsyncIterable<Numbered>, count: number): AsyncGenerator<Numbered> {
  let left = count;
  for await (const item of items) if (left-- <= 0) yield item;
}

/** Fills one batch after another. */
function collector(source: StreamSource, options: StreamOptions, epoch: number, seed: number) {
  const { batch, augment } = options;
  const size = sizeOf(source.shape);
  const write = [false, true].map((bytes) => itemWriter(source, bytes, augment));
  let data = new Float32Array(batch * size);
  let labels: number[] = [];
  let indices: number[] = [];

  const take = (): Batch | null => {
    const n = labels.length;
    if (n === 0) return null;
    const x = n === batch ? data : data.slice(0, n * size);
    const full: Batch = {
      x: { dtype: 'float32', dims: [n, ...source.shape], data: x },
      y: labelArray(labels),
      n,
      indices: Int32Array.from(indices),
    };
    data = new Float32Array(batch * size);
    labels = [];
    indices = [];
    return full;
  };
  const add = ({ item, index }: Numbered): Batch | null => {
    const { inputs, label } = item;
    if (inputs.length !== size)
      throw new DynaError(
        'data',
        `item ${index} of ${source.name} has ${inputs.length} values, shape [${source.shape.join(', ')}] takes ${size}`,
      );
    checkFinite(source.name, inputs, size, index);
    if (source.classes.length) checkLabels(source.name, [label ?? -1], source.classes.length, index);
    const random = augment ? itemRandom(seed, epoch, index) : null;
    write[inputs instanceof Uint8Array ? 1 : 0](data, labels.length * size, inputs, 0, random);
    labels.push(source.classes.length ? label! : -1);
    indices.push(index);
    return labels.length === batch ? take() : null;
  };
  return { add, take };
}

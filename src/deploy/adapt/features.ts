import { type Dataset, dataset, loader } from '../../data/index.ts';
import { argmaxAt } from '../../dynamic/index.ts';
import { DynaError } from '../../errors.ts';
import { concat, encodeModel, flatten, type NDArray, sizeOf, toOnnx } from '../../graph/index.ts';
import { compileInWorker, type SessionOptions } from '../../runtime/index.ts';
import type { TrainingData } from '../../train/index.ts';
import { openRows, type RowCache } from './cache.ts';
import { refuseInfinite } from './finite.ts';
import type { Foreign } from './foreign.ts';
import { pool } from './head.ts';
import type { Place } from './plan.ts';
import { batchOf } from './sizes.ts';

/** Default limit of features in memory, in bytes. */
export const MEMORY = 2 ** 30;

export interface FeatureOptions {
  /** How often each image is seen: once as it is, then shifted and mirrored at random. The model labels every view; 4 by default. */
  readonly views?: number;
  readonly seed?: number;
  /** Most bytes of features in memory; where there are more, they stay on disk and are read from there. 1 GiB by default. */
  readonly memory?: number;
  /** Keeps them there; an interrupted run goes on where it stood. */
  readonly folder?: string | undefined;
  readonly session?: SessionOptions;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What heads learn from. */
export interface Features {
  /** One row for each view: the pooled features of every exit, then the model's logits; the label is the model's class. */
  readonly rows: TrainingData & { readonly length: number };
  /** They are read from disk, because they are more than the memory limit. */
  readonly streamed: boolean;
  close(): Promise<void>;
}

/** What was seen so far, for the words at the end. */
interface Facts {
  readonly first: number;
  readonly several: boolean;
  readonly probabilities: boolean;
}

/**
 * Runs the model over views of unlabelled images and keeps what heads learn from.
 *
 * @throws DynaError 'data' where the model answers all images alike, or with NaN; 'model' where its output is no logits
 */
export async function features(
  foreign: Foreign,
  exits: readonly Place[],
  images: Dataset,
  options: FeatureOptions = {},
): Promise<Features> {
  const { views = 4, memory = MEMORY, folder } = options;
  if (!Number.isInteger(views) || views < 1)
    throw new DynaError('usage', `views are a whole number from 1 on, got ${views}`);
  const classes = foreign.classes.length;
  const width = exits.reduce((sum, e) => sum + sizeOf(e.head.pooled), classes);
  const cache = await openRows<Facts>({ rows: images.length * views, width, memory, folder });
  try {
    await fill(cache, foreign, exits, images, { ...options, views });
    await cache.finish();
    check(foreign, cache.facts!);
  } catch (error) {
    await cache.close();
    throw error;
  }
  const labelAt = (row: ArrayLike<number>, end: number) => argmaxAt(row, end - classes, classes);
  const common = { name: 'features', shape: [width], classes: [...foreign.classes], mean: [0], std: [1] };
  const { all, done: length } = cache;
  const labels = (inputs: Float32Array) => Int32Array.from({ length }, (_, i) => labelAt(inputs, (i + 1) * width));
  const rows: Features['rows'] = all
    ? dataset({ ...common, inputs: all, labels: labels(all) })
    : {
        ...common,
        length,
        read: async (index) => {
          const inputs = await cache.row(index);
          return { inputs, label: labelAt(inputs, width) };
        },
      };
  return { rows, streamed: !all, close: () => cache.close() };
}

async function fill(
  cache: RowCache<Facts>,
  { input, logits, weights, classes }: Foreign,
  exits: readonly Place[],
  images: Dataset,
  { views, seed = 1, session, signal, onProgress }: FeatureOptions & { views: number },
): Promise<void> {
  const total = images.length * views;
  if (cache.done === total) return;
  const row = concat([...exits.map((e) => flatten(pool(e.tensor, e.head))), logits], 1);
  const runner = await compileInWorker(encodeModel(toOnnx({ row }, { weights })), session);
  const name = input.node.attrs.name as string;
  try {
    for (const { x } of viewsOf(images, views, seed, cache.done)) {
      signal?.throwIfAborted();
      const out = await runner.run({ [name]: x }, { transfer: true });
      const values = out.row!.data as Float32Array;
      await cache.append(values, factsOf(values, values.length / x.dims[0]!, classes.length, cache.facts));
      onProgress?.(cache.done, total);
    }
  } finally {
    await runner.close();
  }
  function factsOf(values: Float32Array, width: number, count: number, before: Facts | undefined): Facts {
    refuseInfinite(values);
    const first = before?.first ?? argmaxAt(values, width - count, count);
    let { several = false, probabilities = true } = before ?? {};
    for (let end = width; end <= values.length; end += width) {
      several ||= argmaxAt(values, end - count, count) !== first;
      probabilities &&= isDistribution(values.subarray(end - count, end));
    }
    return { first, several, probabilities };
  }
}

function check({ classes, output }: Foreign, { first, several, probabilities }: Facts): void {
  if (!several)
    throw new DynaError(
      'data',
      `the model answers all images with class "${classes[first]}", so exits have nothing to learn`,
      { fix: 'check the preprocessing, and give inputs of several classes' },
    );
  if (output === 'logits' && probabilities)
    throw new DynaError('model', 'the outputs are probabilities, but the model does not end with its softmax', {
      fix: 'export it with the softmax as its last operator, or without one',
    });
}

/** The batches of all views but the first `from` rows, which end with a batch. */
function* viewsOf(images: Dataset, views: number, seed: number, from: number): Generator<{ x: NDArray }> {
  const crop = Math.max(1, Math.round(Math.min(...images.shape.slice(1)) / 8));
  const start = Math.floor(from / images.length);
  const batch = batchOf(images);
  for (let view = start; view < views; view++) {
    const augment = view === 0 ? {} : { augment: { crop, flip: true } };
    const skipped = view === start ? (from % images.length) / batch : 0;
    yield* loader(images, { batch, seed, ...augment }).epoch(view, skipped);
  }
}

const isDistribution = (values: Float32Array): boolean =>
  values.every((v) => v >= 0) && Math.abs(values.reduce((a, b) => a + b, 0) - 1) <= 1e-3;

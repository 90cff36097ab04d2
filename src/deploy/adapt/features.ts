import { type Dataset, dataset, loader } from '../../data/index.ts';
import { argmaxAt } from '../../dynamic/index.ts';
import { DynaError } from '../../errors.ts';
import { concat, encodeModel, flatten, type NDArray, sizeOf, toOnnx } from '../../graph/index.ts';
import { compileInWorker, type SessionOptions } from '../../runtime/index.ts';
import type { Foreign } from './foreign.ts';
import { pool } from './head.ts';
import type { Place } from './plan.ts';

/** Default limit of the feature cache in bytes. */
export const MEMORY = 2 ** 29;

const BATCH_SIZE = 64;

export interface FeatureOptions {
  /** How often each image is seen: once as it is, then shifted and mirrored at random. The model labels every view; 4 by default. */
  readonly views?: number;
  readonly seed?: number;
  /** Most bytes that the cache may take; where the images need more, fewer are used. */
  readonly memory?: number;
  readonly session?: SessionOptions;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Runs the model over views of unlabelled images and keeps what heads learn from: for each view the pooled features of every
 * exit, then the model's own logits, in one row; the label is the class that the model names.
 *
 * @throws DynaError 'data' where the model answers all images alike, or with NaN; 'model' where its output is no logits
 */
export async function features(
  foreign: Foreign,
  exits: readonly Place[],
  images: Dataset,
  { views = 4, seed = 1, memory = MEMORY, session, signal, onProgress }: FeatureOptions = {},
): Promise<Dataset> {
  const parts = exits.map((e) => flatten(pool(e.tensor, e.head)));
  const row = concat([...parts, foreign.logits], 1);
  const classes = foreign.classes.length;
  const width = exits.reduce((sum, e) => sum + sizeOf(e.head.pooled), classes);
  if (!Number.isInteger(views) || views < 1)
    throw new DynaError('usage', `views are a whole number from 1 on, got ${views}`);
  const n = Math.min(images.length * views, Math.floor(memory / (4 * width)));
  if (n < 2)
    throw new DynaError('data', `one image's features take ${4 * width} bytes, the cache may take ${memory}`, {
      fix: 'raise the memory limit, or take fewer exits',
    });
  const runner = await compileInWorker(encodeModel(toOnnx({ row }, { weights: foreign.weights })), session);
  const inputs = new Float32Array(n * width);
  const labels = new Int32Array(n);
  try {
    let at = 0;
    for (const { x } of viewsOf(images, views, seed)) {
      signal?.throwIfAborted();
      const out = await runner.run({ [foreign.names.input]: x }, { transfer: true });
      const values = out.row!.data as Float32Array;
      const count = Math.min(values.length / width, n - at);
      inputs.set(values.subarray(0, count * width), at * width);
      for (let i = 0; i < count; i++) labels[at + i] = argmaxAt(inputs, (at + i + 1) * width - classes, classes);
      at += count;
      onProgress?.(at, n);
      if (at === n) break;
    }
  } finally {
    await runner.close();
  }
  if (!inputs.every(Number.isFinite))
    throw new DynaError('data', 'the model gives NaN or infinite values for some of these images', {
      fix: 'check the preprocessing, and that the images are what the model was made for',
    });
  if (labels.every((l) => l === labels[0]))
    throw new DynaError(
      'data',
      `the model answers all images with class "${foreign.classes[labels[0]!]}", so exits have nothing to learn`,
      { fix: 'check the preprocessing, and give inputs of several classes' },
    );
  if (foreign.output === 'logits' && lookLikeProbabilities(inputs, width, classes))
    throw new DynaError('model', 'the outputs are probabilities, but the model does not end with its softmax', {
      fix: 'export it with the softmax as its last operator, or without one',
    });
  return dataset({ name: 'features', inputs, shape: [width], labels, classes: foreign.classes });
}

function* viewsOf(images: Dataset, views: number, seed: number): Generator<{ x: NDArray }> {
  const crop = Math.max(1, Math.round(Math.min(...images.shape.slice(1)) / 8));
  for (let view = 0; view < views; view++) {
    const augment = view === 0 ? {} : { augment: { crop, flip: true } };
    yield* loader(images, { batch: BATCH_SIZE, seed, ...augment }).epoch(view);
  }
}

function lookLikeProbabilities(rows: Float32Array, width: number, classes: number): boolean {
  for (let end = width; end <= rows.length; end += width) {
    const values = rows.subarray(end - classes, end);
    if (values.some((v) => v < 0) || Math.abs(values.reduce((a, b) => a + b, 0) - 1) > 1e-3) return false;
  }
  return true;
}

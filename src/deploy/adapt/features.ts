import { type Dataset, dataset, subset, takeBatch } from '../../data/index.ts';
import { argmaxAt } from '../../dynamic/index.ts';
import { DynaError } from '../../errors.ts';
import { concat, encodeModel, flatten, sizeOf, toOnnx } from '../../graph/index.ts';
import { compileInWorker, type SessionOptions } from '../../runtime/index.ts';
import type { Foreign } from './foreign.ts';
import { pool } from './head.ts';
import type { Place } from './plan.ts';

/** Default limit of the feature cache in bytes. */
export const MEMORY = 2 ** 29;

const BATCH_SIZE = 64;

export interface FeatureOptions {
  /** Most bytes that the cache may take; where the images need more, only the first of them are used. */
  readonly memory?: number;
  readonly session?: SessionOptions;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Runs the model once over unlabelled images and keeps what heads learn from: for each image the pooled features of every
 * exit, then the model's own logits, in one row; the label is the class that the model names.
 *
 * @throws DynaError 'data' where the model answers all images alike, or with NaN; 'model' where its output is no logits
 */
export async function features(
  foreign: Foreign,
  exits: readonly Place[],
  images: Dataset,
  { memory = MEMORY, session, signal, onProgress }: FeatureOptions = {},
): Promise<Dataset> {
  const parts = exits.map((e) => flatten(pool(e.tensor, e.head)));
  const row = concat([...parts, foreign.logits], 1);
  const classes = foreign.classes.length;
  const width = exits.reduce((sum, e) => sum + sizeOf(e.head.pooled), classes);
  const n = Math.min(images.length, Math.floor(memory / (4 * width)));
  if (n < 2)
    throw new DynaError('data', `one image's features take ${4 * width} bytes, the cache may take ${memory}`, {
      fix: 'raise the memory limit, or take fewer exits',
    });
  const used =
    n < images.length
      ? subset(
          images,
          Int32Array.from({ length: n }, (_, i) => i),
        )
      : images;
  const runner = await compileInWorker(encodeModel(toOnnx({ row }, { weights: foreign.weights })), session);
  const inputs = new Float32Array(n * width);
  const labels = new Int32Array(n);
  try {
    for (let at = 0; at < n; at += BATCH_SIZE) {
      signal?.throwIfAborted();
      const count = Math.min(BATCH_SIZE, n - at);
      const { x } = takeBatch(
        used,
        Int32Array.from({ length: count }, (_, i) => at + i),
      );
      const out = await runner.run({ [foreign.names.input]: x }, { transfer: true });
      inputs.set(out.row!.data as Float32Array, at * width);
      for (let i = 0; i < count; i++) labels[at + i] = argmaxAt(inputs, (at + i + 1) * width - classes, classes);
      onProgress?.(at + count, n);
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
      `the model answers all ${n} images with class "${foreign.classes[labels[0]!]}", so exits have nothing to learn`,
      { fix: 'check the preprocessing, and give inputs of several classes' },
    );
  if (foreign.output === 'logits' && lookLikeProbabilities(inputs, width, classes))
    throw new DynaError('model', 'the outputs are probabilities, but the model does not end with its softmax', {
      fix: 'export it with the softmax as its last operator, or without one',
    });
  return dataset({ name: 'features', inputs, shape: [width], labels, classes: foreign.classes });
}

function lookLikeProbabilities(rows: Float32Array, width: number, classes: number): boolean {
  for (let end = width; end <= rows.length; end += width) {
    const values = rows.subarray(end - classes, end);
    if (values.some((v) => v < 0) || Math.abs(values.reduce((a, b) => a + b, 0) - 1) > 1e-3) return false;
  }
  return true;
}

import { type Augment, type Dataset, loader } from '../data/index.ts';
import { type Model, populations, type Thresholds } from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import { encodeModel, input, ndarray, substitute, type Tensor, toOnnx } from '../graph/index.ts';
import { compileInWorker, type SessionOptions } from '../runtime/index.ts';

export interface RecalibrateOptions {
  /** Where each decision parts; where trained gates do by default. */
  readonly thresholds?: Thresholds;
  /** Inputs to look at; 6,400 by default, or all there are. */
  readonly items?: number;
  /** Inputs whose statistics are taken together; 128 by default. */
  readonly batch?: number;
  readonly seed?: number;
  /** Crops and flips as in training, whose statistics its weights were fitted to; none by default. */
  readonly augment?: Augment;
  readonly session?: SessionOptions;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Measures the running statistics of every normalisation anew, on the inputs that really execute it. Training mixes or
 * samples options, so skipped, narrow and late blocks saw other inputs there (Yu & Huang 2019, arXiv:1903.05134, sec. 3.3).
 *
 * Give it the augmentation of the training: crops bring borders into the statistics, and weights are fitted to those.
 *
 * @returns the model with new statistics; those of blocks that nobody executed stay
 * @throws DynaError 'data' for a set that is smaller than a batch
 * @example const ready = await recalibrate(trained, trainSplit, { augment: { crop: 4, flip: true } })
 */
export async function recalibrate<M extends Model>(
  model: M,
  data: Dataset,
  { thresholds, items = 6400, batch = 128, seed = 1, augment, session, onProgress }: RecalibrateOptions = {},
): Promise<M> {
  const size = Math.min(batch, data.length);
  if (size < 2) throw new DynaError('data', `statistics need at least 2 inputs, ${data.name} has ${data.length}`);
  const x = input('input', [size, ...model.net.spec.input]);
  const [output] = substitute([model.net.output], new Map([[model.net.input, x]]));
  const found = populations({ ...model.net, input: x, output: output! }, thresholds);
  if (found.length === 0) return model;
  const outputs: Record<string, Tensor> = {};
  for (const [i, p] of found.entries())
    for (const part of ['count', 'sum', 'squares'] as const) outputs[`${part}/${i}`] = p[part];
  const runner = await compileInWorker(encodeModel(toOnnx(outputs, { weights: model.weights })), session);
  const totals = found.map((p) => ({ ...p, n: 0, first: [] as number[], second: [] as number[] }));
  try {
    const how = { batch: size, seed, shuffle: true, dropLast: true };
    const batches = loader(data, augment ? { ...how, augment } : how);
    const most = Math.max(1, Math.min(batches.batchesPerEpoch, Math.floor(items / size)));
    let done = 0;
    for (const { x: images } of batches.epoch(0)) {
      const out = await runner.run({ input: images });
      for (const [i, t] of totals.entries()) {
        t.n += Number(out[`count/${i}`]!.data[0]);
        for (const [into, part] of [
          [t.first, 'sum'],
          [t.second, 'squares'],
        ] as const)
          for (const [c, v] of (out[`${part}/${i}`]!.data as Float32Array).entries()) into[c] = (into[c] ?? 0) + v;
      }
      onProgress?.(++done, most);
      if (done === most) break;
    }
  } finally {
    await runner.close();
  }
  const weights = new Map(model.weights);
  for (const { mean, variance, n, first, second } of totals) {
    if (n < 2) continue;
    const means = first.map((v) => v / n);
    // The running variance is the unbiased one (Ioffe & Szegedy 2015, algorithm 2).
    const variances = second.map((v, c) => (Math.max(0, v / n - means[c]! ** 2) * n) / (n - 1));
    weights.set(mean, ndarray('float32', [means.length], means));
    weights.set(variance, ndarray('float32', [variances.length], variances));
  }
  return { ...model, weights };
}

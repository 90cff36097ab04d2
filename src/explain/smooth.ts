import { Random } from '../data/random.ts';
import { DynaError } from '../errors.ts';
import { type Baseline, baselineOf } from './baseline.ts';

/** Gradients of a score at `n` inputs that lie one after another, in the same layout. */
export type GradientAt = (inputs: Float32Array, n: number) => Float32Array | Promise<Float32Array>;

export interface SmoothOptions {
  /** Noisy copies; 32 by default. */
  readonly samples?: number;
  /** Standard deviation of the noise as a share of the input's range; 0.15 by default. */
  readonly noise?: number;
  /** 1 by default. */
  readonly seed?: number;
  /** Copies whose gradients are taken at once; 32 by default. */
  readonly batch?: number;
}

export interface PathOptions {
  /** Where the path begins; 0 by default. */
  readonly baseline?: Baseline;
  /** Points on the path; 32 by default. */
  readonly steps?: number;
  readonly batch?: number;
}

/**
 * SmoothGrad (Smilkov et al. 2017, arXiv:1706.03825): the mean gradient over noisy copies of an input.
 *
 * @returns a gradient in the input's layout
 * @example const saliency = await smoothGrad(pixels, gradientAt, { samples: 16 })
 */
export async function smoothGrad(
  input: ArrayLike<number>,
  gradient: GradientAt,
  { samples = 32, noise = 0.15, seed = 1, batch = 32 }: SmoothOptions = {},
): Promise<Float32Array> {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < input.length; i++) [low, high] = [Math.min(low, input[i]!), Math.max(high, input[i]!)];
  const deviation = noise * (high - low);
  return meanGradient(input.length, gradient, samples, batch, (k, out) => {
    const random = new Random(seed, k);
    for (let i = 0; i < input.length; i++) out[i] = input[i]! + deviation * random.normal();
  });
}

/**
 * Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365): (x - baseline) times the mean gradient on the straight
 * path from the baseline to x. Their sum is the score at x less the score at the baseline, up to the error of the steps.
 *
 * @returns attributions in the input's layout
 * @example const parts = await integratedGradients(pixels, [1, 28, 28], gradientAt)
 */
export async function integratedGradients(
  input: ArrayLike<number>,
  shape: readonly number[],
  gradient: GradientAt,
  { baseline = 0, steps = 32, batch = 32 }: PathOptions = {},
): Promise<Float32Array> {
  const start = baselineOf(input, shape, baseline);
  const mean = await meanGradient(input.length, gradient, steps, batch, (k, out) => {
    const part = (k + 0.5) / steps;
    for (let i = 0; i < input.length; i++) out[i] = start[i]! + part * (input[i]! - start[i]!);
  });
  return mean.map((g, i) => g * (input[i]! - start[i]!));
}

/** (x - baseline) gradient: to first order, what the score loses where a place becomes the baseline. */
export function gradientTimesInput(
  input: ArrayLike<number>,
  shape: readonly number[],
  gradient: ArrayLike<number>,
  baseline: Baseline = 0,
): Float32Array {
  const start = baselineOf(input, shape, baseline);
  return start.map((b, i) => (input[i]! - b) * gradient[i]!);
}

async function meanGradient(
  size: number,
  gradient: GradientAt,
  count: number,
  batch: number,
  place: (k: number, out: Float32Array) => void,
): Promise<Float32Array> {
  for (const [name, value] of Object.entries({ 'the number of gradients': count, batch }))
    if (!Number.isInteger(value) || value < 1)
      throw new DynaError('usage', `${name} should be a whole number from 1 on, got ${value}`);
  const sum = new Float64Array(size);
  for (let start = 0; start < count; start += batch) {
    const n = Math.min(batch, count - start);
    const inputs = new Float32Array(n * size);
    for (let i = 0; i < n; i++) place(start + i, inputs.subarray(i * size, (i + 1) * size));
    const found = await gradient(inputs, n);
    if (found.length !== n * size)
      throw new DynaError('shape', `gradients of ${n} inputs should be ${n * size} values, got ${found.length}`);
    for (let i = 0; i < found.length; i++) sum[i % size]! += found[i]!;
  }
  return Float32Array.from(sum, (s) => s / count);
}

import { Random } from '../data/random.ts';
import { DynaError } from '../errors.ts';

export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

export interface BootstrapOptions {
  /** 0.95 by default. */
  readonly level?: number;
  /** 2000 by default. */
  readonly resamples?: number;
  /** 1 by default. */
  readonly seed?: number;
}

/**
 * The mean and its percentile bootstrap interval (Efron 1979): one value for each input, inputs drawn anew with
 * replacement. For a difference of two methods give the differences on the same inputs.
 *
 * @throws DynaError 'data' for no values
 */
export function bootstrap(values: ArrayLike<number>, options: BootstrapOptions = {}): Interval {
  const { level = 0.95, resamples = 2000, seed = 1 } = options;
  const n = values.length;
  if (n === 0) throw new DynaError('data', 'a mean needs at least one value, got none');
  const random = new Random(seed, n);
  const means = Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += values[random.int(n)]!;
    return sum / n;
  }).sort();
  const at = (share: number): number => means[Math.round(share * (resamples - 1))]!;
  const tail = (1 - level) / 2;
  return { mean: Array.from(values).reduce((a, b) => a + b, 0) / n, low: at(tail), high: at(1 - tail) };
}

import { DynaError } from '../errors.ts';
import { layoutOf } from './layout.ts';

/**
 * What a place holds when it is taken away, in the units of the net's input: a number (0 is the data set's mean where
 * inputs are normalised), `mean` of the input's own channel, `blur` (a Gaussian that leaves no detail), or a whole input.
 */
export type Baseline = number | 'mean' | 'blur' | ArrayLike<number>;

/** The input without its content. @throws DynaError 'shape' | 'usage' */
export function baselineOf(input: ArrayLike<number>, shape: readonly number[], baseline: Baseline): Float32Array {
  const { channels, places, height, width } = layoutOf(shape, input);
  if (typeof baseline === 'number') return new Float32Array(input.length).fill(baseline);
  if (typeof baseline !== 'string') {
    layoutOf(shape, baseline);
    return Float32Array.from(baseline);
  }
  const planes = Array.from({ length: channels }, (_, c) =>
    Float32Array.from({ length: places }, (_, i) => input[c * places + i]!),
  );
  const of = { mean: flat, blur: (plane: Float32Array) => blurred(plane, height, width) }[baseline];
  if (!of) throw new DynaError('usage', `a baseline is a number, "mean", "blur" or an input, got "${baseline}"`);
  const out = new Float32Array(input.length);
  for (const [c, plane] of planes.entries()) out.set(of(plane), c * places);
  return out;
}

const flat = (plane: Float32Array): Float32Array =>
  new Float32Array(plane.length).fill(plane.reduce((a, b) => a + b, 0) / plane.length);

/** Gaussian with a standard deviation of a sixth of the longer side; what lies outside is not counted. */
function blurred(plane: Float32Array, height: number, width: number): Float32Array {
  const sigma = Math.max(height, width) / 6;
  const across = along(plane, height, width, width, 1, sigma);
  return along(across, width, height, 1, width, sigma);
}

/** Smooths `lines` lines of `length` values that lie `step` apart. */
function along(
  x: Float32Array,
  lines: number,
  length: number,
  line: number,
  step: number,
  sigma: number,
): Float32Array {
  const out = new Float32Array(x.length);
  const weight = Float64Array.from({ length }, (_, d) => Math.exp(-(d * d) / (2 * sigma * sigma)));
  for (let l = 0; l < lines; l++)
    for (let i = 0; i < length; i++) {
      let [sum, total] = [0, 0];
      for (let j = 0; j < length; j++) {
        const w = weight[Math.abs(i - j)]!;
        sum += w * x[l * line + j * step]!;
        total += w;
      }
      out[l * line + i * step] = sum / total;
    }
  return out;
}

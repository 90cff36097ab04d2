import { Random } from '../data/random.ts';
import { DynaError } from '../errors.ts';
import { type Baseline, baselineOf } from './baseline.ts';
import { layoutOf, type Scorer, scoresEach } from './layout.ts';

export interface MaskOptions {
  /** Cells of the coarse grid along each side; 7 by default. */
  readonly cells?: number;
  /** Share of cells that are kept; 0.5 by default. */
  readonly keep?: number;
  /** 1 by default. */
  readonly seed?: number;
}

export interface RiseOptions extends MaskOptions {
  /** How many masks; 1000 by default. The error of a map falls with the root of it. */
  readonly masks?: number;
  /** Masked inputs that are scored at once; 64 by default. */
  readonly batch?: number;
  /** What shows where a mask hides; 0 by default, as in the paper. */
  readonly baseline?: Baseline;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Mask number `index`, [height, width] from 0 to 1: a random grid of 0 and 1, enlarged bilinearly by one cell more than
 * the image and cut out at a random place. Masks of different numbers are independent, and each is `keep` on average.
 */
export function riseMask(height: number, width: number, index: number, options: MaskOptions = {}): Float32Array {
  const { cells = 7, keep = 0.5, seed = 1 } = options;
  if (!Number.isInteger(cells) || cells < 1)
    throw new DynaError('usage', `RISE's grid has a whole number of cells, got ${cells}`);
  if (!(keep > 0 && keep < 1)) throw new DynaError('usage', `RISE keeps a share between 0 and 1, got ${keep}`);
  const random = new Random(seed, index);
  const [rows, columns] = [Math.min(cells, height), Math.min(cells, width)];
  const grid = Float32Array.from({ length: rows * columns }, () => (random.float() < keep ? 1 : 0));
  const vertical = positions(height, rows, random);
  const horizontal = positions(width, columns, random);
  const mask = new Float32Array(height * width);
  for (const [y, v] of vertical.entries()) {
    const [top, bottom] = [v.from * columns, v.to * columns];
    for (const [x, h] of horizontal.entries()) {
      const above = grid[top + h.from]! * (1 - h.part) + grid[top + h.to]! * h.part;
      const below = grid[bottom + h.from]! * (1 - h.part) + grid[bottom + h.to]! * h.part;
      mask[y * width + x] = above * (1 - v.part) + below * v.part;
    }
  }
  return mask;
}

/** Between which cells each position of a side lies after a random shift. */
function positions(size: number, cells: number, random: Random) {
  const cell = Math.ceil(size / cells);
  const shift = random.int(cell);
  return Array.from({ length: size }, (_, i) => {
    const at = Math.min(cells - 1, Math.max(0, ((i + shift + 0.5) * cells) / ((cells + 1) * cell) - 0.5));
    const from = Math.floor(at);
    return { from, to: Math.min(cells - 1, from + 1), part: at - from };
  });
}

/**
 * RISE (Petsiuk, Das & Saenko 2018, arXiv:1806.07421): how a score depends on what shows, from scores alone. Each place's
 * importance is the mean score over random masks, weighted by how much they show of the place. The paper divides by the
 * expected sum of these weights; here it is the sum itself, so that a constant score gives a constant map at any number of
 * masks.
 *
 * @param input one input, channels first
 * @param shape as [1, 28, 28]
 * @param score scores a batch; with k scores for each input all k maps come from the same masks
 * @returns k maps [places] (height x width of an image), in the score's unit
 * @throws DynaError 'shape' for an input or scores that do not fit, 'usage' for options out of range
 * @example const [map] = await rise(pixels, [1, 28, 28], async (x, n) => confidences(x, n), { masks: 2000 })
 */
export async function rise(
  input: ArrayLike<number>,
  shape: readonly number[],
  score: Scorer,
  options: RiseOptions = {},
): Promise<Float32Array[]> {
  const { masks = 1000, batch = 64, baseline = 0, onProgress } = options;
  for (const [name, value] of Object.entries({ masks, batch }))
    if (!Number.isInteger(value) || value < 1)
      throw new DynaError('usage', `${name} should be a whole number from 1 on, got ${value}`);
  const { channels, places, height, width } = layoutOf(shape, input);
  const hidden = baselineOf(input, shape, baseline);
  const weight = new Float64Array(places);
  let sums: Float64Array[] = [];
  for (let start = 0; start < masks; start += batch) {
    const n = Math.min(batch, masks - start);
    const drawn = Array.from({ length: n }, (_, i) => riseMask(height, width, start + i, options));
    const inputs = new Float32Array(n * input.length);
    for (const [i, mask] of drawn.entries())
      for (let c = 0; c < channels; c++)
        for (let p = 0; p < places; p++) {
          const at = c * places + p;
          inputs[i * input.length + at] = hidden[at]! + mask[p]! * (input[at]! - hidden[at]!);
        }
    const scores = await score(inputs, n);
    const k = scoresEach(scores, n, sums.length || undefined);
    if (sums.length === 0) sums = Array.from({ length: k }, () => new Float64Array(places));
    for (const [i, mask] of drawn.entries())
      for (let p = 0; p < places; p++) {
        weight[p]! += mask[p]!;
        for (const [j, sum] of sums.entries()) sum[p]! += mask[p]! * scores[i * k + j]!;
      }
    onProgress?.(start + n, masks);
  }
  return sums.map((sum) => Float32Array.from(sum, (s, p) => (weight[p]! > 0 ? s / weight[p]! : 0)));
}

import { Random } from '../data/random.ts';
import { DynaError } from '../errors.ts';

/** Ranks from 0, equal values sharing the mean of theirs. */
export function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from({ length: values.length }, (_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const out = new Float64Array(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let i = start; i < end; i++) out[order[i]!] = (start + end - 1) / 2;
    start = end;
  }
  return out;
}

/**
 * Spearman's rank correlation, ties by mean ranks: 1 for the same order, -1 for the reverse. A constant list has no order:
 * 0, also with itself.
 *
 * @throws DynaError 'shape' for lists of different length, 'data' for NaN
 */
export function rankCorrelation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length)
    throw new DynaError('shape', `two lists of one length are compared, got ${a.length} and ${b.length}`);
  if (Array.from(a).some(Number.isNaN) || Array.from(b).some(Number.isNaN))
    throw new DynaError('data', 'NaN has no rank');
  const [x, y] = [ranks(a), ranks(b)];
  const middle = (a.length - 1) / 2;
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [x[i]! - middle, y[i]! - middle];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : 0;
}

/** Places from the most salient to the least; equal ones in an order that the seed draws, so that none is favoured. */
export function ranking(map: ArrayLike<number>, seed = 1): Int32Array {
  return new Random(seed, map.length).permutation(map.length).sort((a, b) => map[b]! - map[a]!);
}

/** A random order of `places` places. */
export const randomOrder = (places: number, seed: number): Int32Array =>
  new Random(seed, places, 1).permutation(places);

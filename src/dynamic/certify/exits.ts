import { DynaError } from '../../errors.ts';

/**
 * Where each input leaves: the first exit whose score lies above its threshold; `exits` (the full path) if none does.
 *
 * @param scores [n, exits], row by row; higher is surer
 * @param thresholds [exits]; +Infinity is "never"
 * @returns [n], values 0 .. exits
 */
export function exitsTaken(scores: ArrayLike<number>, thresholds: readonly number[]): Int32Array {
  const exits = thresholds.length;
  const n = rows(scores, exits);
  const taken = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    let e = 0;
    while (e < exits && !(scores[i * exits + e] > thresholds[e])) e++;
    taken[i] = e;
  }
  return taken;
}

/** How many inputs left at each exit; the last count is the full path. [exits + 1] */
export function exitCounts(taken: ArrayLike<number>, exits: number): number[] {
  const counts = new Array<number>(exits + 1).fill(0);
  for (let i = 0; i < taken.length; i++) counts[taken[i]]++;
  return counts;
}

/** The mean cost of counts of inputs, where leaving at exit e costs costs[e]. */
export function meanCost(counts: readonly number[], costs: ArrayLike<number>): number {
  let n = 0;
  let total = 0;
  for (let e = 0; e < counts.length; e++) {
    n += counts[e];
    total += counts[e] * costs[e];
  }
  return n === 0 ? 0 : total / n;
}

/** n of a flat [n, exits] table. */
export function rows(scores: ArrayLike<number>, exits: number): number {
  const n = scores.length / exits;
  if (exits < 1 || !Number.isInteger(n)) {
    throw new DynaError('shape', `expected scores of shape [n, ${exits}], got ${scores.length} values`);
  }
  return n;
}

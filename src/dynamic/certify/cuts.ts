/** A rank at which an exit's scores can be cut, and the threshold that cuts there. */
export interface Cut {
  readonly rank: number;
  readonly threshold: number;
}

/** The index of the last cut with a rank <= `rank`. */
export function cutIndex(cuts: readonly Cut[], rank: number): number {
  let low = 0;
  let high = cuts.length - 1;
  while (low < high) {
    const mid = (low + high + 1) >> 1;
    if (cuts[mid].rank <= rank) low = mid;
    else high = mid - 1;
  }
  return low;
}

/**
 * Cuts midway between neighbouring scores (sorted, highest first), as float32 like the graph's thresholds; pairs that float32
 * cannot part are not cut. "All" lies just under the lowest score, so that an input less sure than any seen still goes on.
 */
export function cutsOf(sorted: readonly number[]): Cut[] {
  const cuts: Cut[] = [{ rank: 0, threshold: Infinity }];
  const n = sorted.length;
  for (let r = 1; r < n; r++) {
    const threshold = Math.fround(sorted[r - 1] / 2 + sorted[r] / 2);
    if (threshold < sorted[r - 1] && threshold >= sorted[r]) cuts.push({ rank: r, threshold });
  }
  if (n > 0) {
    const least = sorted[n - 1];
    const range = Number.isFinite(sorted[0] - least) ? sorted[0] - least : 0;
    const threshold = Math.fround(least - Math.max(range * 1e-3, Math.abs(least) * 1e-6, 1e-6));
    if (threshold < least) cuts.push({ rank: n, threshold });
  }
  return cuts;
}

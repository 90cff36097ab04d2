export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** The q-quantile by linear interpolation; NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  return low + (at % 1) * ((sorted[Math.ceil(at)] ?? low) - low);
}

/** Mean without the highest and lowest tenth, which other work on the machine makes. */
export function trimmedMean(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const cut = Math.floor(sorted.length / 10);
  const kept = sorted.slice(cut, sorted.length - cut);
  return kept.reduce((a, b) => a + b, 0) / kept.length;
}

/**
 * Times of contenders that took turns, without the drift of the machine: in each turn all are divided by how slow that turn
 * was, the median over contenders of a contender's median in the turn over its median in all turns. Contenders whose work
 * differs from turn to turn do no harm as long as most do the same.
 *
 * @param turns one entry a turn: for each contender its times, at least one
 * @returns for each contender all its times, in the order of turns
 * @example levelled([[[2, 2], [4, 4]], [[3, 3], [6, 6]]]) // [[2.5, 2.5, 2.5, 2.5], [5, 5, 5, 5]]
 */
export function levelled(turns: readonly (readonly (readonly number[])[])[]): number[][] {
  const contenders = turns[0]?.map((_, k) => k) ?? [];
  const overall = contenders.map((k) => median(turns.flatMap((turn) => turn[k]!)));
  const slowness = turns.map((turn) => median(contenders.map((k) => median(turn[k]!) / overall[k]!)));
  return contenders.map((k) => turns.flatMap((turn, t) => turn[k]!.map((ms) => ms / slowness[t]!)));
}

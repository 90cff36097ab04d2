/**
 * Numbers of at most `limit` items, evenly spaced over a set, so that sets sorted by class keep their mixture.
 *
 * @example subset(photos, evenly(photos.length, 500))
 */
export function evenly(length: number, limit: number): number[] {
  const n = Math.min(length, limit);
  return Array.from({ length: n }, (_, i) => Math.floor((i * length) / n));
}

/** The same numbers dealt to rounds of `batch`: each round, too, has items from the whole set. */
export function dealt(length: number, rounds: number, batch: number): number[][] {
  const all = evenly(length, rounds * batch);
  return Array.from({ length: rounds }, (_, r) =>
    Array.from({ length: batch }, (_, k) => all[(k * rounds + r) % all.length]!),
  );
}

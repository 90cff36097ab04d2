import fc from 'fast-check';
import { expect, it } from 'vitest';
import { dealt, evenly } from './evenly.ts';

const sizes = fc.tuple(
  fc.integer({ min: 1, max: 500 }),
  fc.integer({ min: 1, max: 40 }),
  fc.integer({ min: 1, max: 70 }),
);

it('spreads a sample over the whole set, in order, without repeats', () => {
  fc.assert(
    fc.property(sizes, ([length, limit]) => {
      const numbers = evenly(length, limit);
      expect(numbers).toHaveLength(Math.min(length, limit));
      for (const [i, at] of numbers.entries()) {
        expect(at).toBeLessThan(length);
        if (i > 0) expect(at).toBeGreaterThan(numbers[i - 1]!);
      }
    }),
  );
});

it('deals them so that every round has items of every stretch of a sorted set', () => {
  fc.assert(
    fc.property(sizes, ([length, rounds, batch]) => {
      const all = dealt(length, rounds, batch);
      expect(all.map((r) => r.length)).toEqual(new Array(rounds).fill(batch));
      const counts = new Map<number, number>();
      for (const at of all.flat()) counts.set(at, (counts.get(at) ?? 0) + 1);
      expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(1);
      expect(counts.size).toBe(Math.min(length, rounds * batch));
    }),
  );
  // 1,000 items of ten classes in a row, 10 rounds of 20: two of each class in each round.
  for (const round of dealt(1000, 10, 20)) {
    const classes = round.map((at) => Math.floor(at / 100));
    for (let c = 0; c < 10; c++) expect(classes.filter((k) => k === c)).toHaveLength(2);
  }
});

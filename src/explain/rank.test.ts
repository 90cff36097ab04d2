import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bootstrap } from './bootstrap.ts';
import { rankCorrelation, ranking, ranks } from './rank.ts';

describe('rank correlation', () => {
  it('by hand, with ties', () => {
    expect([...ranks([10, 30, 10, 20])]).toEqual([0.5, 3, 0.5, 2]);
    // 1 - 6 sum d^2 / n (n^2 - 1), d = (0, 1, -1, 0, 0)
    expect(rankCorrelation([1, 2, 3, 4, 5], [1, 3, 2, 4, 5])).toBeCloseTo(1 - (6 * 2) / (5 * 24), 12);
    // scipy.stats.spearmanr([1, 2, 2, 3], [4, 1, 3, 5]) gives 0.316...
    expect(rankCorrelation([1, 2, 2, 3], [4, 1, 3, 5])).toBeCloseTo(1.5 / Math.sqrt(4.5 * 5), 12);
    expect(rankCorrelation([1, 1, 1], [1, 2, 3])).toBe(0);
  });

  it('is 1 under any rising map, -1 under a falling one, and symmetric', () => {
    const list = fc.uniqueArray(fc.integer({ min: -1000, max: 1000 }), { minLength: 2, maxLength: 30 });
    fc.assert(
      fc.property(list, fc.integer(), (values, seed) => {
        expect(
          rankCorrelation(
            values,
            values.map((v) => v ** 3),
          ),
        ).toBeCloseTo(1, 12);
        expect(
          rankCorrelation(
            values,
            values.map((v) => -v),
          ),
        ).toBeCloseTo(-1, 12);
        const other = [...ranking(values, seed)];
        expect(rankCorrelation(values, other)).toBeCloseTo(rankCorrelation(other, values), 12);
      }),
    );
  });

  it('refuses lists that cannot be compared', () => {
    expect(() => rankCorrelation([1], [1, 2])).toThrow(/got 1 and 2/);
    expect(() => rankCorrelation([1, Number.NaN], [1, 2])).toThrow(/NaN has no rank/);
  });
});

describe('ranking', () => {
  it('puts the largest first and draws the order of equals', () => {
    expect([...ranking([3, 9, 5])]).toEqual([1, 2, 0]);
    const firsts = new Set(Array.from({ length: 40 }, (_, seed) => ranking([0, 0, 0, 1, 0], seed)[1]));
    expect(firsts).toEqual(new Set([0, 1, 2, 4]));
    expect(ranking([0, 0, 0, 0], 3)).toEqual(ranking([0, 0, 0, 0], 3));
  });
});

describe('bootstrap', () => {
  it('covers the mean about as often as it says', () => {
    let covered = 0;
    for (let trial = 0; trial < 200; trial++) {
      // Uniform values: the mean is 0.5.
      const values = Array.from(
        { length: 40 },
        (_, i) => (((Math.sin(trial * 97 + i * 13.7) * 43758.5453) % 1) + 1) % 1,
      );
      const { low, high, mean } = bootstrap(values, { resamples: 400, seed: trial });
      expect(low).toBeLessThanOrEqual(mean);
      expect(high).toBeGreaterThanOrEqual(mean);
      if (low <= 0.5 && 0.5 <= high) covered++;
    }
    expect(covered).toBeGreaterThan(175);
    expect(covered).toBeLessThan(200);
  });

  it('is a point for equal values, and needs one', () => {
    expect(bootstrap([2, 2, 2])).toEqual({ mean: 2, low: 2, high: 2 });
    expect(() => bootstrap([])).toThrow(/at least one value/);
  });
});

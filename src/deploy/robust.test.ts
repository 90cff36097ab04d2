import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { levelled, median, quantile, trimmedMean } from './robust.ts';

describe('levelled', () => {
  const flat = (turns: readonly (readonly number[][])[]): number[][] =>
    (turns[0] ?? []).map((_, k) => turns.flatMap((t) => t[k]!));
  const turnsOf = (speeds: readonly number[], costs: readonly number[]): number[][][] =>
    speeds.map((s) => costs.map((c) => [s * c, s * c, s * c]));

  test('a speed that changes from turn to turn leaves each contender one time, and their ratios', () => {
    const positive = (min: number, max: number) => fc.double({ min, max, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(positive(0.2, 5), { minLength: 1, maxLength: 9 }),
        fc.array(positive(0.1, 50), { minLength: 1, maxLength: 6 }),
        (speeds, costs) => {
          const times = levelled(turnsOf(speeds, costs));
          for (const [k, own] of times.entries()) {
            for (const ms of own) expect(ms / own[0]!).toBeCloseTo(1, 9);
            expect(own[0]! / times[0]![0]!).toBeCloseTo(costs[k]! / costs[0]!, 9);
          }
        },
      ),
    );
  });

  test('a contender whose own work grows does not move the others', () => {
    const turns = [1, 2, 3, 4].map((work) => [[work], [10], [20]]);
    expect(levelled(turns)).toEqual(flat(turns));
  });

  test('a run that was interrupted stays an outlier', () => {
    const turns = [
      [
        [1, 1, 1],
        [3, 3, 3],
      ],
      [
        [1, 90, 1],
        [3, 3, 3],
      ],
    ];
    expect(levelled(turns)).toEqual(flat(turns));
  });

  test('nothing gives nothing', () => expect(levelled([])).toEqual([]));
});

test('quantiles interpolate; the trimmed mean leaves out the outer tenths', () => {
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(median([9])).toBe(9);
  expect(median([])).toBeNaN();
  expect(trimmedMean([...Array(8).fill(2), -100, 1000])).toBe(2);
});

import { expect, test } from 'vitest';
import { exitCounts, exitsTaken, meanCost } from './exits.ts';

test('an input leaves at the first exit whose score lies above its threshold, else at the end', () => {
  const scores = [5, 0, /**/ 1, 5, /**/ 1, 1, /**/ 2, 9, /**/ Number.NaN, 9, /**/ Infinity, 0];
  expect([...exitsTaken(scores, [2, 3])]).toEqual([0, 1, 2, 1, 1, 0]);
  expect([...exitsTaken(scores, [Infinity, Infinity])]).toEqual([2, 2, 2, 2, 2, 2]);
  expect(() => exitsTaken([1, 2, 3], [0, 0])).toThrow(/\[n, 2\], got 3/);
});

test('counts and mean cost', () => {
  const counts = exitCounts([0, 1, 2, 1, 1, 0], 2);
  expect(counts).toEqual([2, 3, 1]);
  expect(meanCost(counts, [0.2, 0.5, 1])).toBeCloseTo((0.4 + 1.5 + 1) / 6, 12);
  expect(meanCost([0, 0], [1, 2])).toBe(0);
});

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { leastSquares, moments } from './least-squares.ts';

const rows = (n: number, d: number, f: (i: number, j: number) => number) =>
  Array.from({ length: n }, (_, i) => Float64Array.from({ length: d }, (_, j) => f(i, j)));

it('finds the linear map that made the targets, its constant last', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 8, maxLength: 8 }), (w) => {
      const x = rows(40, 3, (i, j) => Math.sin(1 + i * (j + 1) * 1.7) + j);
      const y = x.map((r) =>
        Float64Array.from([0, 1], (c) => r.reduce((sum, v, j) => sum + v * w[c * 4 + j]!, w[c * 4 + 3]!)),
      );
      const found = leastSquares(x, y, 1e-12);
      for (const c of [0, 1]) for (let j = 0; j < 4; j++) expect(found[c]![j]).toBeCloseTo(w[c * 4 + j]!, 4);
    }),
  );
});

it('shrinks towards the mean with the ridge, and copes with columns that say the same', () => {
  const x = rows(30, 2, (i) => i % 5);
  const y = x.map((r) => Float64Array.of(2 * r[0]! + 1));
  const [w] = leastSquares(x, y, 1e-6);
  expect(w![0]).toBeCloseTo(1, 3);
  expect(w![1]).toBeCloseTo(1, 3);
  const [shrunk] = leastSquares(x, y, 1e6);
  expect(Math.abs(shrunk![0]!)).toBeLessThan(1e-3);
  expect(shrunk![2]).toBeCloseTo(5, 2);
});

it('tells mean and deviation of columns', () => {
  const { mean, std } = moments(rows(4, 2, (i, j) => (j === 0 ? 7 : i)));
  expect(mean).toEqual([7, 1.5]);
  expect(std[0]).toBe(0);
  expect(std[1]).toBeCloseTo(Math.sqrt(1.25), 12);
});

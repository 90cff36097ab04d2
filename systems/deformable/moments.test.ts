import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bits, Gathered } from './moments.ts';

it('gathers means, deviations and sizes of columns, however rows come in', () => {
  const value = fc.double({ min: -50, max: 50, noNaN: true });
  const rows = fc.array(fc.tuple(value, value, value), { minLength: 2, maxLength: 30 });
  fc.assert(
    fc.property(rows, fc.nat(), (list, cut) => {
      const gathered = new Gathered(3);
      const at = cut % list.length;
      for (const part of [list.slice(0, at), list.slice(at)]) gathered.take(part.flat());
      const { mean, sd, size } = gathered.moments;
      for (const j of [0, 1, 2] as const) {
        const column = list.map((row) => row[j]);
        const average = column.reduce((a, b) => a + b) / list.length;
        const squares = column.reduce((sum, v) => sum + (v - average) ** 2, 0);
        expect(mean[j]).toBeCloseTo(average, 6);
        expect(sd[j]).toBeCloseTo(Math.sqrt(squares / (list.length - 1)), 6);
        expect(size[j]).toBeCloseTo(column.reduce((sum, v) => sum + Math.abs(v), 0) / list.length, 6);
      }
    }),
  );
});

it('keeps small deviations of large numbers', () => {
  const gathered = new Gathered(1);
  gathered.take(Float64Array.from({ length: 1000 }, (_, i) => 1e8 + (i % 2)));
  expect(gathered.moments.sd[0]).toBeCloseTo(0.50025, 5);
});

it('counts entropy in bits', () => {
  expect(bits([0.25, 0.25, 0.25, 0.25])).toBe(2);
  expect(bits([1, 0, 0])).toBe(0);
  expect(bits([0.5, 0.25, 0.25])).toBe(1.5);
});

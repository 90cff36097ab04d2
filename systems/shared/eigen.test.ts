import fc from 'fast-check';
import { expect, it } from 'vitest';
import { eigen } from './eigen.ts';

const entry = fc.double({ min: -5, max: 5, noNaN: true });
const matrix = fc
  .integer({ min: 1, max: 7 })
  .chain((n) => fc.array(fc.array(entry, { minLength: n, maxLength: n }), { minLength: n, maxLength: n }))
  .map((rows) => rows.map((row, i) => row.map((x, j) => x + rows[j]![i]!)));

it('finds unit vectors that the matrix only stretches, at right angles, the longest stretch first', () => {
  fc.assert(
    fc.property(matrix, (a) => {
      const found = eigen(a);
      for (const [k, { value, vector }] of found.entries()) {
        const image = a.map((row) => row.reduce((sum, x, j) => sum + x * vector[j]!, 0));
        for (const [i, x] of image.entries()) expect(x).toBeCloseTo(value * vector[i]!, 8);
        for (const [l, other] of found.entries())
          expect(vector.reduce((sum, x, i) => sum + x * other.vector[i]!, 0)).toBeCloseTo(k === l ? 1 : 0, 8);
        if (k > 0) expect(value).toBeLessThanOrEqual(found[k - 1]!.value);
      }
    }),
  );
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { floor32 } from './float32.ts';

describe('floor32', () => {
  test('tells every float32 score apart as the exact threshold does', () => {
    const thresholds = fc.oneof(
      fc.double({ noNaN: true }),
      // midway between neighbours, where rounding to the nearest goes wrong half of the time
      fc.float({ noNaN: true, noDefaultInfinity: true }).map((s) => (s + floor32(s - Math.abs(s) * 1e-7)) / 2),
    );
    fc.assert(
      fc.property(thresholds, fc.float({ noNaN: true }), (t, other) => {
        const rounded = floor32(t);
        expect(Math.fround(rounded)).toBe(rounded);
        for (const score of [
          other,
          Math.fround(t),
          rounded,
          floor32(t - Math.abs(t) * 1e-7),
          Math.fround(t + Math.abs(t) * 1e-7),
        ])
          expect(score > rounded).toBe(score > t);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
    [0, 0],
    [1e300, 3.4028234663852886e38],
    [-1e-300, -(2 ** -149)],
    [1e-300, 0],
    [0.1, 0.09999999403953552],
    [-0.1, -0.10000000149011612],
  ])('%d becomes %d', (x, want) => expect(floor32(x)).toBe(want));
});

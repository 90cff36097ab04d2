import { describe, expect, test } from 'vitest';
import { seeded } from '../../../test/support/random.ts';
import { bettingPValue } from './betting.ts';
import { binomialCdf, binomialPValue } from './binomial.ts';
import {
  bettingSampleSize,
  binomialSampleSize,
  smallestEpsilon,
  zeroLossSampleSize,
  zeroSignedLossSampleSize,
} from './sample-size.ts';

const level = { epsilon: 0.005, delta: 0.1 };

describe('sample sizes for 0/1 losses', () => {
  test('the figures without harm: 460 at 0.5 %, 1,151 at 0.2 %', () => {
    expect(zeroLossSampleSize(level)).toBe(460);
    expect(zeroLossSampleSize({ epsilon: 0.002, delta: 0.1 })).toBe(1151);
    expect(zeroLossSampleSize({ epsilon: 0.5, delta: 0.5 })).toBe(1);
  });

  test('smallestEpsilon is the other side of it', () => {
    const epsilon = smallestEpsilon(460, 0.1);
    expect(epsilon).toBeLessThanOrEqual(0.005);
    expect(zeroLossSampleSize({ epsilon: epsilon + 1e-9, delta: 0.1 })).toBe(460);
    expect(zeroLossSampleSize({ epsilon: epsilon - 1e-9, delta: 0.1 })).toBe(461);
  });

  test.each([0, 0.0005, 0.001, 0.002, 0.003])('at rate %f, that n has the power and no smaller one', (rate) => {
    const power = (n: number) => {
      let k = -1;
      while (binomialPValue(k + 1, n, level.epsilon) <= level.delta) k++;
      return binomialCdf(k, n, rate);
    };
    const n = binomialSampleSize(rate, level);
    expect(power(n)).toBeGreaterThanOrEqual(0.8);
    for (let m = Math.max(1, n - 600); m < n; m++) expect(power(m)).toBeLessThan(0.8);
  });

  test('a rate at epsilon can never be certified; one just under it takes very many inputs', () => {
    expect(binomialSampleSize(0.005, level)).toBe(Infinity);
    const n = binomialSampleSize(0.0048, level);
    expect(n).toBeGreaterThan(400_000);
    expect(n).toBeLessThan(800_000);
  });
});

describe('sample sizes for signed losses', () => {
  test('without any loss: enough, and one less is not', () => {
    const n = zeroSignedLossSampleSize(level);
    expect(bettingPValue(new Int8Array(n), level.epsilon, level.delta)).toBeLessThanOrEqual(level.delta);
    expect(bettingPValue(new Int8Array(n - 1), level.epsilon, level.delta)).toBeGreaterThan(level.delta);
    expect(n).toBeLessThan(2 * zeroLossSampleSize(level));
  });

  test.each([
    [0.002, 0.001],
    [0.006, 0.006],
    [0.02, 0.019],
  ] as const)('about that share of samples passes: worse %f, better %f', (worse, better) => {
    const n = bettingSampleSize(worse, better, level);
    const random = seeded(3);
    let passed = 0;
    for (let r = 0; r < 300; r++) {
      const losses = Int8Array.from({ length: n }, () => {
        const u = random();
        return u < worse ? 1 : u < worse + better ? -1 : 0;
      });
      if (bettingPValue(losses, level.epsilon, level.delta) <= level.delta) passed++;
    }
    expect(passed / 300).toBeGreaterThan(0.7);
    expect(passed / 300).toBeLessThan(0.93);
  });

  test('a mean at epsilon can never be certified', () => {
    expect(bettingSampleSize(0.01, 0.005, level)).toBe(Infinity);
    expect(bettingSampleSize(0, 0, level)).toBe(zeroSignedLossSampleSize(level));
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  binomialCdf,
  binomialPmf,
  binomialPValue,
  binomialTail,
  clopperPearsonLower,
  clopperPearsonUpper,
} from './binomial.ts';

/** P[Bin(n, a/b) <= k] from whole numbers alone, to 18 digits. */
function exactCdf(k: number, n: number, a: number, b: number): number {
  let ways = 1n;
  let sum = 0n;
  for (let i = 0; i <= k; i++) {
    sum += ways * BigInt(a) ** BigInt(i) * BigInt(b - a) ** BigInt(n - i);
    ways = (ways * BigInt(n - i)) / BigInt(i + 1);
  }
  const digits = 10n ** 330n;
  return Number(`${(sum * digits) / BigInt(b) ** BigInt(n)}e-330`);
}

const relative = (got: number, want: number) => Math.abs(got / want - 1);

describe('binomial probabilities', () => {
  test('the distribution function agrees with whole-number arithmetic', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 150 }), fc.nat(150), fc.integer({ min: 1, max: 999 }), (n, k, a) => {
        const want = exactCdf(Math.min(k, n), n, a, 1000);
        if (want > 1e-300) expect(relative(binomialCdf(k, n, a / 1000), want)).toBeLessThan(1e-11);
      }),
      { seed: 1, numRuns: 150 },
    );
  });

  test('also for large n, against 60-digit sums', () => {
    expect(relative(binomialCdf(18, 5000, 0.005), 0.09148785138896369)).toBeLessThan(1e-11);
    expect(relative(binomialCdf(450, 100_000, 0.005), 0.012232086370557758)).toBeLessThan(1e-11);
  });

  test('both tails make 1, and the terms sum to 1', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.double({ min: 1e-6, max: 1, noNaN: true }), (n, p) => {
        const k = Math.floor(n * p);
        expect(binomialCdf(k, n, p) + binomialTail(k + 1, n, p)).toBeCloseTo(1, 10);
      }),
      { seed: 2 },
    );
    let total = 0;
    for (let k = 0; k <= 400; k++) total += binomialPmf(k, 400, 0.3);
    expect(total).toBeCloseTo(1, 12);
  });

  test('the edges', () => {
    expect(binomialCdf(-1, 5, 0.5)).toBe(0);
    expect(binomialCdf(5, 5, 0.5)).toBe(1);
    expect(binomialCdf(0, 5, 1)).toBe(0);
    expect(binomialCdf(0, 0, 0.3)).toBe(1);
    expect(binomialTail(0, 5, 0.5)).toBe(1);
    expect(binomialTail(6, 5, 0.5)).toBe(0);
    expect(binomialTail(5, 5, 0.1)).toBeCloseTo(1e-5, 18);
    expect(binomialPmf(0, 7, 0)).toBe(1);
    expect(binomialPmf(7, 7, 1)).toBe(1);
  });
});

describe('the exact p-value', () => {
  test('460 inputs without harm reject 0.5 % at 0.1, 459 do not', () => {
    expect(binomialPValue(0, 460, 0.005)).toBeLessThanOrEqual(0.1);
    expect(binomialPValue(0, 459, 0.005)).toBeGreaterThan(0.1);
  });

  test('errs with probability at most delta at the edge of H0, and not much less', () => {
    for (const [n, epsilon] of [
      [500, 0.005],
      [3000, 0.005],
      [200, 0.1],
    ] as const) {
      for (const delta of [0.01, 0.1, 0.3]) {
        let error = 0;
        for (let k = 0; k <= n; k++) if (binomialPValue(k, n, epsilon) <= delta) error += binomialPmf(k, n, epsilon);
        expect(error).toBeLessThanOrEqual(delta);
        if (n === 3000) expect(error).toBeGreaterThan(delta / 2);
      }
    }
  });

  test('refuses counts that cannot be', () => {
    expect(() => binomialPValue(5, 4, 0.1)).toThrow(/losses <= n/);
    expect(() => binomialPValue(0.5, 4, 0.1)).toThrow(/whole numbers/);
  });
});

describe('Clopper-Pearson bounds', () => {
  test('agree with R: binom.test(5, 100)', () => {
    expect(clopperPearsonLower(5, 100, 0.025)).toBeCloseTo(0.01643188, 8);
    expect(clopperPearsonUpper(5, 100, 0.025)).toBeCloseTo(0.11283491, 8);
  });

  test('the upper bound is under epsilon exactly when the p-value is under delta', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3000 }),
        fc.nat(40),
        fc.constantFrom(0.003, 0.005, 0.02),
        (n, k, epsilon) => {
          if (k > n) return;
          const p = binomialPValue(k, n, epsilon);
          if (Math.abs(p - 0.1) > 1e-9) expect(clopperPearsonUpper(k, n, 0.1) < epsilon).toBe(p < 0.1);
        },
      ),
      { seed: 3, numRuns: 200 },
    );
    expect(clopperPearsonUpper(7, 7, 0.1)).toBe(1);
    expect(clopperPearsonLower(0, 7, 0.1)).toBe(0);
  });
});

import { expect, test } from 'vitest';
import { bisect, chiSquareTail, firstInteger, gammaQ, logGamma, normalCdf, normalQuantile } from './special.ts';

test('logGamma agrees with factorials and with Γ(1/2) = sqrt(π)', () => {
  expect(logGamma(0.5)).toBeCloseTo(0.5 * Math.log(Math.PI), 13);
  let logFactorial = 0;
  for (let n = 1; n <= 170; n++) {
    logFactorial += Math.log(n);
    expect(Math.abs(logGamma(n + 1) - logFactorial)).toBeLessThan(1e-12 * Math.max(1, logFactorial));
  }
});

test('gammaQ agrees with its closed form at whole numbers: the Poisson sum', () => {
  for (const a of [1, 2, 5, 20]) {
    for (const x of [0.01, 0.5, 1, a, a + 1, 3 * a, 60]) {
      let term = Math.exp(-x);
      let sum = 0;
      for (let j = 0; j < a; j++) {
        sum += term;
        term *= x / (j + 1);
      }
      expect(Math.abs(gammaQ(a, x) / sum - 1)).toBeLessThan(1e-10);
    }
  }
  expect(gammaQ(2, 0)).toBe(1);
  expect(gammaQ(2, Infinity)).toBe(0);
});

test('the quantiles of tables come out', () => {
  expect(chiSquareTail(3.841458820694124, 1)).toBeCloseTo(0.05, 12);
  expect(chiSquareTail(18.307038053275146, 10)).toBeCloseTo(0.05, 12);
  expect(normalCdf(-1.959963984540054)).toBeCloseTo(0.025, 12);
  expect(normalQuantile(0.8)).toBeCloseTo(0.8416212335729143, 12);
});

test('bisect and firstInteger find where a condition begins to hold', () => {
  expect(bisect((x) => x * x >= 2, 0, 2)).toBeCloseTo(Math.SQRT2, 15);
  for (const edge of [1, 2, 3, 7, 1000, 1_234_567]) expect(firstInteger((n) => n >= edge, 1)).toBe(edge);
  expect(firstInteger((n) => n >= 3, 10)).toBe(10);
  expect(firstInteger(() => false, 1, 1000)).toBe(Infinity);
});

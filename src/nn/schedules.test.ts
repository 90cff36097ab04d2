import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { constantRate, cosine, oneCycle, type Schedule, stepwise } from './schedules.ts';

const all = (schedule: Schedule, total: number): number[] =>
  Array.from({ length: total }, (_, i) => schedule(i, total));
const falls = (v: readonly number[]): boolean => v.every((x, i) => i === 0 || x <= v[i - 1]! + 1e-12);
const share = fc.double({ min: 0, max: 1, noNaN: true });

describe('warm-up', () => {
  test.each([
    ['constant', constantRate(0.4, { warmup: 0.25 })],
    ['cosine', cosine(0.4, { warmup: 0.25 })],
    ['stepwise', stepwise(0.4, { warmup: 0.25 })],
  ])('%s rises in equal steps to the peak and reaches it at the end of the warm-up', (_, schedule) => {
    const rates = all(schedule, 40);
    for (let i = 0; i < 10; i++) expect(rates[i]).toBeCloseTo(0.04 * (i + 1), 12);
    expect(rates[10]).toBeCloseTo(0.4, 12);
    expect(falls(rates.slice(9))).toBe(true);
  });
});

test('constantRate is constant', () => {
  expect(new Set(all(constantRate(0.3), 7))).toEqual(new Set([0.3]));
});

describe('cosine', () => {
  test('falls from the peak towards its final rate, half of the way at half of the time', () => {
    const schedule = cosine(2, { final: 0.1 });
    expect(schedule(0, 100)).toBe(2);
    expect(schedule(50, 100)).toBeCloseTo((2 + 0.2) / 2, 12);
    expect(schedule(25, 100)).toBeCloseTo(0.2 + 1.8 * ((1 + Math.SQRT1_2) / 2), 12);
    expect(schedule(100, 100)).toBeCloseTo(0.2, 12);
    expect(schedule(1000, 100)).toBeCloseTo(0.2, 12);
    expect(falls(all(schedule, 100))).toBe(true);
  });

  test('the last step still learns', () => {
    expect(cosine(1)(99, 100)).toBeGreaterThan(0);
    expect(cosine(1)(0, 1)).toBe(1);
  });
});

test('stepwise drops at its shares of the steps', () => {
  const rates = all(stepwise(1, { at: [0.5, 0.75], factor: 0.1 }), 8);
  for (const [i, expected] of [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01].entries()) expect(rates[i]).toBeCloseTo(expected, 12);
});

describe('oneCycle', () => {
  test('is torch.optim.lr_scheduler.OneCycleLR(max_lr=0.4, total_steps=20) by its formula', () => {
    const anneal = (from: number, to: number, share: number) =>
      to + ((from - to) / 2) * (1 + Math.cos(Math.PI * share));
    const [initial, top] = [0.4 / 25, 0.3 * 20 - 1];
    for (let step = 0; step < 20; step++) {
      const expected =
        step <= top ? anneal(initial, 0.4, step / top) : anneal(0.4, initial / 1e4, (step - top) / (19 - top));
      expect(oneCycle(0.4)(step, 20)).toBeCloseTo(expected, 12);
    }
  });

  test('starts low, peaks once and ends lowest', () => {
    const rates = all(oneCycle(1), 1000);
    const top = rates.indexOf(Math.max(...rates));
    expect([rates[0], rates[top], top]).toEqual([expect.closeTo(0.04, 12), 1, 299]);
    expect(falls(rates.slice(0, top + 1).reverse()) && falls(rates.slice(top))).toBe(true);
    expect(rates.at(-1)).toBeCloseTo(0.04 / 1e4, 12);
  });
});

test('every schedule gives finite rates from 0 to its peak, for any length', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), share, share, (total, warmup, final) => {
      for (const schedule of [
        constantRate(1, { warmup }),
        cosine(1, { warmup, final }),
        stepwise(1, { warmup, at: [final] }),
        oneCycle(1, { warmup }),
      ])
        for (const rate of all(schedule, total)) {
          expect(rate).toBeGreaterThanOrEqual(0);
          expect(rate).toBeLessThanOrEqual(1 + 1e-12);
        }
    }),
  );
});

test('impossible settings are refused', () => {
  expect(() => cosine(0)).toThrow('lr should be above 0 and finite, got 0');
  expect(() => cosine(1, { warmup: 500 })).toThrow('warmup is a share and should be from 0 to 1, got 500');
  expect(() => stepwise(1, { at: [30, 60] })).toThrow(/at is a share/);
  expect(() => oneCycle(Number.POSITIVE_INFINITY)).toThrow(/peak/);
  expect(() => oneCycle(1, { startDivisor: -1 })).toThrow(/startDivisor/);
});

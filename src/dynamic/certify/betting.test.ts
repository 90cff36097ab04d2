import { describe, expect, test } from 'vitest';
import { seeded } from '../../../test/support/random.ts';
import { bettingPValue, hoeffdingBentkusPValue } from './betting.ts';
import { binomialTail } from './binomial.ts';

const [epsilon, delta] = [0.005, 0.1];

/** How many of `runs` samples reject "mean >= epsilon", by betting and by Hoeffding-Bentkus. */
function rejections(runs: number, draw: (random: () => number) => number, n: number, seed: number) {
  const random = seeded(seed);
  const count = { betting: 0, hoeffding: 0 };
  for (let r = 0; r < runs; r++) {
    const losses = Float64Array.from({ length: n }, () => draw(random));
    if (bettingPValue(losses, epsilon, delta) <= delta) count.betting++;
    const mean = losses.reduce((a, b) => a + b, 0) / n;
    if (hoeffdingBentkusPValue(mean, n, epsilon) <= delta) count.hoeffding++;
  }
  return count;
}

/** +1 with probability `worse`, -1 with probability `better`. */
const signed = (worse: number, better: number) => (random: () => number) => {
  const u = random();
  return u < worse ? 1 : u < worse + better ? -1 : 0;
};

describe('betting p-values', () => {
  const cases: [string, (random: () => number) => number][] = [
    ['harm alone', signed(epsilon, 0)],
    ['harm and gain', signed(0.025, 0.02)],
    ['large swings', signed((1 + epsilon) / 2, (1 - epsilon) / 2)],
    ['small steady losses', (random) => epsilon + 0.02 * (random() - 0.5)],
  ];
  test.each(cases)('are valid at the edge of H0: %s', (_, draw) => {
    const runs = 1500;
    const errors = rejections(runs, draw, 1000, 7).betting;
    expect(binomialTail(errors, runs, delta)).toBeGreaterThan(1e-4);
  });

  test('a bettor who cheats by knowing the next loss fails that test', () => {
    const random = seeded(8);
    let errors = 0;
    for (let r = 0; r < 300; r++) {
      let capital = 1;
      for (let i = 0; i < 1000; i++) {
        const x = signed(0.025, 0.02)(random);
        capital *= 1 + (x < 0 ? 0.2 : 0.1) * (epsilon - x);
      }
      if (capital >= 1 / delta) errors++;
    }
    expect(binomialTail(errors, 300, delta)).toBeLessThan(1e-4);
  });

  test('certify a small signed loss where Hoeffding-Bentkus cannot', () => {
    const count = rejections(200, signed(0.006, 0.005), 5000, 9);
    expect(count.betting).toBeGreaterThan(120);
    expect(count.hoeffding).toBeLessThan(20);
  });

  test('keep what was reached: losses that come later cannot raise p', () => {
    const random = seeded(10);
    const good = Array.from({ length: 2000 }, () => signed(0.001, 0.001)(random));
    const then = (loss: number) => bettingPValue([...good, ...new Array<number>(2000).fill(loss)], epsilon, delta);
    expect(then(epsilon)).toBeLessThan(0.5);
    expect(then(1)).toBe(then(epsilon));
    expect(then(0)).toBeLessThan(then(epsilon));
  });

  test('nothing is shown by losses at epsilon, and no data give p = 1', () => {
    expect(bettingPValue(new Array(1000).fill(epsilon), epsilon, delta)).toBe(1);
    expect(bettingPValue([], epsilon, delta)).toBe(1);
    expect(() => bettingPValue([0, 2], epsilon, delta)).toThrow(/\[-1, 1\], got 2 at 1/);
    expect(() => bettingPValue([Number.NaN], epsilon, delta)).toThrow(/NaN/);
  });
});

describe('Hoeffding-Bentkus p-values', () => {
  test('are valid where the variance is large, and are exact at the ends', () => {
    const runs = 1500;
    const errors = rejections(runs, signed((1 + epsilon) / 2, (1 - epsilon) / 2), 1000, 11).hoeffding;
    expect(binomialTail(errors, runs, delta)).toBeGreaterThan(1e-4);
    expect(hoeffdingBentkusPValue(epsilon, 100, epsilon)).toBe(1);
    expect(hoeffdingBentkusPValue(-1, 10, epsilon)).toBeCloseTo(((1 - epsilon) / 2) ** 10, 12);
  });
});

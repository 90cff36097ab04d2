import { describe, expect, test } from 'vitest';
import { normal, seeded } from '../../../test/support/random.ts';
import { calibrationError, fitTemperature, negativeLogLikelihood } from './temperature.ts';

/** Logits of a net whose confidences are right at temperature `truth`: labels are drawn from softmax(logits / truth). */
function sample(n: number, classes: number, truth: number, seed: number) {
  const random = seeded(seed);
  const logits = new Float32Array(n * classes).map(() => 2 * truth * normal(random));
  const labels = Int32Array.from({ length: n }, (_, i) => {
    const row = logits.subarray(i * classes, (i + 1) * classes);
    const top = Math.max(...row);
    const weights = Array.from(row, (z) => Math.exp((z - top) / truth));
    let u = random() * weights.reduce((a, b) => a + b, 0);
    let c = 0;
    while (c < classes - 1 && u >= weights[c]) u -= weights[c++];
    return c;
  });
  return { logits, labels };
}

describe('temperature scaling', () => {
  test.each([0.01, 0.4, 1, 3, 5000])('finds the temperature %f that the labels were drawn with', (truth) => {
    const { logits, labels } = sample(6000, 10, truth, 1);
    const fit = fitTemperature(logits, labels, 10);
    expect(fit.temperature / truth).toBeGreaterThan(0.95);
    expect(fit.temperature / truth).toBeLessThan(1.06);
    expect(fit.eceAfter).toBeLessThan(0.02);
    if (truth > 2 || truth < 0.5) expect(fit.eceBefore).toBeGreaterThan(0.05);
    expect(fit.nllAfter).toBeLessThanOrEqual(fit.nllBefore + 1e-4);
  });

  test('no other temperature has a clearly smaller likelihood', () => {
    const { logits, labels } = sample(3000, 5, 2.5, 2);
    const fit = fitTemperature(logits, labels, 5);
    for (let t = 0.5; t < 10; t *= 1.05) {
      expect(negativeLogLikelihood(logits, labels, 5, t)).toBeGreaterThan(fit.nllAfter - 1e-4);
    }
  });

  test('stays finite when every answer is right, with one input, and with equal logits', () => {
    const perfect = fitTemperature([5, 0, 0, 0, 5, 0, 0, 0, 5], [0, 1, 2], 3);
    expect(perfect.temperature).toBeGreaterThan(0.1);
    expect(perfect.temperature).toBeLessThan(10);
    const one = fitTemperature([1, 0], [0], 2);
    expect(Number.isFinite(one.temperature) && one.temperature > 0).toBe(true);
    expect(fitTemperature([2, 2, 2], [1], 3).temperature).toBe(1);
    const wrong = fitTemperature([9, 0, 9, 0], [1, 1], 2); // always sure and always wrong: as flat as can be
    expect(wrong.temperature).toBeGreaterThan(1e6);
    expect(wrong.nllAfter).toBeCloseTo(Math.LN2, 6);
  });

  test('logits of any size neither overflow nor vanish', () => {
    const { logits, labels } = sample(500, 4, 1, 3);
    const small = fitTemperature(logits, labels, 4).temperature;
    const huge = fitTemperature(
      logits.map((z) => z * 2 ** 20),
      labels,
      4,
    ).temperature;
    expect(huge / 2 ** 20 / small).toBeCloseTo(1, 4);
    const far = fitTemperature([1e30, -1e30, 0, -1e30, 1e30, 0], [0, 0], 3);
    expect(Number.isFinite(far.nllAfter)).toBe(true);
  });

  test('refuses what is not logits or labels', () => {
    expect(() => fitTemperature([1, Number.NaN], [0], 2)).toThrow(/finite logits, got NaN for input 0/);
    expect(() => fitTemperature([1, 2], [2], 2)).toThrow(/labels from 0 to 1, got 2/);
    expect(() => fitTemperature([1, 2, 3], [0], 2)).toThrow(/\[n, 2\]/);
    expect(() => fitTemperature([], [], 2)).toThrow(/n >= 1/);
  });
});

test('the calibration error is the gap between confidence and accuracy', () => {
  const logit = Math.log(0.8 / 0.2); // confidence 0.8 in class 0
  const logits = Array.from({ length: 10 }, () => [logit, 0]).flat();
  expect(calibrationError(logits, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1], 2)).toBeCloseTo(0, 12);
  expect(calibrationError(logits, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1], 2)).toBeCloseTo(0.3, 12);
  expect(calibrationError([50, 0], [1], 2)).toBeCloseTo(1, 12);
});

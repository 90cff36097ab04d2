import { describe, expect, test } from 'vitest';
import { largestDifference } from '../../test/support/difference.ts';
import { input, ndarray, toNumbers } from '../graph/index.ts';
import { bothGradients, numbers, wave } from './fixtures/run.ts';
import { heatLoss, maskedL1 } from './losses-detect.ts';

const shape = ['N', 2, 2, 3];
const dims = [2, 2, 2, 3];
const target = ndarray(
  'float32',
  dims,
  [0, 0.3, 0, 1, 0.6, 0, 0, 0, 1, 0, 0.1, 0, 0, 0.2, 0.9, 1, 0, 0, 0, 0, 0, 0, 0, 0],
);
const logits = wave(dims, 1);
const [x, t] = [input('x', shape), input('t', shape)];

describe('heatLoss', () => {
  test.each([
    [2, 4],
    [0, 1],
    [1.5, 0],
  ])('agrees with its formula, alpha %d, beta %d', async (alpha, beta) => {
    const wanted = toNumbers(target);
    const sum = toNumbers(logits).reduce((total, v, i) => {
      const p = 1 / (1 + Math.exp(-v));
      const own =
        wanted[i] === 1 ? (1 - p) ** alpha * Math.log(p) : (1 - wanted[i]!) ** beta * p ** alpha * Math.log(1 - p);
      return total - own;
    }, 0);
    const [got] = await numbers(heatLoss(x, t, { alpha, beta }), { x: logits, t: target });
    expect(got).toBeCloseTo(sum / 3, 5);
  });

  test('is finite for the surest mistakes, 0 where all is right, and counts no objects as one', async () => {
    const of = async (values: number[], wanted: number[]) => {
      const feeds = { x: ndarray('float32', [1, 1, 1, 2], values), t: ndarray('float32', [1, 1, 1, 2], wanted) };
      return (await numbers(heatLoss(input('x', ['N', 1, 1, 2]), input('t', ['N', 1, 1, 2])), feeds))[0]!;
    };
    expect(await of([-200, 200], [1, 0])).toBeCloseTo(400, 3);
    expect(await of([200, -200], [1, 0])).toBe(0);
    expect(await of([0, -200], [0, 0])).toBeCloseTo(Math.log(2) / 4, 5);
  });

  test('its gradient agrees with central differences', async () => {
    const [walked, differences] = await bothGradients((v) => heatLoss(v, input('t', dims)), logits, { t: target });
    expect(Math.max(...walked.map(Math.abs))).toBeGreaterThan(0.05);
    expect(largestDifference(walked, differences)).toBeLessThan(1e-3);
  });

  test('refuses other shapes', () => {
    expect(() => heatLoss(x, input('t', ['N', 2, 3, 3]))).toThrow(
      /target should be \[N, 2, 2, 3\], got \[N, 2, 3, 3\]/,
    );
    expect(() => heatLoss(input('x', ['N', 2]), input('t', ['N', 2]))).toThrow(/maps \[N, C, H, W\] are expected/);
    expect(() => heatLoss(x, t, { alpha: -1 })).toThrow(/alpha should be 0 or more/);
  });
});

describe('maskedL1', () => {
  const mask = ndarray('float32', [2, 1, 2, 3], [0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]);
  const build = () => maskedL1(x, t, input('mask', ['N', 1, 2, 3]));

  test('is the mean over maps and marked places', async () => {
    const [p, q] = [toNumbers(logits), toNumbers(target)];
    const marked = [1, 5, 7, 11, 15, 21];
    const want = marked.reduce((sum, i) => sum + Math.abs(p[i]! - q[i]!), 0) / 6;
    expect((await numbers(build(), { x: logits, t: target, mask }))[0]).toBeCloseTo(want, 5);
    const none = ndarray('float32', [2, 1, 2, 3], new Float32Array(12));
    expect(await numbers(build(), { x: logits, t: target, mask: none })).toEqual([0]);
  });

  test('its gradient agrees with central differences, and is 0 elsewhere', async () => {
    const loss = (v: typeof x) => maskedL1(v, input('t', dims), input('mask', [2, 1, 2, 3]));
    const [walked, differences] = await bothGradients(loss, logits, { t: target, mask });
    expect(largestDifference(walked, differences)).toBeLessThan(1e-3);
    expect(walked.filter((v) => v !== 0).length).toBe(6);
  });

  test('refuses a mask that does not fit', () => {
    expect(() => maskedL1(x, t, input('mask', ['N', 2, 2, 3]))).toThrow(/mask should be \[N, 1, 2, 3\]/);
  });
});

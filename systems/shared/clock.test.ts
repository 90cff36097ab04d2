import { encodeModel, input, matMul, ndarray, type Tensor, toOnnx } from 'dynaneural/graph';
import { expect, it } from 'vitest';
import { clock, ticksOf } from './clock.ts';

it('tells median, 95th percentile and a mean without the extremes', () => {
  const times = [...Array.from({ length: 19 }, (_, i) => i + 1), 1000];
  const { median, p95, mean } = ticksOf(times);
  expect(median).toBe(10.5);
  expect(p95).toBeCloseTo(19 + 0.05 * 981, 6);
  expect(mean).toBe(10.5);
  expect(ticksOf([3])).toEqual({ median: 3, p95: 3, mean: 3 });
});

/** Multiplies by a matrix so many times. */
const file = (times: number): Uint8Array => {
  const x = input('input', ['N', 256]);
  const w = input('w', [256, 256], 'float32', ndarray('float32', [256, 256], new Float32Array(256 * 256)));
  let y: Tensor = x;
  for (let i = 0; i < times; i++) y = matMul(y, w);
  return encodeModel(toOnnx({ y }));
};

it('times files in turns; what does more takes longer, and batches are told by the image', async () => {
  const images = ndarray('float32', [64, 256], new Float32Array(64 * 256));
  const done: number[] = [];
  const files = { short: file(1), long: file(60) };
  const one = await clock(files, { images, batch: 1, runs: 60, onProgress: (n) => done.push(n) });
  expect(done).toEqual([50, 60]);
  expect(one.long.median).toBeGreaterThan(2 * one.short.median);
  const many = await clock(files, { images, batch: 64, runs: 5 });
  expect(many.long.median).toBeLessThan(8 * one.long.median);
});

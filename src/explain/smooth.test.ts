import { describe, expect, it } from 'vitest';
import { edges, mapOf } from './maps.ts';
import { gradientTimesInput, integratedGradients, smoothGrad } from './smooth.ts';

const shape = [2, 2, 2];
const input = Float32Array.from([1, -2, 0.5, 3, 0, 1, -1, 2]);

/** f(x) = sum of x^3 / 3 over an input; its gradient is x^2. */
const cubes = (x: ArrayLike<number>): number => Array.from(x).reduce((sum, v) => sum + v ** 3 / 3, 0);
const squares = (x: Float32Array): Float32Array => x.map((v) => v * v);

describe('integrated gradients', () => {
  it('sum to what the score gains on the way, from any baseline', async () => {
    for (const baseline of [0, 'mean', Float32Array.from(input, (v) => v + 1)] as const) {
      const parts = await integratedGradients(input, shape, squares, { baseline, steps: 200, batch: 7 });
      const start =
        typeof baseline === 'object'
          ? baseline
          : baseline === 0
            ? new Float32Array(8)
            : [0.625, 0.625, 0.625, 0.625, 0.5, 0.5, 0.5, 0.5];
      expect(parts.reduce((a, b) => a + b, 0)).toBeCloseTo(cubes(input) - cubes(start), 3);
    }
  });

  it('are gradient times input where the score is linear', async () => {
    const slope = Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
    const linear = (x: Float32Array, n: number) => Float32Array.from(x, (_, i) => slope[i % (x.length / n)]!);
    const parts = await integratedGradients(input, shape, linear, { steps: 3 });
    expect([...parts]).toEqual([...gradientTimesInput(input, shape, slope)]);
    expect([...gradientTimesInput(input, shape, slope, 1)]).toEqual([...input].map((v, i) => (v - 1) * slope[i]!));
  });
});

describe('SmoothGrad', () => {
  it('is the gradient where that is constant, and a mean over noise of the wished size elsewhere', async () => {
    const slope = Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
    const linear = (x: Float32Array, n: number) => Float32Array.from(x, (_, i) => slope[i % (x.length / n)]!);
    expect([...(await smoothGrad(input, linear, { samples: 5, batch: 2 }))]).toEqual([...slope]);
    // E (x + e)^2 = x^2 + sigma^2, sigma = 0.15 * (3 - -2)
    const mean = await smoothGrad(input, squares, { samples: 6000, batch: 500, seed: 4 });
    for (const [i, v] of mean.entries()) expect(v).toBeCloseTo(input[i]! ** 2 + 0.75 ** 2, 0);
    const excess = mean.reduce((sum, v, i) => sum + v - input[i]! ** 2, 0) / 8;
    expect(excess).toBeCloseTo(0.5625, 1);
  });

  it('is drawn by its seed, whatever the batch', async () => {
    const a = await smoothGrad(input, squares, { samples: 9, batch: 2 });
    expect(await smoothGrad(input, squares, { samples: 9, batch: 9 })).toEqual(a);
    expect(await smoothGrad(input, squares, { samples: 9, seed: 2 })).not.toEqual(a);
  });

  it('refuses gradients of another size and no samples', async () => {
    await expect(smoothGrad(input, () => new Float32Array(3), { samples: 2 })).rejects.toThrow(
      /should be 16 values, got 3/,
    );
    await expect(smoothGrad(input, squares, { samples: 0 })).rejects.toThrow(/from 1 on, got 0/);
  });
});

describe('maps', () => {
  it('put channels together', () => {
    expect([...mapOf(input, shape)]).toEqual([1, 2, 1, 3]);
    expect([...mapOf(input, shape, 'sum')]).toEqual([1, -1, -0.5, 5]);
    expect([...mapOf([1, -2], [2])]).toEqual([1, 2]);
  });

  it('edges show where brightness changes, and nothing on a plane', () => {
    const step = Float32Array.from({ length: 36 }, (_, i) => (i % 6 < 3 ? 0 : 1));
    const map = edges(step, [1, 6, 6]);
    expect([...map]).toEqual(Array.from({ length: 36 }, (_, i) => (i % 6 === 2 || i % 6 === 3 ? 4 : 0)));
    expect(Math.max(...edges(new Float32Array(36).fill(5), [1, 6, 6]))).toBe(0);
  });
});

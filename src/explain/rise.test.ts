import { describe, expect, it } from 'vitest';
import { rise, riseMask } from './rise.ts';

const [height, width] = [12, 16];

describe('masks', () => {
  it('show the wished share of every place in the mean, edges included', () => {
    const count = 4000;
    for (const keep of [0.3, 0.5]) {
      const mean = new Float64Array(height * width);
      for (let i = 0; i < count; i++)
        for (const [p, v] of riseMask(height, width, i, { keep, cells: 4, seed: 2 }).entries()) mean[p]! += v / count;
      // A place's mask has a variance of at most keep (1 - keep).
      const error = 5 * Math.sqrt((keep * (1 - keep)) / count);
      expect(Math.max(...mean) - keep).toBeLessThan(error);
      expect(keep - Math.min(...mean)).toBeLessThan(error);
    }
  });

  it('are smooth, between 0 and 1, drawn by seed and number', () => {
    const mask = riseMask(28, 28, 3);
    expect(Math.min(...mask)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...mask)).toBeLessThanOrEqual(1);
    // Cells of 4 pixels, enlarged to 4 * 8 / 7: neighbours differ by at most 7 / 32.
    for (let y = 0; y < 28; y++)
      for (let x = 1; x < 28; x++)
        expect(Math.abs(mask[y * 28 + x]! - mask[y * 28 + x - 1]!)).toBeLessThanOrEqual(7 / 32 + 1e-6);
    expect(riseMask(28, 28, 3)).toEqual(mask);
    expect(riseMask(28, 28, 4)).not.toEqual(mask);
    expect(riseMask(28, 28, 3, { seed: 2 })).not.toEqual(mask);
  });
});

describe('rise', () => {
  const shape = [2, height, width];
  const places = height * width;
  const planted = 5 * width + 11;
  const input = new Float32Array(2 * places).fill(1);

  it('finds the place that a score depends on', async () => {
    const seen: number[] = [];
    const [map] = await rise(
      input,
      shape,
      (x, n) => {
        seen.push(n);
        return Array.from({ length: n }, (_, i) => x[i * 2 * places + places + planted]!);
      },
      { masks: 700, batch: 64, cells: 6 },
    );
    expect(seen).toEqual([...new Array<number>(10).fill(64), 60]);
    const best = map!.indexOf(Math.max(...map!));
    expect(Math.hypot(Math.floor(best / width) - 5, (best % width) - 11)).toBeLessThanOrEqual(1.5);
    // Far away a mask says nothing about the place: the score is its mean there.
    expect(map![width - 1 - 15]).toBeCloseTo(0.5, 1);
    expect(map![best]! - map![0]!).toBeGreaterThan(0.15);
  });

  it('gives a map for each score, from the same masks, whatever the batch', async () => {
    const score = (x: Float32Array, n: number) =>
      Array.from({ length: 2 * n }, (_, i) => (i % 2 === 0 ? 0.7 : x[(i >> 1) * 2 * places + planted]!));
    const small = await rise(input, shape, score, { masks: 100, batch: 7 });
    const whole = await rise(input, shape, score, { masks: 100, batch: 100 });
    expect(small).toHaveLength(2);
    expect(small).toEqual(whole);
    for (const v of small[0]!) expect(v).toBeCloseTo(0.7, 6);
  });

  it('hides by the baseline: an input equal to it has nothing to show', async () => {
    const score = (x: Float32Array, n: number) => Array.from({ length: n }, (_, i) => x[i * 2 * places + planted]!);
    const [map] = await rise(input, shape, score, { masks: 50, baseline: 'mean' });
    for (const v of map!) expect(v).toBeCloseTo(1, 6);
  });

  it('says what does not fit', async () => {
    const one = (_: Float32Array, n: number) => new Float32Array(n);
    await expect(rise(input, [1, 3, 3], one)).rejects.toThrow(/\[1, 3, 3\] holds 9 values, got 384/);
    await expect(rise(input, shape, () => [1, 2, 3])).rejects.toThrow(/score\(s\) for each of 64 inputs, got 3/);
    await expect(rise(input, shape, one, { masks: 0 })).rejects.toThrow(/masks should be a whole number from 1 on/);
    await expect(rise(input, shape, one, { keep: 1 })).rejects.toThrow(/share between 0 and 1, got 1/);
    await expect(rise(input, shape, one, { cells: 0 })).rejects.toThrow(/whole number of cells, got 0/);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { baselineOf } from './baseline.ts';
import { areaUnder, deletion, insertion } from './curves.ts';
import { randomOrder, ranking } from './rank.ts';

const shape = [2, 4, 5];
const places = 20;
const input = Float32Array.from({ length: 2 * places }, (_, i) => 1 + (i % places));

/** Mean of the values over 0, of each input. */
const brightness = (x: Float32Array, n: number): number[] =>
  Array.from({ length: n }, (_, i) => x.subarray(i * 40, (i + 1) * 40).reduce((a, b) => a + b, 0) / 40);

describe('deletion and insertion', () => {
  it('have the area that a linear score gives by hand', async () => {
    const order = ranking(input.subarray(0, places));
    const out = await deletion(input, shape, order, brightness, { steps: places });
    // Places of 20, 19, ... go: after k of them the sum of 1..(20 - k) is left, in both channels.
    const left = Array.from({ length: places + 1 }, (_, k) => ((places - k) * (places - k + 1)) / 2 / places);
    expect(out.scores.map((s) => s.toFixed(4))).toEqual(left.map((s) => s.toFixed(4)));
    expect(out.shares).toEqual(left.map((_, k) => k / places));
    const trapezoids = left.slice(1).reduce((sum, s, k) => sum + (s + left[k]!) / 2, 0) / places;
    expect(out.area).toBeCloseTo(trapezoids, 6);
    // Insertion from nothing in the same order is the same walk backwards from the other end.
    const back = await insertion(input, shape, order, brightness, { steps: places, baseline: 0 });
    expect(back.scores.map((s, k) => s + out.scores[k]!)).toEqual(back.scores.map(() => expect.closeTo(left[0]!, 4)));
    expect(back.area).toBeCloseTo(left[0]! - trapezoids, 5);
  });

  it('fall at the first step where one place carries the score, and order by order differ as they must', async () => {
    const planted = 7;
    const score = (x: Float32Array, n: number) =>
      Array.from({ length: n }, (_, i) => (x[i * 40 + planted]! > 0 ? 1 : 0));
    const map = new Float32Array(places);
    map[planted] = 1;
    const best = await deletion(input, shape, ranking(map), score, { steps: places });
    expect(best.area).toBeCloseTo(0.5 / places, 6);
    const worst = await deletion(input, shape, ranking(map.map((v) => -v)), score, { steps: places });
    expect(worst.area).toBeCloseTo(1 - 0.5 / places, 6);
    const random = [];
    for (let seed = 0; seed < 200; seed++)
      random.push((await deletion(input, shape, randomOrder(places, seed), score, { steps: places })).area);
    expect(random.reduce((a, b) => a + b, 0) / 200).toBeCloseTo(0.5, 1);
    expect((await insertion(input, shape, ranking(map), score, { steps: places, baseline: 0 })).area).toBeCloseTo(
      0.975,
      6,
    );
  });

  it('do not depend on the batch, begin at the input and end at the baseline', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer(),
        async (steps, batch, seed) => {
          const order = randomOrder(places, seed);
          const sizes: number[] = [];
          const score = (x: Float32Array, n: number) => {
            sizes.push(n);
            return brightness(x, n);
          };
          const small = await deletion(input, shape, order, score, { steps, batch, baseline: 'mean' });
          expect(small).toEqual(
            await deletion(input, shape, order, brightness, { steps, batch: 1000, baseline: 'mean' }),
          );
          expect(Math.max(...sizes)).toBeLessThanOrEqual(batch);
          expect(small.scores).toHaveLength(Math.min(steps, places) + 1);
          expect(small.scores[0]).toBeCloseTo(10.5, 5);
          expect(small.scores.at(-1)).toBeCloseTo(10.5, 5); // the mean of each channel keeps the brightness
          expect(small.shares.at(-1)).toBe(1);
        },
      ),
      { numRuns: 30, seed: 3 },
    );
  });

  it('say what does not fit', async () => {
    await expect(deletion(input, shape, [0, 1], brightness)).rejects.toThrow(/each of 20 places once, got 2/);
    await expect(deletion(input, shape, new Int32Array(places), brightness)).rejects.toThrow(/each of 20 places once/);
    await expect(deletion(input, [3], [0, 1, 2], brightness)).rejects.toThrow(/\[3\] holds 3 values, got 40/);
    await expect(deletion(input, shape, randomOrder(places, 1), brightness, { steps: 0 })).rejects.toThrow(/steps/);
    const twice = (_: Float32Array, n: number) => new Float32Array(2 * n);
    await expect(insertion(input, shape, randomOrder(places, 1), twice)).rejects.toThrow(/1 score/);
  });
});

describe('baselines', () => {
  it('a number, each channel’s mean, a blur, or an input of one’s own', () => {
    expect([...baselineOf([1, 3, 10, 20], [2, 1, 2], 'mean')]).toEqual([2, 2, 15, 15]);
    expect([...baselineOf([1, 3], [2], 5)]).toEqual([5, 5]);
    expect([...baselineOf([1, 3], [2], [7, 8])]).toEqual([7, 8]);
    expect(() => baselineOf([1, 3], [2], [7])).toThrow(/holds 2 values, got 1/);
  });

  it('a blur keeps what is constant, loses what is fine, and lies within the range', () => {
    const checks = Float32Array.from({ length: 144 }, (_, i) => ((i + Math.floor(i / 12)) % 2 === 0 ? 1 : -1));
    for (const v of baselineOf(checks, [1, 12, 12], 'blur')) expect(Math.abs(v)).toBeLessThan(0.05);
    for (const v of baselineOf(new Float32Array(144).fill(3), [1, 12, 12], 'blur')) expect(v).toBeCloseTo(3, 5);
  });

  it('the area is the mean height', () => {
    expect(areaUnder([0, 0.5, 1], [2, 2, 2])).toBe(2);
    expect(areaUnder([1, 3], [0, 1])).toBe(0.5);
  });
});

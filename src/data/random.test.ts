import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from './random.ts';

const take = (random: Random, n: number): number[] => Array.from({ length: n }, () => random.next());

/** Pearson's statistic of counts that should be equal. */
function chiSquare(counts: number[]): number {
  const expected = counts.reduce((a, b) => a + b, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

describe('Random', () => {
  it('gives the published sequence of xoshiro128** for the state 1, 2, 3, 4', () => {
    // The vector of the Rust crate rand_xoshiro, taken from the authors' C code.
    expect(take(Random.from([1, 2, 3, 4]), 10)).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  it('keeps the sequence of a key from version to version, or old runs could not be resumed', () => {
    expect(take(new Random(42, 7), 4)).toEqual([3896708021, 4074467882, 2825384214, 4256059714]);
  });

  it('continues from a saved state', () => {
    const random = new Random(5);
    take(random, 13);
    const copy = Random.from(random.state());
    expect(take(copy, 20)).toEqual(take(random, 20));
  });

  it('gives different keys unrelated streams', () => {
    const keys = [[], [0], [0, 0], [1], [-1], [2 ** 32], [2 ** 32 + 1], [0, 1], [1, 0], [2 ** 53 - 1]];
    const first = keys.map((key) => new Random(...key).next());
    expect(new Set(first).size).toBe(keys.length);
    // Neighbouring keys: each output bit is set half of the time (5 standard deviations of 20,000 draws).
    for (let bit = 0; bit < 32; bit++) {
      let set = 0;
      for (let key = 0; key < 20_000; key++) set += (new Random(1, key).next() >>> bit) & 1;
      expect(Math.abs(set - 10_000)).toBeLessThan(5 * Math.sqrt(5000));
    }
  });

  it('draws whole numbers evenly, from all of the range and no more', () => {
    const random = new Random(3);
    for (const n of [1, 2, 7, 100]) {
      const counts = new Array<number>(n).fill(0);
      for (let i = 0; i < 50_000; i++) counts[random.int(n)]++;
      expect(counts).toHaveLength(n);
      // The 0.999,99 quantile is below n + 5 sqrt(2n) + 15 for these n.
      expect(chiSquare(counts)).toBeLessThan(n + 5 * Math.sqrt(2 * n) + 15);
    }
    // A plain remainder would favour the lower third of 3 * 2^30 two to one.
    let low = 0;
    for (let i = 0; i < 9000; i++) if (random.int(3 * 2 ** 30) < 2 ** 30) low++;
    expect(Math.abs(low - 3000)).toBeLessThan(5 * Math.sqrt(2000));
  });

  it('draws floats in [0, 1) that float32 holds exactly, and normals of mean 0 and variance 1', () => {
    const random = new Random(9);
    let sum = 0;
    let square = 0;
    let exact = 0;
    for (let i = 0; i < 50_000; i++) {
      const u = random.float();
      if (u >= 0 && u < 1 && Math.fround(u) === u) exact++;
      const z = random.normal();
      sum += z;
      square += z * z;
    }
    expect(exact).toBe(50_000);
    expect(Math.abs(sum / 50_000)).toBeLessThan(5 / Math.sqrt(50_000));
    expect(Math.abs(square / 50_000 - 1)).toBeLessThan(5 * Math.sqrt(2 / 50_000));
  });

  it('permutes: every number once, every order equally often', () => {
    fc.assert(
      fc.property(fc.nat(2000), fc.integer(), (n, seed) => {
        const order = new Random(seed).permutation(n);
        expect(Array.from(order).sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
      }),
      { numRuns: 30 },
    );
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 24_000; seed++) {
      const order = new Random(seed).permutation(4).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    expect(chiSquare([...counts.values()])).toBeLessThan(65); // 0.999,99 quantile of 23 degrees of freedom: 64.4
  });

  it('refuses keys, ranges and states that mean nothing', () => {
    expect(() => new Random(0.5)).toThrow(/whole number.*got 0.5/);
    expect(() => new Random(Number.NaN)).toThrow(/whole number/);
    expect(() => new Random(1).int(0)).toThrow(/between 1 and/);
    expect(() => Random.from([0, 0, 0, 0])).toThrow(/not all zero/);
  });
});

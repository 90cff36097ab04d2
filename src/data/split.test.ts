import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classCounts, dataset } from './dataset.ts';
import { Random } from './random.ts';
import { type PartSize, splitDataset, splitIndices } from './split.ts';

const random = new Random(1);
const thousand = dataset({
  name: 'thousand',
  inputs: Float32Array.from({ length: 1000 }, (_, i) => i),
  shape: [1],
  labels: Array.from({ length: 1000 }, () => (random.float() < 0.7 ? 0 : 1 + random.int(3))),
  classes: ['a', 'b', 'c', 'd'],
});

describe('splitDataset', () => {
  it('is disjoint, uses shares that add up to 1 fully, and repeats with the seed', () => {
    fc.assert(
      fc.property(fc.integer(), fc.boolean(), fc.integer({ min: 1, max: 98 }), (seed, stratify, percent) => {
        const parts = { train: percent / 100, tune: 0.01, certify: 0.99 - percent / 100 };
        const split = splitIndices(thousand, { parts, seed, stratify });
        const all = [...split.train, ...split.tune, ...split.certify];
        expect(all).toHaveLength(1000);
        expect(new Set(all).size).toBe(1000);
        expect(Math.abs(split.train.length - percent * 10)).toBeLessThanOrEqual(1);
        expect(splitIndices(thousand, { parts, seed, stratify })).toEqual(split);
      }),
      { numRuns: 40 },
    );
  });

  it('gives other parts for another seed', () => {
    const of = (seed: number) => splitIndices(thousand, { parts: { a: 500, b: 'rest' }, seed });
    expect(of(1).a).not.toEqual(of(2).a);
  });

  it('carries inputs and labels along and takes counts, shares and the rest', () => {
    const { train, tune, certify } = splitDataset(thousand, {
      parts: { train: 'rest', tune: 0.1, certify: 250 },
      seed: 3,
    });
    expect([train.length, tune.length, certify.length]).toEqual([650, 100, 250]);
    expect(certify.name).toBe('thousand/certify');
    for (const part of [train, tune, certify])
      for (let i = 0; i < part.length; i++) expect(part.labels[i]).toBe(thousand.labels[part.inputs[i]]);
  });

  it('keeps the class shares when asked to', () => {
    const { small } = splitDataset(thousand, { parts: { small: 100, rest: 'rest' }, seed: 5, stratify: true });
    classCounts(small).forEach((count, c) => {
      expect(Math.abs(count - classCounts(thousand)[c] / 10)).toBeLessThanOrEqual(1);
    });
  });

  it('is a plain random sample otherwise', () => {
    // Over many seeds each item lands in the part equally often: 200 draws of 30 %, 5 standard deviations.
    const hits = new Array<number>(1000).fill(0);
    for (let seed = 0; seed < 200; seed++)
      for (const i of splitIndices(thousand, { parts: { a: 0.3 }, seed }).a) hits[i]++;
    for (const count of hits) expect(Math.abs(count - 60)).toBeLessThan(5 * Math.sqrt(42));
  });

  it.each<[Record<string, PartSize>, RegExp]>([
    [{ a: 600, b: 500 }, /need 1100 items, it has 1000/],
    [{ a: 1000, b: 'rest' }, /part "b" .* would be empty/],
    [{ a: 0.0001, b: 0.5 }, /part "a" .* would be empty/],
    [{ a: 'rest', b: 'rest' }, /only one part/],
    [{ a: 1.5 }, /share between 0 and 1 or a whole count, got 1.5/],
    [{ a: -1 }, /got -1/],
    [{ a: Number.NaN }, /got NaN/],
  ])('refuses %o', (parts, message) => {
    expect(() => splitDataset(thousand, { parts, seed: 0 })).toThrow(message);
  });
});

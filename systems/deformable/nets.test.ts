import { costTable, decisionsOf } from 'dynaneural/dynamic';
import { type NDArray, ndarray } from 'dynaneural/graph';
import { materialize, paramsOf } from 'dynaneural/nn';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { logitsOf } from '../fixtures/answers.ts';
import {
  BASE,
  built,
  macsAlone,
  macsInBatches,
  parameterCount,
  plainAtLeast,
  rivalsFor,
  type Shape,
  TINY,
  TOLERANCE,
} from './nets.ts';

const data = { shape: [3, 32, 32], classes: [...'abcdefghij'] };
const plain = built(data, BASE);
const deformable = built(data, BASE, { deformable: true });
const mixture = built(data, BASE, { mixture: true });
const macs = (shape: Shape) => macsAlone(built(data, shape));
const parameters = (shape: Shape) => parameterCount(built(data, shape));

describe('the nets', () => {
  it('cost what is counted by hand', () => {
    const conv = (places: number, from: number, to: number, kernel = 9) => places * from * to * kernel;
    const [large, middle, small] = [1024, 256, 64];
    const whole =
      conv(large, 3, 16) +
      (conv(middle, 16, 32) + conv(middle, 32, 32) + conv(middle, 16, 32, 1)) +
      (conv(small, 32, 64) + conv(small, 64, 64) + conv(small, 32, 64, 1)) +
      2 * conv(small, 64, 64) +
      640;
    expect(macsAlone(plain)).toBe(whole);
    // Two offset convolutions to 18 offsets and 9 modulations, and 9 reads at each position and channel.
    expect(macsAlone(deformable)).toBe(whole + 2 * (conv(small, 64, 27) + 8 * 9 * small * 64));
    // Four kernels mixed, and a map of the pooled input to four weights.
    const kernels = 9 * (32 * 64 + 64 * 64);
    expect(macsAlone(mixture)).toBe(whole + 4 * kernels + 4 * (32 + 64));
    expect(macsInBatches(mixture)).toBeGreaterThan(whole + 3 * (conv(small, 32, 64) + conv(small, 64, 64)));
    expect(macsInBatches(deformable)).toBe(macsAlone(deformable));
    expect(parameterCount(deformable)).toBe(parameterCount(plain) + 2 * 27 * (64 * 9 + 1));
    expect(parameterCount(mixture)).toBe(parameterCount(plain) + 3 * kernels + 4 * (32 + 1 + 64 + 1));
    expect(costTable(plain)).toHaveLength(1);
    expect(decisionsOf(mixture).map((d) => d.kind)).toEqual(['weigh', 'weigh']);
  });

  it('the deformable net begins as the plain one', async () => {
    const looking = built(data, TINY, { deformable: true });
    const weights = new Map(materialize(paramsOf([looking.output]), 3));
    // The last norms of blocks start at 0: they are given a voice.
    for (const [name, value] of weights) if (name.endsWith('scale')) weights.set(name, ones(value));
    const [a, b] = [await logitsOf(built(data, TINY), weights), await logitsOf(looking, weights)];
    for (const [i, v] of a.entries()) expect(b[i]).toBeCloseTo(v, 4);
    weights.set('late/conv2/offset/bias', ones(weights.get('late/conv2/offset/bias')!));
    expect(Math.abs((await logitsOf(looking, weights))[0]! - b[0]!)).toBeGreaterThan(1e-3);
  });
});

const ones = ({ dims, data: { length } }: NDArray): NDArray =>
  ndarray('float32', dims, new Float32Array(length).fill(1));

describe('plain nets to compare with', () => {
  it('cost no less than what they are compared with, and hardly more', () => {
    for (const cost of [macs, parameters])
      fc.assert(
        fc.property(fc.double({ min: 1, max: 4, noNaN: true }), (times) => {
          const target = times * cost(BASE);
          const found = cost(plainAtLeast(BASE, cost, target));
          expect(found).toBeGreaterThanOrEqual(target);
          expect(found).toBeLessThan(1.08 * target);
        }),
        { numRuns: 3 },
      );
    expect(plainAtLeast(BASE, macs, macs(BASE))).toEqual(BASE);
  });

  it.each([
    ['the full form', BASE],
    ['the quick one', TINY],
  ])('serve several where the tolerance allows, and never cost less: %s', (_, from) => {
    const needs = [1.2, 1.25, 2.4].flatMap((times) => [
      { cost: parameters, target: times * parameters(from) },
      { cost: macs, target: times * macs(from) },
    ]);
    const shapes = rivalsFor(from, needs);
    for (const [i, { cost, target }] of needs.entries()) {
      expect(cost(shapes[i]!)).toBeGreaterThanOrEqual(target);
      // Steps are large for small nets.
      const least = cost(plainAtLeast(from, cost, target));
      expect(cost(shapes[i]!)).toBeLessThanOrEqual(Math.max(TOLERANCE * target, least));
    }
    expect(new Set(shapes).size).toBeLessThan(needs.length);
  });
});

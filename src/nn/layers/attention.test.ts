import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { largestDifference } from '../../../test/support/difference.ts';
import {
  fresh,
  gradients,
  input,
  mul,
  type NDArray,
  ndarray,
  order,
  sumAll,
  summary,
  type Tensor,
  toNumbers,
} from '../../graph/index.ts';
import { attended, linearly } from '../fixtures/attention.ts';
import { bothGradients, numbers, run, type Weights, wave } from '../fixtures/run.ts';
import { paramsOf } from '../params.ts';
import { type AttentionOptions, multiHeadAttention } from './attention.ts';

const at = 'multiHeadAttention1';
const matrix = ({ dims, data }: NDArray): number[][] =>
  Array.from({ length: dims[0]! }, (_, i) =>
    Array.from((data as Float32Array).subarray(i * dims[1]!, (i + 1) * dims[1]!)),
  );

const weightsFor = (dim: number): Weights =>
  new Map([
    [`${at}/qkv/weight`, wave([3 * dim, dim], 1)],
    [`${at}/qkv/bias`, wave([3 * dim], 2)],
    [`${at}/project/weight`, wave([dim, dim], 3)],
    [`${at}/project/bias`, wave([dim], 4)],
  ]);
const plain = (weights: Weights) => ({
  qkv: matrix(weights.get(`${at}/qkv/weight`)!),
  qkvBias: toNumbers(weights.get(`${at}/qkv/bias`)!),
  project: matrix(weights.get(`${at}/project/weight`)!),
  projectBias: toNumbers(weights.get(`${at}/project/bias`)!),
});
const rowsOf = (x: NDArray, n: number): number[][] => {
  const [, count, dim] = x.dims as [number, number, number];
  return matrix({
    ...x,
    dims: [count, dim],
    data: (x.data as Float32Array).subarray(n * count * dim, (n + 1) * count * dim),
  });
};
/** No score of these tokens is larger: of queries and keys the lengths of all heads together, in place of those of one. */
function scoresUpTo(tokens: readonly number[][], { qkv, qkvBias }: ReturnType<typeof plain>, heads: number): number {
  const dim = qkv.length / 3;
  const all = linearly(tokens, qkv, qkvBias);
  const largest = (from: number) => Math.max(0, ...all.map((row) => Math.hypot(...row.slice(from, from + dim))));
  return (largest(0) * largest(dim)) / Math.sqrt(dim / heads);
}
const named = (dim: number, options: AttentionOptions): Tensor =>
  fresh(() => multiHeadAttention(input('x', ['N', 'T', dim]), options));

describe('multiHeadAttention', () => {
  test('agrees with plain loops, for any number of rows and tokens in one graph', async () => {
    for (const [dim, heads] of [
      [6, 3],
      [4, 1],
      [4, 4],
    ] as const) {
      const weights = weightsFor(dim);
      const y = named(dim, { heads });
      expect(y.shape).toEqual(['N', 'T', dim]);
      for (const [n, count] of [
        [1, 5],
        [3, 2],
        [2, 1],
        [0, 4],
        [2, 0],
      ] as const) {
        const x = wave([n, count, dim], 5);
        const want = Array.from({ length: n }, (_, i) =>
          attended(rowsOf(x, i), plain(weights), new Array(heads).fill(1)),
        );
        const { result } = await run({ result: y }, { x }, weights);
        expect(result!.dims).toEqual([n, count, dim]);
        expect(largestDifference(toNumbers(result!), want.flat(2))).toBeLessThan(1e-5);
      }
    }
  });

  test('a gate multiplies its head before the heads are joined', async () => {
    const weights = weightsFor(6);
    const [x, gate] = [wave([2, 4, 6], 5), ndarray('float32', [2, 3], [1, 0, 1, 0.5, 2, 0])];
    const y = named(6, { heads: 3, headGate: input('gate', ['N', 3]) });
    const want = [0, 1].map((n) => attended(rowsOf(x, n), plain(weights), matrix(gate)[n]!));
    expect(largestDifference(await numbers(y, { x, gate }, weights), want.flat(2))).toBeLessThan(1e-5);
  });

  test('under a mask the kept rows are those of attention over the kept tokens alone', async () => {
    const [dim, heads, count] = [8, 2, 7];
    const weights = weightsFor(dim);
    const y = named(dim, { heads, mask: input('mask', ['N', 'T']) });
    const cases = fc.record({
      kept: fc.array(fc.array(fc.boolean(), { minLength: count, maxLength: count }), { minLength: 1, maxLength: 3 }),
      size: fc.constantFrom(1, 8, 60),
      phase: fc.nat(1000),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ kept, size, phase }) => {
        const n = kept.length;
        const x = wave([n, count, dim], phase);
        const large = ndarray(
          'float32',
          x.dims,
          toNumbers(x).map((v) => v * size),
        );
        const mask = ndarray('float32', [n, count], kept.flat().map(Number));
        const got = await run({ result: y }, { x: large, mask }, weights);
        expect(toNumbers(got.result!).every(Number.isFinite)).toBe(true);
        for (const [r, keep] of kept.entries()) {
          const chosen = (rows: number[][]) => rows.filter((_, i) => keep[i]);
          const want = attended(chosen(rowsOf(large, r)), plain(weights), [1, 1]).flat();
          const own = chosen(rowsOf(got.result!, r)).flat();
          // A score is rounded to float32; what it weighs changes by as large a part of itself as the score by its own amount.
          const rounding = 2 ** -23 * scoresUpTo(chosen(rowsOf(large, r)), plain(weights), heads);
          expect(largestDifference(own, want) / Math.max(1, ...want.map(Math.abs))).toBeLessThan(1e-5 + rounding);
        }
      }),
      { numRuns: 40 },
    );
  });

  test('where no token is kept, nothing is attended to', async () => {
    const weights = weightsFor(4);
    const y = named(4, { heads: 2, mask: input('mask', ['N', 'T']) });
    const got = await numbers(y, { x: wave([1, 3, 4], 1), mask: ndarray('float32', [1, 3], [0, 0, 0]) }, weights);
    const bias = toNumbers(weights.get(`${at}/project/bias`)!);
    expect(largestDifference(got, [...bias, ...bias, ...bias])).toBeLessThan(1e-7);
  });

  test('gradients by tokens, mask and gate agree with central differences', async () => {
    const [x, mask, gate] = [wave([2, 3, 4], 5), ndarray('float32', [2, 3], [1, 0, 1, 0.6, 1, 0]), wave([2, 2], 7)];
    const by = wave([2, 3, 4], 6);
    const loss = (options: AttentionOptions, tokens: Tensor): Tensor => {
      const y = multiHeadAttention(tokens, options);
      return sumAll(mul(mul(y, y), input('by', [2, 3, 4])));
    };
    const check = async (f: (t: Tensor) => Tensor, value: NDArray, feeds: Record<string, NDArray>, h?: number) => {
      const [walked, differences] = await bothGradients(f, value, { by, ...feeds }, h);
      expect(Math.max(...walked.map(Math.abs))).toBeGreaterThan(0.1);
      expect(largestDifference(walked, differences)).toBeLessThan(5e-3);
    };
    await check((t) => loss({ heads: 2 }, t), x, {});
    const masked = { heads: 2, mask: input('mask', [2, 3]) };
    await check((t) => loss({ ...masked, headGate: input('gate', [2, 2]) }, t), x, { mask, gate });
    await check((t) => loss({ heads: 2, headGate: t }, input('tokens', [2, 3, 4])), gate, { tokens: x });
    await check((t) => loss({ heads: 2, mask: t }, input('tokens', [2, 3, 4])), mask, { tokens: x }, 1e-3);
  });

  test('second derivatives: the slope of a gradient along a direction', async () => {
    const by = wave([1, 3, 4], 6);
    const along = wave([1, 3, 4], 8);
    const slope = (t: Tensor): Tensor => {
      const y = sumAll(mul(multiHeadAttention(t, { heads: 2, mask: input('mask', [1, 3]) }), input('by', [1, 3, 4])));
      return sumAll(mul(gradients(y, [t])[0]!, input('along', [1, 3, 4])));
    };
    const mask = ndarray('float32', [1, 3], [1, 0, 1]);
    const [walked, differences] = await bothGradients(slope, wave([1, 3, 4], 5), { by, along, mask });
    expect(Math.max(...walked.map(Math.abs))).toBeGreaterThan(0.1);
    expect(largestDifference(walked, differences)).toBeLessThan(1e-2);
  });

  test('every matrix product is counted', () => {
    const y = fresh(() => multiHeadAttention(input('x', ['N', 10, 8]), { heads: 2 }));
    // queries, keys, values and the last map; scores and their use.
    expect(summary([y]).macs).toBe(10 * 8 * 8 * 4 + 2 * (10 * 10 * 8));
    expect(order([y]).some((node) => node.op.name === 'Shape')).toBe(false);
  });

  test('refuses heads that do not divide the width, and what does not fit', () => {
    const x = input('x', ['N', 5, 6]);
    const make = (options: AttentionOptions, t = x) => fresh(() => multiHeadAttention(t, options));
    expect(() => make({ heads: 4 })).toThrow(
      'multiHeadAttention "multiHeadAttention1": 4 heads do not divide a width of 6; choose a width',
    );
    expect(() => make({ heads: 0 })).toThrow(/heads should be a whole number from 1 on, got 0/);
    expect(() => make({ heads: 2, mask: input('m', ['N', 4]) })).toThrow(/mask should be \[N, 5\], got \[N, 4\]/);
    expect(() => make({ heads: 2, headGate: input('g', ['N', 3]) })).toThrow(
      /headGate should be \[N, 2\], got \[N, 3\]/,
    );
    expect(() => make({ heads: 2 }, input('x', ['N', 6]))).toThrow(/tokens \[N, T, D\] are expected, got \[N, 6\]/);
  });

  test('names its parameters', () => {
    const y = named(4, { heads: 2 });
    expect(paramsOf([y]).map(({ name, shape, role }) => [name, shape, role])).toEqual([
      [`${at}/qkv/weight`, [12, 4], 'weight'],
      [`${at}/qkv/bias`, [12], 'bias'],
      [`${at}/project/weight`, [4, 4], 'weight'],
      [`${at}/project/bias`, [4], 'bias'],
    ]);
  });
});

import { describe, expect, test } from 'vitest';
import { largestDifference } from '../../../test/support/difference.ts';
import {
  fresh,
  input,
  layerNormalize,
  mul,
  type NDArray,
  ndarray,
  sumAll,
  summary,
  type Tensor,
  toNumbers,
} from '../../graph/index.ts';
import { linearly } from '../fixtures/attention.ts';
import { imageOf, standardised } from '../fixtures/naive.ts';
import { bothGradients, numbers, run, wave } from '../fixtures/run.ts';
import { paramsOf } from '../params.ts';
import { classToken, mlp, patchEmbed, positionEmbedding, takeToken, transformerLayer } from './index.ts';

const matrix = ({ dims, data }: NDArray): number[][] =>
  Array.from({ length: dims[0]! }, (_, i) =>
    Array.from((data as Float32Array).subarray(i * dims[1]!, (i + 1) * dims[1]!)),
  );

describe('patchEmbed', () => {
  test('is a linear map of each patch, row by row', async () => {
    const y = fresh(() => patchEmbed(input('x', ['N', 2, 4, 6]), 3, { patch: 2 }));
    expect(y.shape).toEqual(['N', 6, 3]);
    const [weight, bias, x] = [wave([3, 2, 2, 2], 1), wave([3], 2), wave([1, 2, 4, 6], 3)];
    const weights = new Map([
      ['patchEmbed1/patches/weight', weight],
      ['patchEmbed1/patches/bias', bias],
    ]);
    const image = imageOf(x.data as Float32Array, [2, 4, 6]);
    const patches = [0, 2].flatMap((row) =>
      [0, 2, 4].map((column) =>
        image.flatMap((c) => [0, 1].flatMap((i) => [0, 1].map((j) => c[row + i]![column + j]!))),
      ),
    );
    const want = linearly(patches, matrix({ ...weight, dims: [3, 8] }), toNumbers(bias));
    expect(largestDifference(await numbers(y, { x }, weights), want.flat())).toBeLessThan(1e-6);
  });

  test('refuses what does not divide into patches', () => {
    const make = (shape: (string | number)[], patch: number) =>
      fresh(() => patchEmbed(input('x', shape), 8, { patch }));
    expect(() => make(['N', 3, 32, 30], 4)).toThrow(
      'patchEmbed "patchEmbed1": 32 x 30 pixels do not divide into patches of 4 x 4',
    );
    expect(() => make(['N', 3, 'H', 32], 4)).toThrow(/of known size is expected, got \[N, 3, H, 32\]/);
    expect(() => make(['N', 3, 32, 32], 0)).toThrow(/patch should be a whole number from 1 on/);
  });
});

describe('class token and positions', () => {
  test('one token stands in front of every row, whatever the rows hold; takeToken reads it', async () => {
    const y = fresh(() => classToken(input('x', ['N', 'T', 2])));
    expect([y.shape[0], y.shape[2]]).toEqual(['N', 2]);
    const weights = new Map([['classToken1/token', ndarray('float32', [1, 1, 2], [7, 8])]]);
    const x = ndarray('float32', [2, 1, 2], [1, Number.NaN, Number.POSITIVE_INFINITY, 4]);
    expect(await numbers(y, { x }, weights)).toEqual([7, 8, 1, Number.NaN, 7, 8, Number.POSITIVE_INFINITY, 4]);
    const { result } = await run({ result: y }, { x: wave([0, 3, 2]) }, weights);
    expect(result!.dims).toEqual([0, 4, 2]);
    expect(await numbers(takeToken(y), { x }, weights)).toEqual([7, 8, 7, 8]);
    expect(takeToken(y).shape).toEqual(['N', 2]);
    expect(await numbers(takeToken(y, -1), { x: wave([1, 3, 2], 1) }, weights)).toEqual(
      toNumbers(wave([1, 3, 2], 1)).slice(4),
    );
  });

  test('each place has its own position', async () => {
    const x = wave([2, 3, 2], 1);
    const position = wave([3, 2], 2);
    const y = fresh(() => positionEmbedding(input('x', ['N', 3, 2])));
    const got = await numbers(y, { x }, new Map([['positionEmbedding1/position', position]]));
    const want = toNumbers(x).map((v, i) => v + toNumbers(position)[i % 6]!);
    expect(largestDifference(got, want)).toBeLessThan(1e-6);
    expect(() => fresh(() => positionEmbedding(input('x', ['N', 'T', 2])))).toThrow(
      /positionEmbedding "positionEmbedding1": the number of tokens \(axis 1\) must be a known size, got "T"/,
    );
  });

  test('gradients reach tokens through both', async () => {
    const loss = (t: Tensor): Tensor => {
      const all = positionEmbedding(classToken(t));
      return sumAll(mul(mul(all, all), input('by', [2, 4, 3])));
    };
    const [walked, differences] = await bothGradients(loss, wave([2, 3, 3], 1), { by: wave([2, 4, 3], 2) });
    expect(largestDifference(walked, differences)).toBeLessThan(2e-3);
    const first = (t: Tensor): Tensor => sumAll(mul(mul(takeToken(t), takeToken(t)), input('by', [2, 3])));
    const [own, checked] = await bothGradients(first, wave([2, 3, 3], 1), { by: wave([2, 3], 2) });
    expect(largestDifference(own, checked)).toBeLessThan(2e-3);
    expect(own.filter((v) => v !== 0).length).toBe(6);
  });
});

describe('mlp', () => {
  test('maps every token alone, through the activation', async () => {
    const y = fresh(() => mlp(input('x', ['N', 'T', 2]), { ratio: 1.5, activation: 'relu' }));
    const [w1, b1, w2, b2] = [wave([3, 2], 1), wave([3], 2), wave([2, 3], 3), wave([2], 4)];
    const weights = new Map([
      ['mlp1/expand/weight', w1],
      ['mlp1/expand/bias', b1],
      ['mlp1/contract/weight', w2],
      ['mlp1/contract/bias', b2],
    ]);
    const x = wave([2, 2, 2], 5);
    const hidden = linearly(matrix({ ...x, dims: [4, 2] }), matrix(w1), toNumbers(b1));
    const want = linearly(
      hidden.map((row) => row.map((v) => Math.max(0, v))),
      matrix(w2),
      toNumbers(b2),
    );
    expect(largestDifference(await numbers(y, { x }, weights), want.flat())).toBeLessThan(1e-6);
    expect(() => fresh(() => mlp(input('x', ['N', 'T', 3]), { ratio: 0.5 }))).toThrow(
      /a ratio of 0.5 makes 1.5 hidden/,
    );
  });
});

describe('transformerLayer', () => {
  const standard = (tokens: Tensor) => transformerLayer(tokens, { heads: 2, ratio: 2 });

  test('adds attention, then the perceptron, each of normalised tokens', async () => {
    const x = wave([2, 3, 4], 1);
    const y = fresh(() => standard(input('x', ['N', 'T', 4])));
    const zero = (name: string, dims: number[]): [string, NDArray] => [
      name,
      ndarray('float32', dims, new Float32Array(dims.reduce((a, b) => a * b, 1))),
    ];
    const base = 'transformerLayer1';
    // Attention off: what is left is x + mlp(norm(x)).
    const off = new Map([zero(`${base}/attention/project/weight`, [4, 4])]);
    const perceptron = fresh(() =>
      mlp(layerNormalize(input('x', ['N', 'T', 4]), input('one', [4]), input('zero', [4])), {
        ratio: 2,
        name: `${base}/mlp`,
      }),
    );
    const ones = ndarray('float32', [4], [1, 1, 1, 1]);
    const none = ndarray('float32', [4], [0, 0, 0, 0]);
    const own = await numbers(perceptron, { x, one: ones, zero: none });
    const got = await numbers(y, { x }, off);
    expect(
      largestDifference(
        got,
        toNumbers(x).map((v, i) => v + own[i]!),
      ),
    ).toBeLessThan(1e-5);
    // Both off: the shortcut alone.
    const still = new Map([...off, zero(`${base}/mlp/contract/weight`, [4, 8])]);
    expect(await numbers(y, { x }, still)).toEqual(toNumbers(x));
    // The perceptron off: attention sees standardised tokens, so their scale and offset do not matter to it.
    const first = new Map([zero(`${base}/mlp/contract/weight`, [4, 8])]);
    const scaled = ndarray(
      'float32',
      x.dims,
      matrix({ ...x, dims: [6, 4] }).flatMap((row) => standardised(row).map((v) => 3 * v + 1)),
    );
    const change = (after: number[], before: NDArray) => after.map((v, i) => v - toNumbers(before)[i]!);
    const [a, b] = [change(await numbers(y, { x }, first), x), change(await numbers(y, { x: scaled }, first), scaled)];
    expect(Math.max(...a.map(Math.abs))).toBeGreaterThan(0.05);
    expect(largestDifference(a, b)).toBeLessThan(1e-3);
  });

  test('its gradient agrees with central differences', async () => {
    const by = wave([2, 3, 4], 3);
    const loss = (t: Tensor) => sumAll(mul(standard(t), input('by', [2, 3, 4])));
    const [walked, differences] = await bothGradients(loss, wave([2, 3, 4], 1), { by });
    expect(largestDifference(walked, differences)).toBeLessThan(1e-2);
  });

  test('counts its products, and passes heads, mask and gate on', () => {
    const y = fresh(() => standard(input('x', ['N', 5, 4])));
    expect(summary([y]).macs).toBe(5 * 4 * 4 * (4 + 4) + 2 * 5 * 5 * 4);
    expect(() => fresh(() => transformerLayer(input('x', ['N', 5, 4]), { heads: 3 }))).toThrow(
      'multiHeadAttention "transformerLayer1/attention": 3 heads do not divide a width of 4',
    );
    const gated = fresh(() =>
      transformerLayer(input('x', ['N', 'T', 4]), { heads: 2, mask: input('mask', ['N', 'T']) }),
    );
    expect(paramsOf([gated]).map((p) => p.name)).toContain('transformerLayer1/norm2/scale');
    expect(() =>
      fresh(() => transformerLayer(input('x', ['N', 'T', 4]), { heads: 2, mask: input('mask', ['N', 4]) })),
    ).toThrow(/mask should be \[N, T\]/);
  });
});

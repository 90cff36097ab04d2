import { describe, expect, test } from 'vitest';
import { largestDifference } from '../../../test/support/difference.ts';
import { fresh, input, mul, type NDArray, ndarray, sumAll, type Tensor, toNumbers } from '../../graph/index.ts';
import { imageOf, standardised } from '../fixtures/naive.ts';
import { bothGradients, numbers, run, type Weights, wave } from '../fixtures/run.ts';
import { paramsOf } from '../params.ts';
import { channelSaliency, gate, pooled } from './index.ts';

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const matrix = ({ dims, data }: NDArray): number[][] =>
  Array.from({ length: dims[0]! }, (_, i) =>
    Array.from((data as Float32Array).subarray(i * dims[1]!, (i + 1) * dims[1]!)),
  );
const product = (w: NDArray, v: readonly number[], b: NDArray): number[] =>
  matrix(w).map((row, o) => row.reduce((s, x, i) => s + x * v[i]!, Number(b.data[o])));

test('pooled is the mean over positions or tokens, row by row', async () => {
  const x = wave([2, 3, 4], 1);
  const own = await numbers(pooled(input('x', ['N', 'T', 4])), { x });
  const want = [0, 1].flatMap((n) =>
    [0, 1, 2, 3].map((d) => mean([0, 1, 2].map((t) => toNumbers(x)[(n * 3 + t) * 4 + d]!))),
  );
  expect(largestDifference(own, want)).toBeLessThan(1e-6);
  const flat = input('x', ['N', 7]);
  expect(pooled(flat)).toBe(flat);
  expect(() => pooled(input('x', ['N']))).toThrow(/features \[N, C, H, W\], tokens \[N, T, D\] or vectors \[N, F\]/);
});

describe('gate', () => {
  test('is pool, linear, norm, ReLU, linear', async () => {
    const y = fresh(() => gate(input('x', ['N', 2, 3, 3]), { hidden: 5, outputs: 2, name: 'g' }));
    const x = wave([1, 2, 3, 3], 1);
    const weights: Weights = new Map([
      ['g/reduce/weight', wave([5, 2], 2)],
      ['g/reduce/bias', wave([5], 3)],
      ['g/norm/scale', wave([5], 4)],
      ['g/norm/bias', wave([5], 5)],
      ['g/weight', wave([2, 5], 6)],
      ['g/bias', wave([2], 7)],
    ]);
    const means = imageOf(x.data as Float32Array, [2, 3, 3]).map((plane) => mean(plane.flat()));
    const of = (name: string) => weights.get(`g/${name}`)!;
    const normal = standardised(product(of('reduce/weight'), means, of('reduce/bias')));
    const active = normal.map((v, i) =>
      Math.max(0, v * Number(of('norm/scale').data[i]) + Number(of('norm/bias').data[i])),
    );
    expect(largestDifference(await numbers(y, { x }, weights), product(of('weight'), active, of('bias')))).toBeLessThan(
      1e-5,
    );
  });

  test('starts mostly open whatever it sees, as its bias says', async () => {
    for (const [shape, dims] of [
      [
        ['N', 8, 4, 4],
        [50, 8, 4, 4],
      ],
      [
        ['N', 'T', 8],
        [50, 5, 8],
      ],
      [
        ['N', 8],
        [50, 8],
      ],
    ] as const) {
      const logits = await numbers(
        fresh(() => gate(input('x', shape))),
        { x: wave(dims, 1) },
      );
      expect(logits.length).toBe(50);
      for (const v of logits) expect(Math.abs(1 / (1 + Math.exp(-v)) - 0.85)).toBeLessThan(0.01);
    }
    const two = await numbers(
      fresh(() => gate(input('x', ['N', 8]), { outputs: 2, bias: [0.1, 2] })),
      { x: wave([1, 8]) },
    );
    expect(largestDifference(two, [0.1, 2])).toBeLessThan(0.05);
  });

  test('a row alone gets what it gets among others, with either norm; no rows give none', async () => {
    for (const norm of ['layer', 'batch'] as const) {
      const y = fresh(() => gate(input('x', ['N', 6]), { norm }));
      const x = wave([4, 6], 1);
      const all = await numbers(y, { x });
      const second = ndarray('float32', [1, 6], toNumbers(x).slice(6, 12));
      expect(largestDifference(await numbers(y, { x: second }), all.slice(1, 2))).toBeLessThan(1e-7);
      expect((await run({ result: y }, { x: wave([0, 6]) })).result!.dims).toEqual([0, 1]);
      expect(paramsOf([y]).some((p) => p.role === 'statistic')).toBe(norm === 'batch');
    }
  });

  test('its gradient agrees with central differences', async () => {
    const loss = (t: Tensor) => sumAll(mul(gate(t, { outputs: 2, hidden: 4, name: 'g' }), input('by', [2, 2])));
    const scaled = (t: Tensor) => mul(loss(t), 1000); // the last weights are small
    const [walked, differences] = await bothGradients(scaled, wave([2, 3, 2, 2], 1), { by: wave([2, 2], 2) }, 3e-3);
    expect(Math.max(...walked.map(Math.abs))).toBeGreaterThan(0.01);
    expect(largestDifference(walked, differences) / Math.max(...walked.map(Math.abs))).toBeLessThan(0.05);
  });

  test('refuses a bias that does not fit', () => {
    const make = (options: Parameters<typeof gate>[1]) => fresh(() => gate(input('x', ['N', 6]), options));
    expect(() => make({ bias: [1, 2] })).toThrow(
      'gate "gate1": bias should be 1 finite number(s), one for each output, got [1,2]',
    );
    expect(() => make({ outputs: 0 })).toThrow(/outputs should be a whole number/);
    expect(() => make({ norm: 'group' as 'layer' })).toThrow(/a gate's norm is 'layer' or 'batch', got "group"/);
  });
});

describe('channelSaliency', () => {
  test('is a linear map of the relative mean sizes of the channels, cut at 0, whatever the scale of the input', async () => {
    const y = fresh(() => channelSaliency(input('x', ['N', 3, 4, 4]), 5));
    const [x, weight, bias] = [wave([2, 3, 4, 4], 1), wave([5, 3], 2), wave([5], 3)];
    const weights = new Map([
      ['channelSaliency1/weight', weight],
      ['channelSaliency1/bias', bias],
    ]);
    const got = await numbers(y, { x }, weights);
    const want = [0, 1].flatMap((n) => {
      const planes = imageOf((x.data as Float32Array).subarray(n * 48, (n + 1) * 48), [3, 4, 4]);
      const sizes = planes.map((plane) => mean(plane.flat().map(Math.abs)));
      const relative = sizes.map((v) => v / mean(sizes));
      return product(weight, relative, bias).map((v) => Math.max(0, v));
    });
    expect(largestDifference(got, want)).toBeLessThan(1e-4);
    const louder = ndarray(
      'float32',
      x.dims,
      (x.data as Float32Array).map((v) => 1000 * v),
    );
    expect(largestDifference(await numbers(y, { x: louder }, weights), want)).toBeLessThan(1e-4);
    expect(want.some((v) => v === 0) && want.some((v) => v > 0.1)).toBe(true);
  });

  test('judges all channels alike where the input is empty', async () => {
    const zero = ndarray('float32', [1, 3, 2, 2], new Float32Array(12));
    expect(
      await numbers(
        fresh(() => channelSaliency(input('x', ['N', 3, 2, 2]), 4)),
        { x: zero },
      ),
    ).toEqual([1, 1, 1, 1]);
  });
});

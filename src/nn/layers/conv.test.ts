import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { largestDifference } from '../../../test/support/difference.ts';
import { fresh, input, type NDArray, ndarray, relu } from '../../graph/index.ts';
import { convolution, imageOf } from '../fixtures/naive.ts';
import { numbers, wave } from '../fixtures/run.ts';
import { paramsOf } from '../params.ts';
import { conv } from './conv.ts';

const weightOf = (w: NDArray) => {
  const [o, i, kh, kw] = w.dims as [number, number, number, number];
  return Array.from({ length: o }, (_, n) =>
    imageOf((w.data as Float32Array).subarray(n * i * kh * kw, (n + 1) * i * kh * kw), [i, kh, kw]),
  );
};

describe('conv', () => {
  test('agrees with plain loops for any stride, padding, dilation, groups and kernel', async () => {
    const cases = fc.record({
      groups: fc.constantFrom(1, 2),
      inPer: fc.integer({ min: 1, max: 2 }),
      outPer: fc.integer({ min: 1, max: 2 }),
      kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
      stride: fc.integer({ min: 1, max: 3 }),
      dilation: fc.integer({ min: 1, max: 2 }),
      size: fc.tuple(fc.integer({ min: 7, max: 9 }), fc.integer({ min: 7, max: 9 })),
      padding: fc.constantFrom<'same' | 'valid' | number | number[]>('same', 'valid', 1, [0, 2], [1, 0, 2, 3]),
      bias: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ groups, inPer, outPer, kernel, stride, dilation, size, padding, bias }) => {
        const dims = [groups * inPer, ...size] as [number, number, number];
        const y = fresh(() =>
          conv(input('x', ['N', ...dims]), groups * outPer, { groups, kernel, stride, dilation, padding, bias }),
        );
        const weights = new Map([
          ['conv1/weight', wave([groups * outPer, inPer, ...kernel], 1)],
          ['conv1/bias', wave([groups * outPer], 2)],
        ]);
        const x = wave([1, ...dims], 3);
        const total = kernel.map((k) => dilation * (k - 1)) as [number, number];
        const pads = (
          padding === 'same'
            ? [...total.map((t) => Math.floor(t / 2)), ...total.map((t) => Math.ceil(t / 2))]
            : padding === 'valid'
              ? [0, 0, 0, 0]
              : typeof padding === 'number'
                ? [padding, padding, padding, padding]
                : padding.length === 2
                  ? [...padding, ...padding]
                  : padding
        ) as [number, number, number, number];
        const expected = convolution(
          imageOf(x.data as Float32Array, dims),
          weightOf(weights.get('conv1/weight')!),
          bias ? Array.from(weights.get('conv1/bias')!.data, Number) : [],
          { stride, dilation, groups, pads },
        );
        expect(y.shape).toEqual(['N', expected.length, expected[0]!.length, expected[0]![0]!.length]);
        const got = await numbers(y, { x }, weights);
        expect(largestDifference(got, expected.flat(2))).toBeLessThan(1e-5);
      }),
      { numRuns: 60 },
    );
  });

  test('one spatial axis', async () => {
    const y = fresh(() => conv(input('x', ['N', 1, 4]), 1, { bias: false }));
    expect(y.shape).toEqual(['N', 1, 4]);
    const got = await numbers(
      y,
      { x: ndarray('float32', [1, 1, 4], [1, 2, 3, 4]) },
      new Map([['conv1/weight', ndarray('float32', [1, 1, 3], [1, 10, 100])]]),
    );
    expect(got).toEqual([210, 321, 432, 43]);
  });

  test("an even kernel gets the odd zero of 'same' at the end", async () => {
    const y = fresh(() => conv(input('x', ['N', 1, 3]), 1, { kernel: 2, bias: false }));
    const weights = new Map([['conv1/weight', ndarray('float32', [1, 1, 2], [1, 10])]]);
    expect(await numbers(y, { x: ndarray('float32', [1, 1, 3], [1, 2, 3]) }, weights)).toEqual([21, 32, 3]);
  });

  test('a convolution without options has a bias and nothing else', () => {
    const y = fresh(() => conv(input('x', ['N', 3, 8, 8]), 16));
    expect(y.node.op.name).toBe('Conv');
    expect(paramsOf([y]).map(({ name, shape, role }) => [name, shape, role])).toEqual([
      ['conv1/weight', [16, 3, 3, 3], 'weight'],
      ['conv1/bias', [16], 'bias'],
    ]);
  });

  test('under a normalisation the bias is off, and the activation comes last', async () => {
    const x = input('x', ['N', 2, 4, 4]);
    const y = fresh(() => conv(x, 4, { norm: 'batch', activation: 'relu' }));
    expect(paramsOf([y]).map(({ name, role }) => [name, role])).toEqual([
      ['conv1/weight', 'weight'],
      ['conv1/norm/scale', 'bias'],
      ['conv1/norm/bias', 'bias'],
      ['conv1/norm/mean', 'statistic'],
      ['conv1/norm/variance', 'statistic'],
    ]);
    expect([y.node.op.name, y.node.inputs[0]!.node.op.name]).toEqual(['Relu', 'BatchNormalization']);
    const forced = fresh(() => conv(x, 4, { norm: 'group', bias: true }));
    expect(paramsOf([forced]).map((p) => p.name)).toContain('conv1/bias');
    const own = fresh(() => conv(x, 4, { norm: relu, activation: (t) => t }));
    expect([own.node.op.name, own.node.inputs[0]!.node.op.name]).toEqual(['Relu', 'Conv']);
  });

  test('zero inputs give zero outputs', async () => {
    const y = fresh(() => conv(input('x', ['N', 2, 4, 4]), 3, { norm: 'batch', activation: 'hardSwish' }));
    expect(await numbers(y, { x: wave([0, 2, 4, 4]) })).toEqual([]);
  });
});

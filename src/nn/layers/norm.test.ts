import { describe, expect, test } from 'vitest';
import { largestDifference } from '../../../test/support/difference.ts';
import { fresh, input, mul, ndarray, order, sumAll, toNumbers } from '../../graph/index.ts';
import { standardised } from '../fixtures/naive.ts';
import { bothGradients, numbers, wave } from '../fixtures/run.ts';
import { zeros } from '../init.ts';
import { paramsOf } from '../params.ts';
import { batchNorm, groupNorm, layerNorm } from './norm.ts';

const [n, c, h, w] = [2, 4, 3, 2];
const x = wave([n, c, h, w], 4);
const flat = toNumbers(x);
const per = h * w;
const traced = () => input('x', ['N', c, h, w]);
const scale = wave([c], 1);
const bias = wave([c], 2);
const affineOver = (values: readonly number[]): number[] =>
  values.map((v, i) => v * Number(scale.data[Math.floor(i / per) % c]) + Number(bias.data[Math.floor(i / per) % c]));

describe('batchNorm', () => {
  test('uses the running statistics of each channel', async () => {
    const mean = wave([c], 3);
    const variance = ndarray('float32', [c], [0.5, 1, 2, 1e-6]);
    const weights = new Map(Object.entries({ scale, bias, mean, variance }).map(([k, v]) => [`batchNorm1/${k}`, v]));
    const got = await numbers(
      fresh(() => batchNorm(traced(), { epsilon: 1e-3 })),
      { x },
      weights,
    );
    const hat = flat.map((v, i) => {
      const at = Math.floor(i / per) % c;
      return (v - Number(mean.data[at])) / Math.sqrt(Number(variance.data[at]) + 1e-3);
    });
    expect(largestDifference(got, affineOver(hat))).toBeLessThan(1e-5);
  });

  test('at its start it is almost the identity, or zero with a zero scale', async () => {
    expect(
      largestDifference(
        await numbers(
          fresh(() => batchNorm(traced())),
          { x },
        ),
        flat,
      ),
    ).toBeLessThan(1e-5);
    const off = await numbers(
      fresh(() => batchNorm(traced(), { scale: zeros })),
      { x },
    );
    expect(off.every((v) => v === 0)).toBe(true);
  });

  test('carries its momentum for the training pass, and takes [N, C] too', () => {
    expect(fresh(() => batchNorm(traced())).node.attrs).toEqual({ epsilon: 1e-5, momentum: 0.9 });
    expect(fresh(() => batchNorm(input('x', ['N', 5]), { momentum: 0.99 })).node.attrs.momentum).toBe(0.99);
  });
});

describe('groupNorm', () => {
  test.each([1, 2, 4])('normalises each input over %i group(s)', async (groups) => {
    const weights = new Map([
      ['groupNorm1/scale', scale],
      ['groupNorm1/bias', bias],
    ]);
    const got = await numbers(
      fresh(() => groupNorm(traced(), { groups })),
      { x },
      weights,
    );
    const size = (c / groups) * per;
    const hat = Array.from({ length: n * groups }, (_, i) => standardised(flat.slice(i * size, (i + 1) * size)));
    expect(largestDifference(got, affineOver(hat.flat()))).toBeLessThan(1e-5);
  });

  test('its gradient agrees with central differences', async () => {
    const weights = wave([c, h, w], 9);
    const [walked, differences] = await bothGradients(
      (t) => sumAll(mul(groupNorm(t, { groups: 2 }), input('by', [c, h, w]))),
      wave([1, c, h, w], 4),
      { by: weights },
      3e-3,
    );
    expect(largestDifference(walked, differences)).toBeLessThan(5e-3);
  });

  test('takes 8 groups by default, fewer where 8 does not divide, and empty batches', async () => {
    const groupsOf = (channels: number) => {
      const nodes = order([fresh(() => groupNorm(input('x', ['N', channels, 2, 2])))]);
      return nodes.find((node) => node.op.name === 'Reshape')!.outputs[0]!.shape[1];
    };
    expect([16, 12, 4, 6, 7].map(groupsOf)).toEqual([8, 4, 4, 2, 1]);
    expect(
      await numbers(
        fresh(() => groupNorm(traced())),
        { x: wave([0, c, h, w]) },
      ),
    ).toEqual([]);
    expect(() => groupNorm(traced(), { groups: 3, name: 'odd' })).toThrow(
      'groupNorm "odd": 4 channels do not divide into 3 groups',
    );
  });
});

describe('layerNorm', () => {
  test.each([-1, -2, 1])('normalises from axis %i on', async (axis) => {
    const y = fresh(() => layerNorm(traced(), { axis }));
    const shape = paramsOf([y])[0]!.shape;
    const size = shape.reduce((a, b) => a * b, 1);
    expect(size).toBe(axis === -1 ? w : axis === -2 ? h * w : c * h * w);
    const [s, b] = [wave(shape, 5), wave(shape, 6)];
    const got = await numbers(
      y,
      { x },
      new Map([
        ['layerNorm1/scale', s],
        ['layerNorm1/bias', b],
      ]),
    );
    const expected = Array.from({ length: flat.length / size }, (_, i) =>
      standardised(flat.slice(i * size, (i + 1) * size)).map((v, j) => v * Number(s.data[j]) + Number(b.data[j])),
    );
    expect(largestDifference(got, expected.flat())).toBeLessThan(1e-5);
  });

  test('its scale is trained but not decayed', () => {
    const y = fresh(() => layerNorm(input('x', ['N', 7, 6])));
    expect(paramsOf([y]).map(({ name, shape, role }) => [name, shape, role])).toEqual([
      ['layerNorm1/scale', [6], 'bias'],
      ['layerNorm1/bias', [6], 'bias'],
    ]);
  });

  test('refuses an axis whose size is not known', () => {
    expect(() => layerNorm(input('x', ['N', 'T']))).toThrow(/layerNorm "layerNorm1": .*must be known in \[N, T\]/);
  });
});

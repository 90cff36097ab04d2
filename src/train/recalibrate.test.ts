import { describe, expect, test } from 'vitest';
import { dataset, Random } from '../data/index.ts';
import { type Model, net, parametersOf, select } from '../dynamic/index.ts';
import { neg, reshape, slice, type Tensor } from '../graph/index.ts';
import { batchNorm, linear, materialize } from '../nn/index.ts';
import { recalibrate } from './recalibrate.ts';

const WIDTH = 4;
const items = 512;
const random = new Random(5, 5);
const inputs = Float32Array.from(
  { length: items * WIDTH },
  (_, i) => (1 + (i % WIDTH)) * random.normal() + (i % WIDTH),
);
const data = dataset({
  inputs,
  shape: [WIDTH],
  labels: new Array(items).fill(0).map((_, i) => i % 2),
  classes: ['a', 'b'],
});

const first = (x: Tensor): Tensor => reshape(slice(x, [{ axis: 1, start: 0, end: 1 }]), [0]);
const modelOf = (fn: (x: Tensor) => Tensor): Model => {
  const made = net({ input: [WIDTH], classes: 2 }, (x) => linear(fn(x), 2));
  return {
    net: made,
    weights: materialize(parametersOf(made), 1),
    classes: ['a', 'b'],
    preprocessing: { shape: [WIDTH], scale: 1, mean: [0], std: [1] },
  };
};

/** Mean and unbiased variance of each column, over the rows that `keep` names: plain sums in double precision. */
function statistics(keep: (row: Float32Array) => boolean, shift = 0, factor = 1) {
  const rows = Array.from({ length: items }, (_, i) => inputs.subarray(i * WIDTH, (i + 1) * WIDTH)).filter(keep);
  const column = (c: number) => rows.map((r) => r[c]! * factor + shift);
  const means = Array.from({ length: WIDTH }, (_, c) => column(c).reduce((a, b) => a + b, 0) / rows.length);
  const variances = means.map((m, c) => column(c).reduce((a, v) => a + (v - m) ** 2, 0) / (rows.length - 1));
  return { means, variances, count: rows.length };
}

const expectClose = (got: ArrayLike<number | bigint>, wanted: readonly number[]) => {
  expect(got).toHaveLength(wanted.length);
  for (const [i, v] of wanted.entries()) expect(Math.abs(Number(got[i]) - v)).toBeLessThan(1e-3 * (1 + Math.abs(v)));
};

describe('recalibrate', () => {
  test('gives a normalisation that all inputs reach the statistics of all', async () => {
    const { weights } = await recalibrate(
      modelOf((x) => batchNorm(x, { name: 'norm' })),
      data,
      { items },
    );
    const { means, variances } = statistics(() => true);
    expectClose(weights.get('norm/mean')!.data, means);
    expectClose(weights.get('norm/variance')!.data, variances);
  });

  const gated = (score: (x: Tensor) => Tensor) =>
    modelOf((x) =>
      select({
        name: 'gate',
        score: score(x),
        options: { run: () => batchNorm(x, { name: 'norm' }), skip: () => batchNorm(x, { name: 'other' }) },
      }),
    );

  test('gives each option the statistics of the inputs that take it', async () => {
    const { weights } = await recalibrate(gated(first), data, { items, batch: 128 });
    const run = statistics((r) => r[0]! <= 0);
    const skip = statistics((r) => r[0]! > 0);
    expect(run.count + skip.count).toBe(items);
    expect(Math.min(run.count, skip.count)).toBeGreaterThan(100);
    expectClose(weights.get('gate/run/norm/mean')!.data, run.means);
    expectClose(weights.get('gate/run/norm/variance')!.data, run.variances);
    expectClose(weights.get('gate/skip/other/mean')!.data, skip.means);
    expectClose(weights.get('gate/skip/other/variance')!.data, skip.variances);
  });

  test('follows thresholds that are given', async () => {
    const { weights } = await recalibrate(gated(first), data, { items, thresholds: { gate: 0.5 } });
    expectClose(weights.get('gate/run/norm/mean')!.data, statistics((r) => r[0]! <= 0.5).means);
  });

  test('leaves what nobody executes as it was', async () => {
    const model = gated((x) => neg(first(x)));
    const { weights } = await recalibrate(model, data, { items, thresholds: { gate: Number.POSITIVE_INFINITY } });
    expect(weights.get('gate/skip/other/mean')).toBe(model.weights.get('gate/skip/other/mean'));
    expect(weights.get('gate/run/norm/mean')).not.toBe(model.weights.get('gate/run/norm/mean'));
  });

  test('an inner decision counts the inputs that reach it and take it', async () => {
    const second = (x: Tensor): Tensor => reshape(slice(x, [{ axis: 1, start: 1, end: 2 }]), [0]);
    const model = modelOf((x) =>
      select({
        name: 'outer',
        score: first(x),
        options: {
          run: () =>
            select({
              name: 'inner',
              score: second(x),
              options: { run: () => batchNorm(x, { name: 'norm' }), skip: () => x },
            }),
          skip: () => x,
        },
      }),
    );
    const { weights } = await recalibrate(model, data, { items });
    expectClose(weights.get('outer/run/inner/run/norm/mean')!.data, statistics((r) => r[0]! <= 0 && r[1]! <= 0).means);
  });

  test('sees the images as training saw them', async () => {
    // One bright pixel in the middle: every shift by more than one pixel loses it.
    const images = new Float32Array(256 * 9).map((_, i) => (i % 9 === 4 ? 1 : 0));
    const photos = dataset({
      inputs: images,
      shape: [1, 3, 3],
      labels: new Array(256).fill(0),
      classes: ['a', 'b'],
      mean: [0],
      std: [1],
    });
    const made = net({ input: [1, 3, 3], classes: 2 }, (x) =>
      linear(reshape(batchNorm(x, { name: 'norm' }), [0, 9]), 2),
    );
    const model: Model = {
      ...{ net: made, weights: materialize(parametersOf(made), 1), classes: ['a', 'b'] },
      preprocessing: { shape: [1, 3, 3], scale: 1, mean: [0], std: [1] },
    };
    const meanOf = async (augment?: { crop: number }) =>
      Number((await recalibrate(model, photos, augment ? { augment } : {})).weights.get('norm/mean')!.data[0]);
    expect(await meanOf()).toBeCloseTo(1 / 9, 5);
    // Of 25 shifts by up to two, the nine by at most one keep it.
    expect(Math.abs((await meanOf({ crop: 2 })) - 9 / 25 / 9)).toBeLessThan(0.012);
  });

  test('a net without normalisations comes back as it is, and a single input is too few', async () => {
    const plain = modelOf((x) => x);
    expect(await recalibrate(plain, data)).toBe(plain);
    const one = dataset({ inputs: inputs.subarray(0, WIDTH), shape: [WIDTH], labels: [0], classes: ['a', 'b'] });
    await expect(recalibrate(gated(first), one)).rejects.toThrow('at least 2 inputs, data has 1');
  });
});

import {
  applyAll,
  BatchNormTraining,
  batchNormalize,
  LayerNormalization,
  logSoftmax,
  type Shape,
  softmax,
} from '../../../src/graph/index.ts';
import type * as room from '../../../src/graph/ops/norm.ts';
import type { Case, Spec } from '../check.ts';
import { along, type Dense, dense, each, mean, reduce, reshape, sum } from '../dense.ts';
import type { RowsOf } from './rows.ts';

const EPSILON = 0.01;
const positive = (i: number): number => 0.4 + 0.3 * ((i * 3) % 4);
const channels = (n: number): Spec[] => [
  { shape: [n] },
  { shape: [n] },
  { shape: [n] },
  { shape: [n], value: positive },
];

const perChannel = (v: Dense, x: Dense): Dense => reshape(v, [1, v.dims[0]!, ...x.dims.slice(2).map(() => 1)]);
const normalised = (x: Dense, scale: Dense, bias: Dense, m: Dense, v: Dense): Dense =>
  each(
    (a, s, b, mu, va) => (s! * (a! - mu!)) / Math.sqrt(va! + EPSILON) + b!,
    x,
    ...[scale, bias, m, v].map((t) => perChannel(t, x)),
  );

const moments = (x: Dense, axes: number[], keep: boolean): [Dense, Dense] => [
  reduce(x, axes, keep, mean),
  reduce(x, axes, keep, (values) => mean(values.map((v) => (v - mean(values)) ** 2))),
];

const inference = (name: string, x: Shape, N?: number[]): Case => ({
  name,
  inputs: [{ shape: x }, ...channels(x[1] as number)],
  ...(N ? { N } : {}),
  build: ([a, s, b, m, v]) => batchNormalize(a!, s!, b!, m!, v!, EPSILON),
  reference: ([a, s, b, m, v]) => normalised(a!, s!, b!, m!, v!),
});

/** Which of y, mean and variance the loss sees. */
const training = (name: string, x: Shape, seen: readonly number[], N?: number[]): Case => ({
  name,
  inputs: [{ shape: x }, ...channels(x[1] as number)],
  ...(N ? { N } : {}),
  build: (inputs) => {
    const out = applyAll(BatchNormTraining, inputs, { epsilon: EPSILON, momentum: 0, training_mode: 1 });
    return seen.map((i) => out[i]!);
  },
  reference: ([a, s, b]) => {
    const [m, v] = moments(
      a!,
      a!.dims.map((_, i) => i).filter((i) => i !== 1),
      false,
    );
    const out = [normalised(a!, s!, b!, m, v), m, v];
    return seen.map((i) => out[i]!);
  },
});

const layer = (name: string, x: Shape, axis: number, seen: readonly number[], bias: boolean, N?: number[]): Case => {
  const from = axis < 0 ? axis + x.length : axis;
  const own = x.slice(from);
  return {
    name,
    inputs: [{ shape: x }, { shape: own }, ...(bias ? [{ shape: own }] : [])],
    ...(N ? { N } : {}),
    build: (inputs) => {
      const out = applyAll(LayerNormalization, inputs, { axis, epsilon: EPSILON });
      return seen.map((i) => out[i]!);
    },
    reference: ([a, s, b]) => {
      const [m, v] = moments(a!, a!.dims.map((_, i) => i).slice(from), true);
      const inverse = each((w) => 1 / Math.sqrt(w! + EPSILON), v);
      const hat = each((p, q, r) => (p! - q!) * r!, a!, m, inverse);
      const y = each((h, w, c) => h! * w! + c!, hat, s!, b ?? dense([], () => 0));
      return seen.map((i) => [y, m, inverse][i]!);
    },
  };
};

const soft = (values: number[]): number[] => {
  const top = values.map((v) => Math.exp(v - Math.max(...values)));
  return top.map((v) => v / sum(top));
};

const overAxis = (call: typeof softmax, f: (values: number[]) => number[]): Case[] =>
  (
    [
      ['rows', ['N', 4], -1, [3, 1, 0]],
      ['a middle axis', ['N', 3, 2], 1, [2, 0]],
      ['the batch axis', ['N', 2], 0, [3, 1]],
      ['one class', [3, 1], 1, undefined],
      ['far from zero', [2, 3], 1, undefined],
    ] as const
  ).map(([name, shape, axis, N]) => ({
    name,
    inputs: [{ shape, ...(name === 'far from zero' ? { value: (i: number) => 60 + i * 0.75 } : {}) }],
    ...(N ? { N } : {}),
    build: ([x]) => call(x!, axis),
    reference: ([x]) => along(x!, axis < 0 ? axis + shape.length : axis, f),
  }));

export const normRows: RowsOf<typeof room> = {
  BatchNormalization: [
    inference('images', ['N', 3, 2, 2], [2, 1, 0]),
    inference('vectors', ['N', 3], [2, 0]),
    inference('one spatial axis', [2, 2, 3]),
  ],
  BatchNormTraining: [
    training('images, loss on all outputs', ['N', 2, 2, 3], [0, 1, 2], [3, 1]),
    training('loss on the normalised values', [3, 2, 2, 2], [0]),
    training('loss on the mean', ['N', 2, 2, 2], [1], [2]),
    training('loss on the variance', ['N', 2, 2, 2], [2], [2]),
    training('loss on mean and variance', [3, 2, 2], [1, 2]),
    training('vectors', ['N', 3], [0, 2], [4]),
  ],
  LayerNormalization: [
    layer('rows', ['N', 4], -1, [0], true, [3, 1, 0]),
    layer('tokens', ['N', 2, 3], 2, [0], true, [2, 0]),
    layer('two axes', [2, 2, 3], 1, [0], true),
    layer('without a bias', [3, 4], -1, [0], false),
    layer('loss on all outputs', [3, 4], 1, [0, 1, 2], true),
    layer('loss on the mean', [2, 4], 1, [1], true),
    layer('loss on the inverse deviation', ['N', 3], 1, [2], true, [3]),
  ],
  Softmax: overAxis(softmax, soft),
  LogSoftmax: overAxis(logSoftmax, (values) => soft(values).map(Math.log)),
};

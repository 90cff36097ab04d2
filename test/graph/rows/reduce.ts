import {
  ArgMax,
  apply,
  argMax,
  CumSum,
  cast,
  meanAll,
  ReduceMean,
  ReduceSum,
  reduceMax,
  reduceMean,
  reduceMin,
  reduceSum,
  type Shape,
  scalar,
  sumAll,
  type Tensor,
} from '../../../src/graph/index.ts';
import type * as room from '../../../src/graph/ops/reduce.ts';
import type { Case } from '../check.ts';
import { along, mean, reduce, sum } from '../dense.ts';
import type { RowsOf } from './rows.ts';

type Call = (x: Tensor, axes: readonly number[], keep?: boolean) => Tensor;

const reductions = (call: Call, f: (values: number[]) => number, ofNone: boolean): Case[] => {
  const over = (name: string, shape: Shape, axes: number[], keep: boolean, N?: number[]): Case => ({
    name: `${name}${keep ? ', axes kept' : ''}`,
    inputs: [{ shape }],
    ...(N ? { N } : {}),
    build: ([x]) => call(x!, axes, keep),
    reference: ([x]) =>
      reduce(
        x!,
        axes.map((a) => (a < 0 ? a + shape.length : a)),
        keep,
        f,
      ),
  });
  return [false, true].flatMap((keep) => [
    over('last axis', ['N', 3], [-1], keep, [2, 1, 0]),
    over('batch axis', ['N', 2, 2], [0], keep, ofNone ? [3, 1, 0] : [3, 1]),
    over('outer axes', ['N', 3, 2], [0, 2], keep, [2]),
    over('axes out of order', [2, 3, 2], [2, 0], keep),
    over('all axes', ['N', 3], [0, 1], keep, ofNone ? [2, 0] : [2]),
    over('an axis of 1', [3, 1, 2], [1], keep),
  ]);
};

const whole = (name: string, call: (x: Tensor) => Tensor, f: (values: number[]) => number, shape: Shape): Case => ({
  name,
  inputs: [{ shape }],
  build: ([x]) => call(x!),
  reference: ([x]) => ({ dims: [], data: [f([...x!.data])] }),
});

const running = (exclusive: 0 | 1, reverse: 0 | 1): Case => ({
  name: `${exclusive ? 'exclusive' : 'inclusive'}${reverse ? ', from the end' : ''}`,
  inputs: [{ shape: ['N', 4, 2] }],
  N: [2, 0],
  build: ([x]) => apply(CumSum, [x!, cast(scalar(1), 'int64')], { exclusive, reverse }),
  reference: ([x]) =>
    along(x!, 1, (values) => {
      const list = reverse ? values.toReversed() : values;
      const sums = list.map((_, i) => sum(list.slice(0, exclusive ? i : i + 1)));
      return reverse ? sums.toReversed() : sums;
    }),
});

const first = (values: number[], best: number): number => values.indexOf(best);
const arg = (name: string, shape: Shape, axis: number, keep: boolean, N?: number[]): Case => ({
  name,
  inputs: [{ shape }],
  ...(N ? { N } : {}),
  build: ([x]) => argMax(x!, axis, keep),
  reference: ([x]) => reduce(x!, [axis < 0 ? axis + shape.length : axis], keep, (v) => first(v, Math.max(...v))),
});

export const reduceRows: RowsOf<typeof room> = {
  ReduceSum: [
    ...reductions(reduceSum, sum, true),
    whole('everything', sumAll, sum, [2, 3]),
    whole('no axes named: everything', (x) => apply(ReduceSum, [x], { keepdims: 0 }), sum, [2, 2]),
    {
      name: 'integers',
      inputs: [{ shape: [2, 3], dtype: 'int64', value: (i) => i - 2 }],
      build: ([x]) => reduceSum(x!, [1]),
      reference: ([x]) => reduce(x!, [1], false, sum),
    },
  ],
  ReduceMean: [
    ...reductions(reduceMean, mean, false),
    whole('everything', meanAll, mean, [2, 3]),
    whole('a scalar', (x) => apply(ReduceMean, [x], { keepdims: 0 }), mean, []),
  ],
  ReduceMax: reductions(reduceMax, (v) => Math.max(...v), false),
  ReduceMin: reductions(reduceMin, (v) => Math.min(...v), false),
  ArgMax: [
    arg('classes', ['N', 4], -1, false, [3, 1, 0]),
    arg('axis kept', [2, 3, 2], 1, true),
    {
      name: 'the first of equals',
      inputs: [{ shape: [2, 3], value: (i) => [1, 2, 2, 3, 3, 3][i]! }],
      build: ([x]) => apply(ArgMax, [x!], { axis: 1, keepdims: 0 }),
      reference: () => ({ dims: [2], data: [1, 0] }),
      wrt: [],
    },
  ],
  CumSum: [running(0, 0), running(0, 1), running(1, 0), running(1, 1)],
};

import { DynaError } from '../../errors.ts';
import {
  apply,
  applyAll,
  concat,
  constant,
  formatShape,
  ints,
  ndarray,
  noMacs,
  type Operator,
  refuse,
  type Shape,
  Slice,
  type Tensor,
} from '../../graph/index.ts';

/** The largest values along an axis and their places, the first of equals first; how many is input 1. */
export const TopK: Operator<{ axis: number; largest: 0 | 1; sorted: 0 | 1; count: string }> = {
  name: 'TopK',
  internal: ['count'],
  domain: '',
  arity: [2, 2],
  infer: ([x, k], { axis, count }) => {
    if (k!.dtype !== 'int64' || k!.rank !== 1)
      throw new DynaError('shape', `TopK: how many is int64 [1], got ${k!.dtype}${formatShape(k!.shape)}`);
    const shape = x!.shape.map((d, i) => (i === axis ? count : d));
    return [
      { dtype: x!.dtype, shape },
      { dtype: 'int64', shape },
    ];
  },
  gradient: [refuse('the choice of the largest; multiply by their values to learn'), null],
  macs: noMacs,
};

/** Slice that takes the first rows of an axis known by name; `shape` is what comes out. */
const Rows: Operator<{ shape: Shape }> = {
  ...(Slice as unknown as Operator<{ shape: Shape }>),
  internal: ['shape'],
  infer: ([x], { shape }) => [{ dtype: x!.dtype, shape }],
};

/** Places [N, count] of the k largest of each row; `count` names their number. */
export function topPlaces(x: Tensor, k: Tensor, count: string): Tensor {
  const top = (t: Tensor): Tensor => applyAll(TopK, [t, k], { axis: 1, largest: 1, sorted: 0, count })[1]!;
  const [rows, units] = x.shape as readonly [string | number, number];
  if (typeof rows === 'number' && rows > 0) return top(x);
  // ONNX Runtime 1.30 dies of TopK on no rows: one more keeps it alive.
  const more = top(concat([x, constant(ndarray('float32', [1, units], new Float32Array(units)))], 0));
  return apply(Rows, [more, ints([0]), ints([-1]), ints([0])], { shape: [rows, count] });
}

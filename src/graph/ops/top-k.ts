import { DynaError } from '../../errors.ts';
import { ndarray, sizeOf } from '../array.ts';
import { type Dim, formatShape, isConcrete, normalizeAxis } from '../shape.ts';
import { applyAll, noMacs, type Operator, type Tensor } from '../tensor.ts';
import { gatherElements, scatterElements } from './indexing.ts';
import { constant, ints } from './leaf.ts';
import { concat, zerosLike } from './reshape.ts';
import { slice } from './slicing.ts';

interface TopKAttrs {
  readonly axis: number;
  readonly largest: 0 | 1;
  readonly sorted: 0 | 1;
  /** How many there are, by number or name. */
  readonly count: Dim;
}

function checkCount({ shape }: Tensor, axis: number, count: Dim): void {
  const size = shape[axis]!;
  if (typeof count === 'number' && typeof size === 'number' && count > size)
    throw new DynaError('shape', `TopK: axis ${axis} of ${formatShape(shape)} holds no ${count} values`);
}

/** The largest (or smallest) values along an axis and their places, the first of equals first; how many is input 1. */
export const TopK: Operator<TopKAttrs> = {
  name: 'TopK',
  internal: ['count'],
  domain: '',
  arity: [2, 2],
  infer: ([x, k], { axis, count }) => {
    const at = normalizeAxis(axis, x!.rank, 'TopK');
    if (k!.dtype !== 'int64' || k!.rank !== 1)
      throw new DynaError('shape', `TopK: how many is int64 [1], got ${k!.dtype}${formatShape(k!.shape)}`);
    checkCount(x!, at, count);
    const shape = x!.shape.map((d, i) => (i === at ? count : d));
    return [
      { dtype: x!.dtype, shape },
      { dtype: 'int64', shape },
    ];
  },
  // y = x[places]: each cotangent goes back to the place that its value came from.
  gradient: [({ gs: [g], x: [x], y, attrs }) => g && scatterElements(zerosLike(x!), y[1]!, g, attrs.axis, 'add'), null],
  macs: noMacs,
};

export interface TopKOptions {
  /** The last by default. */
  readonly axis?: number;
  /** The smallest are taken where this is false. */
  readonly largest?: boolean;
  /** False leaves the order of what is taken to the engine. */
  readonly sorted?: boolean;
  /** What a number that is known only when the graph runs is called. */
  readonly count?: string;
}

/**
 * The k largest values along an axis, and their places; of equals the first.
 *
 * @param x [.., n, ..]
 * @param k a number, or int64 [1], which `count` then names
 * @returns both [.., k, ..], places int64
 * @throws DynaError 'shape' for a k of another form or above n
 * @example const { values, places } = topK(logits, 5)
 */
export function topK(
  x: Tensor,
  k: number | Tensor,
  { axis = -1, largest = true, sorted = true, count = 'k' }: TopKOptions = {},
): { readonly values: Tensor; readonly places: Tensor } {
  const at = normalizeAxis(axis, x.rank, 'TopK');
  if (typeof k === 'number') checkCount(x, at, k);
  const many = typeof k === 'number' ? ints([k]) : k;
  const attrs = {
    axis: at,
    largest: largest ? 1 : 0,
    sorted: sorted ? 1 : 0,
    count: typeof k === 'number' ? k : count,
  } as const;
  const [rows, rest] = [x.shape[0]!, x.shape.slice(1)];
  if (at === 0 || !isConcrete(rest) || (typeof rows === 'number' && rows > 0)) {
    const [values, places] = applyAll(TopK, [x, many], attrs);
    return { values: values!, places: places! };
  }
  // ONNX Runtime 1.30 dies of TopK on no rows: one more keeps it alive.
  const spare = constant(ndarray(x.dtype, [1, ...rest], new Array<number>(sizeOf(rest)).fill(0)));
  const [, more] = applyAll(TopK, [concat([x, spare], 0), many], attrs);
  const places = slice(more!, [{ axis: 0, start: 0, end: -1 }]);
  return { values: gatherElements(x, places, at), places };
}

import { sizeOf } from '../array.ts';
import { isConcrete, normalizeAxis, type Shape } from '../shape.ts';
import { apply, noMacs, type Operator, type Rule, type Tensor } from '../tensor.ts';
import { cast, div, equal, mul } from './elementwise.ts';
import { ints, knownInts, scalar } from './leaf.ts';
import { expandLike, ShapeOf, unsqueeze } from './reshape.ts';

interface ReduceAttrs {
  readonly axes?: readonly number[];
  readonly keepdims: 0 | 1;
}

const axesOf = (x: Tensor, { axes }: ReduceAttrs, given: Tensor | undefined): number[] => {
  const named = given ? knownInts(given, 'the axes of a reduction') : axes;
  return named?.length ? named.map((a) => normalizeAxis(a, x.rank, 'reduction')) : x.shape.map((_, i) => i);
};

const reduced = (shape: Shape, axes: readonly number[], keepdims: 0 | 1): Shape =>
  keepdims ? shape.map((d, i) => (axes.includes(i) ? 1 : d)) : shape.filter((_, i) => !axes.includes(i));

/** `axesInput`: ReduceSum takes its axes as input 1 (opset 13); the others as an attribute until opset 18. */
const reduction = (name: string, axesInput: boolean, rule: Rule<ReduceAttrs>): Operator<ReduceAttrs> => ({
  name,
  domain: '',
  arity: axesInput ? [1, 2] : [1, 1],
  infer: ([x, a], attrs) => [{ dtype: x!.dtype, shape: reduced(x!.shape, axesOf(x!, attrs, a), attrs.keepdims) }],
  gradient: axesInput ? [rule, null] : [rule],
  macs: noMacs,
});

/** Puts reduced axes back as 1, so that the cotangent broadcasts against the input. */
function restored(g: Tensor, x: readonly Tensor[], attrs: ReduceAttrs): Tensor {
  if (attrs.keepdims) return g;
  const axes = axesOf(x[0]!, attrs, x[1]);
  return axes.length === 0 ? g : unsqueeze(g, axes);
}

// d sum = g on every summed place
export const ReduceSum = reduction('ReduceSum', true, ({ g, x, attrs }) => expandLike(restored(g, x, attrs), x[0]!));
// d mean = g / count
export const ReduceMean = reduction('ReduceMean', false, ({ g, x, attrs }) =>
  div(expandLike(restored(g, x, attrs), x[0]!), countOf(x[0]!, axesOf(x[0]!, attrs, undefined))),
);
// The cotangent goes to the places that hold the extreme value, shared among ties.
const extreme: Rule<ReduceAttrs> = ({ g, x, y, attrs }) => {
  const hit = cast(equal(x[0]!, restored(y[0]!, x, attrs)), g.dtype);
  return mul(hit, div(restored(g, x, attrs), reduceSum(hit, axesOf(x[0]!, attrs, undefined), true)));
};
export const ReduceMax = reduction('ReduceMax', false, extreme);
export const ReduceMin = reduction('ReduceMin', false, extreme);

export const ArgMax: Operator<{ axis: number; keepdims: 0 | 1 }> = {
  name: 'ArgMax',
  domain: '',
  arity: [1, 1],
  infer: ([x], { axis, keepdims }) => [
    { dtype: 'int64', shape: reduced(x!.shape, [normalizeAxis(axis, x!.rank, 'ArgMax')], keepdims) },
  ],
  gradient: [null],
  macs: noMacs,
};

/** Running sum along an axis (input 1: a scalar). */
export const CumSum: Operator<{ exclusive?: 0 | 1; reverse?: 0 | 1 }> = {
  name: 'CumSum',
  domain: '',
  arity: [2, 2],
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  // d cumsum = cumsum from the other end
  gradient: [({ g, x, attrs }) => apply(CumSum, [g, x[1]!], { ...attrs, reverse: attrs.reverse ? 0 : 1 }), null],
  macs: noMacs,
};

/** How many elements lie along `axes`: a number where known, else computed in the graph. */
export function countOf(x: Tensor, axes: readonly number[]): Tensor {
  const dims = axes.map((a) => x.shape[a]!);
  if (isConcrete(dims)) return scalar(sizeOf(dims), x.dtype);
  let count = scalar(1, x.dtype);
  for (const a of axes) {
    const d = x.shape[a]!;
    const size =
      typeof d === 'number' ? scalar(d, x.dtype) : cast(apply(ShapeOf, [x], { start: a, end: a + 1 }), x.dtype);
    count = mul(count, size);
  }
  return count;
}

// Axes are counted from the front: on zero rows ONNX Runtime 1.30 gets the shape wrong where they are negative.
const fromFront = (x: Tensor, axes: readonly number[]): number[] =>
  axes.map((a) => normalizeAxis(a, x.rank, 'reduction'));

/** Sum over `axes`, which go unless `keepdims`. */
export const reduceSum = (x: Tensor, axes: readonly number[], keepdims = false): Tensor =>
  axes.length === 0 ? x : apply(ReduceSum, [x, ints(fromFront(x, axes))], { keepdims: keepdims ? 1 : 0 });
/** Mean over `axes`, which go unless `keepdims`. */
export const reduceMean = (x: Tensor, axes: readonly number[], keepdims = false): Tensor =>
  apply(ReduceMean, [x], { axes: fromFront(x, axes), keepdims: keepdims ? 1 : 0 });
/** Largest value over `axes`, which go unless `keepdims`. */
export const reduceMax = (x: Tensor, axes: readonly number[], keepdims = false): Tensor =>
  apply(ReduceMax, [x], { axes: fromFront(x, axes), keepdims: keepdims ? 1 : 0 });
/** Smallest value over `axes`, which go unless `keepdims`. */
export const reduceMin = (x: Tensor, axes: readonly number[], keepdims = false): Tensor =>
  apply(ReduceMin, [x], { axes: fromFront(x, axes), keepdims: keepdims ? 1 : 0 });
/** Position of the largest value along `axis`, int64; the first of equals. */
export const argMax = (x: Tensor, axis: number, keepdims = false): Tensor =>
  apply(ArgMax, [x], { axis: normalizeAxis(axis, x.rank, 'ArgMax'), keepdims: keepdims ? 1 : 0 });
/** Sum of everything, a scalar. */
export const sumAll = (x: Tensor): Tensor =>
  reduceSum(
    x,
    x.shape.map((_, i) => i),
  );
/** Mean of everything, a scalar. */
export const meanAll = (x: Tensor): Tensor =>
  reduceMean(
    x,
    x.shape.map((_, i) => i),
  );

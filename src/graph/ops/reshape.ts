import { DynaError } from '../../errors.ts';
import { allocate, type NDArray, sizeOf } from '../array.ts';
import { over, productOf } from '../dims.ts';
import { type Dim, formatShape, isConcrete, normalizeAxis, type Shape, sameShape } from '../shape.ts';
import { apply, applyAll, noMacs, type Operator, type Tensor } from '../tensor.ts';
import { chooseBy, fill, gatherBy, sameData } from './evaluate.ts';
import { constantOf, ints, knownInts } from './leaf.ts';

type None = Record<never, never>;

/** Shape: the sizes as int64. Folded away wherever the shape is known. */
export const ShapeOf: Operator<{ start?: number; end?: number }> = {
  name: 'Shape',
  domain: '',
  arity: [1, 1],
  infer: ([x], { start = 0, end = x!.rank }) => [{ dtype: 'int64', shape: [x!.shape.slice(start, end).length] }],
  gradient: [null],
  macs: noMacs,
};

/** The shape that Reshape's target (0 copies an axis, -1 is inferred) gives; undefined where -1 cannot be inferred. */
function reshaped(shape: Shape, target: readonly number[]): Dim[] {
  const out: Dim[] = target.map((d, i) => {
    if (d !== 0) return d;
    if (i >= shape.length)
      throw new DynaError('shape', `Reshape: 0 copies axis ${i}, but the input is ${formatShape(shape)}`);
    return shape[i]!;
  });
  const product = (s: Shape) => s.reduce<number>((p, d) => (typeof d === 'number' && d !== -1 ? p * d : p), 1);
  const free = out.indexOf(-1);
  if (out.lastIndexOf(-1) !== free)
    throw new DynaError('shape', `Reshape: only one -1 can be inferred, got [${target.join(', ')}]`);
  const kept = out.filter((d) => typeof d === 'string');
  // A name that stands twice must be kept twice.
  const lost = shape.filter((d): d is string => {
    if (typeof d !== 'string') return false;
    const place = kept.indexOf(d);
    if (place >= 0) kept.splice(place, 1);
    return place < 0;
  });
  if (free >= 0) {
    const rest = product(out);
    const size = product(shape);
    if (rest === 0)
      throw new DynaError(
        'shape',
        `Reshape: -1 cannot be inferred beside 0 in [${target.join(', ')}], from ${formatShape(shape)}`,
      );
    const ratio = size / rest;
    const whole = lost.length > 0 ? over(productOf([size, ...lost]), rest) : undefined;
    if (whole !== undefined) out[free] = whole;
    else if (lost.length === 0 && Number.isInteger(ratio)) out[free] = ratio;
    else if (lost.length > 0) out[free] = `${ratio}*${lost.join('*')}`;
    else throw new DynaError('shape', `Reshape: ${formatShape(shape)} does not divide into [${target.join(', ')}]`);
  } else if (lost.length > 0 || product(shape) !== product(out))
    throw new DynaError('shape', `Reshape: ${formatShape(shape)} has not as many elements as [${target.join(', ')}]`);
  return out;
}

/**
 * The shape that a tensor of sizes stands for: constants, or what another tensor's Shape gives. Those stay right when a
 * pass puts the graph on other sizes; `to` is what its maker knew where it is computed otherwise.
 */
function shapeIn(s: Tensor | undefined, to: Shape | undefined, what: string): Shape {
  const { start, end } = s?.node.attrs ?? {};
  if (s && s.node.op === (ShapeOf as unknown) && start === undefined && end === undefined)
    return s.node.inputs[0]!.shape;
  return constantOf(s) || !to ? knownInts(s, what) : to;
}

/** Input 1 is the target shape: 0 copies an axis (or means no elements, with `allowzero`), one -1 is inferred. */
export const Reshape: Operator<{ to?: Shape; allowzero?: 0 | 1 }> = {
  internal: ['to'],
  name: 'Reshape',
  domain: '',
  arity: [2, 2],
  infer: ([x, s], { to, allowzero }) => {
    const target = shapeIn(s, to, 'the target shape of Reshape');
    const literal = !constantOf(s) || (allowzero && target.includes(0));
    if (literal && isConcrete(x!.shape) && isConcrete(target) && sizeOf(x!.shape) !== sizeOf(target))
      throw new DynaError(
        'shape',
        `Reshape: ${formatShape(x!.shape)} has not as many elements as ${formatShape(target)}`,
      );
    return [{ dtype: x!.dtype, shape: literal ? target : reshaped(x!.shape, target as readonly number[]) }];
  },
  gradient: [({ g, x }) => reshapeLike(g, x[0]!), null],
  macs: noMacs,
  evaluate: sameData,
};

/** Joins the axes before `axis`, and those from it on, into two. */
export const Flatten: Operator<{ axis: number }> = {
  name: 'Flatten',
  domain: '',
  arity: [1, 1],
  infer: ([x], { axis }) => {
    const join = (dims: Shape): Dim => {
      const names = dims.filter((d) => typeof d === 'string');
      const size = dims.reduce<number>((p, d) => (typeof d === 'number' ? p * d : p), 1);
      return names.length === 0 ? size : names.length === 1 && size === 1 ? names[0]! : `${size}*${names.join('*')}`;
    };
    const at = axis === x!.rank ? axis : normalizeAxis(axis, x!.rank, 'Flatten');
    return [{ dtype: x!.dtype, shape: [join(x!.shape.slice(0, at)), join(x!.shape.slice(at))] }];
  },
  gradient: [({ g, x }) => reshapeLike(g, x[0]!)],
  macs: noMacs,
  evaluate: sameData,
};

export const Transpose: Operator<{ perm: number[] }> = {
  name: 'Transpose',
  domain: '',
  arity: [1, 1],
  infer: ([x], { perm }) => {
    if (perm.length !== x!.rank || [...perm].sort((a, b) => a - b).some((p, i) => p !== i))
      throw new DynaError(
        'shape',
        `Transpose: [${perm.join(', ')}] is no order of the axes of ${formatShape(x!.shape)}`,
      );
    return [{ dtype: x!.dtype, shape: perm.map((p) => x!.shape[p]!) }];
  },
  gradient: [
    ({ g, attrs }) =>
      transpose(
        g,
        attrs.perm.map((_, i) => attrs.perm.indexOf(i)),
      ),
  ],
  macs: noMacs,
  evaluate: gatherBy((at, _x, { perm }: { perm: number[] }) => at.map((_, i) => at[perm.indexOf(i)]!)),
};

/** Removes axes of size 1 (input 1: which). */
export const Squeeze: Operator<None> = {
  name: 'Squeeze',
  domain: '',
  arity: [1, 2],
  infer: ([x, a]) => {
    if (!a && !isConcrete(x!.shape))
      throw new DynaError('shape', `Squeeze of ${formatShape(x!.shape)}: whether a named axis is 1 is not known`, {
        fix: 'name the axes to remove',
      });
    const axes = a
      ? knownInts(a, 'the axes of Squeeze').map((i) => normalizeAxis(i, x!.rank, 'Squeeze'))
      : x!.shape.flatMap((d, i) => (d === 1 ? [i] : []));
    for (const i of axes)
      if (x!.shape[i] !== 1) throw new DynaError('shape', `Squeeze: axis ${i} of ${formatShape(x!.shape)} is not 1`);
    return [{ dtype: x!.dtype, shape: x!.shape.filter((_, i) => !axes.includes(i)) }];
  },
  gradient: [({ g, x }) => reshapeLike(g, x[0]!), null],
  macs: noMacs,
  evaluate: sameData,
};

/** Inserts axes of size 1 (input 1: where, in the result). */
export const Unsqueeze: Operator<None> = {
  name: 'Unsqueeze',
  domain: '',
  arity: [2, 2],
  infer: ([x, a]) => {
    const given = knownInts(a, 'the axes of Unsqueeze');
    const rank = x!.rank + given.length;
    const axes = given.map((i) => normalizeAxis(i, rank, 'Unsqueeze'));
    const rest = [...x!.shape];
    return [{ dtype: x!.dtype, shape: Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : rest.shift()!)) }];
  },
  gradient: [({ g, x }) => reshapeLike(g, x[0]!), null],
  macs: noMacs,
  evaluate: sameData,
};

/** Repeats axes of size 1 up to the shape of input 1 (two-way broadcasting). */
export const Expand: Operator<{ to?: Shape }> = {
  internal: ['to'],
  name: 'Expand',
  domain: '',
  arity: [2, 2],
  infer: ([x, s], { to }) => {
    const target = shapeIn(s, to, 'the target shape of Expand');
    const rank = Math.max(target.length, x!.rank);
    const shape = Array.from({ length: rank }, (_, i) => {
      const own = x!.shape[i - rank + x!.rank] ?? 1;
      const want = target[i - rank + target.length] ?? 1;
      if (own !== want && own !== 1 && want !== 1)
        throw new DynaError('shape', `Expand: ${formatShape(x!.shape)} cannot become ${formatShape(target)}`);
      return own === 1 ? want : own;
    });
    return [{ dtype: x!.dtype, shape }];
  },
  gradient: [({ g }) => g, null], // the walk sums over what was repeated
  macs: noMacs,
  evaluate: ([x], attrs, types) => chooseBy(() => 0)([x!], attrs, types),
};

/** The same elements in another shape: 0 keeps an axis, one -1 takes what is left. */
export const reshape = (x: Tensor, target: readonly number[]): Tensor => apply(Reshape, [x, ints(target)], {});
/** A matrix: the axes before `axis` make its rows, the others its columns. */
export const flatten = (x: Tensor, axis = 1): Tensor => apply(Flatten, [x], { axis });
/** Axis i of the result is axis perm[i] of x. */
export const transpose = (x: Tensor, perm: readonly number[]): Tensor => apply(Transpose, [x], { perm: [...perm] });
/** Without the given axes, which have size 1. */
export const squeeze = (x: Tensor, axes: readonly number[]): Tensor => apply(Squeeze, [x, ints(axes)], {});
/** With axes of size 1 at the given places of the result. */
export const unsqueeze = (x: Tensor, axes: readonly number[]): Tensor => apply(Unsqueeze, [x, ints(axes)], {});

/** The shape of `x` as an int64 tensor: a constant where it is known, else computed. */
export const shapeOf = (x: Tensor): Tensor => (isConcrete(x.shape) ? ints(x.shape) : apply(ShapeOf, [x], {}));

/** Repeats `x` up to the shape of `like`. */
export const expandLike = (x: Tensor, like: Tensor): Tensor =>
  sameShape(x.shape, like.shape) ? x : apply(Expand, [x, shapeOf(like)], { to: like.shape });

/** Gives `x` the shape of `like`, which has as many elements. */
export function reshapeLike(x: Tensor, like: Tensor): Tensor {
  if (sameShape(x.shape, like.shape)) return x;
  // 0 copies a named axis that stands at the same place; it is the only form that also works on zero rows.
  const target = like.shape.map((d, i) => (typeof d === 'number' ? d : d === x.shape[i] ? 0 : undefined));
  if (target.every((d) => d !== undefined) && !like.shape.includes(0)) return reshape(x, target as number[]);
  return apply(Reshape, [x, shapeOf(like)], { to: like.shape, allowzero: 1 });
}

/** Splits along an axis into pieces of the given sizes (input 1). */
export const Split: Operator<{ axis: number }> = {
  name: 'Split',
  domain: '',
  arity: [2, 2],
  infer: ([x, s], { axis }) => {
    const sizes = knownInts(s, 'the sizes of Split');
    const at = normalizeAxis(axis, x!.rank, 'Split');
    if (sizes.reduce((a, b) => a + b, 0) !== x!.shape[at])
      throw new DynaError(
        'shape',
        `Split: sizes [${sizes.join(', ')}] do not add up to axis ${axis} of ${formatShape(x!.shape)}`,
      );
    return sizes.map((size) => ({ dtype: x!.dtype, shape: x!.shape.map((d, i) => (i === at ? size : d)) }));
  },
  gradient: [
    ({ gs, y, attrs }) =>
      concat(
        gs.map((g, i) => g ?? zerosLike(y[i]!)),
        attrs.axis,
      ),
    null,
  ],
  macs: noMacs,
};

export const Concat: Operator<{ axis: number }> = {
  name: 'Concat',
  domain: '',
  arity: [1, Number.POSITIVE_INFINITY],
  infer: (x, { axis }) => {
    const first = x[0]!;
    const at = normalizeAxis(axis, first.rank, 'Concat');
    let size: Dim = 0;
    for (const t of x) {
      if (t.dtype !== first.dtype) throw new DynaError('dtype', `Concat: ${t.dtype} among ${first.dtype}`);
      if (t.rank !== first.rank || t.shape.some((d, i) => i !== at && d !== first.shape[i]))
        throw new DynaError(
          'shape',
          `Concat on axis ${axis}: ${formatShape(t.shape)} does not fit ${formatShape(first.shape)}`,
        );
      const d: Dim = t.shape[at]!;
      size =
        typeof size === 'number' && typeof d === 'number' ? size + d : size === 0 ? d : d === 0 ? size : `${size}+${d}`;
    }
    return [{ dtype: first.dtype, shape: first.shape.map((d, i) => (i === at ? size : d)) }];
  },
  gradient:
    (input) =>
    ({ g, x, attrs }) => {
      const at = normalizeAxis(attrs.axis, g.rank, 'Concat');
      const sizes = x.map((t) => t.shape[at]!);
      if (!isConcrete(sizes)) throw new DynaError('gradient', 'Concat along a named axis has no gradient here');
      return split(g, sizes as number[], at)[input]!;
    },
  macs: noMacs,
  evaluate: (x, { axis }, [type]) => {
    const at = axis < 0 ? axis + x[0]!.dims.length : axis;
    const inner = sizeOf(x[0]!.dims.slice(at + 1));
    const outer = sizeOf(x[0]!.dims.slice(0, at));
    const dims = type!.shape as readonly number[];
    const data = allocate(type!.dtype, sizeOf(dims));
    let next = 0;
    for (let o = 0; o < outer; o++)
      for (const a of x) {
        const run = a.dims[at]! * inner;
        for (let i = 0; i < run; i++) data[next++] = a.data[o * run + i]!;
      }
    return [{ dtype: type!.dtype, dims, data }];
  },
};

/** Cuts an axis into pieces of the given sizes. */
export const split = (x: Tensor, sizes: readonly number[], axis: number): readonly Tensor[] =>
  applyAll(Split, [x, ints(sizes)], { axis });
/** Joins tensors along an axis. */
export const concat = (x: readonly Tensor[], axis: number): Tensor =>
  x.length === 1 ? x[0]! : apply(Concat, x, { axis });

/** Fills a shape given at run time with one value. */
export const ConstantOfShape: Operator<{ value: NDArray; to?: Shape }> = {
  name: 'ConstantOfShape',
  internal: ['to'],
  domain: '',
  arity: [1, 1],
  infer: ([s], { value, to }) => [{ dtype: value.dtype, shape: shapeIn(s, to, 'the shape of ConstantOfShape') }],
  gradient: [null],
  macs: noMacs,
};

/** A tensor shaped like `like` and filled with `value`. */
export const fullLike = (like: Tensor, value: number, dtype = like.dtype): Tensor =>
  apply(ConstantOfShape, [shapeOf(like)], {
    value: { dtype, dims: [1], data: fill(dtype, 1, () => value) },
    to: like.shape,
  });
/** Zeros in the shape of `like`. */
export const zerosLike = (like: Tensor): Tensor => fullLike(like, 0);

import { DynaError } from '../../errors.ts';
import { ndarray, sizeOf } from '../array.ts';
import { type Dim, formatShape, isConcrete, normalizeAxis } from '../shape.ts';
import { apply, noMacs, type Operator, refuse, type Tensor } from '../tensor.ts';
import { add, less, mul, sameDtype, where } from './elementwise.ts';
import { gatherBy } from './evaluate.ts';
import { constant, ints, knownInts } from './leaf.ts';
import { expandLike, reshape, reshapeLike, squeeze, transpose, unsqueeze, zerosLike } from './reshape.ts';
import { slice } from './slicing.ts';

type None = Record<never, never>;

const invert = (perm: readonly number[]): number[] => perm.map((_, i) => perm.indexOf(i));

/** Takes rows (slices along `axis`) by index. */
export const Gather: Operator<{ axis: number }> = {
  name: 'Gather',
  domain: '',
  arity: [2, 2],
  infer: ([x, i], { axis }) => {
    const at = normalizeAxis(axis, x!.rank, 'Gather');
    return [{ dtype: x!.dtype, shape: [...x!.shape.slice(0, at), ...i!.shape, ...x!.shape.slice(at + 1)] }];
  },
  // Rows taken twice receive the sum.
  gradient: [
    ({ g, x: [x, index], attrs }) => {
      const at = normalizeAxis(attrs.axis, x!.rank, 'Gather');
      if (at === 0) return addRows(zerosLike(x!), index!, g);
      const first = (rank: number, from: number, count: number): number[] => {
        const axes = Array.from({ length: rank }, (_, i) => i);
        return [...axes.splice(from, count), ...axes];
      };
      const turned = transpose(x!, first(x!.rank, at, 1));
      const rows = addRows(zerosLike(turned), index!, transpose(g, first(g.rank, at, index!.rank)));
      return transpose(rows, invert(first(x!.rank, at, 1)));
    },
    null,
  ],
  macs: noMacs,
  evaluate: gatherBy((at, x, { axis }: { axis: number }) => {
    const i = x[1]!;
    const a = axis < 0 ? axis + x[0]!.dims.length : axis;
    const inner = at.slice(a, a + i.dims.length);
    const flatIndex = inner.reduce((sum, p, k) => sum * i.dims[k]! + p, 0);
    const picked = Number(i.data[flatIndex]);
    return [...at.slice(0, a), picked < 0 ? picked + x[0]!.dims[a]! : picked, ...at.slice(a + i.dims.length)];
  }),
};

/** Picks one element along an axis for each position of the index. */
export const GatherElements: Operator<{ axis: number }> = {
  name: 'GatherElements',
  domain: '',
  arity: [2, 2],
  infer: ([x, i], { axis }) => {
    const at = normalizeAxis(axis, x!.rank, 'GatherElements');
    if (i!.rank !== x!.rank || i!.shape.some((d, k) => k !== at && typeof d === 'number' && d > Number(x!.shape[k])))
      throw new DynaError(
        'shape',
        `GatherElements: an index ${formatShape(i!.shape)} does not fit ${formatShape(x!.shape)} along axis ${axis}`,
      );
    return [{ dtype: x!.dtype, shape: i!.shape }];
  },
  gradient: [({ g, x, attrs }) => scatterElements(zerosLike(x[0]!), x[1]!, g, attrs.axis, 'add'), null],
  macs: noMacs,
};

export const ScatterElements: Operator<{ axis: number; reduction: 'none' | 'add' }> = {
  name: 'ScatterElements',
  domain: '',
  arity: [3, 3],
  infer: ([x, i, u], attrs) => {
    checkScatter('ScatterElements', x!, u!, attrs);
    if (i!.rank !== x!.rank || i!.shape.some((d, k) => differ(d, u!.shape[k]!)) || u!.rank !== x!.rank)
      throw new DynaError(
        'shape',
        `ScatterElements: an index ${formatShape(i!.shape)} and updates ${formatShape(u!.shape)} do not fit ${formatShape(x!.shape)}`,
      );
    normalizeAxis(attrs.axis, x!.rank, 'ScatterElements');
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  gradient: [
    ({ g, x, attrs }) =>
      attrs.reduction === 'add' ? g : scatterElements(g, x[1]!, zerosLike(x[2]!), attrs.axis, 'none'),
    null,
    ({ g, x, attrs }) => apply(GatherElements, [g, x[1]!], { axis: attrs.axis }),
  ],
  macs: noMacs,
};

const differ = (a: Dim, b: Dim): boolean => typeof a === 'number' && typeof b === 'number' && a !== b;

function checkScatter(name: string, x: Tensor, updates: Tensor, { reduction }: { reduction?: string }): void {
  sameDtype(name, [x, updates]);
  if (reduction !== undefined && reduction !== 'none' && reduction !== 'add')
    throw new DynaError('graph', `${name} with the reduction "${reduction}" is not supported, only "none" and "add"`);
}

/**
 * Writes rows into a copy of input 0, at the positions that input 1 names. With `add`, ONNX Runtime 1.30 loses sums
 * where a position is named twice and several threads run: `addRows` does not.
 */
export const ScatterND: Operator<{ reduction: 'none' | 'add' }> = {
  name: 'ScatterND',
  domain: '',
  arity: [3, 3],
  infer: ([x, i, u], attrs) => {
    checkScatter('ScatterND', x!, u!, attrs);
    const depth = i!.shape.at(-1);
    if (typeof depth !== 'number' || depth > x!.rank)
      throw new DynaError(
        'shape',
        `ScatterND: an index ${formatShape(i!.shape)} has no place in ${formatShape(x!.shape)}`,
      );
    const expected = [...i!.shape.slice(0, -1), ...x!.shape.slice(depth)];
    if (u!.rank !== expected.length || u!.shape.some((d, k) => differ(d, expected[k]!)))
      throw new DynaError(
        'shape',
        `ScatterND into ${formatShape(x!.shape)} by an index ${formatShape(i!.shape)} expects updates ${formatShape(expected)}, got ${formatShape(u!.shape)}`,
      );
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  gradient: [
    ({ g, x, attrs }) => (attrs.reduction === 'add' ? g : scatterNd(g, x[1]!, zerosLike(x[2]!))),
    null,
    ({ g, x }) => apply(GatherND, [g, x[1]!], {}),
  ],
  macs: noMacs,
};

export const GatherND: Operator<None> = {
  name: 'GatherND',
  domain: '',
  arity: [2, 2],
  infer: ([x, i]) => {
    const depth = i!.shape.at(-1);
    if (typeof depth !== 'number' || depth > x!.rank)
      throw new DynaError(
        'shape',
        `GatherND: an index ${formatShape(i!.shape)} has no place in ${formatShape(x!.shape)}`,
      );
    return [{ dtype: x!.dtype, shape: [...i!.shape.slice(0, -1), ...x!.shape.slice(depth)] }];
  },
  // The leading axes are joined into one, so that a position is one number.
  gradient: [
    ({ g, x: [x, index] }) => {
      const depth = index!.shape.at(-1) as number;
      const rest = x!.shape.slice(depth);
      const inner = x!.shape.slice(1, depth);
      if (!isConcrete(rest) || !isConcrete(inner))
        throw new DynaError('gradient', `GatherND from ${formatShape(x!.shape)} has no gradient behind a named axis`);
      const place = (k: number): Tensor => squeeze(slice(index!, [{ axis: -1, start: k, end: k + 1 }]), [-1]);
      let flat = place(0);
      // Only the first may stay negative: it counts from the end of the joined axis just as well.
      for (const [k, size] of (inner as readonly number[]).entries()) {
        const at = place(k + 1);
        flat = add(mul(flat, size), where(less(at, 0), add(at, size), at));
      }
      const rows = reshape(x!, [-1, ...rest]);
      return reshapeLike(addRows(zerosLike(rows), flat, g), x!);
    },
    null,
  ],
  macs: noMacs,
};

/** Keeps the rows (axis 0) whose condition is true. `rows` names the number of rows kept. */
export const Compress: Operator<{ axis: number; rows: string }> = {
  name: 'Compress',
  internal: ['rows'],
  domain: '',
  arity: [2, 2],
  infer: ([x, c], { axis, rows }) => {
    if (c!.dtype !== 'bool' || c!.rank !== 1)
      throw new DynaError(
        'shape',
        `Compress: the condition must be bool [rows], got ${c!.dtype}${formatShape(c!.shape)}`,
      );
    return [
      { dtype: x!.dtype, shape: x!.shape.map((d, i) => (i === normalizeAxis(axis, x!.rank, 'Compress') ? rows : d)) },
    ];
  },
  gradient: [
    ({ g, x, attrs }) => {
      if (attrs.axis !== 0) throw new DynaError('gradient', 'Compress is differentiable along axis 0 only');
      return scatterNd(zerosLike(x[0]!), rowsWhere(x[1]!, attrs.rows), g);
    },
    null,
  ],
  macs: noMacs,
};

/** Indices of the true elements, [rank, count]. */
export const NonZero: Operator<{ count: string }> = {
  name: 'NonZero',
  internal: ['count'],
  domain: '',
  arity: [1, 1],
  infer: ([x], { count }) => [{ dtype: 'int64', shape: [x!.rank, count] }],
  gradient: [null],
  macs: noMacs,
};

/** 1 at the class's place, 0 elsewhere: indices [..] of `depth` classes -> [.., depth] (input 2: off and on values). */
export const OneHot: Operator<{ axis: number }> = {
  name: 'OneHot',
  domain: '',
  arity: [3, 3],
  infer: ([x, d, v], { axis }) => {
    if (x!.rank === 0) throw new DynaError('shape', 'OneHot of a single label [] is not supported; reshape it to [1]');
    const shape = [...x!.shape];
    shape.splice(normalizeAxis(axis, x!.rank + 1, 'OneHot'), 0, knownInts(d, 'the depth of OneHot')[0]!);
    return [{ dtype: v!.dtype, shape }];
  },
  gradient: [null, null, refuse('OneHot with learned values')],
  macs: noMacs,
};

/** Slices of x along `axis`, by number. */
export const gather = (x: Tensor, index: Tensor, axis = 0): Tensor => apply(Gather, [x, index], { axis });
/** Elements of x along `axis`, by number: y[i][j] = x[index[i][j]][j] for axis 0. */
export const gatherElements = (x: Tensor, index: Tensor, axis: number): Tensor =>
  apply(GatherElements, [x, index], { axis });
/** x with `updates` put, or added, where `gatherElements` would read. */
export const scatterElements = (
  x: Tensor,
  index: Tensor,
  updates: Tensor,
  axis: number,
  reduction: 'none' | 'add' = 'none',
): Tensor => apply(ScatterElements, [x, index, updates], { axis, reduction });
/** Writes rows at the positions [.., depth] of `index`, each of which must be named once. */
export const scatterNd = (x: Tensor, index: Tensor, updates: Tensor): Tensor =>
  apply(ScatterND, [x, index, updates], { reduction: 'none' });
/** Adds `updates` [..index, ..row] to the rows (axis 0) of x that `index` names, as often as it names them. */
function addRows(x: Tensor, index: Tensor, updates: Tensor): Tensor {
  const row = x.shape.slice(1);
  if (index.rank !== 1) {
    const count = isConcrete(index.shape) ? sizeOf(index.shape) : -1;
    index = reshape(index, [count]);
    updates = reshape(
      updates,
      [count, ...row].map((d) => (typeof d === 'number' ? d : -1)),
    );
  }
  const places =
    row.length === 0
      ? index
      : unsqueeze(
          index,
          Array.from(row, (_, i) => i + 1),
        );
  return scatterElements(x, expandLike(places, updates), updates, 0, 'add');
}
/** The rows of x whose condition [N] holds; `rows` names their number. */
export const compress = (x: Tensor, condition: Tensor, rows: string): Tensor =>
  apply(Compress, [x, condition], { axis: 0, rows });
/** The numbers of the rows whose condition is true, as an index [rows, 1] for ScatterND. */
export const rowsWhere = (condition: Tensor, rows: string): Tensor =>
  transpose(apply(NonZero, [condition], { count: rows }), [1, 0]);
/** [N] class numbers as [N, classes]: 1 at the class, 0 elsewhere. */
export const oneHot = (labels: Tensor, classes: number, dtype: 'float32' = 'float32'): Tensor =>
  apply(OneHot, [labels, ints([classes]), constant(ndarray(dtype, [2], [0, 1]))], { axis: -1 });

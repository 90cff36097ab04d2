import { DynaError } from '../../errors.ts';
import { ndarray, sizeOf } from '../array.ts';
import { type Dim, formatShape, isConcrete, normalizeAxis } from '../shape.ts';
import { apply, noMacs, type Operator, refuse, type Tensor } from '../tensor.ts';
import { add, less, mul, sameDtype, where } from './elementwise.ts';
import { gatherBy } from './evaluate.ts';
import { constant, ints, knownInts, scalar } from './leaf.ts';
import { expandLike, Reshape, reshape, reshapeLike, squeeze, transpose, unsqueeze, zerosLike } from './reshape.ts';

type None = Record<never, never>;

interface Range {
  readonly axis: number;
  readonly start: number;
  readonly step: number;
  readonly size: number;
}

/** The ranges that a Slice takes, clamped as ONNX says. */
function ranges(x: { shape: readonly Dim[] }, inputs: readonly (Tensor | undefined)[]): Range[] {
  const starts = knownInts(inputs[1], 'the starts of Slice');
  const ends = knownInts(inputs[2], 'the ends of Slice');
  const axes = inputs[3] ? knownInts(inputs[3], 'the axes of Slice') : starts.map((_, i) => i);
  const steps = inputs[4] ? knownInts(inputs[4], 'the steps of Slice') : starts.map(() => 1);
  return starts.map((s, i) => {
    const axis = normalizeAxis(axes[i]!, x.shape.length, 'Slice');
    const d = x.shape[axis]!;
    if (typeof d !== 'number')
      throw new DynaError('shape', `Slice along the named axis "${d}" of ${formatShape(x.shape)} is not supported`);
    const step = steps[i]!;
    if (step === 0) throw new DynaError('graph', 'Slice with a step of 0');
    const clamp = (v: number, low: number, high: number) => Math.min(Math.max(v < 0 ? v + d : v, low), high);
    const start = step > 0 ? clamp(s, 0, d) : clamp(s, 0, d - 1);
    const end = step > 0 ? clamp(ends[i]!, 0, d) : ends[i]! < -d ? -1 : clamp(ends[i]!, -1, d - 1);
    return { axis, start, step, size: Math.max(0, Math.ceil((end - start) / step)) };
  });
}

/** Inputs: data, starts, ends, axes, steps. */
export const Slice: Operator<None> = {
  name: 'Slice',
  domain: '',
  arity: [3, 5],
  infer: (x) => {
    const shape = [...x[0]!.shape];
    for (const r of ranges(x[0]!, x)) shape[r.axis] = r.size;
    return [{ dtype: x[0]!.dtype, shape }];
  },
  // Each element goes back to where it came from; the rest is zero.
  gradient: [
    ({ g, x }) => {
      for (const { axis, start, step, size } of ranges(x[0]!, x)) {
        const full = x[0]!.shape[axis] as number;
        const stride = Math.abs(step);
        let first = start;
        if (step < 0) {
          g = reverse(g, axis);
          first = start + (size - 1) * step;
        }
        if (stride > 1) g = dilate(g, axis, stride);
        const span = size === 0 ? 0 : (size - 1) * stride + 1;
        const pads = new Array<number>(2 * g.rank).fill(0);
        pads[axis] = size === 0 ? 0 : first;
        pads[axis + g.rank] = full - span - pads[axis]!;
        if (pads.some((p) => p !== 0)) g = pad(g, pads);
      }
      return g;
    },
    null,
    null,
    null,
    null,
  ],
  macs: noMacs,
  evaluate: (x, attrs, types) => {
    const list = ranges({ shape: x[0]!.dims }, [undefined, ...x.slice(1).map((a) => a && constant(a))]);
    return gatherBy((at) =>
      at.map((p, axis) => {
        const r = list.find((entry) => entry.axis === axis);
        return r ? r.start + p * r.step : p;
      }),
    )(x, attrs, types);
  },
};

const invert = (perm: readonly number[]): number[] => perm.map((_, i) => perm.indexOf(i));

/** From `start` to `end` (exclusive) along one axis. */
export interface SliceRange {
  axis: number;
  start: number;
  end: number;
  step?: number;
}

/** Takes ranges along axes; `end` is exclusive, both may be negative. */
export function slice(x: Tensor, list: readonly SliceRange[]): Tensor {
  const steps = list.map((r) => r.step ?? 1);
  const inputs = [x, ints(list.map((r) => r.start)), ints(list.map((r) => r.end)), ints(list.map((r) => r.axis))];
  if (steps.some((s) => s !== 1)) inputs.push(ints(steps));
  return apply(Slice, inputs, {});
}

const BEFORE_FIRST = -(2 ** 31);
/** Turns an axis around. */
export const reverse = (x: Tensor, ...axes: number[]): Tensor =>
  slice(
    x,
    axes.map((axis) => ({ axis, start: -1, end: BEFORE_FIRST, step: -1 })),
  );

/** Puts `by - 1` zeros between neighbours along an axis: n becomes (n - 1) by + 1. */
export function dilate(x: Tensor, axis: number, by: number): Tensor {
  const n = x.shape[axis];
  if (by === 1) return x;
  if (typeof n !== 'number') throw new DynaError('shape', `cannot dilate the named axis "${n}"`);
  if (n === 0) return x;
  const pads = new Array<number>(2 * (x.rank + 1)).fill(0);
  pads[axis + 1 + x.rank + 1] = by - 1;
  const spread = pad(unsqueeze(x, [axis + 1]), pads);
  const long = x.shape.map((d, i) => (i === axis ? n * by : d));
  // Before `axis` a 0 copies; behind it the places are shifted, and the one named axis that may stand there is inferred.
  const joined = isConcrete(long)
    ? apply(Reshape, [spread, ints(long)], { allowzero: 1 })
    : reshape(
        spread,
        long.map((d, i) => (typeof d === 'number' ? d : i < axis ? 0 : -1)),
      );
  return slice(joined, [{ axis, start: 0, end: (n - 1) * by + 1 }]);
}

/** Inputs: data, pads (all starts, then all ends; negative removes), value. Zero padding of constants only. */
export const Pad: Operator<{ mode?: string }> = {
  name: 'Pad',
  domain: '',
  arity: [2, 3],
  infer: ([x, p], { mode }) => {
    if (mode && mode !== 'constant')
      throw new DynaError('graph', `Pad with mode "${mode}" is not supported, only "constant"`);
    const pads = knownInts(p, 'the pads of Pad');
    if (pads.length !== 2 * x!.rank)
      throw new DynaError('shape', `Pad of ${formatShape(x!.shape)} needs ${2 * x!.rank} numbers, got ${pads.length}`);
    const shape = x!.shape.map((d, i) => {
      const more = pads[i]! + pads[i + x!.rank]!;
      if (more === 0) return d;
      if (typeof d !== 'number') throw new DynaError('shape', `Pad along the named axis "${d}" is not supported`);
      return d + more;
    });
    return [{ dtype: x!.dtype, shape }];
  },
  // The opposite padding takes the padded rim off again.
  gradient: [
    ({ g, x }) =>
      pad(
        g,
        knownInts(x[1], 'the pads of Pad').map((v) => -v),
      ),
    null,
    refuse('Pad with a learned value'),
  ],
  macs: noMacs,
};

/** Puts `value` (0 by default) around x: all starts, then all ends, axis by axis; negative pads cut. */
export const pad = (x: Tensor, pads: readonly number[], value?: number): Tensor =>
  apply(Pad, value === undefined ? [x, ints(pads)] : [x, ints(pads), scalar(value, x.dtype)], {});

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

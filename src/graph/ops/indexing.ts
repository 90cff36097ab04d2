import { DynaError } from '../../errors.ts';
import { ndarray } from '../array.ts';
import { type Dim, formatShape, normalizeAxis } from '../shape.ts';
import { apply, noMacs, type Operator, refuse, type Tensor } from '../tensor.ts';
import { gatherBy } from './evaluate.ts';
import { constant, ints, knownInts, scalar } from './leaf.ts';
import { reshape, transpose, unsqueeze, zerosLike } from './reshape.ts';

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
    const made = x.slice(1).map((a) => ints(Array.from(a.data as ArrayLike<number | bigint>, Number)));
    const list = ranges({ shape: x[0]!.dims }, [undefined, ...made]);
    return gatherBy((at) =>
      at.map((p, axis) => {
        const r = list.find((entry) => entry.axis === axis);
        return r ? r.start + p * r.step : p;
      }),
    )(x, attrs, types);
  },
};

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
  const joined = reshape(
    spread,
    x.shape.map((d, i) => (i === axis ? n * by : typeof d === 'number' ? d : 0)),
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
  // Rows taken twice receive the sum: scatter with addition.
  gradient: [
    ({ g, x, attrs }) => {
      if (normalizeAxis(attrs.axis, x[0]!.rank, 'Gather') !== 0)
        throw new DynaError('gradient', 'Gather is differentiable along axis 0 only; transpose first');
      return scatterNd(zerosLike(x[0]!), unsqueeze(x[1]!, [x[1]!.rank]), g, 'add');
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
  infer: ([x, i]) => [{ dtype: x!.dtype, shape: i!.shape }],
  gradient: [({ g, x, attrs }) => scatterElements(zerosLike(x[0]!), x[1]!, g, attrs.axis, 'add'), null],
  macs: noMacs,
};

export const ScatterElements: Operator<{ axis: number; reduction: 'none' | 'add' }> = {
  name: 'ScatterElements',
  domain: '',
  arity: [3, 3],
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  gradient: [
    ({ g, x, attrs }) =>
      attrs.reduction === 'add' ? g : scatterElements(g, x[1]!, zerosLike(x[2]!), attrs.axis, 'none'),
    null,
    ({ g, x, attrs }) => apply(GatherElements, [g, x[1]!], { axis: attrs.axis }),
  ],
  macs: noMacs,
};

/** Writes rows into a copy of input 0, at the positions that input 1 names. */
export const ScatterND: Operator<{ reduction: 'none' | 'add' }> = {
  name: 'ScatterND',
  domain: '',
  arity: [3, 3],
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
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
    if (typeof depth !== 'number') throw new DynaError('shape', 'GatherND needs an index of known depth');
    return [{ dtype: x!.dtype, shape: [...i!.shape.slice(0, -1), ...x!.shape.slice(depth)] }];
  },
  gradient: [({ g, x }) => scatterNd(zerosLike(x[0]!), x[1]!, g, 'add'), null],
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
  infer: ([x, d, v]) => [{ dtype: v!.dtype, shape: [...x!.shape, knownInts(d, 'the depth of OneHot')[0]!] }],
  gradient: [null, null, refuse('OneHot with learned values')],
  macs: noMacs,
};

export const gather = (x: Tensor, index: Tensor, axis = 0): Tensor => apply(Gather, [x, index], { axis });
export const gatherElements = (x: Tensor, index: Tensor, axis: number): Tensor =>
  apply(GatherElements, [x, index], { axis });
export const scatterElements = (
  x: Tensor,
  index: Tensor,
  updates: Tensor,
  axis: number,
  reduction: 'none' | 'add' = 'none',
): Tensor => apply(ScatterElements, [x, index, updates], { axis, reduction });
export const scatterNd = (x: Tensor, index: Tensor, updates: Tensor, reduction: 'none' | 'add' = 'none'): Tensor =>
  apply(ScatterND, [x, index, updates], { reduction });
export const compress = (x: Tensor, condition: Tensor, rows: string): Tensor =>
  apply(Compress, [x, condition], { axis: 0, rows });
/** The numbers of the rows whose condition is true, as an index [rows, 1] for ScatterND. */
export const rowsWhere = (condition: Tensor, rows: string): Tensor =>
  transpose(apply(NonZero, [condition], { count: rows }), [1, 0]);
export const oneHot = (labels: Tensor, classes: number, dtype: 'float32' = 'float32'): Tensor =>
  apply(OneHot, [labels, ints([classes]), constant(ndarray(dtype, [2], [0, 1]))], { axis: -1 });

import { DynaError } from '../../errors.ts';
import { type Dim, formatShape, isConcrete, normalizeAxis } from '../shape.ts';
import { apply, noMacs, type Operator, refuse, type Tensor } from '../tensor.ts';
import { gatherBy } from './evaluate.ts';
import { constant, ints, knownInts, scalar } from './leaf.ts';
import { Reshape, reshape, unsqueeze } from './reshape.ts';

type None = Record<never, never>;

interface Range {
  readonly axis: number;
  readonly start: number;
  readonly step: number;
  readonly size: Dim;
}

/** "N+1" without its last `count`: "N". Undefined where the sum does not end so. */
const shortened = (sum: string, count: number): string | undefined =>
  sum.endsWith(`+${count}`) ? sum.slice(0, -`+${count}`.length) : undefined;

/** The ranges that a Slice takes, clamped as ONNX says. */
function ranges(x: { shape: readonly Dim[] }, inputs: readonly (Tensor | undefined)[]): Range[] {
  const starts = knownInts(inputs[1], 'the starts of Slice');
  const ends = knownInts(inputs[2], 'the ends of Slice');
  const axes = inputs[3] ? knownInts(inputs[3], 'the axes of Slice') : starts.map((_, i) => i);
  const steps = inputs[4] ? knownInts(inputs[4], 'the steps of Slice') : starts.map(() => 1);
  return starts.map((s, i) => {
    const axis = normalizeAxis(axes[i]!, x.shape.length, 'Slice');
    const d = x.shape[axis]!;
    const step = steps[i]!;
    if (typeof d !== 'number') {
      const size = s === 0 && step === 1 ? shortened(d, -ends[i]!) : undefined;
      if (size === undefined)
        throw new DynaError('shape', `Slice along the named axis "${d}" of ${formatShape(x.shape)} is not supported`);
      return { axis, start: 0, step, size };
    }
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
        const full = x[0]!.shape[axis]!;
        if (typeof full !== 'number' || typeof size !== 'number')
          throw new DynaError('gradient', `Slice along the named axis "${full}" has no gradient here`);
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

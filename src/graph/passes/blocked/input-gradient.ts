import { ndarray } from '../../array.ts';
import type { ConvInputGradientAttrs } from '../../ops/conv-gradient.ts';
import { gather } from '../../ops/indexing.ts';
import { reshape, transpose } from '../../ops/reshape.ts';
import { pad, slice } from '../../ops/slicing.ts';
import { apply, type Tensor } from '../../tensor.ts';
import { imageOf, isImage, type Layout } from './layout.ts';
import { BlockedConv } from './operators.ts';

/** dX along one axis as an ordinary convolution of g that gives `phases` results for each of its `places`. */
interface Axis {
  readonly phases: number;
  readonly places: number;
  readonly taps: number;
  readonly start: number;
  readonly end: number;
  readonly dilation: number;
  /** Which of Conv's taps tap number `t` of phase `r` is; -1 for none. */
  tap(r: number, t: number): number;
}

/**
 * Conv reads x[s o - p + d k] for y[o], so dx[i] = sum of w[k] g[o] over all s o - p + d k = i. With i = s q + r (phase
 * r, place q) and d = 1: o = q + t and k = r + p - s t, for t from ceil((p - K + 1) / s) to floor((p + s - 1) / s).
 * With s = 1 that is the kernel turned around, and d may be anything. Undefined where g would have to be cut.
 */
function axisOf(j: 0 | 1, outputs: number, a: ConvInputGradientAttrs): Axis | undefined {
  const [kernel, s, d, p, size] = [a.kernel_shape[j]!, a.strides[j]!, a.dilations[j]!, a.pads[j]!, a.size[j]!];
  if (s > 1 && d > 1 && kernel > 1) return undefined;
  const first = Math.ceil((p - kernel + 1) / s);
  const taps = Math.floor((p + s - 1) / s) - first + 1;
  const places = Math.ceil(size / s);
  const start = s === 1 ? d * (kernel - 1) - p : -first;
  const dilation = s === 1 ? d : 1;
  const end = places - outputs - start + dilation * (taps - 1);
  if (start < 0 || end < 0) return undefined;
  const tap = (r: number, t: number): number => {
    const k = s === 1 ? kernel - 1 - t : r + p - s * (first + t);
    return k >= 0 && k < kernel ? k : -1;
  };
  return { phases: s, places, taps, start, end, dilation, tap };
}

/** ConvInputGradient: a convolution that gives the phases of dX as channels, which are then laid side by side. */
export function lowerInputGradient(layout: Layout, g: Tensor, w: Tensor, a: ConvInputGradientAttrs) {
  const b = layout.block;
  if (!isImage(g) || !isImage(w) || a.group !== 1) return undefined;
  const [n, o, ...out] = imageOf(g);
  const [, i] = imageOf(w);
  if (o % b !== 0 || i % b !== 0) return undefined;
  const rows = axisOf(0, out[0]!, a);
  const columns = axisOf(1, out[1]!, a);
  if (!rows || !columns) return undefined;
  const phases = rows.phases * columns.phases;

  const twin = apply(BlockedConv, [layout.blocked(g), turnedWeight(layout, w, rows, columns)], {
    kernel_shape: [rows.taps, columns.taps],
    strides: [1, 1],
    dilations: [rows.dilation, columns.dilation],
    pads: [rows.start, columns.start, rows.end, columns.end],
    group: 1,
  });
  if (phases === 1) return layout.plain(twin);
  const apart = reshape(twin, [n, rows.phases, columns.phases, i / b, rows.places, columns.places, b]);
  const height = rows.places * rows.phases;
  const width = columns.places * columns.phases;
  let joined = reshape(transpose(apart, [0, 3, 4, 1, 5, 2, 6]), [n, i / b, height, width, b]);
  const rim = [height, width].flatMap((full, j) =>
    full > a.size[j]! ? [{ axis: j + 2, start: 0, end: a.size[j]! }] : [],
  );
  if (rim.length > 0) joined = slice(joined, rim);
  return layout.plain(reshape(joined, [n, i, ...a.size]));
}

/** [O, I, kH, kW] -> phases, I / b, O / b, taps, b (of O), b (of I): Conv's weight with I as results. */
function turnedWeight(layout: Layout, w: Tensor, rows: Axis, columns: Axis): Tensor {
  const b = layout.block;
  const [o, i, kernelRows, kernelColumns] = imageOf(w);
  const phases = rows.phases * columns.phases;
  const taps = rows.taps * columns.taps;
  const from: number[] = [];
  for (let r = 0; r < rows.phases; r++)
    for (let c = 0; c < columns.phases; c++)
      for (let t = 0; t < rows.taps; t++)
        for (let u = 0; u < columns.taps; u++) {
          const [k, l] = [rows.tap(r, t), columns.tap(c, u)];
          from.push(k < 0 || l < 0 ? kernelRows * kernelColumns : k * kernelColumns + l);
        }
  let kernels = reshape(w, [o / b, b, i / b, b, kernelRows * kernelColumns]);
  if (from.includes(kernelRows * kernelColumns)) kernels = pad(kernels, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  if (from.length > 1) {
    const index = layout.constant(`taps ${from}`, () => ndarray('int64', [from.length], from));
    kernels = gather(kernels, index, 4);
  }
  const apart = reshape(kernels, [o / b, b, i / b, b, phases, taps]);
  return reshape(transpose(apart, [4, 2, 0, 5, 1, 3]), [phases * i, o, rows.taps, columns.taps]);
}

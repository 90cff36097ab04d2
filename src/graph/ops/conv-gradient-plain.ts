import { sizeOf } from '../array.ts';
import { apply, type Tensor } from '../tensor.ts';
import { Conv, type ConvAttrs, ConvTranspose } from './conv.ts';
import type { ConvInputGradientAttrs } from './conv-gradient.ts';
import { mul } from './elementwise.ts';
import { fusedMatMul } from './linear.ts';
import { reduceSum } from './reduce.ts';
import { concat, reshape, transpose } from './reshape.ts';
import { pad, reverse, slice } from './slicing.ts';

// Conv's gradients in operators that every build of ONNX Runtime has.

/** dX = W^T * g. With stride 1 that is a Conv with the kernel turned around, which is faster than ConvTranspose. */
export function plainInputGradient(g: Tensor, w: Tensor, { size, ...a }: ConvInputGradientAttrs): Tensor {
  const rank = size.length;
  if (a.strides.every((s) => s === 1)) {
    const extent = a.kernel_shape.map((k, i) => a.dilations[i]! * (k - 1));
    const pads = [...extent.map((e, i) => e - a.pads[i]!), ...extent.map((e, i) => e - a.pads[i + rank]!)];
    if (pads.every((p) => p >= 0)) return apply(Conv, [g, turned(w, a.group)], { ...a, pads });
  }
  const output_padding = a.kernel_shape.map((k, i) => {
    const steps = a.strides[i]! * ((g.shape[i + 2] as number) - 1);
    return size[i]! - (steps + a.dilations[i]! * (k - 1) + 1 - a.pads[i]! - a.pads[i + rank]!);
  });
  return apply(ConvTranspose, [g, w], { ...a, output_padding });
}

/** [O, I/g, k..] -> [I, O/g, k..] with every kernel turned around. */
function turned(w: Tensor, group: number): Tensor {
  const [o, i, ...k] = w.shape as number[];
  const axes = k.map((_, j) => j);
  const kernels = k.some((size) => size > 1) ? reverse(w, ...axes.map((j) => j + 2)) : w;
  if (group === 1) return transpose(kernels, [1, 0, ...axes.map((j) => j + 2)]);
  const grouped = reshape(kernels, [group, o! / group, i!, ...k]);
  return reshape(transpose(grouped, [0, 2, 1, ...axes.map((j) => j + 3)]), [group * i!, o! / group, ...k]);
}

/** dW[o, i, k] = sum over n and positions p of g[n, o, p] X[n, i, p * stride + k * dilation]. */
export const plainWeightGradient = (g: Tensor, x: Tensor, a: ConvAttrs): Tensor =>
  a.kernel_shape.length <= 2 && a.strides.every((s) => s === 1) ? bySlices(g, x, a) : byColumns(g, x, a);

/** All positions in a kernel, the last axis fastest. */
const taps = (kernel: readonly number[]): number[][] =>
  kernel.reduce<number[][]>((list, k) => list.flatMap((at) => Array.from({ length: k }, (_, j) => [...at, j])), [[]]);

/**
 * Stride 1. Rows lie one after the other with `gap` zeros between them, which serve as the right pad of one row and
 * the left pad of the next; shifting the kernel is then shifting the whole image, and a shifted image is one
 * contiguous slice. g has zeros where the gap is, so what the slice holds there does not count.
 */
function bySlices(g: Tensor, x: Tensor, a: ConvAttrs): Tensor {
  const flat = a.kernel_shape.length === 1;
  const two = (v: readonly number[], first: number): [number, number] => (flat ? [first, v[0]!] : [v[0]!, v[1]!]);
  const [rows, width] = two(x.shape.slice(2) as number[], 1);
  const [outRows, outWidth] = two(g.shape.slice(2) as number[], 1);
  const [kernelRows, kernelWidth] = two(a.kernel_shape, 1);
  const [stepRow, step] = two(a.dilations, 1);
  const [top, left] = two(a.pads, 0);
  const [bottom, right] = two(a.pads.slice(a.kernel_shape.length), 0);
  const inputs = x.shape[1] as number;
  const outputs = g.shape[1] as number;
  const pitch = Math.max(width + Math.max(left, right), outWidth);
  const length = outRows * pitch;

  const spaced = padded(reshape(x, [0, inputs, rows, width]), [0, 0, top, 0, 0, 0, bottom, pitch - width]);
  const tail = Math.max(0, (kernelWidth - 1) * step - left);
  const image = padded(reshape(spaced, [0, inputs, (rows + top + bottom) * pitch]), [0, 0, left, 0, 0, tail]);
  const spacedG = padded(reshape(g, [0, outputs, outRows, outWidth]), [0, 0, 0, 0, 0, 0, 0, pitch - outWidth]);

  const depthwise = inputs === a.group && outputs === a.group;
  const split = (t: Tensor, channels: number): Tensor =>
    reshape(t, depthwise ? [0, channels, length] : [0, a.group, channels / a.group, length]);
  const cotangent = split(spacedG, outputs);
  const perTap = taps([kernelRows, kernelWidth]).map(([row, column]) => {
    const start = row! * stepRow * pitch + column! * step;
    const whole = start === 0 && image.shape[2] === length;
    const shifted = split(whole ? image : slice(image, [{ axis: 2, start, end: start + length }]), inputs);
    return depthwise // one channel with one channel: no matrix product, only a sum
      ? reshape(reduceSum(mul(cotangent, shifted), [0, 2]), [1, outputs, 1])
      : reshape(reduceSum(fusedMatMul(cotangent, shifted, { transB: 1 }), [0]), [1, outputs, inputs / a.group]);
  });
  return reshape(transpose(concat(perTap, 0), [1, 2, 0]), [outputs, inputs / a.group, ...a.kernel_shape]);
}

const padded = (x: Tensor, pads: readonly number[]): Tensor => (pads.every((p) => p === 0) ? x : pad(x, pads));

/** Any stride: the shifted inputs are stacked as columns, and one batched matrix product sums over the positions. */
function byColumns(g: Tensor, x: Tensor, a: ConvAttrs): Tensor {
  const rank = a.kernel_shape.length;
  const outputs = g.shape[1] as number;
  const inputs = (x.shape[1] as number) / a.group;
  const out = g.shape.slice(2) as number[];
  const image = padded(x, [0, 0, ...a.pads.slice(0, rank), 0, 0, ...a.pads.slice(rank)]);
  const places = taps(a.kernel_shape);
  const columns = places.map((at) => {
    const cut = at.map((k, j) => {
      const start = k * a.dilations[j]!;
      return { axis: j + 2, start, end: start + (out[j]! - 1) * a.strides[j]! + 1, step: a.strides[j]! };
    });
    const whole = cut.every((r) => r.start === 0 && r.step === 1 && r.end === image.shape[r.axis]);
    return reshape(whole ? image : slice(image, cut), [0, a.group, inputs, sizeOf(out)]);
  });
  const cotangent = reshape(g, [0, a.group, outputs / a.group, sizeOf(out)]);
  const perItem = fusedMatMul(cotangent, concat(columns, 2), { transB: 1 }); // [N, group, O / group, kernel I]
  const summed = reshape(reduceSum(perItem, [0]), [outputs, places.length, inputs]);
  return reshape(transpose(summed, [0, 2, 1]), [outputs, inputs, ...a.kernel_shape]);
}

import { ndarray } from '../../array.ts';
import type { ConvAttrs } from '../../ops/conv.ts';
import { gather } from '../../ops/indexing.ts';
import { reduceSum } from '../../ops/reduce.ts';
import { reshape, transpose } from '../../ops/reshape.ts';
import { pad, slice } from '../../ops/slicing.ts';
import { apply, type Tensor } from '../../tensor.ts';
import { imageOf, isImage, type Layout } from './layout.ts';
import { BlockedConv, ReorderInput } from './operators.ts';

/** A batch that does not fill its last block is padded with zeros, unless that would add more than this share. */
const MOST_PADDING = 0.5;

/**
 * dW[o, i, k] = sum over n, p of g[n, o, p] x[n, i, s p + k]: a convolution of x with g as its kernel, where images
 * are the channels that are summed over. b images make one block; the N / b blocks are groups, summed at the end.
 *
 * x: the b channels of a block lie side by side, so a row of W places is a row of W b numbers, and the result for all b
 * input channels comes from one kernel that steps by b inside itself (dilation s b) and by 1 over the row.
 */
export function lowerWeightGradient(layout: Layout, g: Tensor, x: Tensor, a: ConvAttrs): Tensor | undefined {
  const b = layout.block;
  if (!isImage(g) || !isImage(x) || a.group !== 1) return undefined;
  if (a.dilations.some((d, j) => d !== 1 && a.kernel_shape[j] !== 1)) return undefined;
  const [n, o, outRows, outColumns] = imageOf(g);
  const [, i, height, width] = imageOf(x);
  if (o % b !== 0 || (i > b && i % b !== 0)) return undefined;
  const batch = Math.ceil(n / b) * b;
  if (batch - n > MOST_PADDING * n) return undefined;

  const [s, t] = a.strides as [number, number];
  const [kernelRows, kernelColumns] = a.kernel_shape as [number, number];
  const [top, left] = a.pads as [number, number];
  // A stride may leave a rim that no window reads (negative pads): those taps are cut off below.
  const bottom = Math.max(0, (outRows - 1) * s + kernelRows - height - top);
  const right = Math.max(0, (outColumns - 1) * t + kernelColumns - width - left);
  const wide = left + width + right;
  const inner = Math.min(i, b);
  const blocks = i / inner;
  const groups = batch / b;

  const rows = reshape(widened(layout, filled(x, batch), left, right), [batch, blocks, height * wide * inner]);
  const images = reshape(blocks === 1 ? rows : transpose(rows, [1, 0, 2]), [blocks, batch, height, wide * inner]);
  const summed = apply(BlockedConv, [apply(ReorderInput, [images], {}), kernelOf(layout, filled(g, batch))], {
    kernel_shape: [outRows, outColumns],
    strides: [1, 1],
    dilations: [s, t * inner],
    pads: [top, 0, bottom, 0],
    group: groups,
  }); // [blocks, groups O, taps down, taps across * inner], in blocks of O
  const down = imageOf(summed)[2];
  const across = imageOf(summed)[3] / inner;
  const total = groups === 1 ? summed : reduceSum(reshape(summed, [blocks, groups, o * down * across * inner]), [1]);
  let taps = reshape(total, [blocks, o / b, down, across, inner, b]);
  if (down > kernelRows || across > kernelColumns)
    taps = slice(taps, [
      { axis: 2, start: 0, end: kernelRows },
      { axis: 3, start: 0, end: kernelColumns },
    ]);
  return reshape(transpose(taps, [1, 5, 0, 4, 2, 3]), [o, i, kernelRows, kernelColumns]);

  function filled(image: Tensor, to: number): Tensor {
    return to === n ? image : pad(image, [0, 0, 0, 0, to - n, 0, 0, 0]);
  }
}

/** x with zeros at both ends of its rows, the channels of a block (all of them, if they are fewer) innermost. */
function widened(layout: Layout, x: Tensor, left: number, right: number): Tensor {
  const [, channels] = imageOf(x);
  if (channels < layout.block) {
    const last = transpose(x, [0, 2, 3, 1]);
    return left + right > 0 ? pad(last, [0, 0, left, 0, 0, 0, right, 0]) : last;
  }
  if (left + right === 0) return layout.blocked(x);
  // A convolution that does nothing but pad: it runs on all cores, which Pad does not.
  return apply(BlockedConv, [layout.blocked(x), layout.ones([channels, 1, 1, 1])], {
    kernel_shape: [1, 1],
    strides: [1, 1],
    dilations: [1, 1],
    pads: [0, left, 0, right],
    group: channels,
  });
}

/** g as a weight [groups O, b images, ..]: memory order group, O / b, place, image, b. */
function kernelOf(layout: Layout, g: Tensor): Tensor {
  const b = layout.block;
  const [n, o, rows, columns] = imageOf(g);
  const places = (o / b) * rows * columns;
  const index = layout.constant(`images last ${places}`, () =>
    ndarray(
      'int32',
      [b * places],
      Int32Array.from({ length: b * places }, (_, at) => (at % b) * places + Math.floor(at / b)),
    ),
  );
  const images = reshape(layout.blocked(g), [n / b, b * places, b]);
  return reshape(gather(images, index, 1), [(n / b) * o, b, rows, columns]);
}

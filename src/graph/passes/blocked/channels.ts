import { reduceSum } from '../../ops/reduce.ts';
import { reshape } from '../../ops/reshape.ts';
import { isConcrete } from '../../shape.ts';
import { apply, type Tensor } from '../../tensor.ts';
import { imageOf, type Layout } from './layout.ts';
import { BlockedConv } from './operators.ts';

// Arithmetic that knows channels, on tensors in blocks.

/**
 * scale[c] x[c] + offset[c], both [C]; no scale is 1. A depthwise 1x1 convolution: one pass on all cores, where a
 * broadcast over blocks is several times slower.
 */
export function affine(layout: Layout, x: Tensor, scale: Tensor | undefined, offset?: Tensor): Tensor {
  const channels = imageOf(x)[1];
  const shape = [channels, 1, 1, 1];
  return apply(BlockedConv, [x, scale ? reshape(scale, shape) : layout.ones(shape), ...(offset ? [offset] : [])], {
    kernel_shape: [1, 1],
    strides: [1, 1],
    dilations: [1, 1],
    pads: [0, 0, 0, 0],
    group: channels,
  });
}

/** Sum over the positions of each image: [N, C]. */
export function imageSums({ block: b }: Layout, x: Tensor): Tensor {
  const [n, c, height, width] = imageOf(x);
  return reshape(reduceSum(reshape(x, [(n * c) / b, height * width, b]), [1]), [n, c]);
}

/** Sum over batch and positions: [C]. Two steps, each along whole rows of memory. */
export const channelSums = (layout: Layout, x: Tensor): Tensor => reduceSum(imageSums(layout, x), [0]);

/** True for [C, 1, 1] and [1, C, 1, 1]: one number for each channel of `x`. */
export function isPerChannel(v: Tensor, x: Tensor): boolean {
  const channels = imageOf(x)[1];
  const axis = v.rank - 3;
  return axis >= 0 && isConcrete(v.shape) && v.shape.every((d, i) => d === (i === axis ? channels : 1));
}

export const asVector = (v: Tensor, x: Tensor): Tensor => reshape(v, [imageOf(x)[1]]);

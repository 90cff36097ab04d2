import type { ConvAttrs } from '../../ops/conv.ts';
import { reshape, transpose } from '../../ops/reshape.ts';
import { apply, type Tensor } from '../../tensor.ts';
import { imageOf, isImage, type Layout } from './layout.ts';
import { BlockedConv } from './operators.ts';

/** Conv, with one group or depthwise. An input of fewer channels than a block (an image) is read as it is. */
export function lowerConv(layout: Layout, x: Tensor, w: Tensor, bias: Tensor | undefined, a: ConvAttrs) {
  if (!isImage(x) || !isImage(w)) return undefined;
  const [, inputs] = imageOf(x);
  const [outputs] = imageOf(w);
  if (outputs % layout.block !== 0 || !(a.group === 1 || (a.group === inputs && a.group === outputs))) return undefined;
  const few = inputs < layout.block;
  if (!few && inputs % layout.block !== 0) return undefined;
  const twin = apply(BlockedConv, [few ? x : layout.blocked(x), blockedWeight(layout, w), ...(bias ? [bias] : [])], {
    ...a,
  });
  return layout.plain(twin);
}

/**
 * [O, I, kH, kW] -> memory order O / b, I / b, kH, kW, b (of I), b (of O); and O / b, I, kH, kW, b (of O) where I does
 * not fill a block.
 */
function blockedWeight({ block: b }: Layout, w: Tensor): Tensor {
  const [o, i, ...k] = imageOf(w);
  const ordered =
    i < b
      ? transpose(reshape(w, [o / b, b, i, k[0]! * k[1]!]), [0, 2, 3, 1])
      : transpose(reshape(w, [o / b, b, i / b, b, ...k]), [0, 2, 4, 5, 3, 1]);
  return reshape(ordered, [o, i, ...k]);
}

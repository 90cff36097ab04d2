import { mul } from '../../ops/elementwise.ts';
import { knownInts } from '../../ops/leaf.ts';
import { reshape } from '../../ops/reshape.ts';
import { normalizeAxis } from '../../shape.ts';
import type { Tensor } from '../../tensor.ts';
import { channelSums, imageSums } from './channels.ts';
import { imageOf, type Layout } from './layout.ts';

/** ReduceSum over positions, or over batch and positions. */
export function lowerSum(layout: Layout, x: Tensor, axes: Tensor | undefined, keep: boolean): Tensor | undefined {
  const twin = layout.known(x);
  if (!twin || !axes) return undefined;
  const over = knownInts(axes, 'the axes of ReduceSum').map((a) => normalizeAxis(a, x.rank, 'ReduceSum'));
  const [n, c] = imageOf(x);
  const which = over.sort().join();
  if (which === '0,2,3') return shaped(channelSums(layout, twin), [1, c, 1, 1]);
  if (which === '2,3') return shaped(imageSums(layout, twin), [n, c, 1, 1]);
  return undefined;

  function shaped(sums: Tensor, kept: number[]): Tensor {
    return keep ? reshape(sums, kept) : sums;
  }
}

/** GlobalAveragePool. */
export function lowerAverage(layout: Layout, x: Tensor): Tensor | undefined {
  const twin = layout.known(x);
  if (!twin) return undefined;
  const [n, c, height, width] = imageOf(x);
  return reshape(mul(imageSums(layout, twin), 1 / (height * width)), [n, c, 1, 1]);
}

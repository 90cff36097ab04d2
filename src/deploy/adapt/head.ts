import { averagePool, flatten, type Tensor } from '../../graph/index.ts';
import { batchNorm, conv, linear } from '../../nn/index.ts';

/** The shape of an exit's head. */
export interface HeadPlan {
  /** Features are pooled to this many cells on each side: [channels, height, width]. */
  readonly pooled: readonly [number, number, number];
  /** Channels of its two convolutions; 0: a hidden layer on the pooled features instead. */
  readonly width: number;
  readonly classes: number;
  readonly macs: number;
}

/** Most pooled features of an exit: what is cached for each image. */
const MOST_FEATURES = 2048;
const HIDDEN = 128;
/** Most of the model's MACs that a head may take. */
const MOST_SHARE = 0.05;

const convMacs = (channels: number, side: number, width: number): number =>
  9 * side * side * channels * width + 9 * Math.ceil(side / 2) ** 2 * width * width;

/** Chooses a head for features [channels, height, width] of a model with so many MACs. */
export function headOf(shape: readonly [number, number, number], classes: number, macs: number): HeadPlan {
  const [channels, height, width] = shape;
  const fits = (cells: number) => cells <= Math.min(height, width) && channels * cells * cells <= MOST_FEATURES;
  const cells = [8, 4, 2].find(fits) ?? 1;
  const pooled = [channels, cells, cells] as const;
  const features = channels * cells * cells;
  const dense = { pooled, width: 0, classes, macs: features * HIDDEN + HIDDEN * classes };
  if (cells < 4) return dense;
  const widths = [64, 48, 32, 24, 16];
  const found = widths.find((w) => convMacs(channels, cells, w) <= MOST_SHARE * macs);
  if (found === undefined) return dense;
  const last = found * (cells / 2) ** 2;
  return { pooled, width: found, classes, macs: convMacs(channels, cells, found) + last * classes };
}

/** Mean over a grid of cells that together cover the image. */
export function pool(x: Tensor, { pooled }: HeadPlan): Tensor {
  const [, ...grid] = pooled;
  const size = x.shape.slice(2) as number[];
  const stride = size.map((d, i) => Math.floor(d / grid[i]!));
  const kernel = size.map((d, i) => d - (grid[i]! - 1) * stride[i]!);
  return kernel.every((k) => k === 1) ? x : averagePool(x, kernel, { stride });
}

/** Logits [N, classes] from pooled features [N, C, h, w]. Its norms make it fit features of any scale. */
export function head(x: Tensor, { width, classes }: HeadPlan): Tensor {
  if (width === 0)
    return linear(linear(flatten(batchNorm(x, { name: 'scale' })), HIDDEN, { activation: 'relu' }), classes);
  const first = conv(x, width, { norm: 'batch', activation: 'relu' });
  return linear(flatten(conv(first, width, { stride: 2, norm: 'batch', activation: 'relu' })), classes);
}

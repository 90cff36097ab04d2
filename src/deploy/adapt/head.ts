import { averagePool, concat, flatten, reduceMean, slice, squeeze, type Tensor } from '../../graph/index.ts';
import { batchNorm, conv, linear } from '../../nn/index.ts';

/** The shape of an exit's head. */
export interface HeadPlan {
  /** `map`: features [C, H, W]; `tokens`: a sequence [tokens, features], as transformers have. */
  readonly kind: 'map' | 'tokens';
  /** What is left of the features of one image: [C, h, w] cells, or [2 D] for tokens. */
  readonly pooled: readonly number[];
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

const convMacs = (channels: number, cells: number, width: number): number =>
  9 * cells ** 2 * channels * width + 9 * (cells / 2) ** 2 * width * width;

const denseMacs = (features: number, classes: number): number => features * HIDDEN + HIDDEN * classes;

/** Chooses a head for features [C, H, W] or [tokens, features] of a model with so many MACs. */
export function headOf(shape: readonly number[], classes: number, macs: number): HeadPlan {
  if (shape.length === 2) {
    const pooled = [2 * shape[1]!];
    return { kind: 'tokens', pooled, width: 0, classes, macs: denseMacs(pooled[0]!, classes) };
  }
  const [channels, height, width] = shape as [number, number, number];
  const fits = (cells: number) => cells <= Math.min(height, width) && channels * cells * cells <= MOST_FEATURES;
  const cells = [8, 4, 2].find(fits) ?? 1;
  const pooled = [channels, cells, cells];
  const dense = { kind: 'map', pooled, width: 0, classes, macs: denseMacs(channels * cells * cells, classes) } as const;
  if (cells < 4) return dense;
  const widths = [64, 48, 32, 24, 16];
  const found = widths.find((w) => convMacs(channels, cells, w) <= MOST_SHARE * macs);
  if (found === undefined) return dense;
  const last = found * (cells / 2) ** 2;
  return { ...dense, width: found, macs: convMacs(channels, cells, found) + last * classes };
}

/** Means over a grid of cells that together cover the image; of tokens the first (a class token, where there is one) and the mean. */
export function pool(x: Tensor, { kind, pooled }: HeadPlan): Tensor {
  if (kind === 'tokens')
    return concat([squeeze(slice(x, [{ axis: 1, start: 0, end: 1 }]), [1]), reduceMean(x, [1])], 1);
  const grid = pooled.slice(1);
  const size = x.shape.slice(2) as number[];
  const stride = size.map((d, i) => Math.floor(d / grid[i]!));
  const kernel = size.map((d, i) => d - (grid[i]! - 1) * stride[i]!);
  return kernel.every((k) => k === 1) ? x : averagePool(x, kernel, { stride });
}

/** Logits [N, classes] from pooled features. Its norms make it fit features of any scale. */
export function head(x: Tensor, { width, classes }: HeadPlan): Tensor {
  if (width === 0)
    return linear(linear(flatten(batchNorm(x, { name: 'scale' })), HIDDEN, { activation: 'relu' }), classes);
  const first = conv(x, width, { norm: 'batch', activation: 'relu' });
  return linear(flatten(conv(first, width, { stride: 2, norm: 'batch', activation: 'relu' })), classes);
}

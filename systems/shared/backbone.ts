import { batchNorm, classify, conv, type Dataset, maxPool, relu, residual, scope, type Tensor } from 'dynaneural';
import { add, convolve, type NDArray, param } from 'dynaneural/graph';
import { heNormal, zeros } from 'dynaneural/nn';
import { whitened } from './whiten.ts';

/** Channels at 32x32, 16x16, 8x8 and 4x4. */
export type Widths = readonly [number, number, number, number];

/** How a backbone is built: three groups of equal residual blocks, at 16x16, 8x8 and 4x4. */
export interface Shape {
  readonly widths: Widths;
  readonly groups: readonly [number, number, number];
}

/** 100 M MACs on 32x32 images, three quarters of them in blocks that keep their shape and can be skipped. */
export const FULL: Shape = { widths: [32, 32, 128, 256], groups: [0, 3, 1] };

/** The same net in small, for the quick form. */
export const QUICK: Shape = { widths: [8, 16, 32, 32], groups: [0, 2, 1] };

/** A residual block, at a share of its inner width. */
export type Block = (x: Tensor, share?: number) => Tensor;

/** Blocks one after the other, as they stand in a static net. */
export const inTurn = (x: Tensor, blocks: readonly Block[], share = 1): Tensor =>
  blocks.reduce((y, block) => block(y, share), x);

/** What stands between the parts of a backbone; by default nothing. */
export interface Between {
  /** Computes a group of equal blocks: behind a gate, say. */
  readonly group?: (x: Tensor, blocks: readonly Block[], index: number) => Tensor;
  /** Called with what each block gives, by the block's name. */
  readonly after?: (x: Tensor, block: string) => Tensor;
}

/** What a first layer sees: patches of three by three pixels, whitened (`untrained`). It is not trained. */
export const stem = (x: Tensor, channels: number): Tensor =>
  scope('stem', () => {
    const shape = [channels, Number(x.shape[1]), 3, 3];
    const weight = param('weight', shape, heNormal(shape), 'statistic');
    return relu(convolve(x, weight, param('bias', [channels], zeros, 'bias'), { padding: 1 }));
  });

const half = (x: Tensor): Tensor => maxPool(x, 2, { stride: 2 });

/** The `norm` of a convolution that halves the image: of two by two answers the largest is normalised. */
export const halving = (x: Tensor): Tensor => batchNorm(half(x), { name: 'norm' });

/** Halves the image; a group of equal blocks stands behind it. */
export interface Stage {
  readonly down: (x: Tensor) => Tensor;
  readonly blocks: readonly Block[];
}

/** What a backbone is put together of, in this order. */
export interface Parts {
  readonly stem: (x: Tensor) => Tensor;
  readonly stages: readonly [Stage, Stage, Stage];
  readonly answer: (x: Tensor) => Tensor;
}

/**
 * A residual net for 32x32 images (He et al. 2015, arXiv:1512.03385) made to learn in few epochs: a whitened first layer that
 * stays as it is, convolutions whose largest answers are kept where the size is halved (both Jordan 2024, arXiv:2404.00498), few
 * and wide blocks (Zagoruyko & Komodakis 2016, arXiv:1605.07146). What every input must run is about a quarter of the whole.
 *
 * Blocks have names of their own, so that its weights start every net that is built of it (`startOf`).
 */
export function parts(shape: Shape = FULL, after: Between['after'] = (x) => x): Parts {
  const [narrow, ...wider] = shape.widths;
  const block = (x: Tensor, name: string, channels: number) =>
    after(residual(x, channels, { zeroInit: true, name }), name);
  // The last one halves first: its channels are many.
  const down = (x: Tensor, name: string, channels: number, last: boolean) => {
    const norm = last ? 'batch' : halving;
    return after(conv(last ? half(x) : x, channels, { norm, activation: 'relu', name }), name);
  };
  const narrower = (x: Tensor, name: string, channels: number, share: number) =>
    scope(name, () => {
      const inner = conv(x, channels * share, { norm: 'batch', activation: 'relu', name: 'conv1' });
      return after(relu(add(conv(inner, channels, { norm: 'batch', name: 'conv2' }), x)), name);
    });
  const stage = (index: 0 | 1 | 2): Stage => {
    const channels = wider[index];
    return {
      down: (x) => down(x, `down${index + 1}`, channels, index === 2),
      blocks: Array.from({ length: shape.groups[index] }, (_, i): Block => {
        const name = `group${index + 1}-${i + 1}`;
        return (y, share = 1) => (share === 1 ? block(y, name, channels) : narrower(y, name, channels, share));
      }),
    };
  };
  return {
    stem: (x) => stem(x, narrow),
    stages: [stage(0), stage(1), stage(2)],
    answer: (x) => classify(x, { name: 'answer' }),
  };
}

/** The parts in their order, with what stands between them. */
export function backbone(shape: Shape = FULL, { group = (x, all) => inTurn(x, all), after }: Between = {}) {
  const { stem: first, stages, answer } = parts(shape, after);
  return (x: Tensor): Tensor =>
    answer(
      stages.reduce((y, { down, blocks }, i) => {
        const halved = down(y);
        return blocks.length === 0 ? halved : group(halved, blocks, i);
      }, first(x)),
    );
}

/** Where a backbone starts that is trained from nothing: its first layer knows how pixels go together, the rest is drawn by seed. */
export const untrained = (data: Dataset, channels: number): ReadonlyMap<string, NDArray> =>
  new Map([['stem/weight', whitened(data, channels, 3)]]);

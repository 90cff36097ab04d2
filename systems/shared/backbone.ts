import { classify, conv, type Dataset, relu, residual, scope, type Tensor } from 'dynaneural';
import { add, type NDArray } from 'dynaneural/graph';
import { whitened } from './whiten.ts';

/** Channels at 32x32, 16x16, 8x8 and 4x4. */
export type Widths = readonly [number, number, number, number];

/** How a backbone is built: three groups of equal residual blocks, at 16x16, 8x8 and 4x4. */
export interface Shape {
  readonly widths: Widths;
  readonly groups: readonly [number, number, number];
}

/** 97 M MACs on 32x32 images, nine tenths of them in blocks that keep their shape and can be skipped. */
export const FULL: Shape = { widths: [24, 48, 128, 256], groups: [1, 2, 2] };

/** The same net in small, for the quick form. */
export const QUICK: Shape = { widths: [8, 16, 32, 32], groups: [1, 2, 2] };

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

/**
 * A residual net for 32x32 images (He et al. 2015, arXiv:1512.03385): few and wide blocks, which learn in few epochs (Zagoruyko
 * & Komodakis 2016, arXiv:1605.07146). A single convolution leads from one size to the next, so that what every input must run
 * is about a tenth of the whole.
 *
 * Blocks have names of their own, so that its weights start every net that is built of it (`startOf`).
 */
export function backbone(shape: Shape = FULL, { group = (x, all) => inTurn(x, all), after = (x) => x }: Between = {}) {
  const [narrow, ...widths] = shape.widths;
  const block = (x: Tensor, name: string, channels: number) =>
    after(residual(x, channels, { zeroInit: true, name }), name);
  const down = (x: Tensor, name: string, channels: number) =>
    after(conv(x, channels, { stride: 2, norm: 'batch', activation: 'relu', name }), name);
  const narrower = (x: Tensor, name: string, channels: number, share: number) =>
    scope(name, () => {
      const inner = conv(x, channels * share, { norm: 'batch', activation: 'relu', name: 'conv1' });
      return after(relu(add(conv(inner, channels, { norm: 'batch', name: 'conv2' }), x)), name);
    });
  const blocks = (x: Tensor, index: number, channels: number) => {
    const all = Array.from({ length: shape.groups[index]! }, (_, i): Block => {
      const name = `group${index + 1}-${i + 1}`;
      return (y, share = 1) => (share === 1 ? block(y, name, channels) : narrower(y, name, channels, share));
    });
    return all.length === 0 ? x : group(x, all, index);
  };
  return (x: Tensor): Tensor => {
    x = conv(x, narrow, { kernel: 2, norm: 'batch', activation: 'relu', name: 'stem' });
    for (const [i, channels] of widths.entries()) x = blocks(down(x, `down${i + 1}`, channels), i, channels);
    return classify(x, { name: 'answer' });
  };
}

/** Where a backbone starts that is trained from nothing: its first layer knows how pixels go together, the rest is drawn by seed. */
export const untrained = (data: Dataset, { widths }: Shape): ReadonlyMap<string, NDArray> =>
  new Map([['stem/weight', whitened(data, widths[0])]]);

import { classify, conv, type Dataset, net, scope, type Tensor, widths } from 'dynaneural';
import { costTable, decisionsOf, type Net, pathCost } from 'dynaneural/dynamic';
import { concat, mul } from 'dynaneural/graph';
import { pooled } from 'dynaneural/nn';
import { halving, stem } from '../shared/backbone.ts';
import type { Context } from '../shared/context.ts';
import { macsOf } from '../shared/static.ts';
import { boosted, common } from './boosted.ts';

/** Who says which channels are kept: nobody (all are), the weights (the same for all inputs), or each input. */
type By = 'all' | 'weights' | 'input';

/** One convolution: its channels, how it halves the image, if it does, and how it is narrowed. */
export interface Layer {
  readonly channels: number;
  readonly halved: 'no' | 'by stride' | 'by pool';
  readonly by: By;
}

const layers = (...list: readonly (readonly [number, Layer['halved'], By])[]): readonly Layer[] =>
  list.map(([channels, halved, by]) => ({ channels, halved, by }));

/**
 * 72 M MACs on 32x32 images, less than half of those of the M-CifarNet of FBS. No shortcuts: what a convolution drops, nothing
 * brings back. Inputs choose in the last layers, seven tenths of all MACs: in the first ones nearly the same channels matter
 * to all of them. There convolutions see all pixels and the largest answers are kept, as in the gallery's backbone.
 */
export const FULL = layers(
  [32, 'no', 'all'],
  [32, 'by pool', 'weights'],
  [128, 'by pool', 'weights'],
  [128, 'no', 'input'],
  [128, 'no', 'input'],
  [128, 'no', 'input'],
  [128, 'no', 'input'],
  [256, 'by stride', 'input'],
  [256, 'no', 'input'],
);
export const QUICK = layers(
  [8, 'no', 'all'],
  [16, 'by pool', 'weights'],
  [24, 'by stride', 'input'],
  [24, 'no', 'input'],
);

export const layersOf = (cx: Pick<Context, 'quick'>): readonly Layer[] => (cx.quick ? QUICK : FULL);

export const nameOf = (index: number): string => `conv${index + 1}`;
export const ANSWER = 'answer';

type Like = Pick<Dataset, 'shape' | 'classes'>;
const traced = (name: string, { shape, classes }: Like, build: (x: Tensor) => Tensor): Net =>
  net({ input: shape, classes: classes.length, name, onWarning: () => {} }, build);

/** How many of n units are kept at a share: rounded up, as the decision does. */
export const countAt = (share: number, n: number): number => Math.ceil(share * n - 1e-9);

/** Layers with a share of their channels, where those are chosen so. */
export const narrowed = (list: readonly Layer[], share: number, by: readonly By[]): readonly Layer[] =>
  list.map((l) => (by.includes(l.by) ? { ...l, channels: countAt(share, l.channels) } : l));

const strideOf = (halved: Layer['halved']): 1 | 2 => (halved === 'by stride' ? 2 : 1);

/** A layer without a decision; its parameters are named as those of a gated one. */
function plainLayer(x: Tensor, { channels, halved, by }: Layer, index: number): Tensor {
  if (by === 'all') return stem(x, channels);
  const norm = halved === 'by pool' ? halving : common.norm;
  return scope(nameOf(index), () => conv(x, channels, { ...common, norm, stride: strideOf(halved), name: 'conv' }));
}

const answer = (x: Tensor): Tensor => classify(x, { name: ANSWER });

/** The net without decisions. */
export const plainNet = (data: Like, list: readonly Layer[]): Net =>
  traced('plain', data, (x) => {
    for (const [i, layer] of list.entries()) x = plainLayer(x, layer, i);
    return answer(x);
  });

/** What the channels of a plain net say on the whole: the means of all layers, then the mean squares. */
export const activityNet = (data: Like, list: readonly Layer[]): Net =>
  traced('activity', data, (x) => {
    const means: Tensor[] = [];
    const squares: Tensor[] = [];
    for (const [i, layer] of list.entries()) {
      x = plainLayer(x, layer, i);
      means.push(pooled(x));
      squares.push(pooled(mul(x, x)));
    }
    return concat([...means, ...squares], 1);
  });

/**
 * Each input keeps a share of the channels of the layers that inputs choose in.
 *
 * @param alike all keep the first ones: what the net is worth when nobody chooses
 */
export const gatedNet = (data: Like, list: readonly Layer[], share: number, alike = false): Net =>
  traced('gated', data, (x) => {
    for (const [i, layer] of list.entries()) {
      const count = countAt(share, layer.channels);
      x =
        layer.by === 'input'
          ? boosted(x, {
              channels: layer.channels,
              stride: strideOf(layer.halved),
              count,
              always: alike ? count : 0,
              name: nameOf(i),
            })
          : plainLayer(x, layer, i);
    }
    return answer(x);
  });

/** One set of weights at several widths, of which each input takes one (slimmable networks, DS-Net). */
export const slimNet = (data: Like, list: readonly Layer[], shares: readonly number[]): Net =>
  traced('slimmable', data, (x) => {
    const layersAt = (t: Tensor, share: number): Tensor => {
      for (const [i, layer] of narrowed(list, share, ['weights', 'input']).entries())
        if (i > 0) t = plainLayer(t, layer, i);
      return answer(t);
    };
    return widths(plainLayer(x, list[0]!, 0), shares, layersAt, { name: 'width' });
  });

/** MACs of one input whose decisions keep so many units; by default as many as the net was traced with. */
export function gatedMacs(made: Net, kept?: (decision: string) => number | undefined): number {
  const own = new Map(decisionsOf(made).flatMap((d) => (d.kind === 'keep' ? [[d.name, d.own] as const] : [])));
  return pathCost(costTable(made, 'branch'), kept ?? ((d) => own.get(d))).macs;
}

/** The narrowest net without decisions that costs no less than `macs`, narrowed where inputs would choose. */
export function atLeast(data: Like, list: readonly Layer[], macs: number): readonly Layer[] {
  const at = (percent: number) => narrowed(list, percent / 100, ['input']);
  let [low, high] = [0, 100];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (macsOf(plainNet(data, at(middle))) >= macs) high = middle;
    else low = middle;
  }
  return at(high);
}

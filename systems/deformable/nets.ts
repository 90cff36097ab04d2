import { classify, conv, mixture, net, relu, scope, type Tensor } from 'dynaneural';
import { costTable, type Net, parametersOf } from 'dynaneural/dynamic';
import { add, GridSample, itemSize, order, sizeOf } from 'dynaneural/graph';
import { batchNorm, deformableConv, routing, zeros } from 'dynaneural/nn';

/** Of a residual block: channels between its two convolutions, and channels out. */
interface BlockShape {
  readonly inner: number;
  readonly out: number;
}

/** A stem at 32x32, a block at 16x16, two at 8x8. */
export interface Shape {
  readonly stem: number;
  readonly blocks: readonly [BlockShape, BlockShape, BlockShape];
}

const shapeOf = (stem: number, widths: readonly [number, number, number]): Shape => ({
  stem,
  blocks: [
    { inner: widths[0], out: widths[0] },
    { inner: widths[1], out: widths[1] },
    { inner: widths[2], out: widths[2] },
  ],
});

/** 12.5 M MACs: small enough that what it lacks shows. */
export const BASE = shapeOf(16, [32, 64, 64]);
/** For the quick form. */
export const TINY = shapeOf(8, [16, 16, 16]);

/** What the two blocks at 8x8 are made of, instead of plain convolutions. */
export interface Parts {
  /** The first convolution mixes a kernel for each input (CondConv: sigmoids of one linear map of the pooled input). */
  readonly mixture?: boolean;
  /** The second one chooses where it looks, and how much of each place it takes (DCNv2). */
  readonly deformable?: boolean;
}

const KERNELS = 4;
const active = { norm: 'batch', activation: 'relu' } as const;
const lastNorm = (x: Tensor): Tensor => batchNorm(x, { scale: zeros, name: 'norm' });

const mixed = (x: Tensor, channels: number, stride: number): Tensor =>
  mixture(x, channels, {
    kernels: KERNELS,
    weights: (t) => routing(t, KERNELS, { activation: 'sigmoid', hidden: 0, name: 'routing' }),
    stride,
    ...active,
    name: 'conv1',
  });

function block(x: Tensor, name: string, { inner, out }: BlockShape, stride: number, parts: Parts = {}): Tensor {
  return scope(name, () => {
    const y = parts.mixture ? mixed(x, inner, stride) : conv(x, inner, { stride, ...active, name: 'conv1' });
    const last = parts.deformable ? deformableConv : conv;
    const z = last(y, out, { norm: lastNorm, name: 'conv2' });
    const same = stride === 1 && x.shape[1] === out;
    return relu(add(z, same ? x : conv(x, out, { kernel: 1, stride, norm: 'batch', name: 'shortcut' })));
  });
}

/** A residual net (He et al. 2015, arXiv:1512.03385) of a shape, its blocks at 8x8 of plain convolutions or of other parts. */
export const built = (
  { shape: input, classes }: { readonly shape: readonly number[]; readonly classes: readonly string[] },
  { stem, blocks }: Shape,
  parts: Parts = {},
): Net =>
  net({ input: [...input], classes: classes.length, name: 'deformable' }, (x) => {
    x = conv(x, stem, { ...active, name: 'stem' });
    x = block(x, 'down1', blocks[0], 2);
    x = block(x, 'down2', blocks[1], 2, parts);
    x = block(x, 'late', blocks[2], 1, parts);
    return classify(x, { name: 'answer' });
  });

/** Learned numbers of a net. */
export const parameterCount = (made: Net): number =>
  parametersOf(made)
    .filter((p) => p.role !== 'statistic')
    .reduce((sum, p) => sum + sizeOf(p.shape), 0);

/** Multiply-accumulates for a value that is read between pixels. */
const READ = 8;

/**
 * MACs of one image, kernels being mixed before they are used, as files for one image do it. Bilinear reads count as 8 for each
 * value: the library's own table leaves them out.
 */
export function macsAlone(made: Net): number {
  const reads = order([made.output])
    .filter(({ op }) => op.name === GridSample.name)
    .reduce((sum, { outputs }) => sum + itemSize(outputs[0]!.shape), 0);
  return costTable(made, 'branch').reduce((sum, r) => sum + r.macs, READ * reads);
}

/** MACs of one image in a batch, where all kernels are used and their outputs mixed. */
export const macsInBatches = (made: Net): number =>
  macsAlone(made) +
  costTable(made).reduce((sum, r) => sum + r.macs, 0) -
  costTable(made, 'branch').reduce((sum, r) => sum + r.macs, 0);

/** The engine keeps so many channels together; others take it much longer. */
const STEP = 16;

/** Every width times `factor`, in whole steps. */
function widened({ stem, blocks }: Shape, factor: number): Shape {
  const wide = (channels: number) => STEP * Math.round((channels * factor) / STEP);
  const own = ({ inner, out }: BlockShape) => ({ inner: wide(inner), out: wide(out) });
  return { stem: wide(stem), blocks: [own(blocks[0]), own(blocks[1]), own(blocks[2])] };
}

/** `step` channels more inside the block that has the fewest inside for those it gives; later blocks first. */
function fuller({ stem, blocks }: Shape, step: number): Shape {
  const share = (i: number) => blocks[i]!.inner / blocks[i]!.out;
  const next = [2, 1, 0].reduce((a, b) => (share(b) < share(a) ? b : a));
  const own = (i: 0 | 1 | 2) => ({ ...blocks[i], inner: blocks[i].inner + (i === next ? step : 0) });
  return { stem, blocks: [own(0), own(1), own(2)] };
}

/**
 * The plain net that costs no less than `target` and hardly more: all of its layers are widened alike as far as that goes, then
 * its blocks inside.
 */
export function plainAtLeast(from: Shape, cost: (shape: Shape) => number, target: number): Shape {
  let shape = from;
  for (let factor = 1; ; factor += 1 / 8) {
    const wide = widened(from, factor);
    if (cost(wide) > target) break;
    shape = wide;
  }
  for (const step of [STEP, STEP / 2])
    for (let next = fuller(shape, step); cost(next) <= target; next = fuller(shape, step)) shape = next;
  return cost(shape) < target ? fuller(shape, STEP / 2) : shape;
}

/** What a net is compared with: a plain one at no less than `target` of a cost. */
export interface Need {
  readonly cost: (shape: Shape) => number;
  readonly target: number;
}

/** A plain net may cost so much more than what it is compared with, where that saves to train another. */
export const TOLERANCE = 1.125;

/** A plain shape for each need, as few different ones as the tolerance allows. */
export function rivalsFor(from: Shape, needs: readonly Need[]): Shape[] {
  const serves = (shape: Shape, { cost, target }: Need) => cost(shape) >= target && cost(shape) <= TOLERANCE * target;
  const own = needs.map(({ cost, target }) => plainAtLeast(from, cost, target));
  const size = (i: number) => needs[0]!.cost(own[i]!);
  const chosen: Shape[] = [];
  for (const i of [...needs.keys()].sort((a, b) => size(b) - size(a)))
    if (!chosen.some((shape) => serves(shape, needs[i]!))) chosen.push(own[i]!);
  return needs.map((need, i) => chosen.findLast((shape) => serves(shape, need)) ?? own[i]!);
}

import { type Dataset, net, type Trained } from 'dynaneural';
import { costTable, type Net, parametersOf } from 'dynaneural/dynamic';
import { type NDArray, ndarray, sizeOf } from 'dynaneural/graph';
import { backbone, FULL, QUICK, type Shape, untrained } from './backbone.ts';
import type { Context } from './context.ts';
import { outcomeOf, type Recipe, type Training, trainOnce } from './fit.ts';

/** How the backbone, and every static net that it is compared with, is trained; rates and decay after Jordan 2024 (arXiv:2404.00498). */
export const recipe: Recipe = {
  epochs: 12,
  batch: 128,
  rate: 0.125,
  warmup: 0.23,
  decay: 1e-3,
  smoothing: 0.1,
  seed: 1,
};

/**
 * How a dynamic net is tuned that starts from the backbone, for that many epochs in all at the most; a static net tuned so too
 * is what its gain is taken against.
 */
export const tuning: Recipe = { epochs: 5, batch: 128, rate: 0.05, warmup: 0.1, decay: 5e-4, smoothing: 0, seed: 1 };

/** Where nothing but gates is new, or channels go: what was learnt is to stay as good as it was. */
export const gently: Recipe = { ...tuning, rate: 0.03 };

/** The same in the quick form. */
export const quickly = (cx: Context, r: Recipe): Recipe => (cx.quick ? { ...r, epochs: 1, batch: 32 } : r);

export const shapeOf = (cx: Context): Shape => (cx.quick ? QUICK : FULL);

/** A net of a shape, without decisions. */
export const plainNet = (data: Pick<Dataset, 'shape' | 'classes'>, shape: Shape): Net =>
  net({ input: data.shape, classes: data.classes.length, name: 'backbone' }, backbone(shape));

export const macsOf = (made: Pick<Net, 'output'>): number => costTable(made).reduce((sum, r) => sum + r.macs, 0);

const backboneTraining = (cx: Context, data: Dataset): Training => {
  const from = { data, start: untrained(data, shapeOf(cx).widths[0]), halves: true };
  return [cx, 'backbone', plainNet(data, shapeOf(cx)), quickly(cx, recipe), from];
};

/** The static net that all systems start from and are compared with: trained once, shared. */
export const trainBackbone = (cx: Context, data: Dataset): Promise<Trained> => trainOnce(...backboneTraining(cx, data));

/** The folder in which the trained backbone lies. */
export const backboneFolder = (cx: Context, data: Dataset): string | undefined =>
  outcomeOf(...backboneTraining(cx, data));

/** How far the last stage is narrowed, in steps of this many channels, where a whole block is too large a step. */
const STEP = 16;

/**
 * The smallest backbone with fewer blocks, its last stage up to a third narrower, that costs no less than `macs`: what a
 * static net can do with that compute.
 */
export function shapeAt(data: Pick<Dataset, 'shape' | 'classes'>, full: Shape, macs: number): Shape {
  const most = full.groups.reduce((a, b) => a + b);
  const [first, second, third, last] = full.widths;
  let found = full;
  let least = macsOf(plainNet(data, full));
  for (let count = 0; count <= most; count++)
    for (let width = last; width >= (2 / 3) * last; width -= STEP) {
      const shape: Shape = { widths: [first, second, third, width], groups: dealt(full.groups, count) };
      const cost = macsOf(plainNet(data, shape));
      if (cost >= macs && cost < least) [found, least] = [shape, cost];
    }
  return found;
}

/** `count` blocks, dealt to the groups in proportion to what they had. */
function dealt(groups: Shape['groups'], count: number): Shape['groups'] {
  const given: [number, number, number] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const open = [2, 1, 0].filter((g) => given[g]! < groups[g]!);
    const next = open.reduce((a, b) => (given[b]! / groups[b]! < given[a]! / groups[a]! ? b : a));
    given[next]!++;
  }
  return given;
}

/** The first rows and columns of a tensor. */
function prefix({ dtype, dims, data }: NDArray, shape: readonly number[]): NDArray {
  if (shape.every((d, i) => d === dims[i])) return { dtype, dims, data };
  const out = new Float32Array(sizeOf(shape));
  const strides = dims.map((_, i) => sizeOf(dims.slice(i + 1)));
  for (let at = 0; at < out.length; at++) {
    let rest = at;
    let from = 0;
    for (let i = shape.length - 1; i >= 0; i--) {
      from += (rest % shape[i]!) * strides[i]!;
      rest = Math.floor(rest / shape[i]!);
    }
    out[at] = data[from] as number;
  }
  return ndarray('float32', [...shape], out);
}

/**
 * Weights of a backbone for a net that is built of its blocks: a block keeps its name inside of whatever decision it stands in.
 * Narrower parameters take the first channels.
 */
export function startOf(made: Net, weights: ReadonlyMap<string, NDArray>): Map<string, NDArray> {
  const found = new Map<string, NDArray>();
  for (const { name, shape } of parametersOf(made)) {
    const own = [...weights.keys()].find((n) => name === n || name.endsWith(`/${n}`));
    const value = own === undefined ? undefined : weights.get(own)!;
    if (value && value.dims.length === shape.length && shape.every((d, i) => d <= value.dims[i]!))
      found.set(name, prefix(value, shape));
  }
  return found;
}

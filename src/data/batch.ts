import { DynaError } from '../errors.ts';
import { type NDArray, sizeOf } from '../graph/array.ts';
import type { Dataset } from './dataset.ts';
import { Random } from './random.ts';

/** What a net is fed with. */
export interface Batch {
  /** float32 [n, ...shape], normalised: (v / 255 - mean) / std for bytes, (v - mean) / std for floats. */
  x: NDArray;
  /** int64 [n], the class numbers; -1 where there are none. */
  y: NDArray;
  n: number;
  /** Which items of the data set these are. */
  indices: Int32Array;
}

/**
 * Random changes of images [C, H, W], drawn for each (seed, epoch, item) on its own. They are applied to the raw
 * pixels, before normalisation.
 */
export interface Augment {
  /**
   * Pads the image on each side by so many pixels of raw value 0 (black, as torchvision's `RandomCrop(size, padding)`
   * does; after normalisation that is -mean / std) and cuts a random window of the old size out.
   */
  crop?: number;
  /** Mirrors left and right: true for half of the images, or a share. */
  flip?: boolean | number;
}

/** The part of a data set that says what a raw value means. */
export type Preprocessing = Pick<Dataset, 'shape' | 'mean' | 'std'>;

/** Writes one raw item, normalised and perhaps changed at random, to `out` from `offset` on. */
export type ItemWriter = (
  out: Float32Array,
  offset: number,
  inputs: Uint8Array | Float32Array,
  at: number,
  random: Random | null,
) => void;

/**
 * Compiles the preprocessing of a data set into one writer; bytes go through one table of 256 floats a channel.
 *
 * @throws DynaError 'usage' when the augmentation does not fit the shape
 */
export function itemWriter(ds: Preprocessing, bytes: boolean, augment: Augment = {}): ItemWriter {
  const pad = augment.crop ?? 0;
  const flip = augment.flip === true ? 0.5 : Number(augment.flip ?? 0);
  if (!Number.isInteger(pad) || pad < 0)
    throw new DynaError('usage', `augment.crop is a number of pixels, got ${augment.crop}`);
  if (!(flip >= 0 && flip <= 1))
    throw new DynaError('usage', `augment.flip is true or a share from 0 to 1, got ${augment.flip}`);
  if ((pad > 0 || flip > 0) && ds.shape.length !== 3)
    throw new DynaError('usage', `augmentation expects images [C, H, W], got items of shape [${ds.shape.join(', ')}]`);
  const plain = plainWriter(ds, bytes);
  if (pad === 0 && flip === 0) return plain;
  const windowed = windowWriter(ds, bytes);
  return (out, offset, inputs, at, random) => {
    if (!random) return plain(out, offset, inputs, at, null);
    const dy = pad ? random.int(2 * pad + 1) - pad : 0;
    const dx = pad ? random.int(2 * pad + 1) - pad : 0;
    windowed(out, offset, inputs, at, dy, dx, flip > 0 && random.float() < flip);
  };
}

/** For each channel the normalised value of every byte. */
const byteTables = (mean: readonly number[], std: readonly number[]): Float32Array[] =>
  mean.map((m, c) => Float32Array.from({ length: 256 }, (_, v) => (v / 255 - m) / std[c]));

function plainWriter({ shape, mean, std }: Preprocessing, bytes: boolean): ItemWriter {
  const channels = mean.length;
  const plane = sizeOf(shape) / channels;
  const tables = bytes ? byteTables(mean, std) : [];
  return (out, offset, inputs, at) => {
    for (let c = 0; c < channels; c++) {
      const from = at + c * plane;
      const to = offset + c * plane;
      if (bytes) {
        const table = tables[c];
        for (let i = 0; i < plane; i++) out[to + i] = table[inputs[from + i]];
      } else {
        const m = mean[c];
        const s = std[c];
        for (let i = 0; i < plane; i++) out[to + i] = (inputs[from + i] - m) / s;
      }
    }
  };
}

/** Writes the window of an image that is moved by (dy, dx), with raw zeros where it reaches over the edge. */
function windowWriter({ shape, mean, std }: Preprocessing, bytes: boolean) {
  const [channels, height, width] = shape;
  const means = shape.length === 3 && mean.length === 1 ? new Array<number>(channels).fill(mean[0]) : mean;
  const stds = shape.length === 3 && std.length === 1 ? new Array<number>(channels).fill(std[0]) : std;
  const tables = bytes ? byteTables(means, stds) : [];
  return (
    out: Float32Array,
    offset: number,
    inputs: Uint8Array | Float32Array,
    at: number,
    dy: number,
    dx: number,
    mirrored: boolean,
  ): void => {
    // Columns x of the window whose source x + dx lies inside the image.
    const left = Math.min(width, Math.max(0, -dx));
    const right = Math.max(left, Math.min(width, width - dx));
    for (let c = 0; c < channels; c++) {
      const table = tables[c];
      const m = means[c];
      const s = stds[c];
      const border = (0 - m) / s;
      for (let y = 0; y < height; y++) {
        const to = offset + (c * height + y) * width;
        const inside = y + dy >= 0 && y + dy < height;
        const from = at + (c * height + y + dy) * width + dx;
        const x0 = inside ? left : width;
        const x1 = inside ? right : width;
        const step = mirrored ? -1 : 1;
        let o = mirrored ? to + width - 1 : to;
        let x = 0;
        for (; x < x0; x++, o += step) out[o] = border;
        if (bytes) for (; x < x1; x++, o += step) out[o] = table[inputs[from + x]];
        else for (; x < x1; x++, o += step) out[o] = (inputs[from + x] - m) / s;
        for (; x < width; x++, o += step) out[o] = border;
      }
    }
  };
}

/** The class numbers as an int64 [n] array. */
export function labelArray(labels: ArrayLike<number>): NDArray {
  return {
    dtype: 'int64',
    dims: [labels.length],
    data: BigInt64Array.from({ length: labels.length }, (_, i) => BigInt(labels[i])),
  };
}

/** Item streams of one seed never meet its shuffles: the last word of the key tells them apart. */
export const itemRandom = (seed: number, epoch: number, item: number): Random => new Random(seed, epoch, item, 2);
export const orderRandom = (seed: number, epoch: number): Random => new Random(seed, epoch, 1);

/**
 * A batch of the items with these numbers, without augmentation.
 *
 * @throws DynaError 'data' when one is out of range
 * @example takeBatch(test, [0, 1, 2]).x.dims // [3, 1, 28, 28]
 */
export function takeBatch(ds: Dataset, indices: ArrayLike<number>): Batch {
  return assemble(ds, Int32Array.from(indices), itemWriter(ds, ds.inputs instanceof Uint8Array), () => null);
}

/** Gathers items into one batch; `randomOf` gives each item its own generator, or null for none. */
export function assemble(
  ds: Dataset,
  indices: Int32Array,
  write: ItemWriter,
  randomOf: (item: number) => Random | null,
): Batch {
  const size = sizeOf(ds.shape);
  const n = indices.length;
  const data = new Float32Array(n * size);
  const labels = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    const item = indices[i];
    if (item < 0 || item >= ds.length)
      throw new DynaError('data', `item ${item} is not in ${ds.name}: expected 0 to ${ds.length - 1}`);
    write(data, i * size, ds.inputs, item * size, randomOf(item));
    labels[i] = ds.labels[item];
  }
  return { x: { dtype: 'float32', dims: [n, ...ds.shape], data }, y: labelArray(labels), n, indices };
}

/**
 * One raw item (as `decodeImage` gives it, say) as the float32 [1, ...shape] array that a net is fed with.
 *
 * @throws DynaError 'shape' when the number of values does not fit
 * @example normalise(image.pixels, { shape: [1, 28, 28], mean: [0.286], std: [0.353] })
 */
export function normalise(inputs: Uint8Array | Float32Array, preprocessing: Preprocessing): NDArray {
  const size = sizeOf(preprocessing.shape);
  if (inputs.length !== size)
    throw new DynaError(
      'shape',
      `an item of shape [${preprocessing.shape.join(', ')}] holds ${size} values, got ${inputs.length}`,
    );
  const data = new Float32Array(size);
  plainWriter(preprocessing, inputs instanceof Uint8Array)(data, 0, inputs, 0, null);
  return { dtype: 'float32', dims: [1, ...preprocessing.shape], data };
}

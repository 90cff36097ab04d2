import type { Preprocessing } from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import { formatShape, type NDArray, sizeOf } from '../graph/index.ts';

/**
 * What a loaded model takes: float32 [n, ...shape] that is already normalised, or raw bytes that the model's own preprocessing
 * normalises (uint8, clamped or not); as arrays with a shape, of which one image may leave out the n, or as the bare values
 * of n images.
 */
export type Images = NDArray | Float32Array | Uint8Array | Uint8ClampedArray;

/**
 * Compiles a preprocessing: bytes go through one table of 256 floats a channel, as they did in training.
 *
 * @throws DynaError (the compiled function) 'shape' for other sizes and for no image at all, 'dtype' for other types
 */
export function feeder({ shape, scale, mean, std }: Preprocessing): (images: Images) => NDArray {
  const size = sizeOf(shape);
  const plane = size / mean.length;
  const unit = 1 / scale; // v / 255, not v * (1 / 255): the same rounding as in training
  const tables = mean.map((m, c) => Float32Array.from({ length: 256 }, (_, v) => (v / unit - m) / std[c]!));

  const batchOf = (dims: readonly number[]): readonly number[] => {
    const single = dims.length === shape.length;
    const item = single ? dims : dims.slice(1);
    if (dims.length - item.length > 1 || item.length !== shape.length || item.some((d, i) => d !== shape[i]))
      throw new DynaError('shape', `the model takes images [n, ${shape.join(', ')}], got ${formatShape(dims)}`);
    if (dims[0] === 0) throw new DynaError('shape', 'the model takes at least one image, got none');
    return single ? [1, ...dims] : dims;
  };
  const normalised = (bytes: Uint8Array | Uint8ClampedArray, dims: readonly number[]): NDArray => {
    const data = new Float32Array(bytes.length);
    for (let at = 0; at < bytes.length; ) {
      for (const table of tables) for (const end = at + plane; at < end; at++) data[at] = table[bytes[at]!]!;
    }
    return { dtype: 'float32', dims, data };
  };

  const bareDims = ({ length }: ArrayLike<number>): readonly number[] => {
    const n = length / size;
    if (!(n >= 1 && Number.isInteger(n)))
      throw new DynaError(
        'shape',
        `an image ${formatShape(shape)} has ${size} values, got ${length}, which is no whole number of images`,
      );
    return [n, ...shape];
  };

  return (images) => {
    if (images instanceof Float32Array) return { dtype: 'float32', dims: bareDims(images), data: images };
    if (images instanceof Uint8Array || images instanceof Uint8ClampedArray)
      return normalised(images, bareDims(images));
    if (!(images as NDArray | undefined)?.dims)
      throw new DynaError(
        'dtype',
        `images are bytes or float32, bare or with a shape ({ dtype, dims, data }), got ${(images as object | undefined)?.constructor?.name ?? String(images)}`,
      );
    const dims = batchOf(images.dims);
    if (images.dtype === 'float32') return { dtype: 'float32', dims, data: images.data };
    if (images.dtype !== 'uint8' || !(images.data instanceof Uint8Array))
      throw new DynaError('dtype', `images are float32 (normalised) or uint8 (raw pixels), got ${images.dtype}`);
    if (images.data.length !== sizeOf(dims))
      throw new DynaError(
        'shape',
        `images ${formatShape(dims)} have ${sizeOf(dims)} values, got ${images.data.length}`,
      );
    return normalised(images.data, dims);
  };
}

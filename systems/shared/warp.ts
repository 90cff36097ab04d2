import { type Dataset, DynaError } from 'dynaneural';
import { Random } from 'dynaneural/data';

/** How far images are turned and scaled. */
export interface WarpOptions {
  /** Turned by an angle that is uniform within ± so many degrees. */
  readonly degrees: number;
  /** Enlarged by a factor that is uniform between these two; below 1 the image shrinks. */
  readonly scale: readonly [number, number];
  readonly seed: number;
}

export interface Transform {
  /** Counter-clockwise, as the image is seen. */
  readonly degrees: number;
  readonly scale: number;
}

/** What item `index` of a set is warped by: its own, whatever the others are. */
export function transformOf({ degrees, scale: [least, most], seed }: WarpOptions, index: number): Transform {
  const random = new Random(seed, index);
  return { degrees: (2 * random.float() - 1) * degrees, scale: least + random.float() * (most - least) };
}

/**
 * Turns and enlarges one plane about its centre: each pixel reads where it came from, bilinearly; what lies outside is 0.
 *
 * @param plane [height, width], row by row
 * @example warpPlane(pixels, [32, 32], { degrees: 30, scale: 1.1 })
 */
export function warpPlane(
  plane: ArrayLike<number>,
  [height, width]: readonly [number, number],
  { degrees, scale }: Transform,
): Float32Array {
  const angle = (degrees * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle) / scale, Math.sin(angle) / scale];
  const [middleY, middleX] = [(height - 1) / 2, (width - 1) / 2];
  const pixel = (y: number, x: number): number =>
    y >= 0 && y < height && x >= 0 && x < width ? plane[y * width + x]! : 0;
  const out = new Float32Array(height * width);
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const [down, right] = [row - middleY, column - middleX];
      const y = middleY + cos * down + sin * right;
      const x = middleX - sin * down + cos * right;
      const [top, left] = [Math.floor(y), Math.floor(x)];
      const [lower, later] = [y - top, x - left];
      out[row * width + column] =
        (1 - lower) * ((1 - later) * pixel(top, left) + later * pixel(top, left + 1)) +
        lower * ((1 - later) * pixel(top + 1, left) + later * pixel(top + 1, left + 1));
    }
  return out;
}

/**
 * A data set of images, each turned and scaled by a transform of its own; the same seed gives the same images everywhere.
 * Bytes stay bytes, rounded.
 *
 * @throws DynaError 'data' for items that are not images [C, H, W]
 * @example const turned = warped(test, { degrees: 45, scale: [0.7, 1.2], seed: 3 })
 */
export function warped(ds: Dataset, options: WarpOptions): Dataset {
  const [channels, height, width] = ds.shape as [number, number, number];
  if (ds.shape.length !== 3)
    throw new DynaError('data', `images [C, H, W] can be warped, the items of ${ds.name} are [${ds.shape.join(', ')}]`);
  const size = height * width;
  const bytes = ds.inputs instanceof Uint8Array;
  const inputs = bytes ? new Uint8Array(ds.inputs.length) : new Float32Array(ds.inputs.length);
  for (let i = 0; i < ds.length; i++) {
    const transform = transformOf(options, i);
    for (let c = 0; c < channels; c++) {
      const at = (i * channels + c) * size;
      const plane = warpPlane(ds.inputs.subarray(at, at + size), [height, width], transform);
      inputs.set(bytes ? plane.map(Math.round) : plane, at);
    }
  }
  return { ...ds, name: `${ds.name}, warped`, inputs };
}

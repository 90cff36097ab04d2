import { DynaError } from '../errors.ts';
import type { Example } from './types.ts';

/** How many bytes of the page all images may take together. */
const BYTES = 900_000;
const LARGEST = 96;

/** Makes the PNG of an example as a data URI; undefined where inputs of this shape are no images. */
export interface Thumbnails {
  /** True where the pixels are few, so that they should be shown as squares and not be blurred. */
  readonly pixelated: boolean;
  of(example: Example): Promise<string | undefined>;
}

/**
 * Prepares thumbnails for `total` images of a shape [height, width], or [channels, height, width] with 1, 3 or 4
 * channels. Images are scaled down so far that all of them together stay under 0.9 MB, whatever they show.
 */
export async function thumbnails(shape: readonly number[], total: number): Promise<Thumbnails> {
  const [channels = 0, height = 0, width = 0] = shape.length === 2 ? [1, ...shape] : shape.length === 3 ? shape : [];
  if (channels !== 1 && channels !== 3 && channels !== 4)
    return { pixelated: false, of: () => Promise.resolve(undefined) };

  const { default: sharp } = await import('sharp');
  // A PNG of noise is as large as its pixels, and base64 adds a third.
  const fits = Math.floor(Math.sqrt((BYTES * 3) / 4 / channels / Math.max(1, total)));
  const side = Math.max(8, Math.min(LARGEST, fits));
  return {
    pixelated: Math.max(height, width) <= 48,
    async of({ pixels }) {
      const raw = { width, height, channels } as const;
      let image = sharp(interleaved(pixels, channels, height * width, shape), { raw });
      if (Math.max(height, width) > side) image = image.resize(side, side, { fit: 'inside' });
      if (channels === 1) image = image.toColourspace('b-w');
      const png = await image.png({ compressionLevel: 9 }).toBuffer();
      return `data:image/png;base64,${png.toString('base64')}`;
    },
  };
}

/** Planes, as networks take them, to pixels, as pictures are stored. */
function interleaved(planes: Uint8Array, channels: number, size: number, shape: readonly number[]): Uint8Array {
  if (planes.length !== channels * size)
    throw new DynaError(
      'data',
      `an example of the report has ${planes.length} bytes, images of shape [${shape.join(', ')}] have ${channels * size}`,
    );
  if (channels === 1) return planes;
  const out = new Uint8Array(planes.length);
  for (let c = 0; c < channels; c++) for (let i = 0; i < size; i++) out[i * channels + c] = planes[c * size + i]!;
  return out;
}

import sharp from 'sharp';
import { DynaError } from '../errors.ts';

/** How an image of another size is brought to the wanted one. */
export type Fit =
  | 'cover' // scaled until it fills the frame, then cut to it around the centre; nothing is distorted
  | 'contain' // scaled until it fits into the frame, the rest black
  | 'fill'; // stretched

export interface ImageOptions {
  /** Default: the image's own (after its EXIF rotation). */
  height?: number;
  width?: number;
  /** 1 grey or 3 RGB. Default: grey for grey images, else RGB. */
  channels?: 1 | 3;
  /** Default 'cover'. */
  fit?: Fit;
}

export interface DecodedImage {
  /** Channel by channel, row by row: [channels, height, width]. */
  pixels: Uint8Array;
  shape: [channels: number, height: number, width: number];
  /** What had to be done to make it fit, e.g. "resized"; empty when the pixels are the file's own. */
  changes: ImageChange[];
}

export interface ImageChange {
  kind:
    | 'resized'
    | 'rotated'
    | 'grey to RGB'
    | 'colour to grey'
    | 'CMYK to RGB'
    | '16 bit to 8 bit'
    | 'transparency to black';
  /** The figures, e.g. "640x480 to 32x32, cover". */
  detail: string;
}

/**
 * Decodes a PNG or JPEG (what sharp reads) to 8-bit planes. Another size is resized (Lanczos, `fit`), another colour
 * depth or space is converted (grey is libvips' luminance), transparent parts become black, an EXIF rotation is
 * applied; each of these is told in `changes`.
 *
 * @param input a path or the bytes of a file
 * @throws DynaError 'data' when it cannot be decoded, 'file' when there is no such file
 * @example const { pixels, shape } = await decodeImage('shoe.png', { height: 28, width: 28, channels: 1 })
 */
export async function decodeImage(input: string | Uint8Array, options: ImageOptions = {}): Promise<DecodedImage> {
  const name = typeof input === 'string' ? input : 'the image';
  try {
    return await decode(input, options);
  } catch (cause) {
    const reason = (cause as Error).message.trim().split('\n')[0];
    if (/^Input file is missing|ENOENT/i.test(reason))
      throw new DynaError('file', `no image file at ${name}`, { cause });
    throw new DynaError('data', `${name} could not be decoded as an image (${reason})`, {
      fix: 'it may be damaged or of another type; PNG and JPEG are read',
      cause,
    });
  }
}

async function decode(input: string | Uint8Array, options: ImageOptions): Promise<DecodedImage> {
  const image = sharp(input, { failOn: 'warning' });
  const meta = await image.metadata();
  const grey = meta.channels <= 2 && meta.space !== 'cmyk';
  const channels = options.channels ?? (grey ? 1 : 3);
  const turned = (meta.orientation ?? 1) >= 5;
  const own = turned ? [meta.height, meta.width] : [meta.width, meta.height];
  const width = options.width ?? own[0];
  const height = options.height ?? own[1];
  const fit = options.fit ?? 'cover';

  const changes: ImageChange[] = [];
  const tell = (kind: ImageChange['kind'], detail: string): void => void changes.push({ kind, detail });
  if ((meta.orientation ?? 1) !== 1) tell('rotated', `EXIF orientation ${meta.orientation}`);
  if (own[0] !== width || own[1] !== height) tell('resized', `${own.join('x')} to ${width}x${height}, ${fit}`);
  if (meta.depth === 'ushort') tell('16 bit to 8 bit', `${meta.space}`);
  if (meta.hasAlpha) tell('transparency to black', `${meta.channels} channels`);
  if (grey && channels === 3) tell('grey to RGB', '1 channel to 3');
  if (!grey && channels === 1) tell('colour to grey', '3 channels to 1');
  if (meta.space === 'cmyk') tell('CMYK to RGB', '4 channels to 3');

  let work = image.autoOrient();
  if (meta.hasAlpha) work = work.flatten({ background: '#000' });
  if (own[0] !== width || own[1] !== height) work = work.resize({ width, height, fit, background: '#000' });
  work = channels === 1 ? work.greyscale() : work.toColourspace('srgb');
  const { data, info } = await work.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  return { pixels: planes(data, info.channels, channels, width * height), shape: [channels, height, width], changes };
}

/** Interleaved pixels to planes; grey images are repeated for RGB, further channels are left out. */
function planes(data: Uint8Array, stride: number, channels: number, plane: number): Uint8Array {
  const out = new Uint8Array(channels * plane);
  for (let c = 0; c < channels; c++)
    for (let i = 0, from = Math.min(c, stride - 1); i < plane; i++, from += stride) out[c * plane + i] = data[from];
  return out;
}

import { Camera } from './camera.tsx';
import { DrawingPad } from './draw.tsx';
import { toPlanes, toRgba } from './pixels.ts';
import type { OwnInput } from './set.ts';
import type { InputView } from './view.ts';

const isImage = (shape: readonly number[]): boolean => shape.length === 3 && (shape[0] === 1 || shape[0] === 3);

let scratch: OffscreenCanvas | undefined;

/** Brings a picture to the model's size: scaled until it fills the frame, cut around the centre, on black. */
export function fitPicture(
  picture: ImageBitmap | HTMLVideoElement | HTMLCanvasElement,
  [from, to]: readonly [width: number, height: number],
  [channels, height, width]: readonly number[],
): Uint8Array {
  const canvas = new OffscreenCanvas(width!, height!);
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.imageSmoothingQuality = 'high';
  context.fillStyle = '#000';
  context.fillRect(0, 0, width!, height!);
  const scale = Math.max(width! / from, height! / to);
  const [w, h] = [from * scale, to * scale];
  context.drawImage(picture, (width! - w) / 2, (height! - h) / 2, w, h);
  return toPlanes(context.getImageData(0, 0, width!, height!).data, channels!);
}

async function read(file: File, shape: readonly number[]): Promise<OwnInput> {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: 'none' }).catch(() => {
    throw new Error(
      `"${file.name}" could not be read as a picture: it may be damaged, or of a kind this browser does not know`,
    );
  });
  const { width, height } = bitmap;
  const values = fitPicture(bitmap, [width, height], shape);
  bitmap.close();
  const same = width === shape[2] && height === shape[1];
  return { name: file.name, values, changes: same ? [] : [`${width}×${height} brought to ${shape[2]}×${shape[1]}`] };
}

/** Grey and colour pictures, [1 or 3, height, width]. */
export const imageView: InputView = {
  noun: 'picture',
  fits: isImage,
  draw(context, values, [channels, height, width], x, y, size) {
    if (scratch?.width !== width || scratch?.height !== height) scratch = new OffscreenCanvas(width!, height!);
    const pixels = toRgba(values, channels!) as Uint8ClampedArray<ArrayBuffer>;
    scratch.getContext('2d')!.putImageData(new ImageData(pixels, width!, height!), 0, 0);
    const scale = size / Math.max(width!, height!);
    const [w, h] = [width! * scale, height! * scale];
    context.imageSmoothingEnabled = scale < 1;
    context.drawImage(scratch, x + (size - w) / 2, y + (size - h) / 2, w, h);
  },
  sources: [
    { name: 'Draw', component: DrawingPad },
    { name: 'Camera', component: Camera },
  ],
  read,
};

import { join } from 'node:path';
import { DynaError } from '../errors.ts';
import { readBytes } from '../files.ts';
import { channelStatistics } from './dataset.ts';
import { areaOf, type LabelledBox, scaleBox } from './detection/box.ts';
import { type DetectionSet, detectionSet } from './detection/set.ts';
import { decodeImage, type ImageChange } from './image.ts';

/** An image as COCO's annotations describe it. */
export interface CocoImage {
  readonly file: string;
  readonly width: number;
  readonly height: number;
  /** In pixels of the file, cut to the image. */
  readonly boxes: readonly LabelledBox[];
}

export interface CocoAnnotations {
  /** Names of the categories, in the order of their ids: class numbers count from 0 without gaps. */
  readonly classes: readonly string[];
  /** In the file's order. */
  readonly images: readonly CocoImage[];
  /** What was left out, in sentences. */
  readonly notes: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

const wrong = (what: string): DynaError =>
  new DynaError('data', `these are no COCO annotations: ${what}`, {
    fix: 'a JSON object with "images", "categories" and "annotations" is read, as instances_val2017.json has them',
  });

function listOf(value: Json, key: string): readonly Json[] {
  const list = value[key];
  if (!Array.isArray(list)) throw wrong(`"${key}" is no list`);
  const strange = list.findIndex((entry) => typeof entry !== 'object' || entry === null);
  if (strange >= 0) throw wrong(`entry ${strange} of "${key}" is no object`);
  return list as Json[];
}

function field<T extends 'number' | 'string'>(
  entry: Json,
  key: string,
  type: T,
  where: string,
): T extends 'number' ? number : string {
  const value = entry[key];
  if (typeof value !== type || (type === 'number' && !Number.isFinite(value)))
    throw wrong(`"${key}" of ${where} is ${JSON.stringify(value)}, a ${type} is expected`);
  return value as T extends 'number' ? number : string;
}

/** Entries by their "id", which must be theirs alone. */
function byId(list: readonly Json[], what: string): Map<number, Json> {
  const known = new Map<number, Json>();
  for (const [i, entry] of list.entries()) {
    const id = field(entry, 'id', 'number', `entry ${i} of "${what}"`);
    if (known.has(id)) throw wrong(`two entries of "${what}" have id ${id}`);
    known.set(id, entry);
  }
  return known;
}

/**
 * Reads object annotations in COCO's official JSON format (Lin et al. 2014, arXiv:1405.0312): boxes [x, y, width, height].
 * Crowds (`iscrowd`) and boxes without area inside their image are left out, with a note.
 *
 * @param text the content of the file
 * @throws DynaError 'data' that names what is missing or contradictory
 * @example const { classes, images } = readCoco(readFileSync('instances_val2017.json', 'utf8'))
 */
export function readCoco(text: string): CocoAnnotations {
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch (cause) {
    throw wrong(`it is not JSON (${(cause as Error).message})`);
  }
  if (typeof root !== 'object' || root === null) throw wrong('it is no object');
  const json = root as Json;
  const images = byId(listOf(json, 'images'), 'images');
  const categories = [...byId(listOf(json, 'categories'), 'categories')].sort(([a], [b]) => a - b);
  const labels = new Map(categories.map(([id], label) => [id, label]));
  const boxes = new Map<number, LabelledBox[]>([...images.keys()].map((id) => [id, []]));
  const left = { crowds: 0, empty: 0 };
  for (const [i, entry] of listOf(json, 'annotations').entries()) {
    const where = `annotation ${i}`;
    const id = field(entry, 'image_id', 'number', where);
    const category = field(entry, 'category_id', 'number', where);
    const [image, own, label] = [images.get(id), boxes.get(id), labels.get(category)];
    if (!image || !own) throw wrong(`${where} is of image ${id}, which is not listed`);
    if (label === undefined) throw wrong(`${where} is of category ${category}, which is not listed`);
    const box = entry.bbox;
    if (!Array.isArray(box) || box.length !== 4 || !box.every(Number.isFinite))
      throw wrong(`"bbox" of ${where} is ${JSON.stringify(box)}, [x, y, width, height] is expected`);
    if (entry.iscrowd === 1) {
      left.crowds++;
      continue;
    }
    const [x, y, width, height] = box as [number, number, number, number];
    const cut = scaleBox(
      { label, left: x, top: y, right: x + width, bottom: y + height },
      [1, 1],
      sizeOfImage(image, id),
    );
    if (areaOf(cut) > 0) own.push(cut);
    else left.empty++;
  }
  const notes: string[] = [];
  if (left.crowds > 0) notes.push(`${left.crowds} annotations of crowds were left out`);
  if (left.empty > 0) notes.push(`${left.empty} boxes without area inside their image were left out`);
  return {
    classes: categories.map(([id, entry]) => field(entry, 'name', 'string', `category ${id}`)),
    images: [...images].map(([id, entry]) => {
      const [height, width] = sizeOfImage(entry, id);
      return { file: field(entry, 'file_name', 'string', `image ${id}`), width, height, boxes: boxes.get(id)! };
    }),
    notes,
  };
}

const sizeOfImage = (entry: Json, id: number): [number, number] => [
  field(entry, 'height', 'number', `image ${id}`),
  field(entry, 'width', 'number', `image ${id}`),
];

export interface CocoOptions {
  /** [height, width] that every image is stretched to, its boxes with it. Default: the size of the first one. */
  readonly size?: readonly [height: number, width: number];
  /** 1 grey, 3 RGB (default). */
  readonly channels?: 1 | 3;
  /** Normalisation; use the training set's for every other set. Default: measured here. */
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  /** Called for each note. */
  readonly onNote?: (note: string) => void;
}

/** The annotations speak of the file's own pixels: a picture of another size, or turned on the way in, would not fit them. */
function checkFits(
  { file, width, height }: CocoImage,
  changes: readonly ImageChange[],
  [h, w]: readonly [number, number],
): void {
  if (changes.some((c) => c.kind === 'rotated'))
    throw new DynaError('data', `${file} is turned by its EXIF data, so that its boxes do not fit`, {
      fix: 'save it upright and without EXIF orientation',
    });
  const resized = changes.find((c) => c.kind === 'resized')?.detail ?? `${w}x${h} to `;
  if (!resized.startsWith(`${width}x${height} to `))
    throw new DynaError('data', `${file} is ${resized.split(' ')[0]}, but its annotations say ${width}x${height}`);
}

/**
 * Reads a detection set in COCO's format into memory: the annotations and the images beside them.
 *
 * @param annotations the JSON file
 * @param folder where the images lie
 * @throws DynaError 'file' or 'data', naming the file that is missing, damaged or of another size than annotated
 * @example const cells = await cocoFolder('cells/annotations.json', 'cells/images', { size: [240, 320] })
 */
export async function cocoFolder(
  annotations: string,
  folder: string,
  options: CocoOptions = {},
): Promise<DetectionSet> {
  const { classes, images, notes } = readCoco(new TextDecoder().decode(await readBytes(annotations)));
  const first = images[0];
  if (!first) throw new DynaError('data', `${annotations} lists no images`);
  const [height, width] = options.size ?? [first.height, first.width];
  const channels = options.channels ?? 3;
  const shape: [number, number, number] = [channels, height, width];
  const size = channels * height * width;
  const inputs = new Uint8Array(images.length * size);
  const at = 8; // decoders at work at the same time
  for (let i = 0; i < images.length; i += at)
    await Promise.all(
      images.slice(i, i + at).map(async (image, k) => {
        const decoded = await decodeImage(join(folder, image.file), { height, width, channels, fit: 'fill' });
        checkFits(image, decoded.changes, [height, width]);
        inputs.set(decoded.pixels, (i + k) * size);
      }),
    );
  const boxes = images.map((image) =>
    image.boxes.map((box) => scaleBox(box, [width / image.width, height / image.height], [height, width])),
  );
  const measured = channelStatistics({ inputs, shape, length: images.length });
  for (const note of notes) options.onNote?.(note);
  const { mean = measured.mean, std = measured.std } = options;
  return detectionSet({ name: annotations, inputs, shape, boxes, objectClasses: classes, mean, std });
}

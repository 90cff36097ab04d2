import { join } from 'node:path';
import { DynaError } from '../errors.ts';
import { readBytes } from '../files.ts';
import { channelStatistics } from './dataset.ts';
import { type LabelledBox, scaleBox } from './detection/box.ts';
import { type DetectionSet, detectionSet } from './detection/set.ts';
import { decodeImage } from './image.ts';
import { readVoc, type VocAnnotation } from './voc.ts';

export interface VocOptions {
  /** [height, width] that every image is stretched to, its boxes with it. Default: the size of the first one. */
  readonly size?: readonly [height: number, width: number];
  /** 1 grey, 3 RGB (default). */
  readonly channels?: 1 | 3;
  /** Names of the classes; class numbers are places in this list. Default: all names that this split has, sorted. */
  readonly classes?: readonly string[];
  /** Objects marked as difficult, which the challenge does not count; left out by default. */
  readonly difficult?: boolean;
  /** Normalisation; use the training split's for every other split. Default: measured here. */
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly name?: string;
  /** Called for each note: what was cut or left out. */
  readonly onNote?: (note: string) => void;
}

interface Annotated extends VocAnnotation {
  readonly id: string;
}

/** Decoders and readers at work at the same time. */
const AT_ONCE = 8;

async function inGroups<T, R>(items: readonly T[], work: (item: T, i: number) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let i = 0; i < items.length; i += AT_ONCE)
    done.push(...(await Promise.all(items.slice(i, i + AT_ONCE).map((item, k) => work(item, i + k)))));
  return done;
}

const textOf = async (path: string): Promise<string> => new TextDecoder().decode(await readBytes(path));

/** The images of a split: ImageSets/Main/NAME.txt names one in each line; a second column (of one class's lists) is passed over. */
async function idsOf(folder: string, split: string): Promise<string[]> {
  const path = join(folder, 'ImageSets', 'Main', `${split}.txt`);
  const ids = (await textOf(path)).split('\n').flatMap((line) => line.trim().split(/\s+/)[0] || []);
  if (ids.length === 0) throw new DynaError('data', `${path} names no images`);
  const strange = ids.find((id) => /[/\\\0]/.test(id) || id.startsWith('.'));
  if (strange !== undefined)
    throw new DynaError('data', `${path} names "${strange}", the name of an image without folder is expected`);
  return ids;
}

/** The annotation speaks of the file's own pixels: a picture of another size, or turned on the way in, would not fit it. */
async function pixelsOf(folder: string, image: Annotated, [channels, height, width]: readonly [1 | 3, number, number]) {
  const path = join(folder, 'JPEGImages', `${image.id}.jpg`);
  const { pixels, changes } = await decodeImage(path, { height, width, channels, fit: 'fill' });
  if (changes.some((c) => c.kind === 'rotated'))
    throw new DynaError('data', `${path} is turned by its EXIF data, so that its boxes do not fit`, {
      fix: 'save it upright and without EXIF orientation',
    });
  const own = changes.find((c) => c.kind === 'resized')?.detail.split(' ')[0] ?? `${width}x${height}`;
  if (own !== `${image.width}x${image.height}`)
    throw new DynaError('data', `${path} is ${own}, but its annotation says ${image.width}x${image.height}`);
  return pixels;
}

/** What was changed on the way in, in sentences. */
function notesOf(all: readonly Annotated[], hard: number): string[] {
  const told = (key: 'cut' | 'empty', what: string): string[] => {
    const having = all.filter((a) => a[key] > 0);
    const count = having.reduce((sum, a) => sum + a[key], 0);
    return count === 0 ? [] : [`${count} boxes ${what}, e.g. in ${having[0]!.id}`];
  };
  return [
    ...told('cut', 'reached out of their image and were cut'),
    ...told('empty', 'without area inside their image were left out'),
    ...(hard > 0 ? [`${hard} objects marked as difficult were left out`] : []),
  ];
}

/**
 * Reads a split of a detection set in the layout of Pascal VOC into memory: ImageSets/Main/SPLIT.txt, Annotations/ID.xml and
 * JPEGImages/ID.jpg.
 *
 * @param folder that holds these three
 * @param split the name of a list, e.g. "train"
 * @throws DynaError 'file' or 'data', naming the file that is missing, damaged or of another size than annotated
 * @example const cells = await pascalVoc('BCCD', 'train', { classes: ['RBC', 'WBC', 'Platelets'], size: [240, 320] })
 */
export async function pascalVoc(folder: string, split: string, options: VocOptions = {}): Promise<DetectionSet> {
  const { channels = 3, difficult = false, name = `${folder}/${split}` } = options;
  const all = await inGroups(await idsOf(folder, split), async (id): Promise<Annotated> => {
    const path = join(folder, 'Annotations', `${id}.xml`);
    return { id, ...readVoc(await textOf(path), path) };
  });
  const [height, width] = options.size ?? [all[0]!.height, all[0]!.width];
  const classes = options.classes ?? [...new Set(all.flatMap((a) => a.objects.map((o) => o.name)))].sort();
  const labelOf = new Map(classes.map((c, label) => [c, label]));
  let hard = 0;
  const boxes = all.map((image) =>
    image.objects.flatMap(({ name: className, difficult: isHard, ...box }): LabelledBox[] => {
      const label = labelOf.get(className);
      if (label === undefined)
        throw new DynaError('data', `an object of ${image.id} is a "${className}", none of ${classes.join(', ')}`);
      if (isHard && !difficult) hard++;
      const scale = [width / image.width, height / image.height] as const;
      return isHard && !difficult ? [] : [scaleBox({ label, ...box }, scale, [height, width])];
    }),
  );
  const shape: [1 | 3, number, number] = [channels, height, width];
  const inputs = new Uint8Array(all.length * channels * height * width);
  await inGroups(all, async (image, i) =>
    inputs.set(await pixelsOf(folder, image, shape), i * channels * height * width),
  );
  for (const note of notesOf(all, hard)) options.onNote?.(`${name}: ${note}`);
  let { mean, std } = options;
  if (!mean || !std) {
    const measured = channelStatistics({ inputs, shape, length: all.length });
    mean ??= measured.mean;
    std ??= measured.std;
  }
  return detectionSet({ name, inputs, shape, boxes, objectClasses: classes, mean, std });
}

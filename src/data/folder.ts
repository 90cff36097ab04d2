import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DynaError } from '../errors.ts';
import { fileError } from '../files.ts';
import { sizeOf } from '../graph/array.ts';
import { some } from '../some.ts';
import { channelStatistics, type Dataset, dataset } from './dataset.ts';
import { decodeImage, type Fit, type ImageChange } from './image.ts';
import type { IndexedSource } from './stream.ts';

export interface FolderOptions {
  /** [height, width] that every image is brought to. Default: the size of the first one. */
  size?: readonly [height: number, width: number];
  /** 1 grey, 3 RGB. Default: as the first image. */
  channels?: 1 | 3;
  /** Default 'cover'. */
  fit?: Fit;
  /** Normalisation; use the training set's for every other set. Default: measured here (`imageFolder`), 0 and 1 (`imageStream`). */
  mean?: readonly number[];
  std?: readonly number[];
  /** The class names in the order of the class numbers, e.g. those of a trained model. Default: the sub-folders, sorted. */
  classes?: readonly string[];
  /** Called for each note as it arises; `imageFolder` also returns them. */
  onNote?: (note: string) => void;
}

/** A folder of images in memory. */
export interface FolderDataset extends Dataset {
  /** The file of each item. */
  files: string[];
  /** What was done to images that did not fit, and what was left out, in sentences. */
  notes: string[];
}

interface ImageList {
  files: string[];
  /** The class number of each file; empty for a flat folder. */
  labels: number[];
  classes: string[];
  /** Files that are neither PNG nor JPEG. */
  skipped: string[];
}

const isImage = (name: string): boolean => /\.(png|jpe?g)$/i.test(name);
const byCode = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Lists a folder of images: one sub-folder for each class, or a flat folder without labels. Sorted by name, so that
 * the same folder gives the same order everywhere; hidden files are ignored.
 *
 * @throws DynaError 'file' when it cannot be read, 'data' when it has no images, or images both beside and in sub-folders
 */
async function listImages(path: string, classes?: readonly string[]): Promise<ImageList> {
  const top = await entries(path);
  const flat = top.filter((e) => e.isFile() && isImage(e.name)).map((e) => e.name);
  const folders = top.filter((e) => e.isDirectory()).map((e) => e.name);
  const list: ImageList = { files: [], labels: [], classes: [], skipped: [] };
  const others = (from: string, found: typeof top): void => {
    for (const e of found) if (!e.isDirectory() && !isImage(e.name)) list.skipped.push(join(from, e.name));
  };
  others(path, top);
  if (folders.length === 0) {
    list.files = flat.map((name) => join(path, name));
  } else {
    if (flat.length)
      throw new DynaError(
        'data',
        `${path} has both class folders (${folders[0]}, ...) and images beside them (${flat[0]}, ...)`,
        {
          fix: 'move the images into class folders, or keep only images',
        },
      );
    list.classes = [...(classes ?? folders)];
    for (const folder of folders) {
      const label = list.classes.indexOf(folder);
      if (label < 0)
        throw new DynaError('data', `the folder ${join(path, folder)} is none of the classes ${some(list.classes)}`);
      const found = await entries(join(path, folder));
      others(join(path, folder), found);
      for (const e of found) {
        if (!e.isFile() || !isImage(e.name)) continue;
        list.files.push(join(path, folder, e.name));
        list.labels.push(label);
      }
    }
  }
  if (list.files.length === 0)
    throw new DynaError('data', `${path} holds no PNG or JPEG images, flat or in one sub-folder for each class`);
  return list;
}

async function entries(path: string) {
  try {
    const all = await readdir(path, { withFileTypes: true });
    return all.filter((e) => !e.name.startsWith('.')).sort((a, b) => byCode(a.name, b.name));
  } catch (cause) {
    throw fileError(`the image folder ${path} could not be read`, cause);
  }
}

/**
 * Reads a whole image folder (see `listImages`, `decodeImage`) into memory as bytes [C, H, W].
 *
 * @returns a data set with its `files` and the `notes` on what was resized, converted or left out
 * @throws DynaError 'file' or 'data'; one undecodable image stops the reading, with its name
 * @example const photos = await imageFolder('photos', { size: [32, 32], onNote: console.warn })
 */
export async function imageFolder(path: string, options: FolderOptions = {}): Promise<FolderDataset> {
  const stream = await openFolder(path, options);
  const { files, labels, classes, shape } = stream;
  const size = sizeOf(shape);
  const inputs = new Uint8Array(files.length * size);
  const at = 8; // decoders at work at the same time
  for (let i = 0; i < files.length; i += at) {
    const items = await Promise.all(files.slice(i, i + at).map((_, k) => stream.read(i + k)));
    items.forEach((item, k) => {
      inputs.set(item.inputs, (i + k) * size);
    });
  }
  const notes = [...stream.notes, ...stream.changes.sentences(files.length)];
  const spread = (list: readonly number[]) => (list.length === 1 ? new Array<number>(shape[0]!).fill(list[0]!) : list);
  const given = {
    ...(options.mean ? { mean: spread(options.mean) } : {}),
    ...(options.std ? { std: spread(options.std) } : {}),
  };
  const measured = options.mean && options.std ? null : channelStatistics({ inputs, shape, length: files.length });
  if (measured) {
    const figures = (values: number[]): string => values.map((v) => v.toFixed(4)).join(', ');
    const found = (['mean', 'std'] as const).filter((k) => !options[k]).map((k) => `${k} [${figures(measured[k])}]`);
    notes.push(`${found.join(' and ')} ${found.length > 1 ? 'were' : 'was'} measured on these images`);
  }
  for (const note of notes) options.onNote?.(note);
  const { mean, std } = measured ? { ...measured, ...given } : { mean: stream.mean, std: stream.std };
  const init = classes.length ? { labels, classes } : {};
  return { ...dataset({ name: path, inputs, shape, ...init, mean, std }), files, notes };
}

/**
 * An image folder as a source for `streamLoader`: nothing is read before its turn comes.
 *
 * @example streamLoader(await imageStream('photos', { size: [224, 224], onNote: console.warn }), { batch: 32 })
 */
export async function imageStream(
  path: string,
  options: FolderOptions = {},
): Promise<IndexedSource & { files: string[] }> {
  const { name, shape, classes, mean, std, length, files, read, notes } = await openFolder(
    path,
    options,
    options.onNote,
  );
  for (const note of notes) options.onNote?.(note);
  return { name, shape, classes, mean, std, length, files, read };
}

/** Settles shape and classes; `onChange` hears of the first image of each kind of change. */
async function openFolder(path: string, options: FolderOptions, onChange?: (note: string) => void) {
  const { files, labels, classes, skipped } = await listImages(path, options.classes);
  const first = await decodeImage(files[0], { channels: options.channels });
  const [height, width] = options.size ?? [first.shape[1], first.shape[2]];
  const channels = first.shape[0] as 1 | 3;
  const changes = new ChangeLog(onChange);
  const notes: string[] = [];
  if (skipped.length)
    notes.push(`${skipped.length} files are neither PNG nor JPEG and were left out, e.g. ${skipped[0]}`);
  const read = async (index: number) => {
    const image = await decodeImage(files[index], { height, width, channels, fit: options.fit });
    changes.add(files[index], image.changes);
    return { inputs: image.pixels, label: labels[index] };
  };
  const mean = [...(options.mean ?? [0])];
  const std = [...(options.std ?? [1])];
  return {
    name: path,
    shape: [channels, height, width],
    files,
    labels,
    classes,
    mean,
    std,
    length: files.length,
    read,
    notes,
    changes,
  };
}

/** Counts changes by kind and keeps one example of each, the first by name, so that a thousand images make one sentence. */
class ChangeLog {
  private readonly kinds = new Map<string, { count: number; file: string; detail: string }>();
  constructor(private readonly onFirst?: (note: string) => void) {}

  add(file: string, changes: readonly ImageChange[]): void {
    for (const { kind, detail } of changes) {
      const known = this.kinds.get(kind);
      if (!known) this.onFirst?.(`images are changed to fit: ${kind}, e.g. ${file} (${detail})`);
      const example = known && known.file < file ? known : { file, detail };
      this.kinds.set(kind, { ...example, count: (known?.count ?? 0) + 1 });
    }
  }

  sentences(total: number): string[] {
    const kinds = [...this.kinds].sort(([a], [b]) => byCode(a, b));
    return kinds.map(
      ([kind, { count, file, detail }]) => `${count} of ${total} images: ${kind}, e.g. ${file} (${detail})`,
    );
  }
}

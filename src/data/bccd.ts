import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DynaError } from '../errors.ts';
import { archiveAt, fetchArchive, layOut, type PackedSet } from './bccd-archive.ts';
import type { DetectionSet } from './detection/set.ts';
import { type Defaults, makeSet, type SetOptions, withDefaults } from './fetch-set.ts';
import { cacheFolder, systemFolders } from './places.ts';
import { pascalVoc, type VocOptions } from './voc-folder.ts';

/** The official split of BCCD. */
export type BccdSplit = 'train' | 'val' | 'test';

export interface BccdOptions extends SetOptions, Pick<VocOptions, 'size' | 'channels'> {}

/** What the official files are. */
export interface BccdSpec extends PackedSet {
  /** In the cache folder, once it is unpacked. */
  readonly folder: string;
  readonly classes: readonly string[];
  /** Images, and objects of each class, of each split. */
  readonly counts: Readonly<Record<BccdSplit, { readonly images: number; readonly objects: readonly number[] }>>;
  /** Of the training pixels / 255. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

const COMMIT = 'd272fb14cdff6e473fafeeeba32aba5f560e9e43';

export const bccdSpec: BccdSpec = {
  title: 'BCCD',
  base: 'https://codeload.github.com/Shenggan/BCCD_Dataset/zip',
  remote: COMMIT,
  archive: `BCCD_Dataset-${COMMIT}.zip`,
  bytes: 7_979_020,
  wanted: /^(LICENSE|BCCD\/(Annotations\/\w+\.xml|JPEGImages\/\w+\.jpg|ImageSets\/Main\/(train|val|test)\.txt))$/,
  sha256: '6428d607d92c07dfe9ac45b94dd40e0552622c3540b080e5a3f380bc0810d4bc',
  hint: 'or clone https://github.com/Shenggan/BCCD_Dataset into that folder',
  folder: 'BCCD_Dataset',
  classes: ['RBC', 'WBC', 'Platelets'],
  counts: {
    train: { images: 205, objects: [2382, 214, 209] },
    val: { images: 87, objects: [968, 87, 83] },
    test: { images: 72, objects: [805, 71, 69] },
  },
  mean: [0.7373, 0.6962, 0.7148],
  std: [0.0607, 0.102, 0.0757],
};

const SPLITS = ['train', 'val', 'test'] as const;

/** Folders that hold Annotations, ImageSets and JPEGImages, as a clone or an unpacked archive lays them. */
const foldersOf = (spec: BccdSpec, cache: string): string[] =>
  [cache, join(cache, spec.folder), join(cache, spec.archive.replace('.zip', '')), ...systemFolders('bccd')]
    .map((place) => join(place, 'BCCD'))
    .filter((folder) => SPLITS.every((split) => existsSync(join(folder, 'ImageSets', 'Main', `${split}.txt`))));

/** Where BCCD lies on this machine, without a look into it; undefined when it would be downloaded. */
export function locateBccd(cache: string = cacheFolder(), spec: BccdSpec = bccdSpec): string | undefined {
  const archive = join(cache, spec.archive);
  return foldersOf(spec, cache)[0] ?? (existsSync(archive) ? archive : undefined);
}

/** Reads a split and checks what holds for the official one at any size of its images. */
async function readSplit(spec: BccdSpec, folder: string, split: BccdSplit, options: BccdOptions) {
  const { classes, mean, std } = spec;
  const { size, channels } = options;
  const grey = channels === 1; // its statistics are measured
  const set = await pascalVoc(folder, split, {
    ...{ name: `bccd/${split}`, classes },
    ...(size ? { size } : {}),
    ...(channels ? { channels } : {}),
    ...(grey ? {} : { mean, std }),
    ...(options.onNote ? { onNote: options.onNote } : {}),
  });
  const { images, objects } = spec.counts[split];
  const found = classes.map((_, label) => set.boxes.flat().filter((b) => b.label === label).length);
  const [want, got] = [
    [images, ...objects],
    [set.length, ...found],
  ].map((n) => n!.join(', '));
  if (want !== got)
    throw new DynaError(
      'data',
      `${folder} is not the official ${spec.title}: for images and objects (${classes.join(', ')}) of its split "${split}" ${want} are expected, got ${got}`,
    );
  return set;
}

/** Opens a split of a set that is packed and laid out as BCCD is. */
export async function openBccd(
  spec: BccdSpec,
  split: BccdSplit,
  options: Defaults & BccdOptions,
): Promise<DetectionSet> {
  if (!SPLITS.includes(split))
    throw new DynaError('usage', `${spec.title} has the splits ${SPLITS.join(', ')}, got "${split}"`);
  const passed: string[] = [];
  const orPassOver = async <T>(path: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof DynaError)) throw error;
      passed.push(path);
      options.onNote(`${path} was passed over: ${error.message}`);
      return undefined;
    }
  };
  for (const folder of foldersOf(spec, options.cache)) {
    const set = await orPassOver(folder, () => readSplit(spec, folder, split, options));
    if (set) return set;
  }
  const archive = join(options.cache, spec.archive);
  const folder = join(options.cache, spec.folder);
  const inner = join(folder, 'BCCD');
  const make = async () => {
    const there = existsSync(archive) ? await orPassOver(archive, () => archiveAt(archive, spec)) : undefined;
    await layOut(folder, there ?? (await fetchArchive(spec, options, passed)), /ImageSets/);
    return readSplit(spec, inner, split, options);
  };
  if (options.offline && !existsSync(archive)) return make(); // which says what is missing
  const again = async (waited: boolean) => {
    const now = foldersOf(spec, options.cache).includes(inner) && (waited || !passed.includes(inner));
    return now ? orPassOver(inner, () => readSplit(spec, inner, split, options)) : undefined;
  };
  return makeSet(spec, folder, options, again, make);
}

/**
 * BCCD (Shenggan 2017, MIT licence): 364 microscope images of blood, 640 x 480, with 4,888 boxes around red cells, white cells and
 * platelets; 205 train, 87 val, 72 test. From the cache folder (a clone, the unpacked archive or the archive of commit d272fb1)
 * or the official address, whose archive is checked by a sha256 of its content; a folder by its counts of images and objects.
 *
 * @param options.size [height, width] that images are stretched to, boxes with them; IoU does not change by that
 * @throws DynaError 'download' when it is nowhere to be had, telling what to put where
 * @example const train = await bccd('train', { size: [240, 320] })
 */
export const bccd = (split: BccdSplit, options: BccdOptions = {}): Promise<DetectionSet> =>
  openBccd(bccdSpec, split, { ...options, ...withDefaults(options) });

import { existsSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { parseTar } from 'nanotar';
import { DynaError } from '../errors.ts';
import { makeFolder, readBytes } from '../files.ts';
import { sizeOf } from '../graph/array.ts';
import { CIFAR_SHAPE, readCifar } from './cifar.ts';
import { classCounts, type Dataset, dataset } from './dataset.ts';
import { compare, disk } from './download.ts';
import { type Defaults, fetchInto, makeSet } from './fetch-set.ts';
import { MAX_UNPACKED } from './idx.ts';
import type { CifarSpec, Split } from './sets.ts';

/** Folders that may hold the unpacked official files. */
const folders = (spec: CifarSpec, cache: string): string[] =>
  [cache, join(cache, spec.id), ...spec.folders()].map((place) => join(place, spec.folder));

/** The folder or archive that `openCifar` would read. */
export function locateCifar(spec: CifarSpec, cache: string): string | undefined {
  const files = [...spec.files.train, ...spec.files.test];
  const folder = folders(spec, cache).find((at) => files.every((file) => existsSync(join(at, file))));
  const archive = join(cache, spec.archive.file);
  return folder ?? (existsSync(archive) ? archive : undefined);
}

/** Opens a split of a set in CIFAR's binary version. */
export async function openCifar(spec: CifarSpec, split: Split, options: Defaults): Promise<Dataset> {
  const files = spec.files[split];
  const passed: string[] = [];
  const from = async (folder: string): Promise<Dataset | undefined> => {
    if (!files.every((file) => existsSync(join(folder, file)))) return undefined;
    try {
      return await readFolder(spec, split, folder);
    } catch (error) {
      if (!(error instanceof DynaError)) throw error;
      passed.push(folder);
      options.onNote(`${folder} was passed over: ${error.message}`);
      return undefined;
    }
  };
  for (const folder of folders(spec, options.cache)) {
    const set = await from(folder);
    if (set) return set;
  }
  const folder = join(options.cache, spec.folder);
  const make = () => makeFolderOf(spec, folder, passed, options).then(() => readFolder(spec, split, folder));
  if (options.offline && !existsSync(join(options.cache, spec.archive.file))) return make(); // which says what is missing
  const again = async (waited: boolean) => (waited || !passed.includes(folder) ? from(folder) : undefined);
  return makeSet(spec, folder, options, again, make);
}

/** Fills the folder from the archive, which is fetched where it is not there. */
async function makeFolderOf(spec: CifarSpec, folder: string, passed: string[], options: Defaults): Promise<void> {
  const archive = join(options.cache, spec.archive.file);
  const problem = existsSync(archive) ? await compare(archive, spec.archive) : 'missing';
  if (problem) {
    if (problem !== 'missing') {
      passed.push(archive);
      options.onNote(`${archive} is not the official file (${problem}) and was passed over`);
    }
    await fetchInto(spec, spec.archive, archive, spec.archive.file, passed, options);
  }
  await unpack(spec, archive, folder);
  if (problem) await rm(archive, { force: true }); // ours, and its content stays, unpacked
}

/** Unpacks the data files of an archive, each written whole or not at all. */
async function unpack(spec: CifarSpec, archive: string, folder: string): Promise<void> {
  const tar = await promisify(gunzip)(await readFile(archive), { maxOutputLength: MAX_UNPACKED });
  const wanted = new Set([...spec.files.train, ...spec.files.test]);
  const entries = parseTar(tar, { filter: (entry) => wanted.has(basename(entry.name)) });
  await makeFolder(folder);
  for (const { name, data } of entries) {
    const file = basename(name); // never a path of the archive's choice
    if (!data) continue;
    await disk(join(folder, file), () => writeFile(join(folder, `${file}.part`), data));
    await disk(join(folder, file), () => rename(join(folder, `${file}.part`), join(folder, file)));
  }
}

/** Reads a split and checks what holds for the official files in any order of their records. */
async function readFolder(spec: CifarSpec, split: Split, folder: string): Promise<Dataset> {
  const files = spec.files[split];
  const size = sizeOf(CIFAR_SHAPE);
  const inputs = new Uint8Array(files.length * spec.records * size);
  const labels = new Int32Array(files.length * spec.records);
  for (const [i, file] of files.entries()) {
    const part = readCifar(await readBytes(join(folder, file)), { name: join(folder, file) });
    if (part.labels.length !== spec.records)
      throw new DynaError(
        'data',
        `${join(folder, file)} is not whole: expected ${spec.records} records, got ${part.labels.length}`,
      );
    inputs.set(part.inputs, i * spec.records * size);
    labels.set(part.labels, i * spec.records);
  }
  const { classes, mean, std } = spec;
  const ds = dataset({ name: `${spec.id}/${split}`, inputs, shape: CIFAR_SHAPE, labels, classes, mean, std });
  const counts = classCounts(ds);
  if (!counts.every((count) => count === counts[0]))
    throw new DynaError(
      'data',
      `${folder} is not the official ${spec.title}: expected ${ds.length / classes.length} images of each class, got ${counts.join(', ')}`,
    );
  return ds;
}

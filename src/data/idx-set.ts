import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DynaError } from '../errors.ts';
import { type Dataset, dataset } from './dataset.ts';
import { type Defaults, fetchInto } from './fetch-set.ts';
import { gunzipped, readIdx } from './idx.ts';
import type { IdxFile, IdxSpec, Split } from './sets.ts';

/** The folder that holds all files of a set, packed or not. */
export function locateIdx(spec: IdxSpec, cache: string): string | undefined {
  const files = Object.values(spec.files).flatMap(({ images, labels }) => [images.file, labels.file]);
  const has = (folder: string, file: string): boolean =>
    existsSync(join(folder, file)) || existsSync(join(folder, `${file}.gz`));
  return [join(cache, spec.id), ...spec.folders()].find((folder) => files.every((file) => has(folder, file)));
}

/** Opens a split of a set in IDX files. */
export async function openIdx(spec: IdxSpec, split: Split, settings: Defaults): Promise<Dataset> {
  const name = `${spec.id}/${split}`;
  const files = spec.files[split];
  const images = readIdx(await idxBytes(spec, files.images, settings), files.images.file);
  const labels = readIdx(await idxBytes(spec, files.labels, settings), files.labels.file);
  if (
    images.dtype !== 'uint8' ||
    labels.dtype !== 'uint8' ||
    images.dims.length !== 3 ||
    labels.dims[0] !== images.dims[0]
  )
    throw new DynaError(
      'data',
      `the files of ${name} do not belong together: images [${images.dims.join(', ')}], labels [${labels.dims.join(', ')}]`,
    );
  const shape = [1, images.dims[1], images.dims[2]];
  const { classes, mean, std } = spec;
  return dataset({
    name,
    inputs: images.data as Uint8Array,
    shape,
    labels: labels.data as Uint8Array,
    classes,
    mean,
    std,
  });
}

/** The unpacked bytes of an official file, from the first place that has them right. */
async function idxBytes(spec: IdxSpec, { file, gz, sha256 }: IdxFile, options: Defaults): Promise<Uint8Array> {
  const home = join(options.cache, spec.id);
  const passed: string[] = [];
  for (const folder of [home, ...spec.folders()]) {
    for (const path of [join(folder, file), join(folder, `${file}.gz`)]) {
      if (!existsSync(path)) continue;
      const raw = await checked(path, sha256);
      if (raw) return raw;
      passed.push(path);
      options.onNote(`${path} is not the official file (truncated or altered) and was passed over`);
    }
  }
  const target = join(home, `${file}.gz`);
  await fetchInto(spec, gz, target, `${file}.gz`, passed, options);
  const raw = await checked(target, sha256);
  if (!raw)
    throw new DynaError('download', `${target} does not unpack to the official ${file}`, {
      fix: 'remove it and try again',
    });
  return raw;
}

async function checked(path: string, sha256: string): Promise<Uint8Array | undefined> {
  try {
    const raw = gunzipped(await readFile(path), path);
    return createHash('sha256').update(raw).digest('hex') === sha256 ? raw : undefined;
  } catch {
    return undefined; // unreadable or not whole: not the official file
  }
}

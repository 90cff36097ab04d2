import { createHash } from 'node:crypto';
import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Dataset, fingerprint } from '../../data/index.ts';
import { makeFolder, writeAtomic } from '../../files.ts';
import { version } from '../../version.ts';

/** A short name for content: equal only where everything that is listed is equal, and the release of this library. */
export const keyOf = (...parts: readonly unknown[]): string =>
  createHash('sha256')
    .update(JSON.stringify([version, ...parts]))
    .digest('hex')
    .slice(0, 16);

/**
 * A folder that outlives an interrupted run. Each part lies in a sub-folder that is named after all that decides its
 * content, so that a run with other settings starts its own and never continues a strange one.
 */
export class Work {
  readonly #path: string | undefined;
  readonly #source: string;

  /**
   * @param path of the folder; without it nothing is kept
   * @param source what all parts are made from
   */
  constructor(path?: string, source = '') {
    this.#path = path;
    this.#source = source;
  }

  /** The folder of a part, made where it is not there; undefined where nothing is kept. `decides` has all else that does. */
  async part(name: string, ...decides: readonly unknown[]): Promise<string | undefined> {
    if (this.#path === undefined) return undefined;
    const path = join(this.#path, `${name}-${keyOf(this.#source, ...decides)}`);
    await makeFolder(path);
    return path;
  }

  /** A value that JSON can hold: what an earlier run made, else what `make` gives now. */
  async kept<T>(name: string, decides: unknown, make: () => Promise<T>): Promise<T> {
    const folder = await this.part(name, decides);
    if (folder === undefined) return make();
    const path = join(folder, `${name}.json`);
    const before = await readFile(path, 'utf8').catch(() => undefined);
    if (before !== undefined) return JSON.parse(before) as T;
    const value = await make();
    await writeAtomic(path, JSON.stringify(value));
    return value;
  }
}

/** Folders of parts, as `part` names them. */
const PART = /^[a-z-]+-[0-9a-f]{16}$/;

/** Removes a work folder: the parts in it, and itself where it holds nothing else. */
export async function removeWork(path: string): Promise<void> {
  const names = await readdir(path).catch(() => []);
  for (const name of names.filter((n) => PART.test(n))) await rm(join(path, name), { recursive: true, force: true });
  await rmdir(path).catch(() => undefined); // not empty: what is left is not ours
}

/**
 * What was claimed before with the images that are to prove a claim now, by the runs that shared a folder. A bound that is chosen
 * because it passed holds less surely than it says.
 *
 * @returns the other claims, in words
 */
export async function claimedBefore(
  path: string | undefined,
  original: Uint8Array,
  data: Dataset,
  claim: string,
): Promise<readonly string[]> {
  const file = createHash('sha256').update(original).digest('hex');
  // Labels have no part in which images are looked at.
  const folder = await new Work(path, file).part(
    'claims',
    fingerprint({ ...data, classes: [], labels: new Int32Array(data.length) }),
  );
  if (folder === undefined) return [];
  const list = join(folder, 'claims.json');
  const found = JSON.parse(await readFile(list, 'utf8').catch(() => '[]')) as string[];
  if (!found.includes(claim)) await writeAtomic(list, JSON.stringify([...found, claim]));
  return found.filter((c) => c !== claim);
}

/** The work of adapting one file with what is learned from some images. */
export const workOn = (path: string | undefined, original: Uint8Array, images: Dataset): Work => {
  if (path === undefined) return new Work();
  const file = createHash('sha256').update(original).digest('hex');
  return new Work(path, keyOf(file, fingerprint(images), images.mean, images.std));
};

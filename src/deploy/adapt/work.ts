import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../files.ts';
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

  /** @param path of the folder; without it nothing is kept */
  constructor(path?: string) {
    this.#path = path;
  }

  /** The folder of a part, made where it is not there; undefined where nothing is kept. */
  async part(name: string, key: string): Promise<string | undefined> {
    if (this.#path === undefined) return undefined;
    const path = join(this.#path, `${name}-${key}`);
    await makeFolder(path);
    return path;
  }

  /** Removes it with all that it holds. */
  async remove(): Promise<void> {
    if (this.#path !== undefined) await rm(this.#path, { recursive: true, force: true });
  }
}

import { readdir } from 'node:fs/promises';
import { dirname, extname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DynaError } from '../errors.ts';
import { isFolder, makeFolder, readBytes, writeAtomic } from '../files.ts';

/** One file of a site: in memory, or on the disk and read when it is asked for. */
export interface SiteFile {
  readonly type: string;
  read(): Promise<Uint8Array>;
}

/** All that a studio shows, by path below its address. What is not in here cannot be asked for. */
export type Site = ReadonlyMap<string, SiteFile>;

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.jsonl': 'application/jsonl; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

const typeOf = (path: string): string => types[extname(path)] ?? 'application/octet-stream';

/** A file whose content is known. */
export const content = (path: string, bytes: Uint8Array | string): SiteFile => ({
  type: typeOf(path),
  read: async () => (typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes),
});

/** A file on the disk, read anew each time. */
export const onDisk = (path: string): SiteFile => ({ type: typeOf(path), read: () => readBytes(path) });

/** Where the built page lies: beside this file when it is compiled, in `dist` when it runs from source. */
const places = (): string[] =>
  ['./page/', '../../dist/studio/page/'].map((p) => fileURLToPath(new URL(p, import.meta.url)));

/**
 * The files of the page itself.
 *
 * @throws DynaError 'file' where it is not built
 */
export async function pageFiles(folder?: string): Promise<Site> {
  for (const place of folder === undefined ? places() : [folder]) {
    if (!(await isFolder(place))) continue;
    const files = await readdir(place, { recursive: true, withFileTypes: true });
    return new Map(
      files
        .filter((f) => f.isFile())
        .map((f) => {
          const path = join(f.parentPath, f.name);
          return [
            path
              .slice(place.length)
              .replace(/^[\\/]/, '')
              .split(sep)
              .join('/'),
            onDisk(path),
          ];
        }),
    );
  }
  throw new DynaError('file', 'the page of the studio is not built', { fix: 'run: npm run build' });
}

/**
 * Writes a site into a folder, for any web server.
 *
 * @returns how many files and bytes were written
 * @throws DynaError 'file'
 */
export async function writeSite(site: Site, folder: string): Promise<{ files: number; bytes: number }> {
  let bytes = 0;
  for (const [path, file] of site) {
    const to = join(folder, ...path.split('/'));
    await makeFolder(dirname(to));
    const data = await file.read();
    await writeAtomic(to, data);
    bytes += data.length;
  }
  return { files: site.size, bytes };
}

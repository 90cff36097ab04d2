import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { environment } from './runtime/index.ts';
import { version } from './version.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The commit of the checkout that runs, with "+" where files were changed; the version where it is no checkout. */
export function commit(): string {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', root, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    if (git('ls-files', '--error-unmatch', 'package.json') !== 'package.json') return version;
    return git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') ? '+' : '');
  } catch {
    return version;
  }
}

/** One line that says what a figure was measured on. */
export async function machine(threads?: number): Promise<string> {
  const e = await environment();
  return `${e.cpu}, ${e.cores} cores, ${e.memoryGiB} GiB, ${e.platform}, node ${e.node}, ${e.engine} ${e.engineVersion}${threads === undefined ? '' : `, ${threads} thread${threads === 1 ? '' : 's'}`}`;
}

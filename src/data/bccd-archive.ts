import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { unzipSync } from 'fflate';
import { DynaError } from '../errors.ts';
import { makeFolder, readBytes } from '../files.ts';
import { disk } from './download.ts';
import type { Defaults } from './fetch-set.ts';

/**
 * An archive that its server packs anew for each request, as GitHub does: no length, no ranges, and bytes that may differ with
 * the packer's version. So what is in it is pinned, and it is fetched whole.
 */
export interface PackedSet {
  readonly title: string;
  /** The official address, without the file's name. */
  readonly base: string;
  /** The name on the server, and in the cache folder where somebody puts it there. */
  readonly remote: string;
  readonly archive: string;
  /** Of the archive, nearly; five times as many are refused. */
  readonly bytes: number;
  /** Which files of the archive are wanted, by the path under its one upper folder. */
  readonly wanted: RegExp;
  /** `contentDigest` of those. */
  readonly sha256: string;
  readonly hint: string;
}

/** sha256 over the paths and contents of files, in the order of their paths. */
export function contentDigest(files: ReadonlyMap<string, Uint8Array>): string {
  const hash = createHash('sha256');
  for (const [path, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(`${path}\n${bytes.length}\n`).update(bytes);
  return hash.digest('hex');
}

/**
 * The wanted files of a zip archive, by the path under its one upper folder. Sizes that the archive states are not believed
 * beyond `limit` bytes in all.
 *
 * @throws DynaError 'data' where it is no zip archive, damaged or too large
 */
export function unpacked(zip: Uint8Array, wanted: RegExp, limit: number): Map<string, Uint8Array> {
  const inner = (name: string): string => name.slice(name.indexOf('/') + 1);
  let left = limit;
  try {
    const entries = unzipSync(zip, {
      filter({ name, originalSize }) {
        if (!wanted.test(inner(name))) return false;
        left -= originalSize;
        if (!(left >= 0)) throw new Error(`more than ${limit} bytes are in it`);
        return true;
      },
    });
    return new Map(Object.entries(entries).map(([name, bytes]) => [inner(name), bytes]));
  } catch (cause) {
    throw new DynaError('data', `the zip archive could not be unpacked (${(cause as Error).message})`, { cause });
  }
}

/** The official files, out of an archive. */
export function officialFiles(zip: Uint8Array, spec: PackedSet): Map<string, Uint8Array> {
  const files = unpacked(zip, spec.wanted, 5 * spec.bytes);
  const sha256 = contentDigest(files);
  if (sha256 !== spec.sha256)
    throw new DynaError(
      'data',
      `the archive holds other files than ${spec.title}: expected ${spec.sha256}, got ${sha256}`,
    );
  return files;
}

/** Fetches and checks the archive, in memory. @throws DynaError 'download' that tells what a user without network can do */
export async function fetchArchive(spec: PackedSet, options: Defaults, passed: readonly string[]) {
  const url = `${options.base ?? spec.base}/${spec.remote}`;
  const { tries = 5, pause = 1000, signal } = options;
  let failure: Error = new Error('offline');
  for (let attempt = 0; attempt < tries && !options.offline; attempt++) {
    if (attempt > 0) await sleep(pause * 2 ** (attempt - 1), undefined, { signal }).catch(() => {});
    if (signal?.aborted) throw new DynaError('download', `the download of ${url} was stopped`);
    try {
      return officialFiles(await whole(url, spec, options), spec);
    } catch (error) {
      failure = error as Error;
      // Other files, or an address that is not there, stay so; and no way to the host keeps an offline user waiting.
      if (failure instanceof DynaError || failure instanceof Refused || unreachable.has(codeOf(failure))) break;
    }
  }
  if (signal?.aborted) throw new DynaError('download', `the download of ${url} was stopped`);
  const damaged = passed.length ? ` (${passed.join(', ')} is not the official one)` : '';
  const target = join(options.cache, spec.archive);
  throw new DynaError(
    'download',
    `${spec.title} is not on this machine${damaged} and ${url} could not be fetched (${codeOf(failure) || failure.message})`,
    { fix: `put ${url} at ${target}, ${spec.hint}`, cause: failure },
  );
}

const unreachable = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTUNREACH', 'ECONNREFUSED']);

/** What the system calls it, e.g. "ECONNREFUSED". */
function codeOf({ cause }: Error): string {
  const { code } = (cause ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : '';
}

/** An answer that another try will not change. */
class Refused extends Error {}

/** All bytes of an answer, which may be silent for a while but not for long. */
async function whole(url: string, { archive, bytes }: PackedSet, options: Defaults): Promise<Uint8Array> {
  const { timeout = 30_000, signal, onProgress } = options;
  const silence = new AbortController();
  const silent = () => silence.abort(new Error(`no bytes for ${timeout / 1000} s`));
  let timer = setTimeout(silent, timeout);
  try {
    const response = await fetch(url, { signal: signal ? AbortSignal.any([signal, silence.signal]) : silence.signal });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new (response.status >= 500 || response.status === 429 ? Error : Refused)(`HTTP status ${response.status}`);
    }
    const total = Number(response.headers.get('content-length')) || bytes;
    const chunks: Uint8Array[] = [];
    let received = 0;
    onProgress?.({ file: archive, received, total });
    for await (const chunk of response.body ?? []) {
      clearTimeout(timer);
      timer = setTimeout(silent, timeout);
      chunks.push(chunk);
      received += chunk.length;
      if (received > 5 * bytes) throw new Refused(`it sends more than ${5 * bytes} bytes`);
      onProgress?.({ file: archive, received, total: Math.max(total, received) });
    }
    onProgress?.({ file: archive, received, total: received });
    return Buffer.concat(chunks);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Lays files out in a folder, each whole or not at all; those that `last` names come when all others are there, so that a
 * folder that has them is complete. One process at a time: what a killed one left beside it is cleared away.
 */
export async function layOut(folder: string, files: ReadonlyMap<string, Uint8Array>, last: RegExp): Promise<void> {
  const beside = `${folder}.part`;
  const ordered = [...files].sort(([a], [b]) => Number(last.test(a)) - Number(last.test(b)));
  try {
    await rm(beside, { recursive: true, force: true });
    for (const [path, bytes] of ordered) {
      const temporary = join(beside, path);
      if (!existsSync(dirname(temporary))) await makeFolder(dirname(temporary));
      await disk(temporary, () => writeFile(temporary, bytes));
    }
    for (const [path] of ordered) {
      const target = join(folder, path);
      if (!existsSync(dirname(target))) await makeFolder(dirname(target));
      await disk(target, () => rename(join(beside, path), target));
    }
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
}

/** An archive that somebody put into the cache folder. */
export const archiveAt = async (path: string, spec: PackedSet): Promise<Map<string, Uint8Array>> =>
  officialFiles(await readBytes(path), spec);

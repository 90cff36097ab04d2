import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DynaError } from '../errors.ts';
import { makeFolder } from '../files.ts';
import { alone } from '../lock.ts';

/** What is known of a file before it is fetched. */
export interface Pin {
  sha256: string;
  bytes: number;
}

/** How far a download is. */
export interface Progress {
  file: string;
  /** Bytes here so far, with those of an earlier, broken download. */
  received: number;
  total: number;
}

export interface DownloadOptions {
  onProgress?: (progress: Progress) => void;
  /** Tries in all before giving up. Default 5. */
  tries?: number;
  /** Silence after which a try is given up, in milliseconds. Default 30,000. */
  timeout?: number;
  /** Pause before the second try, in milliseconds; doubles for each further one. Default 1,000. */
  pause?: number;
  /** Stops the download; what is here is kept and gone on with next time. */
  signal?: AbortSignal;
  /** Hears which process fetches the same file already; its outcome is waited for. */
  onWait?: (pid: number) => void;
}

/**
 * Fetches a pinned file: into `path.part`, going on where a broken download stopped (HTTP Range with If-Range, so
 * never with bytes of another version), then checked against its sha256 and renamed in one step. A file at `path` is
 * either whole and right, or what was there before. Where another process fetches it, its outcome is waited for.
 *
 * @throws DynaError 'download' when the address cannot be reached or sends other bytes than the pinned ones (which are
 *   removed), 'file' when the disk refuses
 * @example await download('https://host/data.gz', '/cache/data.gz', { sha256: '440f...', bytes: 9912422 })
 */
export async function download(url: string, path: string, pin: Pin, options: DownloadOptions = {}): Promise<void> {
  if (!URL.canParse(url)) throw new DynaError('usage', `expected the address of a file, got "${url}"`);
  await makeFolder(dirname(path));
  const { onWait, signal } = options;
  const fetchOnce = async (waited: boolean): Promise<void> => {
    if (!(waited && (await isThere(path, pin)))) await fetchInTries(url, path, pin, options);
  };
  try {
    await alone(path, fetchOnce, { signal, ...(onWait ? { onWait } : {}) });
  } catch (error) {
    throw error instanceof DynaError || !signal?.aborted ? error : stopped(url);
  }
}

const isThere = (path: string, pin: Pin): Promise<boolean> =>
  compare(path, pin).then(
    (problem) => problem === undefined,
    () => false,
  );

const stopped = (url: string): DynaError =>
  new DynaError('download', `the download of ${url} was stopped; the next one goes on from there`);

async function fetchInTries(url: string, path: string, pin: Pin, options: DownloadOptions): Promise<void> {
  const { tries = 5, pause = 1000, signal } = options;
  const part = new Part(path);
  let failure = new Error('it was not tried');
  for (let attempt = 0; attempt < tries; attempt++) {
    if (attempt > 0) await sleep(pause * 2 ** (attempt - 1), undefined, { signal }).catch(() => {});
    try {
      signal?.throwIfAborted();
      const resumed = await fetchRest(url, part, pin, options);
      const problem = await compare(part.path, pin);
      if (!problem) {
        await disk(path, () => rename(part.path, path));
        return await part.forget();
      }
      await part.remove();
      failure = new Error(problem);
      // Bytes that were pieced together get one more chance from the start; a whole answer that is wrong stays wrong.
      if (!resumed) {
        const message = `${url} sent other bytes than the pinned file: ${problem}; they were removed`;
        throw new DynaError('download', message, { fix: 'get the official file another way' });
      }
    } catch (error) {
      if (error instanceof DynaError) throw error;
      failure = error as Error;
      if (signal?.aborted) throw stopped(url);
      if (error instanceof Refused || unreachable.has(reason(failure))) break;
    }
  }
  throw new DynaError('download', `${url} could not be fetched (${reason(failure)})`, { cause: failure });
}

/** An answer that another try will not change. */
class Refused extends Error {}

/** No way to the host: trying again at once only keeps an offline user waiting. */
const unreachable = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTUNREACH', 'ECONNREFUSED']);

const reason = (error: Error): string => {
  const cause = error.cause as (Error & { code?: string }) | undefined;
  return cause?.code ?? (cause?.message || error.message);
};

/** The unfinished file and, beside it, the server's mark of the version that its bytes are from. */
class Part {
  readonly path: string;
  private readonly mark: string;
  constructor(path: string) {
    this.path = `${path}.part`;
    this.mark = `${path}.part.etag`;
  }

  /** How many bytes are here, and of which version; 0 when the version is not known. */
  async have(): Promise<{ bytes: number; version: string }> {
    const version = await readFile(this.mark, 'utf8').catch(() => '');
    const bytes = await stat(this.path).then(
      (s) => s.size,
      () => 0,
    );
    return version ? { bytes, version } : { bytes: 0, version: '' };
  }
  async begin(version: string): Promise<void> {
    if (version) await writeFile(this.mark, version);
    else await this.forget();
  }
  async forget(): Promise<void> {
    await rm(this.mark, { force: true });
  }
  async remove(): Promise<void> {
    await rm(this.path, { force: true });
    await this.forget();
  }
}

/** Gets what is missing; true when it went on from earlier bytes. */
async function fetchRest(url: string, part: Part, pin: Pin, options: DownloadOptions): Promise<boolean> {
  const { bytes, version } = await part.have();
  if (bytes === pin.bytes) return true;
  const resume = bytes > 0 && bytes < pin.bytes;
  const silence = new Silence(options.timeout ?? 30_000, options.signal);
  try {
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    if (resume) Object.assign(headers, { range: `bytes=${bytes}-`, 'if-range': version });
    const response = await fetch(url, { headers, signal: silence.signal });
    const goesOn = resume && response.status === 206;
    if (goesOn && !response.headers.get('content-range')?.startsWith(`bytes ${bytes}-`)) {
      await part.remove();
      throw new Error('the server sent another range than the one asked for');
    }
    if (!goesOn && response.status !== 200) {
      await response.body?.cancel();
      if (response.status === 416) await part.remove();
      const again = response.status >= 500 || [408, 416, 425, 429].includes(response.status);
      throw new (again ? Error : Refused)(`HTTP status ${response.status}`);
    }
    if (!goesOn) await disk(part.path, () => part.begin(versionOf(response)));
    const file = await disk(part.path, () => open(part.path, goesOn ? 'a' : 'w'));
    try {
      await pour(response, file, part.path, goesOn ? bytes : 0, pin, silence, options);
    } finally {
      await file.close();
    }
    return goesOn;
  } finally {
    silence.end();
  }
}

async function pour(
  response: Response,
  file: FileHandle,
  path: string,
  start: number,
  pin: Pin,
  silence: Silence,
  { onProgress }: DownloadOptions,
): Promise<void> {
  const name = basename(path, '.part');
  let received = start;
  onProgress?.({ file: name, received, total: pin.bytes });
  for await (const chunk of response.body ?? []) {
    silence.heard();
    received += chunk.length;
    if (received > pin.bytes) break; // too long: the check says so
    await disk(path, () => file.writeFile(chunk));
    onProgress?.({ file: name, received, total: pin.bytes });
  }
  if (received < pin.bytes && announced(response, start) !== received)
    throw new Error(`the connection ended after ${received} of ${pin.bytes} bytes`);
}

/** The length of the whole file by the server's word, where it gives one. */
function announced(response: Response, start: number): number | undefined {
  const length = response.headers.get('content-length');
  return length === null ? undefined : start + Number(length);
}

/** Only a strong mark may be used to piece two answers together. */
function versionOf(response: Response): string {
  const etag = response.headers.get('etag');
  return etag && !etag.startsWith('W/') ? etag : (response.headers.get('last-modified') ?? '');
}

/** Aborts after a time without bytes, or when the caller's signal does. */
class Silence {
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout;
  constructor(
    private readonly limit: number,
    private readonly outer?: AbortSignal,
  ) {
    this.timer = this.start();
    outer?.addEventListener('abort', this.stop, { once: true });
    if (outer?.aborted) this.stop();
  }
  get signal(): AbortSignal {
    return this.controller.signal;
  }
  private start(): NodeJS.Timeout {
    return setTimeout(() => this.controller.abort(new Error(`no bytes for ${this.limit / 1000} s`)), this.limit);
  }
  private readonly stop = (): void => this.controller.abort(new Error('stopped'));
  heard(): void {
    clearTimeout(this.timer);
    this.timer = this.start();
  }
  end(): void {
    clearTimeout(this.timer);
    this.outer?.removeEventListener('abort', this.stop);
  }
}

/** What differs between a file and its pin, in words; undefined when nothing does. */
export async function compare(path: string, pin: Pin): Promise<string | undefined> {
  const { size } = await stat(path);
  if (size !== pin.bytes) return `expected ${pin.bytes} bytes, got ${size}`;
  const sha256 = await sha256Of(path);
  return sha256 === pin.sha256 ? undefined : `expected sha256 ${pin.sha256}, got ${sha256}`;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Runs a step that writes, and tells of a full disk or a read-only folder in a sentence. */
export async function disk<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const why =
      code === 'ENOSPC'
        ? 'the disk is full'
        : code === 'EACCES' || code === 'EROFS'
          ? 'the folder is read-only'
          : (cause as Error).message;
    throw new DynaError('file', `${path} could not be written: ${why}`, {
      fix: 'free some space, or set DYNANEURAL_DATA to another folder',
      cause,
    });
  }
}

import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Where work tells how far it is. */
export interface Progress {
  start(title: string, total: number): void;
  update(done: number, fields?: Readonly<Record<string, string>>): void;
  stop(): void;
}

/** What a system may use of its surroundings. */
export interface Context {
  /** A small form that takes about a minute and proves only that the road is whole. */
  readonly quick: boolean;
  /** Of the decision phase; the backbone is one. */
  readonly seeds: readonly number[];
  /** What may be thrown away but costs time: trained nets, checkpoints, outcomes of phases. */
  readonly cache: string;
  /** Finished trainings that came with the checkout; not there in the quick form. */
  readonly weights?: string;
  readonly progress: Progress;
  note(line: string): void;
  readonly signal?: AbortSignal;
  /** Of the engine while it trains; default: it chooses. */
  readonly threads?: number;
}

export const digest = (value: unknown): string =>
  createHash('sha256')
    .update(value instanceof Uint8Array ? value : toJson(value))
    .digest('hex')
    .slice(0, 12);

/** Digests of files by name: what was timed is known by its bytes, whichever way it was made. */
export const digests = (files: Readonly<Record<string, Uint8Array>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, digest(bytes)]));

/** Writes a file whole or not at all. */
export async function writeWhole(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, content);
  await rename(temporary, path);
}

/** JSON has no infinities and no large whole numbers: they are written as words. */
export const toJson = (value: unknown): string =>
  JSON.stringify(
    value,
    (_, v: unknown) =>
      typeof v === 'number' && Math.abs(v) === Number.POSITIVE_INFINITY
        ? String(v)
        : ArrayBuffer.isView(v)
          ? Array.from(v as Float32Array)
          : typeof v === 'bigint'
            ? String(v)
            : v,
    1,
  );

/** Reads what `toJson` wrote. */
export const fromJson = (text: string): unknown =>
  JSON.parse(text, (_, v: unknown) => (v === 'Infinity' || v === '-Infinity' ? Number(v) : v));

/**
 * Does a piece of work once: its outcome, plain data, is kept by name and the hash of what it depends on.
 *
 * @example const times = await phase(cx, 'times', { weights, seed }, () => measure(files, options))
 */
export async function phase<T>(cx: Context, name: string, recipe: unknown, work: () => Promise<T>): Promise<T> {
  const path = join(cx.cache, `${name}-${digest(recipe)}.json`);
  const found = await readFile(path, 'utf8').catch(() => undefined);
  if (found !== undefined) return fromJson(found) as T;
  cx.signal?.throwIfAborted();
  const outcome = await work();
  await writeWhole(path, `${toJson(outcome)}\n`);
  return fromJson(toJson(outcome)) as T;
}

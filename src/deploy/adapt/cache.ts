import { type FileHandle, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileError, writeAtomic } from '../../files.ts';

/** Rows that are kept for sure after so many bytes; a run that is killed loses no more. */
const SAFE_EVERY = 16 * 2 ** 20;

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Rows of floats that are written once, from the first to the last, and then read in any order. */
export interface RowCache<Facts> {
  /** Rows that are there. */
  readonly done: number;
  /** What was noted of them with the last `append`. */
  readonly facts: Facts | undefined;
  append(rows: Float32Array, facts: Facts): Promise<void>;
  /** Ends the writing. */
  finish(): Promise<void>;
  /** All rows, where they are in memory. */
  readonly all: Float32Array | undefined;
  row(index: number): Promise<Float32Array>;
  close(): Promise<void>;
}

export interface RowCacheOptions {
  readonly rows: number;
  /** Floats in a row. */
  readonly width: number;
  /** Most bytes in memory; more stay on disk and are read from there, row by row. */
  readonly memory: number;
  /** Where rows are kept while they are made, so that an interrupted run goes on; else in memory, or in a temporary folder. */
  readonly folder?: string | undefined;
}

/**
 * Opens a cache; one in a folder has the rows that an interrupted run left for sure.
 *
 * @throws DynaError 'file' where the folder cannot be written
 */
export async function openRows<Facts>(options: RowCacheOptions): Promise<RowCache<Facts>> {
  const { rows, width, memory, folder } = options;
  const fits = 4 * rows * width <= memory;
  if (fits && folder === undefined) return new MemoryRows<Facts>(rows, width);
  const own = folder === undefined ? await mkdtemp(join(tmpdir(), 'dyna-rows-')) : undefined;
  return FileRows.open<Facts>(folder ?? own!, { width, fits, temporary: own !== undefined });
}

class MemoryRows<Facts> implements RowCache<Facts> {
  readonly all: Float32Array;
  readonly #width: number;
  done = 0;
  facts: Facts | undefined;

  constructor(rows: number, width: number) {
    this.all = new Float32Array(rows * width);
    this.#width = width;
  }

  async append(rows: Float32Array, facts: Facts): Promise<void> {
    this.all.set(rows, this.done * this.#width);
    this.done += rows.length / this.#width;
    this.facts = facts;
  }

  async finish(): Promise<void> {}

  async row(index: number): Promise<Float32Array> {
    return this.all.subarray(index * this.#width, (index + 1) * this.#width);
  }

  async close(): Promise<void> {}
}

/** What is known to be on the disk. */
interface Kept<Facts> {
  readonly rows: number;
  readonly width: number;
  readonly facts: Facts | undefined;
}

class FileRows<Facts> implements RowCache<Facts> {
  readonly #folder: string;
  readonly #file: FileHandle;
  readonly #width: number;
  readonly #fits: boolean;
  readonly #temporary: boolean;
  #unsafe = 0;
  done: number;
  facts: Facts | undefined;
  all: Float32Array | undefined;

  private constructor(
    folder: string,
    file: FileHandle,
    { rows, facts }: Kept<Facts>,
    o: { width: number; fits: boolean; temporary: boolean },
  ) {
    this.#folder = folder;
    this.#file = file;
    this.#width = o.width;
    this.#fits = o.fits;
    this.#temporary = o.temporary;
    this.done = rows;
    this.facts = facts;
  }

  static async open<F>(folder: string, o: { width: number; fits: boolean; temporary: boolean }): Promise<FileRows<F>> {
    const path = join(folder, 'rows.bin');
    try {
      const file = await open(path, 'a+').then((f) => f.close().then(() => open(path, 'r+')));
      const kept = await keptIn<F>(folder);
      const { size } = await file.stat();
      const whole = kept?.width === o.width && size >= 4 * kept.rows * kept.width;
      return new FileRows<F>(folder, file, whole ? kept : { rows: 0, width: o.width, facts: undefined }, o);
    } catch (cause) {
      throw fileError(`"${path}" could not be opened`, cause);
    }
  }

  async append(rows: Float32Array, facts: Facts): Promise<void> {
    const bytes = bytesOf(rows);
    try {
      await this.#file.write(bytes, 0, bytes.length, 4 * this.#width * this.done);
    } catch (cause) {
      throw fileError(`"${join(this.#folder, 'rows.bin')}" could not be written`, cause);
    }
    this.done += rows.length / this.#width;
    this.facts = facts;
    this.#unsafe += bytes.length;
    if (this.#unsafe >= SAFE_EVERY) await this.#keep();
  }

  async #keep(): Promise<void> {
    if (this.#temporary || this.#unsafe === 0) return;
    await this.#file.datasync();
    const kept: Kept<Facts> = { rows: this.done, width: this.#width, facts: this.facts };
    await writeAtomic(join(this.#folder, 'rows.json'), JSON.stringify(kept));
    this.#unsafe = 0;
  }

  async finish(): Promise<void> {
    await this.#keep();
    if (!this.#fits) return;
    const all = new Float32Array(this.done * this.#width);
    const bytes = bytesOf(all);
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await this.#file.read(bytes, at, Math.min(2 ** 28, bytes.length - at), at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    this.all = all;
  }

  async row(index: number): Promise<Float32Array> {
    const row = new Float32Array(this.#width);
    const bytes = bytesOf(row);
    await this.#file.read(bytes, 0, bytes.length, index * bytes.length);
    return row;
  }

  /** Keeps what is there; a temporary folder goes. */
  async close(): Promise<void> {
    await this.#keep().catch(() => undefined);
    await this.#file.close();
    if (this.#temporary) await rm(this.#folder, { recursive: true, force: true });
  }
}

async function keptIn<Facts>(folder: string): Promise<Kept<Facts> | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, 'rows.json'), 'utf8')) as Kept<Facts>;
  } catch {
    return undefined; // a new folder
  }
}

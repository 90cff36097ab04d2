import { open } from 'node:fs/promises';

/** What a growing file of lines gave since it was last looked at. */
export interface Grown {
  /** Complete lines, and where each ends in the file. */
  readonly lines: readonly { readonly text: string; readonly end: number }[];
  /** Whether the file was cut back or started anew: what was read before no longer holds. */
  readonly restarted: boolean;
  /** When the file was last written, in milliseconds since 1970; undefined where there is none. */
  readonly written?: number;
}

const NEWLINE = 10;
const CHUNK = 1 << 20;

/** Follows a file of lines that another writes, from byte `from` on; a line counts when its end is there. */
export class Tail {
  readonly #path: string;
  #at: number;

  constructor(path: string, from = 0) {
    this.#path = path;
    this.#at = from;
  }

  /** What is new. A file that is not there yet has no lines. */
  async read(): Promise<Grown> {
    const file = await open(this.#path).catch(() => undefined);
    if (!file) return { lines: [], restarted: false };
    try {
      const { size, mtimeMs: written } = await file.stat();
      const restarted = size < this.#at;
      if (restarted) this.#at = 0;
      const bytes = Buffer.alloc(Math.min(size - this.#at, CHUNK));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, this.#at);
      const lines: { text: string; end: number }[] = [];
      let start = 0;
      for (let i = bytes.indexOf(NEWLINE); i >= 0 && i < bytesRead; i = bytes.indexOf(NEWLINE, start)) {
        lines.push({ text: bytes.toString('utf8', start, i), end: this.#at + i + 1 });
        start = i + 1;
      }
      this.#at += start;
      return { lines, restarted, written };
    } finally {
      await file.close();
    }
  }
}

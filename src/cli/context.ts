import type { Progress } from '../progress.ts';
import { exitCode, Interrupted } from './exit.ts';
import { progressFor } from './progress.ts';

/** Options that every command has. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
}

/** What a command gives: for programs, and for people. */
export interface Outcome {
  readonly json: unknown;
  readonly text: readonly string[];
  /** Default 0. */
  readonly code?: number;
}

/** What a command may use of its surroundings. */
export interface Context {
  readonly progress: Progress;
  /** As it was typed, so that a shell takes it again. */
  readonly command: string;
  /** A remark for people, on stderr, so that it never mixes with results. */
  note(line: string): void;
  /**
   * From here on the first Ctrl-C only asks to stop: it shows `message` and aborts the signal. A second one ends the
   * process at once. Without this call the first one does.
   */
  interruptible(message: string): AbortSignal;
  /** Throws when a stop was asked for: call between two pieces of work. */
  checkInterrupted(): void;
}

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** Makes the context of one command, and answers Ctrl-C for it. */
export async function openContext({ json, quiet }: CommonOptions): Promise<Context & { close(): void }> {
  const progress = await progressFor({ stream: process.stderr, quiet: quiet || json });
  const controller = new AbortController();
  let message: string | undefined;
  const note = (line: string): void => {
    if (!quiet) process.stderr.write(`${line}\n`);
  };
  const interrupted = (signal: NodeJS.Signals): void => {
    progress.stop();
    const code = signal === 'SIGTERM' ? 143 : exitCode.interrupted;
    if (message === undefined || controller.signal.aborted) {
      process.stderr.write('dyna: interrupted\n');
      process.exit(code);
    }
    process.stderr.write(`${message}\n`);
    controller.abort(new Interrupted('interrupted'));
  };
  process.on('SIGINT', interrupted).on('SIGTERM', interrupted);
  return {
    progress,
    command: ['dyna', ...process.argv.slice(2)].map(quoted).join(' '),
    note,
    interruptible(text) {
      message = text;
      return controller.signal;
    },
    checkInterrupted: () => controller.signal.throwIfAborted(),
    close() {
      progress.stop();
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    },
  };
}

/** JSON has no infinities: they are written as words, NaN as null; typed arrays and maps as plain ones. */
export const toJson = (value: unknown): string => JSON.stringify(value, plain, 2);

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) return Number.isNaN(value) ? null : String(value);
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Map) return Object.fromEntries(value);
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return Array.from(value as Float32Array);
  return value;
}

/** Reads back the infinities that `toJson` wrote. */
export const fromJson = (text: string): unknown =>
  JSON.parse(text, (_key, value: unknown) =>
    value === 'Infinity' ? Number.POSITIVE_INFINITY : value === '-Infinity' ? Number.NEGATIVE_INFINITY : value,
  );

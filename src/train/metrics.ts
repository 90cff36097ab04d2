import { closeSync, existsSync, fsyncSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeFolder, writeError } from '../files.ts';
import type { DecisionMetrics, EpochMetrics } from './types.ts';

/** A line of the metrics file. */
export type MetricsLine =
  | (DecisionMetrics & {
      readonly type: 'step';
      readonly epoch: number;
      readonly step: number;
      readonly lr: number;
      readonly loss: number;
      /** Euclidean norm of the gradient, before clipping. */
      readonly norm: number;
      readonly accuracy: Readonly<Record<string, number>>;
      readonly entropy: Readonly<Record<string, number>>;
    })
  | ({ readonly type: 'epoch'; readonly step: number } & EpochMetrics)
  | Ending;

/** The last line of a training that is over, by which its file can be told from that of one that runs. A resumed one writes behind it. */
export interface Ending {
  readonly type: 'end';
  /** Steps done. */
  readonly step: number;
  readonly how: 'finished' | 'stopped' | 'failed';
  /** What went wrong, in a sentence. */
  readonly why?: string;
}

/** Where a resumed run stands: what lies beyond it will be written again. */
interface Position {
  readonly step: number;
  readonly epochs: number;
}

/** How many bytes of a metrics file belong to the run up to `at`; a half-written last line does not. */
function bytesUpTo(text: string, at: Position): number {
  let kept = 0;
  for (const line of text.split('\n').slice(0, -1)) {
    try {
      const read = JSON.parse(line) as MetricsLine;
      if (read.type === 'epoch' ? read.epoch > at.epochs : read.step > at.step) break;
      // A training that goes on has not finished, and one that need not will say so again.
      if (read.type === 'end' && read.how === 'finished') break;
    } catch {
      break;
    }
    kept += Buffer.byteLength(line) + 1;
  }
  return kept;
}

/** A JSON Lines file of a training. Lines are a hundred bytes each, so they are written at once. */
export class MetricsFile {
  readonly #path: string;
  readonly #file: number;

  private constructor(path: string, file: number) {
    this.#path = path;
    this.#file = file;
  }

  /** Starts a file anew, or, resumed, cuts it back to `at` and appends. @throws DynaError 'file' */
  static async open(path: string, at: Position | undefined): Promise<MetricsFile> {
    await makeFolder(dirname(path));
    try {
      if (at && existsSync(path)) truncateSync(path, bytesUpTo(readFileSync(path, 'utf8'), at));
      return new MetricsFile(path, openSync(path, at ? 'a' : 'w'));
    } catch (cause) {
      throw writeError(path, cause);
    }
  }

  write(line: MetricsLine): void {
    this.#try(() => writeSync(this.#file, `${JSON.stringify(line)}\n`));
  }

  /** To the disk: lines must not be missing before a checkpoint that stands behind them. */
  sync(): void {
    this.#try(() => fsyncSync(this.#file));
  }

  close(): void {
    closeSync(this.#file);
  }

  #try(work: () => void): void {
    try {
      work();
    } catch (cause) {
      throw writeError(this.#path, cause);
    }
  }
}

import { appendFile, open, stat } from 'node:fs/promises';
import { DynaError } from '../errors.ts';
import { fileError } from '../files.ts';

/** The last line of a metrics file whose training is over. A training that goes on writes behind it. */
export interface Ending {
  readonly type: 'end';
  /** Of the line before. */
  readonly step: number;
  readonly how: 'finished' | 'stopped' | 'failed';
  /** What went wrong, in a sentence. */
  readonly why?: string;
}

interface Line {
  readonly type: string;
  readonly step: number;
}

const MOST_OF_A_LINE = 1 << 16;
const types = ['step', 'epoch', 'end'];

/** @returns undefined for a text that is no line of metrics */
function parse(text: string): Line | undefined {
  try {
    const line = JSON.parse(text) as Line | null;
    return types.includes(line?.type ?? '') && typeof line?.step === 'number' ? line : undefined;
  } catch {
    return undefined;
  }
}

/** The first and the last part of a file; undefined where there is none, or something else than a file (a pipe, a device). */
async function endsOf(path: string): Promise<{ first: string; last: string } | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) return undefined;
  try {
    const file = await open(path);
    try {
      const part = async (from: number): Promise<string> => {
        const bytes = Buffer.alloc(Math.min(found.size, MOST_OF_A_LINE));
        return bytes.toString('utf8', 0, (await file.read(bytes, 0, bytes.length, from)).bytesRead);
      };
      return { first: await part(0), last: await part(Math.max(0, found.size - MOST_OF_A_LINE)) };
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw fileError(`"${path}" could not be read`, cause);
  }
}

const lastLine = (text: string): Line | undefined => parse(text.trimEnd().split('\n').at(-1)!);

/**
 * Refuses to write metrics over a file that holds something else. An empty one, and another training's, may be taken.
 *
 * @throws DynaError 'usage' that names the file
 */
export async function requireMetrics(path: string): Promise<void> {
  const text = (await endsOf(path))?.first;
  if (!text || parse(text.split('\n')[0]!)) return;
  throw new DynaError(
    'usage',
    `expected a new file or the metrics of a training at "${path}", got a file with something else in it`,
    { fix: 'choose another one with --metrics, or move that file away' },
  );
}

/** How the training of a metrics file ended; undefined where the file does not say so. */
export async function readEnding(path: string): Promise<Ending | undefined> {
  const line = lastLine((await endsOf(path))?.last ?? '');
  return line?.type === 'end' ? (line as Ending) : undefined;
}

/**
 * Ends a metrics file, so that whoever reads it later can tell a training that is over from one that runs.
 *
 * @throws DynaError 'file'
 * @example await writeEnding('out/shirts/metrics.jsonl', { how: 'stopped' })
 */
export async function writeEnding(path: string, ending: Pick<Ending, 'how' | 'why'>): Promise<void> {
  const ends = await endsOf(path);
  if (!ends) return;
  const before = lastLine(ends.last);
  if (before?.type === 'end' && (before as Ending).how === ending.how) return;
  const line: Ending = { type: 'end', step: before?.step ?? 0, ...ending };
  await appendFile(path, `${JSON.stringify(line)}\n`).catch((cause: unknown) => {
    throw fileError(`the end of the training could not be written to "${path}"`, cause);
  });
}

import { open, stat } from 'node:fs/promises';
import { DynaError } from '../errors.ts';
import { fileError } from '../files.ts';
import type { Ending } from '../train/index.ts';

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

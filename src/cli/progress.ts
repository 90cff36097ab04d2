import { type Progress, silent } from '../progress.ts';

/** A field named "" is shown without a name. */
export const fieldText = (fields: Readonly<Record<string, string>>): string =>
  Object.entries(fields)
    .map(([name, value]) => (name ? `${name} ${value}` : value))
    .join('  ');

export interface ProgressOptions {
  readonly stream: NodeJS.WriteStream;
  readonly quiet?: boolean;
  /** Milliseconds between two plain lines. Default 5,000. */
  readonly interval?: number;
}

/** The renderer that fits: bars on a terminal, a line now and then in a log, nothing when asked to be quiet. */
export async function progressFor({ stream, quiet = false, interval }: ProgressOptions): Promise<Progress> {
  if (quiet) return silent;
  if (!stream.isTTY) return lines((line) => stream.write(`${line}\n`), interval);
  return (await import('./progress-bar.ts')).bar(stream);
}

/** Plain lines: one at the start, one every `interval` ms while something moves, one at the end. */
export function lines(write: (line: string) => void, interval = 5000, now: () => number = Date.now): Progress {
  let current: { title: string; total: number; done: number; text: string; told: number; last: string } | undefined;
  const tell = (): void => {
    const { title, total, done, text } = current!;
    const line = `${title}: ${done}/${total} (${Math.floor((100 * done) / Math.max(1, total))} %)${text && `  ${text}`}`;
    if (line !== current!.last) write(line);
    current!.last = line;
    current!.told = now();
  };
  const stop = (): void => {
    if (current) tell();
    current = undefined;
  };
  return {
    start(title, total) {
      stop();
      current = { title, total, done: 0, text: '', told: now(), last: '' };
    },
    update(done, fields) {
      if (!current) return;
      current.done = done;
      if (fields) current.text = fieldText(fields);
      if (now() - current.told >= interval) tell();
    },
    stop,
  };
}

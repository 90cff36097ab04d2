import { signal } from '@preact/signals';
import { numbered } from '../../../src/studio/names.ts';
import type { ListedRun } from '../../../src/studio/pack.ts';
import { endingOf, type Line, readLine } from './metrics.ts';

/**
 * `live`: lines still come; `lost`: the connection is gone and tried again; `quiet`: nothing came for long, and nothing tells
 * whether the process still runs; `ended`: no more lines come, and nothing tells why.
 */
export type RunState = 'live' | 'lost' | 'quiet' | 'finished' | 'stopped' | 'failed' | 'ended';

/** A training, as far as its lines are here. */
export interface Run {
  readonly name: string;
  readonly lines: readonly Line[];
  readonly state: RunState;
  /** When its file was last written, in milliseconds since 1970, where nothing came since. */
  readonly since?: number | undefined;
  /** Whether its lines come as they are written. */
  readonly followed: boolean;
  readonly shown: boolean;
}

export const runs = signal<readonly Run[]>([]);

const change = (index: number, to: Partial<Run>): void => {
  runs.value = runs.value.map((run, i) => (i === index ? { ...run, ...to } : run));
};

/** Shows or hides a run. */
export const toggleRun = (index: number): void => change(index, { shown: !runs.value[index]!.shown });

const linesOf = (text: string): Line[] => text.split('\n').flatMap((line) => readLine(line) ?? []);

/** @param since when the file was last written */
const stateOf = (lines: readonly Line[], since: number | undefined, otherwise: RunState): RunState =>
  endingOf(lines)?.how ?? (since === undefined ? otherwise : 'quiet');

/**
 * A metrics file that was dropped on the page.
 *
 * @param since when it was last written
 * @throws Error with a sentence where it has no line of metrics
 */
export function addDropped(name: string, text: string, since: number): void {
  const lines = linesOf(text);
  if (lines.length === 0)
    throw new Error(`"${name}" holds no metrics of a training (JSON lines with "type" and "step")`);
  const own = numbered(
    name,
    runs.value.map((run) => run.name),
  );
  runs.value = [
    ...runs.value,
    { name: own, lines, state: stateOf(lines, since, 'ended'), since, followed: false, shown: true },
  ];
}

/** Follows a run of the manifest: from its first line on after every reload, live where the studio streams it. */
export function addRun({ name, file, events, finished, still: since }: ListedRun): void {
  const index = runs.value.length;
  const state = events ? 'live' : finished ? 'finished' : stateOf([], since, 'ended');
  runs.value = [...runs.value, { name, lines: [], state, since, followed: events !== undefined, shown: true }];
  if (events) {
    follow(index, `data/${events}`);
    return;
  }
  void fetch(`data/${file}`)
    .then((response) => response.text())
    .then((text) => {
      const lines = linesOf(text);
      change(index, finished ? { lines } : { lines, state: stateOf(lines, since, 'ended') });
    })
    .catch(() => undefined);
}

/** Lines come in bursts; the page is drawn once for each. */
const GATHER_MS = 100;

function follow(index: number, address: string): void {
  const source = new EventSource(address);
  let lines: Line[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let since: number | undefined;
  const show = (state: RunState): void => {
    clearTimeout(timer);
    timer = undefined;
    change(index, { lines: [...lines], state, since });
  };
  const showAsTold = (): void => show(stateOf(lines, since, 'live'));
  source.onmessage = ({ data }: MessageEvent<string>): void => {
    const line = readLine(data);
    if (line) lines.push(line);
    since = undefined;
    timer ??= setTimeout(showAsTold, GATHER_MS);
  };
  source.addEventListener('restart', () => {
    lines = [];
    since = undefined;
  });
  source.addEventListener('quiet', ({ data }: MessageEvent<string>) => {
    since = Number(data);
    showAsTold();
  });
  source.addEventListener('end', () => {
    source.close();
    show(stateOf(lines, undefined, 'ended'));
  });
  source.onerror = (): void => show('lost');
  source.onopen = showAsTold;
}

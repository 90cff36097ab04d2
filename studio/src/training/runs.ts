import { signal } from '@preact/signals';
import type { Manifest } from '../../../src/studio/pack.ts';
import { type Line, readLine } from './metrics.ts';

/** A training, as far as its lines are here. */
export interface Run {
  readonly name: string;
  readonly lines: readonly Line[];
  /** `live`: lines still come; `lost`: the connection is gone and tried again. */
  readonly state: 'live' | 'lost' | 'ended';
  readonly shown: boolean;
}

export const runs = signal<readonly Run[]>([]);

const change = (index: number, to: Partial<Run>): void => {
  runs.value = runs.value.map((run, i) => (i === index ? { ...run, ...to } : run));
};

/** Shows or hides a run. */
export const toggleRun = (index: number): void => change(index, { shown: !runs.value[index]!.shown });

/** A finished run's file, dropped on the page. @throws Error with a sentence where it has no line of metrics */
export function addFinished(name: string, text: string): void {
  const lines = text.split('\n').flatMap((line) => readLine(line) ?? []);
  if (lines.length === 0)
    throw new Error(`"${name}" holds no metrics of a training (JSON lines with "type" and "step")`);
  runs.value = [...runs.value, { name, lines, state: 'ended', shown: true }];
}

/** Follows a run of the manifest: from its first line on after every reload, live where the studio streams it. */
export function addRun({ name, file, events }: Manifest['runs'][number]): void {
  const index = runs.value.length;
  runs.value = [...runs.value, { name, lines: [], state: events ? 'live' : 'ended', shown: true }];
  if (events) {
    follow(index, `data/${events}`);
    return;
  }
  void fetch(`data/${file}`)
    .then((response) => response.text())
    .then((text) => change(index, { lines: text.split('\n').flatMap((line) => readLine(line) ?? []) }))
    .catch(() => undefined);
}

/** Lines come in bursts; the page is drawn once for each. */
const GATHER_MS = 100;

function follow(index: number, address: string): void {
  const source = new EventSource(address);
  let lines: Line[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const show = (state: Run['state']): void => {
    clearTimeout(timer);
    timer = undefined;
    change(index, { lines: [...lines], state });
  };
  source.onmessage = ({ data }: MessageEvent<string>): void => {
    const line = readLine(data);
    if (line) lines.push(line);
    timer ??= setTimeout(() => show('live'), GATHER_MS);
  };
  source.addEventListener('restart', () => {
    lines = [];
  });
  source.addEventListener('end', () => {
    source.close();
    show('ended');
  });
  source.onerror = (): void => show('lost');
  source.onopen = (): void => show('live');
}

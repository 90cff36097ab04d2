import type { Ending } from '../../../src/train/metrics.ts';

/** One line of a metrics file, as far as the page reads it: numbers, and records of numbers. */
export type Line = Readonly<Record<string, unknown>> & { readonly type: string; readonly step: number };

export interface Point {
  readonly step: number;
  readonly value: number;
}

/** A chart's worth of numbers: one line for each name. */
export interface Series {
  readonly key: string;
  readonly lines: Readonly<Record<string, readonly Point[]>>;
}

/** @returns undefined for what is no line of metrics: a half-written one, or another file's */
export function readLine(text: string): Line | undefined {
  try {
    const line = JSON.parse(text) as Line;
    return typeof line === 'object' && line !== null && typeof line.step === 'number' && typeof line.type === 'string'
      ? line
      : undefined;
  } catch {
    return undefined;
  }
}

/** How a training ended; undefined while its last line does not say so. A resumed one goes on behind its former end. */
export function endingOf(lines: readonly Line[]): Ending | undefined {
  const last = lines.at(-1);
  return last?.type === 'end' ? (last as unknown as Ending) : undefined;
}

const skipped = new Set(['type', 'step', 'epoch']);

/**
 * Everything that a training measured, chart by chart. Which figures there are is the file's business: a number is a chart of one
 * line, a record of numbers (accuracy by exit, gate rates) a chart with one line for each name. What a step and an epoch
 * both have is taken from the steps; the epochs' own (validation, images/s) have their charts.
 */
export function seriesOf(lines: readonly Line[]): Series[] {
  const charts = new Map<string, Map<string, Point[]>>();
  const byStep = new Set(lines.filter((l) => l.type === 'step').flatMap((l) => Object.keys(l)));
  const put = (key: string, name: string, step: number, value: unknown): void => {
    if (typeof value !== 'number' || !Number.isFinite(value)) return;
    const chart = charts.get(key) ?? new Map<string, Point[]>();
    charts.set(key, chart);
    const points = chart.get(name);
    if (points) points.push({ step, value });
    else chart.set(name, [{ step, value }]);
  };
  for (const line of lines) {
    for (const [key, value] of Object.entries(line)) {
      if (skipped.has(key) || (line.type === 'epoch' && byStep.has(key))) continue;
      if (typeof value === 'object' && value !== null)
        for (const [name, v] of Object.entries(value)) put(key, name, line.step, v);
      else put(key, '', line.step, value);
    }
  }
  return [...charts].map(([key, chart]) => ({ key, lines: Object.fromEntries(chart) }));
}

/** At most `most` points: means of neighbours, so that noise stays visible and the shape stays true. */
export function thinned(points: readonly Point[], most: number): Point[] {
  const group = Math.ceil(points.length / most);
  if (group <= 1) return [...points];
  const out: Point[] = [];
  for (let i = 0; i < points.length; i += group) {
    const part = points.slice(i, i + group);
    out.push({
      step: part.at(-1)!.step,
      value: part.reduce((sum, p) => sum + p.value, 0) / part.length,
    });
  }
  return out;
}

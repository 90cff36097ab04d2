import type { Setting } from './settings.ts';
import type { Outcome, Table } from './table.ts';

/** What one setting does to a whole set of inputs. */
export interface Summary {
  readonly n: number;
  /** Share of right answers; undefined for inputs without labels. */
  readonly accuracy: number | undefined;
  /** Mean MACs of an input. */
  readonly macs: number;
  /** Share of the inputs on each path. */
  readonly shares: readonly number[];
}

/** @param labels class numbers; empty where there are none */
export function summarise({ n, answers, paths }: Outcome, table: Table, labels: ArrayLike<number>): Summary {
  const counts = new Array<number>(table.paths.length).fill(0);
  let right = 0;
  for (let i = 0; i < n; i++) {
    counts[paths[i]!]!++;
    if (answers[i] === labels[i]) right++;
  }
  const macs = counts.reduce((sum, c, p) => sum + c * table.paths[p]!.macs, 0);
  return {
    n,
    accuracy: n > 0 && labels.length >= n ? right / n : undefined,
    macs: n > 0 ? macs / n : 0,
    shares: counts.map((c) => (n > 0 ? c / n : 0)),
  };
}

/** Every setting's summary, in the order of the settings. */
export const curveOf = (settings: readonly Setting[], table: Table, labels: ArrayLike<number>): Summary[] =>
  settings.map(({ thresholds }, i) => summarise(table.outcome(thresholds, i), table, labels));

/**
 * Inputs from easy to hard: by the compute that they take on average over all settings, so that the order stays while the
 * knob turns. Operating points are nested, so at every setting the cheap ones come first.
 */
export function easyToHard(settings: readonly Setting[], table: Table): Uint32Array {
  const effort = new Float64Array(table.n);
  for (const [s, { thresholds }] of settings.entries()) {
    const { paths } = table.outcome(thresholds, s);
    for (let i = 0; i < table.n; i++) effort[i]! += table.paths[paths[i]!]!.macs;
  }
  return Uint32Array.from({ length: table.n }, (_, i) => i).sort((a, b) => effort[a]! - effort[b]! || a - b);
}

/** Mean milliseconds of an input, where the time of each path is known. */
export const meanMs = ({ shares }: Summary, pathMs: readonly (number | undefined)[]): number | undefined =>
  shares.reduce<number | undefined>(
    (sum, share, p) =>
      share === 0 ? sum : sum === undefined || pathMs[p] === undefined ? undefined : sum + share * pathMs[p],
    0,
  );

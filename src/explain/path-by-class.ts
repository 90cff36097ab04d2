import type { Trace } from '../dynamic/trace.ts';
import { DynaError } from '../errors.ts';

/** What inputs of each class did: one row of a heat map. */
export interface ClassShares {
  /** Of the inputs of each class, the share that did it. NaN-free: 0 for a class without inputs. */
  readonly shares: readonly number[];
  /** The same for all inputs together. */
  readonly all: number;
}

export interface PathByClass {
  /** How many inputs each class has. */
  readonly counts: readonly number[];
  /** For every decision and option that was met: who took it. `option` is null for inputs that never got there. */
  readonly options: readonly (ClassShares & { readonly decision: string; readonly option: number | null })[];
  /** Whole paths, the most frequent first: the options taken, decision by decision; null where not reached. */
  readonly paths: readonly (ClassShares & { readonly taken: readonly (number | null)[] })[];
}

/**
 * Path x class: which options and which whole paths the inputs of each class take. Shares of one class over the options of
 * one decision (not reached among them), and over all paths, sum to 1.
 *
 * @param traces one for each input
 * @param labels class numbers, one for each input
 * @param classes how many classes; by default one more than the largest label
 * @throws DynaError 'data' where traces, labels and classes do not fit, or where a decision keeps or weighs units instead
 *   of choosing one
 * @example const { options } = pathByClass(result.trace, data.labels)
 */
export function pathByClass(
  traces: readonly Pick<Trace, 'rows'>[],
  labels: ArrayLike<number>,
  classes = Array.from(labels).reduce((most, label) => Math.max(most, label + 1), 0),
): PathByClass {
  if (traces.length !== labels.length)
    throw new DynaError(
      'data',
      `one label for each trace is needed, got ${traces.length} traces and ${labels.length} labels`,
    );
  const wrong = Array.from(labels).find((label) => !Number.isInteger(label) || label < 0 || label >= classes);
  if (wrong !== undefined) throw new DynaError('data', `label ${wrong} is not one of ${classes} classes`);
  const decisions = traces[0]?.rows.map((row) => row.decision) ?? [];
  const counts = new Array<number>(classes).fill(0);
  const paths = new Tally<(number | null)[]>(classes);
  const options = decisions.map(() => new Tally<number | null>(classes));
  for (const [i, { rows }] of traces.entries()) {
    if (rows.length !== decisions.length || rows.some((row, d) => row.decision !== decisions[d]))
      throw new DynaError('data', `trace ${i} is of another model than trace 0`);
    const label = labels[i]!;
    const taken = rows.map((row) => {
      if (row.value !== null && typeof row.value !== 'number')
        throw new DynaError('data', `decision "${row.decision}" gives ${row.kind}, which are no options to count`);
      return row.value;
    });
    counts[label]!++;
    paths.add(taken, label);
    for (const [d, value] of taken.entries()) options[d]!.add(value, label);
  }
  return {
    counts,
    options: decisions.flatMap((decision, d) =>
      options[d]!.shares(counts)
        .map(({ key, ...rest }) => ({ decision, option: key, ...rest }))
        .sort((a, b) => (a.option ?? Number.POSITIVE_INFINITY) - (b.option ?? Number.POSITIVE_INFINITY)),
    ),
    paths: paths
      .shares(counts)
      .map(({ key, ...rest }) => ({ taken: key, ...rest }))
      .sort((a, b) => b.all - a.all),
  };
}

/** Counts keys by class. */
class Tally<K> {
  readonly #rows = new Map<string, { key: K; counts: number[] }>();
  readonly #classes: number;

  constructor(classes: number) {
    this.#classes = classes;
  }

  add(key: K, label: number): void {
    const name = JSON.stringify(key);
    const row = this.#rows.get(name) ?? { key, counts: new Array<number>(this.#classes).fill(0) };
    this.#rows.set(name, row);
    row.counts[label]!++;
  }

  shares(totals: readonly number[]): (ClassShares & { key: K })[] {
    const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
    return [...this.#rows.values()].map(({ key, counts }) => ({
      key,
      shares: counts.map((count, c) => (totals[c]! > 0 ? count / totals[c]! : 0)),
      all: sum(counts) / sum(totals),
    }));
  }
}

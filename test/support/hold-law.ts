import { expect } from 'vitest';
import {
  type Choices,
  cut,
  type Decision,
  decodeTrace,
  masked,
  type Net,
  sparse,
  type TraceKey,
  traceKey,
} from '../../src/dynamic/index.ts';
import type { NDArray } from '../../src/graph/index.ts';
import { type Did, expectedOf, needed } from './reference.ts';
import { outputsOf, row, rowDifference, runAll } from './run.ts';

const TOLERANCE = 1e-4;
const PATHS = 3;
const SINGLES = 3;

/** A net with its numbers, and how each decision's threshold is picked. */
export interface LawCase {
  readonly net: Net;
  readonly weights: ReadonlyMap<string, NDArray>;
  readonly x: NDArray;
  readonly picks: readonly number[];
}

/** What cases went through, so that the law cannot hold for want of them. */
export interface Seen {
  nets: number;
  rows: number;
  clear: number;
  first: number;
  other: number;
  unreached: number;
  cuts: number;
  singles: number;
}

export const nothingSeen = (): Seen => ({
  ...{ nets: 0, rows: 0, clear: 0, first: 0, other: 0, unreached: 0, cuts: 0, singles: 0 },
});

type Value = Did | null;

/** What each decision of a row did, in the order of decisions; null where it was not reached. */
const valuesOf = (trace: NDArray, key: TraceKey): Value[][] =>
  decodeTrace(trace, key).map(({ rows }) => rows.map(({ value }) => value));

/** The same option, the same units, nearly the same weights. */
function agrees(a: Value, b: Value): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  return a.length === b.length && a.every((v, i) => Math.abs(v - b[i]!) < TOLERANCE);
}
const alike = (a: readonly Value[], b: readonly Value[]): boolean => a.every((v, j) => agrees(v, b[j]!));

/** A row's path as choices for a static cut-out: options, and the units that are kept or weigh. */
export const choicesOf = (decisions: readonly Decision[], did: readonly Did[]): Choices =>
  Object.fromEntries(
    decisions.map((d, j) => {
      const own = did[j]!;
      if (typeof own === 'number') return [d.name, d.options[own]!.name];
      return [d.name, d.kind === 'keep' ? own : own.flatMap((w, k) => (w === 0 ? [] : [k]))];
    }),
  );
const pathOf = (decisions: readonly Decision[], did: readonly Did[]): string =>
  JSON.stringify(choicesOf(decisions, did));

/** Masked, sparse, branch and static forms of one net agree with each other and with the account of the tests. */
export async function holdLaw(one: LawCase, seen: Seen): Promise<void> {
  const { net, weights, x, picks } = one;
  const { thresholds, decisions, output, choices, clear } = await expectedOf(net, weights, x, picks);
  const batch = x.dims[0]!;
  const rows = Array.from({ length: batch }, (_, r) => r);
  const good = rows.filter((r) => clear[r]);
  const taken =
    (r: number) =>
    (name: string): Did =>
      choices[r]![decisions.findIndex((d) => d.name === name)]!;
  const met = rows.map((r) => {
    const nodes = needed(net.output, taken(r), true);
    return new Set([...nodes].map((n) => n.attrs.decision?.name as string | undefined));
  });

  const key = traceKey(net);
  const forms = { masked: masked(net, thresholds), rows: sparse(net, thresholds) };
  let first: Value[][] | undefined;
  for (const [form, lowered] of Object.entries(forms))
    for (const level of ['disabled', 'all'] as const) {
      const [ran] = await runAll(outputsOf(lowered), weights, [x], level);
      const { output: own, trace } = ran!;
      const did = valuesOf(trace!, key);
      first ??= did;
      expect(own!.dims, `${form} at ${level}`).toEqual(output.dims);
      expect(did.length).toBe(batch);
      for (const r of good) {
        const columns = did[r]!;
        expect(alike(columns, first[r]!), `${form} at ${level}, row ${r}: ${columns}, not ${first[r]}`).toBe(true);
        for (const [j, d] of decisions.entries()) {
          const fits = agrees(columns[j]!, choices[r]![j]!) || (columns[j] === null && !met[r]!.has(d.name));
          expect(fits, `${form} at ${level}: ${d.name} of row ${r} ${columns[j]}, not ${choices[r]![j]}`).toBe(true);
        }
        expect(rowDifference(output, own!, r), `${form} at ${level}, row ${r}`).toBeLessThan(TOLERANCE);
      }
    }

  // A batch is its rows, one by one; for one row, plain branches do as well.
  const singles = good.slice(0, SINGLES);
  for (const form of ['rows', 'branch'] as const)
    for (const level of ['disabled', 'all'] as const) {
      const alone = await runAll(
        outputsOf(sparse(net, thresholds, { form })),
        weights,
        singles.map((r) => row(x, r)),
        level,
      );
      for (const [i, r] of singles.entries()) {
        expect(alone[i]!.output!.dims).toEqual([1, ...output.dims.slice(1)]);
        expect(alike(valuesOf(alone[i]!.trace!, key)[0]!, first![r]!), `${form} at ${level}, row ${r} alone`).toBe(
          true,
        );
        expect(rowDifference(output, alone[i]!.output!, r, 0), `${form} at ${level}, row ${r} alone`).toBeLessThan(
          TOLERANCE,
        );
      }
    }

  // Each path's static cut-out gives that path's answers.
  const paths = new Map<string, number[]>();
  for (const r of good)
    paths.set(pathOf(decisions, choices[r]!), [...(paths.get(pathOf(decisions, choices[r]!)) ?? []), r]);
  for (const members of [...paths.values()].slice(0, PATHS)) {
    const fixed = cut(net, choicesOf(decisions, choices[members[0]!]!));
    const [ran] = await runAll({ output: fixed.output }, weights, [x]);
    for (const r of members) expect(rowDifference(output, ran!.output!, r), `cut, row ${r}`).toBeLessThan(TOLERANCE);
    seen.cuts++;
  }

  seen.nets++;
  seen.rows += rows.length;
  seen.clear += good.length;
  seen.singles += singles.length;
  for (const r of good)
    for (const value of first![r]!) seen[value === null ? 'unreached' : value === 0 ? 'first' : 'other']++;
}

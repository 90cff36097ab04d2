import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { cut, decodeTrace, masked, sparse, type TraceKey, traceKey } from '../src/dynamic/index.ts';
import type { NDArray } from '../src/graph/index.ts';
import { realise } from './support/build-net.ts';
import { randomCase, runs } from './support/random-nets.ts';
import { expectedOf, needed } from './support/reference.ts';
import { outputsOf, row, rowDifference, runAll } from './support/run.ts';

const TOLERANCE = 1e-4;
const PATHS = 3;
const SINGLES = 3;

/** What the random nets went through, so that the law cannot hold for want of cases. */
const seen = { nets: 0, rows: 0, clear: 0, first: 0, other: 0, unreached: 0, cuts: 0, singles: 0 };

/** What each decision of a row did, in the order of decisions: the option's number, null where it was not reached. */
const valuesOf = (trace: NDArray, key: TraceKey): (number | null)[][] =>
  decodeTrace(trace, key).map(({ rows }) => rows.map(({ value }) => value as number | null));

describe('the law', () => {
  it('masked, sparse, branch and static forms agree on random nets', async () => {
    await fc.assert(
      fc.asyncProperty(randomCase(), async (one) => {
        const { net, weights, x } = realise(one);
        const { thresholds, decisions, output, choices, clear } = await expectedOf(net, weights, x, one.thresholds);
        const rows = Array.from({ length: one.batch }, (_, r) => r);
        const good = rows.filter((r) => clear[r]);
        const taken = (r: number) => (name: string) => choices[r]![decisions.findIndex((d) => d.name === name)]!;
        const met = rows.map((r) => {
          const nodes = needed(net.output, taken(r), true);
          return new Set([...nodes].map((n) => n.attrs.decision?.name as string | undefined));
        });

        const key = traceKey(net);
        const forms = { masked: masked(net, thresholds), rows: sparse(net, thresholds) };
        let first: (number | null)[][] | undefined;
        for (const [form, lowered] of Object.entries(forms))
          for (const level of ['disabled', 'all'] as const) {
            const [ran] = await runAll(outputsOf(lowered), weights, [x], level);
            const { output: own, trace } = ran!;
            const did = valuesOf(trace!, key);
            first ??= did;
            expect(own!.dims, `${form} at ${level}`).toEqual(output.dims);
            expect(did.length).toBe(one.batch);
            for (const r of good) {
              const columns = did[r]!;
              expect(columns, `${form} at ${level}, row ${r}`).toEqual(first[r]);
              for (const [j, d] of decisions.entries()) {
                if (met[r]!.has(d.name))
                  expect(columns[j], `${form} at ${level}: ${d.name} of row ${r}`).toBe(choices[r]![j]);
                else expect([null, choices[r]![j]]).toContain(columns[j]);
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
              expect(valuesOf(alone[i]!.trace!, key)[0], `${form} at ${level}, row ${r} alone`).toEqual(first![r]);
              expect(
                rowDifference(output, alone[i]!.output!, r, 0),
                `${form} at ${level}, row ${r} alone`,
              ).toBeLessThan(TOLERANCE);
            }
          }

        // Each path's static cut-out gives that path's answers.
        const paths = new Map<string, number[]>();
        for (const r of good) paths.set(choices[r]!.join(), [...(paths.get(choices[r]!.join()) ?? []), r]);
        for (const members of [...paths.values()].slice(0, PATHS)) {
          const options = decisions.map((d, j) => [d.name, d.options[choices[members[0]!]![j]!]!.name]);
          const fixed = cut(net, Object.fromEntries(options));
          const [ran] = await runAll({ output: fixed.output }, weights, [x]);
          for (const r of members)
            expect(rowDifference(output, ran!.output!, r), `cut, row ${r}`).toBeLessThan(TOLERANCE);
          seen.cuts++;
        }

        seen.nets++;
        seen.rows += rows.length;
        seen.clear += good.length;
        seen.singles += singles.length;
        for (const r of good)
          for (const value of first![r]!) seen[value === null ? 'unreached' : value === 0 ? 'first' : 'other']++;
      }),
      { numRuns: runs(50), ...(process.env.DYNANEURAL_SEED ? { seed: Number(process.env.DYNANEURAL_SEED) } : {}) },
    );
  }, 3_600_000);

  afterAll(() => {
    expect(seen.clear, JSON.stringify(seen)).toBeGreaterThan(0.9 * seen.rows);
    for (const value of ['first', 'other', 'unreached'] as const)
      expect(seen[value], JSON.stringify(seen)).toBeGreaterThan(seen.nets);
    if (process.env.DYNANEURAL_RUNS) console.log(seen);
  });
});

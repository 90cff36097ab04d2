import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gated, modelOf, shirts } from '../../src/deploy/fixtures/shirts.ts';
import { readCard, toBytes } from '../../src/deploy/index.ts';
import { differences } from '../../studio/src/knob/differences.ts';
import { fileSettings, quantileSettings } from '../../studio/src/knob/settings.ts';
import { curveOf, easyToHard, meanMs, summarise } from '../../studio/src/knob/summary.ts';
import { exitTrace, type Outcome, PointTable, type Table } from '../../studio/src/knob/table.ts';

const shirtsCard = readCard(toBytes(modelOf(shirts())));

/** A table over given outcomes, one for each setting. */
const tableOf = (macs: readonly number[], outcomes: readonly Outcome[]): Table => ({
  n: outcomes[0]!.n,
  paths: macs.map((m) => ({ rows: [], macs: m, cost: { macs: m, weightBytes: 0, activationBytes: 0, integerOps: 0 } })),
  outcome: (_, index) => outcomes[index]!,
});

const outcomeOf = (answers: readonly number[], paths: readonly number[]): Outcome => ({
  n: answers.length,
  answers: Uint16Array.from(answers),
  confidence: new Float32Array(answers.length).fill(1),
  paths: Uint16Array.from(paths),
});

const settings = (n: number) =>
  Array.from({ length: n }, () => ({ thresholds: {}, certified: false, from: 'file' as const }));

describe('summaries', () => {
  const cheap = outcomeOf([0, 1, 2, 1], [0, 0, 0, 1]);
  const dear = outcomeOf([0, 1, 1, 1], [1, 0, 1, 1]);
  const table = tableOf([10, 100], [dear, cheap]);

  test('count right answers, MACs and shares', () => {
    expect(summarise(cheap, table, [0, 1, 1, 0])).toEqual({ n: 4, accuracy: 0.5, macs: 32.5, shares: [0.75, 0.25] });
    expect(summarise(cheap, table, []).accuracy).toBeUndefined();
    expect(summarise(outcomeOf([], []), table, [])).toEqual({ n: 0, accuracy: undefined, macs: 0, shares: [0, 0] });
  });

  test('order inputs by what they take over all settings', () => {
    expect([...easyToHard(settings(2), table)]).toEqual([1, 0, 2, 3]);
  });

  test('know mean times only where every path that is taken was timed', () => {
    const [first, second] = curveOf(settings(2), table, []);
    expect(meanMs(first!, [2, 6])).toBe(5);
    expect(meanMs(second!, [2, undefined])).toBeUndefined();
    expect(meanMs({ n: 1, accuracy: undefined, macs: 0, shares: [1, 0] }, [2, undefined])).toBe(2);
  });

  test('tell where two outcomes part', () => {
    expect(differences(dear, cheap, [0, 1, 2, 0])).toEqual({ n: 4, same: 3, onlyA: 0, onlyB: 1, inputs: [2] });
    expect(differences(dear, cheap, [])).toMatchObject({ onlyA: 0, onlyB: 0 });
  });
});

describe('settings', () => {
  test('of a file are its points', () => {
    expect(fileSettings(shirtsCard)).toHaveLength(shirtsCard.points.length);
  });

  test('made from scores let equal shares leave at every exit, from none to all', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: -9, max: 0, noNaN: true }), fc.double({ min: -9, max: 0, noNaN: true })), {
          minLength: 1,
          maxLength: 60,
        }),
        (pairs) => {
          const scores = Float32Array.from(pairs.flat());
          const made = quantileSettings(shirtsCard.decisions, scores, 20);
          expect(made).toHaveLength(21);
          for (const [e, { name }] of shirtsCard.decisions.entries()) {
            const own = pairs.map((_, i) => scores[i * 2 + e]!);
            const leaves = made.map((s) => own.filter((v) => v > (s.thresholds[name] as number)).length);
            expect(leaves[0]).toBe(0);
            expect(leaves.at(-1)).toBe(own.length);
            for (const [k, count] of leaves.entries()) {
              if (k > 0) expect(count).toBeGreaterThanOrEqual(leaves[k - 1]!);
              // Equal scores leave together, so a step may let fewer leave than its share, by those that are equal.
              expect(count).toBeLessThanOrEqual(Math.ceil((own.length * k) / 20) + 1);
            }
          }
        },
      ),
    );
  });
});

test('the traces of a chain of exits cost what its regions cost', () => {
  const full = exitTrace(shirtsCard, 2);
  expect(full.macs).toBe(shirtsCard.fullMacs);
  expect(full.rows.map((r) => r.value)).toEqual([0, 0]);
  const first = exitTrace(shirtsCard, 0);
  expect(first.rows.map((r) => [r.value, r.reached])).toEqual([
    [1, true],
    [null, false],
  ]);
  expect(first.macs).toBeLessThan(exitTrace(shirtsCard, 1).macs);
});

test('decisions that are no exits are kept point by point, path by path', () => {
  const card = readCard(toBytes(modelOf(gated())));
  const path = (value: number) => ({
    rows: [{ decision: card.decisions[0]!.name, step: 0, kind: 'index' as const, value, reached: true }],
    macs: 10 + value,
    cost: { macs: 10 + value, weightBytes: 0, activationBytes: 0, integerOps: 0 },
  });
  const ran = (values: readonly number[]) => ({
    answers: values.map((v) => ({ class: 'x', index: v, confidence: 0.5, exit: 'final' })),
    traces: values.map(path),
    probabilities: new Float32Array(0),
  });
  const table = new PointTable(2, 5);
  table.add([ran([0, 1, 0]), ran([1, 1, 1])]);
  table.add([ran([1, 0]), ran([1, 1])]);
  expect(table.n).toBe(5);
  expect(table.paths.map((p) => p.macs)).toEqual([10, 11]);
  expect([...table.outcome({}, 0).paths]).toEqual([0, 1, 0, 1, 0]);
  expect([...table.outcome({}, 1).answers]).toEqual([1, 1, 1, 1, 1]);
});

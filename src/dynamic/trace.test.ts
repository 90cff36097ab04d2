import { describe, expect, it } from 'vitest';
import { randomInput, randomWeights } from '../../test/support/build-net.ts';
import { outputsOf, runAll } from '../../test/support/run.ts';
import { violations } from '../../test/support/schema.ts';
import { ndarray, reshape, type Tensor } from '../graph/index.ts';
import { classify, linear } from '../nn/index.ts';
import { masked } from './lower/masked.ts';
import { sparse } from './lower/sparse.ts';
import { exit, net, select } from './net.ts';
import { decodeTrace, type Trace, traceKey, traceSchema } from './trace.ts';

const gate = (x: Tensor): Tensor => reshape(linear(x, 1), [0]);

/** A chain of three exits, a skip between the first two, a choice of three with a skip inside one, a skip before all. */
const made = net({ input: [6], classes: 3 }, (x) => {
  const skip = (y: Tensor, name: string) =>
    select({ score: gate(y), options: { skip: () => y, run: () => linear(y, 6) }, name });
  x = skip(x, 'first');
  x = exit(x, { head: classify });
  x = skip(x, 'between');
  x = exit(x, { head: classify });
  const y = x;
  const options = { a: () => linear(y, 6), b: () => skip(linear(y, 6), 'inner'), c: () => y };
  x = select({ score: linear(y, 3), options, name: 'three' });
  x = exit(x, { head: classify, policy: 'entropy' });
  return classify(linear(x, 6));
});
const key = traceKey(made);
const valuesOf = (t: Trace) => Object.fromEntries(t.rows.map((r) => [r.decision, r.value]));

describe('a trace', () => {
  it('has one column for a chain of exits, one for each other decision', () => {
    expect(key.columns.map((c) => [c.kind, [...c.decisions]]).sort()).toEqual(
      [
        ['exits', ['exit1', 'exit2', 'exit3']],
        ['option', ['between']],
        ['option', ['first']],
        ['option', ['three']],
        ['option', ['three/b/inner']],
      ].sort(),
    );
    expect([...key.decisions].sort()).toEqual(
      ['between', 'exit1', 'exit2', 'exit3', 'first', 'three', 'three/b/inner'].sort(),
    );
  });

  it('tells of each decision what was taken, or that it was not reached', () => {
    const decode = (named: Record<string, number>) => {
      const row = key.columns.map((c) => named[c.decisions[0]!]!);
      return valuesOf(decodeTrace(ndarray('float32', [1, row.length], row), key)[0]!);
    };
    expect(decode({ exit1: 0, between: -1, first: 1, three: -1, 'three/b/inner': -1 })).toEqual({
      ...{ first: 1, exit1: 1, between: null, exit2: null, three: null, 'three/b/inner': null, exit3: null },
    });
    expect(decode({ exit1: 2, between: 0, first: 0, three: 1, 'three/b/inner': 1 })).toEqual({
      ...{ first: 0, exit1: 0, between: 0, exit2: 0, three: 1, 'three/b/inner': 1, exit3: 1 },
    });
    expect(decode({ exit1: 3, between: 1, first: 0, three: 2, 'three/b/inner': -1 })).toEqual({
      ...{ first: 0, exit1: 0, between: 1, exit2: 0, three: 2, 'three/b/inner': null, exit3: 0 },
    });
  });

  it('costs what its path costs', () => {
    const decode = (named: Record<string, number>) => {
      const row = key.columns.map((c) => named[c.decisions[0]!]!);
      return decodeTrace(ndarray('float32', [1, row.length], row), key)[0]!;
    };
    const first = 6 + 6 * 3; // gate of `first`, head of exit1
    expect(decode({ exit1: 0, between: -1, first: 0, three: -1, 'three/b/inner': -1 }).macs).toBe(first);
    expect(decode({ exit1: 0, between: -1, first: 1, three: -1, 'three/b/inner': -1 }).macs).toBe(first + 36);
    const second = first + 6 + 18;
    expect(decode({ exit1: 1, between: 0, first: 0, three: -1, 'three/b/inner': -1 }).macs).toBe(second);
    const third = second + 18 + (36 + 6) + 18; // three's scores, option b with the gate inside, head of exit3
    expect(decode({ exit1: 2, between: 0, first: 0, three: 1, 'three/b/inner': 0 }).macs).toBe(third);
    const full = second + 18 + 18 + (36 + 18); // option c computes nothing
    const last = decode({ exit1: 3, between: 0, first: 0, three: 2, 'three/b/inner': -1 });
    expect(last.macs).toBe(full);
    expect(last.cost.macs).toBe(full);
  });

  it('refuses a tensor of another width or rank', () => {
    expect(() => decodeTrace(ndarray('float32', [2, 2], [0, 0, 0, 0]), key)).toThrow(
      /this trace should have 5 columns, \[n, 5\], got \[2, 2\]/,
    );
    expect(() => decodeTrace(ndarray('float32', [5], [0, 0, 0, 0, 0]), key)).toThrow(/got \[5\]/);
    expect(decodeTrace(ndarray('float32', [0, 5], []), key)).toEqual([]);
  });

  it('of real runs is the same from every lowering, and fits the schema, also after a trip through JSON', async () => {
    const weights = randomWeights(made, 2);
    const x = randomInput(made, 64, 2);
    const thresholds = { first: 0, exit1: -0.4, between: 0, exit2: -0.4, exit3: -0.5, 'three/b/inner': 0 };
    const [want] = await runAll(outputsOf(masked(made, thresholds)), weights, [x]);
    const [got] = await runAll(outputsOf(sparse(made, thresholds)), weights, [x]);
    const traces = decodeTrace(got!.trace!, key);
    expect(traces).toEqual(decodeTrace(want!.trace!, key));
    expect(new Set(traces.map((t) => JSON.stringify(valuesOf(t)))).size).toBeGreaterThan(8);
    for (const trace of traces) expect(violations(JSON.parse(JSON.stringify(trace)), traceSchema)).toEqual([]);
    for (const { rows } of traces) for (const r of rows) expect(r.reached).toBe(r.value !== null);
  });
});

describe('the schema', () => {
  const row = { decision: 'exit1', step: 0, kind: 'index', value: 1, reached: true };
  const cost = { macs: 1, weightBytes: 0, activationBytes: 0, integerOps: 0 };
  const good = { rows: [row], macs: 1, cost };
  it('takes every kind of value', () => {
    for (const value of [0, null, [0, 1], [0.5, 0.5]])
      expect(violations({ ...good, rows: [{ ...row, value }] }, traceSchema)).toEqual([]);
  });
  it.each([
    ['a missing field', { rows: [row], macs: 1 }, '$.cost is missing'],
    ['a field too many', { ...good, time: 3 }, '$.time is not foreseen'],
    ['an unknown kind', { ...good, rows: [{ ...row, kind: 'what' }] }, '$.rows[0].kind is none of'],
    ['half a step', { ...good, rows: [{ ...row, step: 0.5 }] }, '$.rows[0].step is number, not integer'],
    ['a word as value', { ...good, rows: [{ ...row, value: 'one' }] }, '$.rows[0].value fits not exactly one'],
    ['negative MACs', { ...good, macs: -1 }, '$.macs is below 0'],
    ['a cost without bytes', { ...good, cost: { ...cost, weightBytes: undefined } }, '$.cost.weightBytes is undefined'],
  ])('refuses %s', (_, value, complaint) => {
    expect(violations(value, traceSchema).join('; ')).toContain(complaint);
  });
});

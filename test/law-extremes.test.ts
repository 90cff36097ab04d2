import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cut,
  decisionsOf,
  decodeTrace,
  exit,
  fullThresholds,
  masked,
  net,
  sparse,
  traceKey,
} from '../src/dynamic/index.ts';
import { add, averagePool, concat, maxPool, type NDArray, ndarray } from '../src/graph/index.ts';
import { batchNorm, classify, conv, residual } from '../src/nn/index.ts';
import { buildNet, randomInput, randomWeights } from './support/build-net.ts';
import { netPlan, runs } from './support/random-nets.ts';
import { outputsOf, row, rowDifference, runAll } from './support/run.ts';

const EVERY = Number.NEGATIVE_INFINITY;
const NEVER = Number.POSITIVE_INFINITY;

/** Projections, depthwise, both poolings, dense links and long shortcuts, each behind an exit. */
const everything = net({ input: [3, 16, 16], classes: 4 }, (image) => {
  const stem = conv(image, 8, { norm: 'batch', activation: 'relu' });
  let x = exit(stem, { head: classify });
  x = residual(x, 16, { stride: 2 }); // a projection
  x = exit(x, { head: classify, policy: 'entropy' });
  x = exit(x, { head: (t) => classify(conv(t, 4)), policy: 'patience' });
  x = conv(x, 16, { groups: 16, norm: 'batch', activation: 'relu' }); // depthwise
  x = concat([x, maxPool(stem, 2)], 1); // a dense link from before all exits
  x = exit(x, { head: classify });
  x = averagePool(maxPool(x, 3, { stride: 1, padding: 1 }), 2);
  x = residual(x, 16, { bottleneck: true, stride: 2 });
  x = add(batchNorm(x), conv(stem, 16, { kernel: 1, stride: 8 })); // a long shortcut
  return classify(x);
});
const weights = randomWeights(everything, 5);
const names = decisionsOf(everything).map((d) => d.name);
const same = (value: number) => Object.fromEntries(names.map((n) => [n, value]));
const bits = ({ data }: NDArray) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');

describe.each(['all', 'disabled'] as const)('at the level %s of optimisation', (level) => {
  it.each([1, 2, 64])('nobody goes on, through projections, depthwise and pooling: %i rows', async (rows) => {
    const x = randomInput(everything, rows, 1);
    const first = cut(everything, { [names[0]!]: 'exit' });
    const [want] = await runAll({ output: first.output }, weights, [x], level);
    const [got] = await runAll(outputsOf(sparse(everything, same(EVERY))), weights, [x], level);
    expect(bits(got!.output!)).toBe(bits(want!.output!));
    for (const { rows: met } of decodeTrace(got!.trace!, traceKey(everything)))
      expect(met.map((r) => r.value)).toEqual([1, null, null, null]);
  });

  it.each([1, 2, 64])('everybody goes on to the end: %i rows', async (rows) => {
    const x = randomInput(everything, rows, 2);
    const [want] = await runAll({ output: cut(everything).output }, weights, [x], level);
    const [got] = await runAll(outputsOf(sparse(everything, same(NEVER))), weights, [x], level);
    for (let r = 0; r < rows; r++) expect(rowDifference(want!.output!, got!.output!, r)).toBeLessThan(1e-5);
    // Without the optimiser the same kernels see the same numbers.
    if (level === 'disabled') expect(bits(got!.output!)).toBe(bits(want!.output!));
  });

  it('some leave at each exit; the last batch leaves none for the regions behind', async () => {
    const x = randomInput(everything, 64, 3);
    for (const [e, name] of names.entries()) {
      const at = { ...same(NEVER), [name]: EVERY };
      const [got] = await runAll(outputsOf(sparse(everything, at)), weights, [x], level);
      const [want] = await runAll({ output: cut(everything, { [name]: 'exit' }).output }, weights, [x], level);
      // Patience counts from zero: of two exits in a row it is above -Infinity as well.
      for (let r = 0; r < 64; r++) expect(rowDifference(want!.output!, got!.output!, r), name).toBeLessThan(1e-5);
      for (const { rows: met } of decodeTrace(got!.trace!, traceKey(everything)))
        expect(met.map((r) => r.value)).toEqual(names.map((_, i) => (i < e ? 0 : i === e ? 1 : null)));
    }
  });

  it('no rows at all', async () => {
    const none = ndarray('float32', [0, 3, 16, 16], []);
    for (const thresholds of [same(EVERY), same(NEVER), same(-1)])
      for (const lowered of [masked(everything, thresholds), sparse(everything, thresholds)]) {
        const [got] = await runAll(outputsOf(lowered), weights, [none], level);
        expect(got!.output!.dims).toEqual([0, 4]);
        expect(decodeTrace(got!.trace!, traceKey(everything))).toEqual([]);
      }
  });

  it.each([0, 2, 32])('row %i is not a number, which does nothing to the others', async (spoilt) => {
    const x = randomInput(everything, 33, 4);
    const data = x.data.slice() as Float32Array;
    const size = data.length / 33;
    data.fill(Number.NaN, spoilt * size, (spoilt + 1) * size);
    const key = traceKey(everything);
    for (const thresholds of [same(EVERY), same(NEVER), same(-1.2)]) {
      const lowered = sparse(everything, thresholds);
      const [whole, spoiled] = await runAll(outputsOf(lowered), weights, [x, { ...x, data }], level);
      const [did, does] = [decodeTrace(whole!.trace!, key), decodeTrace(spoiled!.trace!, key)];
      for (let r = 0; r < 33; r++) {
        if (r === spoilt) continue;
        expect(does[r]!.rows, `row ${r}`).toEqual(did[r]!.rows);
        expect(rowDifference(whole!.output!, spoiled!.output!, r), `row ${r}`).toBeLessThan(1e-5);
      }
    }
  });
});

describe('the ends of the thresholds, on random nets', () => {
  it('-Infinity takes the second option, +Infinity the first, as the static cut-outs do', async () => {
    let decisions = 0;
    await fc.assert(
      fc.asyncProperty(netPlan, fc.nat(1_000_000), fc.constantFrom(1, 3, 16), async (plan, seed, rows) => {
        const made = buildNet(plan);
        const numbers = randomWeights(made, seed);
        const x = randomInput(made, rows, seed);
        for (const end of [0, 1]) {
          const own = decisionsOf(made);
          decisions += own.length;
          const choice = (k: number) => Math.min(end, k - 1);
          const all = fullThresholds(own);
          const thresholds = Object.fromEntries(
            own.map(({ name, kind, rule, options }) => [
              name,
              kind !== 'select'
                ? all[name]!
                : rule === 'threshold'
                  ? [NEVER, EVERY][end]!
                  : options.map((_, k) => (k === choice(options.length) ? EVERY : 0)),
            ]),
          );
          const fixed = cut(
            made,
            Object.fromEntries(
              own.flatMap((d) => (d.kind === 'select' ? [[d.name, d.options[choice(d.options.length)]!.name]] : [])),
            ),
          );
          const [want] = await runAll({ output: fixed.output }, numbers, [x], 'disabled');
          const [plain] = await runAll(outputsOf(sparse(made, thresholds)), numbers, [x], 'disabled');
          const [quick] = await runAll(outputsOf(sparse(made, thresholds)), numbers, [x]);
          expect(bits(plain!.output!)).toBe(bits(want!.output!));
          for (let r = 0; r < rows; r++) expect(rowDifference(want!.output!, quick!.output!, r)).toBeLessThan(1e-4);
          for (const [r, { rows: met }] of decodeTrace(quick!.trace!, traceKey(made)).entries())
            for (const { value, decision, kind } of met)
              if (kind === 'index')
                expect([null, choice(own.find((d) => d.name === decision)!.options.length)], `row ${r}`).toContain(
                  value,
                );
          if (rows === 3) {
            const [alone] = await runAll(outputsOf(sparse(made, thresholds, { form: 'branch' })), numbers, [row(x, 1)]);
            expect(rowDifference(want!.output!, alone!.output!, 1, 0)).toBeLessThan(1e-4);
          }
        }
      }),
      { numRuns: runs(30) },
    );
    expect(decisions).toBeGreaterThan(0);
  }, 3_600_000);

  it('no rows, on random nets', async () => {
    await fc.assert(
      fc.asyncProperty(netPlan, async (plan) => {
        const made = buildNet(plan);
        const numbers = randomWeights(made, 1);
        for (const level of ['all', 'disabled'] as const)
          for (const lowered of [masked(made), sparse(made)]) {
            const [got] = await runAll(outputsOf(lowered), numbers, [randomInput(made, 0, 1)], level);
            expect(got!.output!.dims).toEqual([0, plan.classes]);
            expect(decodeTrace(got!.trace!, traceKey(made))).toEqual([]);
          }
      }),
      { numRuns: runs(15) },
    );
  }, 3_600_000);
});

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cut, decodeTrace, net, select, sparse, traceKey } from '../src/dynamic/index.ts';
import { add, convolve, flatten, param, relu, reshape } from '../src/graph/index.ts';
import { classify, heNormal, linear } from '../src/nn/index.ts';
import { randomInput, randomWeights, realise } from './support/build-net.ts';
import { choicesOf } from './support/hold-law.ts';
import { randomCase, runs } from './support/random-nets.ts';
import { type Did, expectedOf, macsOf, needed } from './support/reference.ts';
import { bytesOf, executed, executedMacs, outputsOf, row, runAll } from './support/run.ts';

const seen = { inputs: 0, lean: 0, cuts: 0, cheaper: 0, paths: 0 };

it('the MACs that a trace tells are those that the engine executed', async () => {
  await fc.assert(
    fc.asyncProperty(randomCase([2, 7, 16]), async (one) => {
      const { net, weights, x } = realise(one);
      const { thresholds, decisions, choices, clear } = await expectedOf(net, weights, x, one.thresholds);
      const key = traceKey(net);
      const lowered = outputsOf(sparse(net, thresholds));
      const bytes = bytesOf(lowered, weights);
      const [whole] = await runAll(lowered, weights, [x], 'disabled');
      const traces = decodeTrace(whole!.trace!, key);

      const total = traces.reduce((sum, t) => sum + t.macs, 0);
      expect(executedMacs(await executed(bytes, x)), 'the batch').toBe(total);

      // Rows of their own, in either form; profiling is slow, so each net shows one.
      const r = one.seed % one.batch;
      const single = row(x, r);
      const form = one.seed % 2 === 0 ? 'rows' : 'branch';
      const own = outputsOf(sparse(net, thresholds, { form }));
      const [alone] = await runAll(own, weights, [single], 'disabled');
      const [trace] = decodeTrace(alone!.trace!, traceKey(net, form));
      expect(executedMacs(await executed(bytesOf(own, weights), single)), `row ${r} alone, ${form}`).toBe(trace!.macs);

      if (!clear[r]) return;
      // What an input needs, followed backwards from its answer without any notion of regions.
      const taken = (name: string): Did => choices[r]![decisions.findIndex((d) => d.name === name)]!;
      // More than that only where two regions share a part, which then stands outside of both.
      const least = macsOf(needed(net.output, taken, true));
      const complete = form === 'rows' || decisions.every((d) => d.kind === 'select');
      if (complete) expect(trace!.macs).toBeGreaterThanOrEqual(least);
      seen.lean += !complete || trace!.macs === least ? 1 : 0;
      if (one.seed % 3 === 0) {
        const fixed = cut(net, choicesOf(decisions, choices[r]!));
        const bare = executedMacs(await executed(bytesOf({ output: fixed.output }, weights), single));
        expect(bare, 'the static cut-out').toBe(macsOf(needed(net.output, taken, false)));
        seen.cuts++;
      }

      seen.inputs++;
      seen.cheaper += trace!.macs < Math.max(...traces.map((t) => t.macs)) ? 1 : 0;
      seen.paths += new Set(traces.map((t) => t.macs)).size;
    }),
    { numRuns: runs(25), ...(process.env.DYNANEURAL_SEED ? { seed: Number(process.env.DYNANEURAL_SEED) } : {}) },
  );
  // The batches went different ways, or the sums would say little.
  expect(seen.paths, JSON.stringify(seen)).toBeGreaterThan(1.3 * seen.inputs);
  expect(seen.lean, JSON.stringify(seen)).toBeGreaterThan(0.9 * seen.inputs);
  expect(seen.cuts, JSON.stringify(seen)).toBeGreaterThan(0);
  if (process.env.DYNANEURAL_RUNS) console.log(seen);
}, 3_600_000);

it('work that two regions share in name only is done in each, where it is taken', async () => {
  const made = net({ input: [2, 4, 4], classes: 3 }, (x) => {
    const weight = param('both', [2, 2, 3, 3], heNormal([2, 2, 3, 3]));
    const gate = () => reshape(linear(flatten(x), 1), [0]);
    const run = () => relu(convolve(x, weight, undefined, { padding: 1 }));
    const [a, b] = ['one', 'two'].map((name) => select({ score: gate(), options: { skip: () => x, run }, name }));
    return classify(add(a!, b!));
  });
  const weights = randomWeights(made, 1);
  const x = randomInput(made, 1, 1);
  const [one, always] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const conv = 16 * 2 * 18;
  for (const form of ['rows', 'branch'] as const)
    for (const [thresholds, times] of [
      [{ one, two: one }, 0],
      [{ one, two: always }, 1],
      [{ one: always, two: always }, 2],
    ] as const) {
      const lowered = outputsOf(sparse(made, thresholds, { form }));
      const [ran] = await runAll(lowered, weights, [x], 'disabled');
      const [trace] = decodeTrace(ran!.trace!, traceKey(made));
      expect(trace!.macs).toBe(times * conv + 2 * 32 + 6);
      expect(executedMacs(await executed(bytesOf(lowered, weights), x)), `${form}, ${times}`).toBe(trace!.macs);
    }
});

import { describe, expect, it } from 'vitest';
import { largestDifference } from '../../../test/support/difference.ts';
import { outputsOf, runAll } from '../../../test/support/run.ts';
import { Random } from '../../data/index.ts';
import {
  argMax,
  cast,
  constant,
  equal,
  ndarray,
  reshape,
  slice,
  softmax,
  type Tensor,
  toNumbers,
  unsqueeze,
} from '../../graph/index.ts';
import { linear, materialize } from '../../nn/index.ts';
import { costTable } from '../cost.ts';
import { ownThresholds } from '../decision.ts';
import { expectedCost } from '../expected-cost.ts';
import { net, select } from '../net.ts';
import { decodeTrace, traceKey } from '../trace.ts';
import { decisionsOf, parametersOf } from '../traced.ts';
import { masked } from './masked.ts';
import { mixed } from './mixed.ts';

const column = (x: Tensor, k: number): Tensor => reshape(slice(x, [{ axis: 1, start: k, end: k + 1 }]), [0]);

/** A gate, three ways of which one holds another gate. */
const made = net({ input: [6] }, (x) => {
  let y = select({ name: 'first', score: column(x, 0), options: { run: () => linear(x, 6), skip: () => x } });
  y = select({
    name: 'ways',
    score: slice(x, [{ axis: 1, start: 1, end: 4 }]),
    options: {
      wide: () => linear(linear(y, 12), 6),
      gated: () => select({ name: 'inner', score: column(x, 4), options: { run: () => linear(y, 6), skip: () => y } }),
      plain: () => y,
    },
  });
  return linear(y, 2);
});
const weights = materialize(parametersOf(made), 3);
const random = new Random(1, 2);
const x = ndarray(
  'float32',
  [64, 6],
  Float32Array.from({ length: 64 * 6 }, () => random.normal()),
);

/** 1 for the option with the largest logit: the hard choice as weights. */
const hard = (logits: Tensor): Tensor => {
  const numbers = Array.from({ length: Number(logits.shape[1]) }, (_, k) => k);
  return cast(
    equal(unsqueeze(argMax(logits, 1), [1]), constant(ndarray('int64', [numbers.length], numbers))),
    'float32',
  );
};

describe('mixed', () => {
  it('with all weight on the choice is the masked form', async () => {
    const { outputs, weights: w } = mixed([made.output], (_, logits) => hard(logits));
    expect([...w.keys()].sort()).toEqual(['first', 'ways', 'ways/gated/inner']);
    const [soft] = await runAll({ output: outputs[0]! }, weights, [x]);
    const [wanted] = await runAll(outputsOf(masked(made, ownThresholds(decisionsOf(made)))), weights, [x]);
    expect(largestDifference(soft!.output!.data, wanted!.output!.data)).toBeLessThan(1e-5);
  });

  it('expects of hard choices the MACs that their traces count', async () => {
    const { weights: w } = mixed([made.output], (_, logits) => hard(logits));
    const [ran] = await runAll({ cost: expectedCost(made, w) }, weights, [x]);
    const [wanted] = await runAll(outputsOf(masked(made, ownThresholds(decisionsOf(made)))), weights, [x]);
    const traces = decodeTrace(wanted!.trace!, traceKey(made));
    const dearest = costTable(made).filter((r) => !r.guard.some((g) => ['gated', 'plain'].includes(optionName(g))));
    const full = dearest.filter((r) => !r.guard.some((g) => g.option > 0)).reduce((sum, r) => sum + r.macs, 0);
    expect(new Set(traces.map((t) => t.macs)).size).toBeGreaterThan(3);
    for (const [i, share] of toNumbers(ran!.cost!).entries()) expect(share * full).toBeCloseTo(traces[i]!.macs, 2);
  });

  it('expects of soft weights the mean over all choices, by their probabilities', async () => {
    const { weights: w } = mixed([made.output], (_, logits) => softmax(logits, 1));
    const [ran] = await runAll({ cost: expectedCost(made, w), ...Object.fromEntries(w) }, weights, [x]);
    const table = costTable(made);
    const macs = (name: string, k: number) =>
      table
        .filter((r) => r.guard.at(-1)?.decision === name && r.guard.at(-1)?.option === k)
        .reduce((s, r) => s + r.macs, 0);
    const always = table.filter((r) => r.guard.length === 0).reduce((s, r) => s + r.macs, 0);
    const full = always + macs('first', 0) + macs('ways', 0);
    const p = (name: string, i: number, k: number, count: number) => Number(ran![name]!.data[i * count + k]);
    for (let i = 0; i < 64; i++) {
      const mean =
        always +
        p('first', i, 0, 2) * macs('first', 0) +
        p('ways', i, 0, 3) * macs('ways', 0) +
        p('ways', i, 1, 3) * (macs('ways', 1) + p('ways/gated/inner', i, 0, 2) * macs('ways/gated/inner', 0));
      expect(Number(ran!.cost!.data[i]) * full).toBeCloseTo(mean, 2);
    }
  });

  it('refuses options that return whole numbers', () => {
    const whole = net({ input: [6] }, (t) =>
      select({ name: 'pick', score: column(t, 0), options: { a: () => argMax(t, 1), b: () => argMax(t, 1) } }),
    );
    expect(() => mixed([whole.output], (_, l) => softmax(l, 1))).toThrow(
      'decision "pick" joins int64 values, which cannot be mixed',
    );
  });
});

const optionName = (g: { decision: string; option: number }): string =>
  decisionsOf(made).find((d) => d.name === g.decision)!.options[g.option]!.name;

import { describe, expect, it } from 'vitest';
import { randomInput, randomWeights } from '../../../test/support/build-net.ts';
import { outputsOf, runAll } from '../../../test/support/run.ts';
import {
  argMax,
  cast,
  concat,
  encodeModel,
  greater,
  ndarray,
  order,
  reduceSum,
  relu,
  reshape,
  slice,
  stripDefaults,
  type Tensor,
  toNumbers,
  toOnnx,
} from '../../graph/index.ts';
import { classify, linear } from '../../nn/index.ts';
import { compile } from '../../runtime/index.ts';
import { isSelect, neutral } from '../decision.ts';
import { exit, net, select } from '../net.ts';
import { decodeTrace, traceKey } from '../trace.ts';
import { decisionsOf, parametersOf } from '../traced.ts';
import { thresholdArray, thresholdName } from './choice.ts';
import { masked } from './masked.ts';
import { observe } from './observe.ts';
import { sparse } from './sparse.ts';
import { cut } from './static.ts';

const column = (x: Tensor, k: number): Tensor => slice(x, [{ axis: 1, start: k, end: k + 1 }]);
const infinite = Number.POSITIVE_INFINITY;

/** Scores that the input spells out: column 0 for the exit, columns 1..3 for the choice of three; column 4 is data. */
const spelt = net({ input: [5] }, (x) => {
  x = exit(x, { head: (t) => column(t, 4), policy: () => reshape(column(x, 0), [0]), name: 'leave' });
  const times = (k: number) => () => scaled(column(x, 4), k);
  return select({
    score: slice(x, [{ axis: 1, start: 1, end: 4 }]),
    options: { once: times(1), twice: times(2), thrice: times(3) },
    name: 'times',
  });
});
function scaled(x: Tensor, k: number): Tensor {
  return reduceSum(
    concat(
      Array.from({ length: k }, () => x),
      1,
    ),
    [1],
    true,
  );
}
const three = decisionsOf(spelt).find((d) => d.name === 'times')!;
const two = decisionsOf(spelt).find((d) => d.name === 'leave')!;

const run = async (thresholds: Record<string, number | number[]>, rows: number[][]) => {
  const x = ndarray('float32', [rows.length, 5], rows.flat());
  const found = [];
  for (const lowered of [masked(spelt, thresholds), sparse(spelt, thresholds)]) {
    const [ran] = await runAll(outputsOf(lowered), new Map(), [x]);
    const did = decodeTrace(ran!.trace!, traceKey(spelt)).map((t) =>
      Object.fromEntries(t.rows.map((r) => [r.decision, r.value])),
    );
    found.push({ values: toNumbers(ran!.output!), did });
  }
  expect(found[0]).toEqual(found[1]);
  return found[0]!;
};

describe('a choice', () => {
  it('by threshold takes the second option above it, not at it', async () => {
    const { values, did } = await run({ leave: 0.5 }, [
      [0.5, 0, 1, 0, 10],
      [0.50001, 0, 1, 0, 10],
      [-3, 1, 0, 0, 10],
    ]);
    expect(did.map((d) => d.leave)).toEqual([0, 1, 0]);
    expect(values).toEqual([20, 10, 10]);
    expect(did.map((d) => d.times)).toEqual([1, null, 0]);
  });

  it('by argmax takes the largest of score minus threshold, the first of equals', async () => {
    const rows = [
      [0, 3, 2, 1, 1],
      [0, 1, 2, 3, 1],
      [0, 2, 2, 2, 1],
      [0, 1, 1, 9, 1],
    ];
    expect((await run({ leave: infinite }, rows)).values).toEqual([1, 3, 1, 3]);
    expect((await run({ leave: infinite, times: [2.5, 0, 0] }, rows)).values).toEqual([2, 3, 2, 3]);
    expect((await run({ leave: infinite, times: [0, -infinite, 0] }, rows)).values).toEqual([2, 2, 2, 2]);
    expect((await run({ leave: infinite, times: [0, 0, infinite] }, rows)).values).toEqual([1, 2, 1, 1]);
  });

  it('without thresholds goes on at exits, and prefers nothing among options', async () => {
    expect(neutral(two)).toBe(infinite);
    expect(neutral(three)).toEqual([0, 0, 0]);
    expect((await run({}, [[1e30, 0, 5, 0, 1]])).values).toEqual([2]);
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      'a list for two options',
      () => thresholdArray(two, [1, 2]),
      /threshold of decision "leave" should be a number, got \[1, 2\]/,
    ],
    ['a number for three', () => thresholdArray(three, 1), /"times" should be 3 numbers, one for each option, got 1/],
    ['too few for three', () => thresholdArray(three, [1, 2]), /"times" should be 3 numbers.*got \[1, 2\]/],
    ['no number', () => thresholdArray(two, Number.NaN), /should be a number, got NaN/],
    [
      'a name that is not there, masked',
      () => masked(spelt, { leaves: 1 }),
      /the net has no decision "leaves"; it has leave, times/,
    ],
    ['a name that is not there, sparse', () => sparse(spelt, { leaves: 1 }), /the net has no decision "leaves"/],
  ])('refuses %s as thresholds', (_, attempt, message) => {
    expect(attempt).toThrow(message);
  });
});

describe('thresholds in a file', () => {
  it('are defaults, and become inputs that a caller sets once they are stripped', async () => {
    const bytes = encodeModel(toOnnx(outputsOf(sparse(spelt, { leave: -1 }))));
    const x = ndarray('float32', [2, 5], [0, 0, 1, 0, 7, -2, 0, 1, 0, 7]);
    const stock = await compile(bytes);
    expect(toNumbers((await stock.run({ input: x })).output!)).toEqual([7, 14]);
    await stock.close();
    const names = [two, three].map(thresholdName);
    expect(names).toEqual(['leave/threshold', 'times/threshold']);
    const free = await compile(stripDefaults(bytes, names));
    const set = (leave: number, times: number[]) => ({
      input: x,
      'leave/threshold': thresholdArray(two, leave),
      'times/threshold': thresholdArray(three, times),
    });
    expect(toNumbers((await free.run(set(infinite, [0, 0, -infinite]))).output!)).toEqual([21, 21]);
    expect(toNumbers((await free.run(set(-infinite, [0, 0, 0]))).output!)).toEqual([7, 7]);
    await free.close();
  });
});

describe('other results than one matrix of floats', () => {
  it.each<[string, (x: Tensor) => [Tensor, Tensor]]>([
    ['numbers of classes, int64 [N]', (x) => [argMax(x, 1), argMax(linear(x, 4), 1)]],
    ['truths, bool [N, 4]', (x) => [greater(x, 0), greater(linear(x, 4), 0)]],
    [
      'whole numbers, int32 [N, 2, 2]',
      (x) => [cast(reshape(x, [0, 2, 2]), 'int32'), cast(reshape(linear(x, 4), [0, 2, 2]), 'int32')],
    ],
    ['one float each, [N]', (x) => [reduceSum(x, [1]), reduceSum(linear(x, 4), [1])]],
  ])('%s', async (_, options) => {
    const made = net({ input: [4] }, (x) => {
      const score = reshape(linear(x, 1), [0]);
      // With a decision inside the option, so that its column of the trace has to come out beside the result.
      const inside = (t: Tensor) =>
        select({ score: reshape(linear(t, 1), [0]), options: { a: () => t, b: () => linear(t, 4) } });
      const [first, second] = options(x);
      const [, third] = options(inside(relu(linear(x, 4))));
      return concatRows(select({ score, options: { first: () => first, second: () => third } }), second);
    });
    const weights = randomWeights(made, 1);
    const x = randomInput(made, 20, 1);
    const thresholds = Object.fromEntries(decisionsOf(made).map((d) => [d.name, 0]));
    const [want] = await runAll(outputsOf(masked(made, thresholds)), weights, [x]);
    const [got] = await runAll(outputsOf(sparse(made, thresholds)), weights, [x]);
    expect(got).toEqual(want);
    const values = decodeTrace(got!.trace!, traceKey(made)).map((t) => t.rows.map((r) => r.value).join());
    expect(new Set(values).size).toBe(3);
  });
});
function concatRows(a: Tensor, b: Tensor): Tensor {
  return a.rank === 1 ? concat([reshape(a, [0, 1]), reshape(b, [0, 1])], 1) : concat([a, b], 1);
}

describe('cut', () => {
  const made = net({ input: [4], classes: 3 }, (x) => {
    x = exit(x, { head: classify });
    const y = x;
    x = select({
      score: reshape(linear(y, 1), [0]),
      options: { skip: () => y, run: () => linear(y, 4, { name: 'body' }) },
    });
    return classify(x);
  });
  const names = (of: { output: Tensor }) => parametersOf(of).map((p) => p.name);

  it('keeps what the choices need, and nothing of the gates', () => {
    expect(names(cut(made, { exit1: 'exit' }))).toEqual(['exit1/classify1/weight', 'exit1/classify1/bias']);
    expect(names(cut(made))).toEqual(['classify1/weight', 'classify1/bias']);
    expect(names(cut(made, { select1: 'run' }))).toEqual([
      ...['select1/run/body/weight', 'select1/run/body/bias'],
      ...['classify1/weight', 'classify1/bias'],
    ]);
    expect(order([cut(made).output]).some(isSelect)).toBe(false);
    expect(decisionsOf(cut(made))).toEqual([]);
  });

  it('leaves the net as it was, with its input', () => {
    const before = decisionsOf(made).length;
    const fixed = cut(made, { select1: 'run' });
    expect(fixed.input).toBe(made.input);
    expect(decisionsOf(made)).toHaveLength(before);
  });

  it('refuses decisions and options that are not there', () => {
    expect(() => cut(made, { exti1: 'exit' })).toThrow(/the net has no decision "exti1"; it has exit1, select1/);
    expect(() => cut(made, { exit1: 'leave' })).toThrow(
      /decision "exit1" has no option "leave"; it has continue, exit/,
    );
  });
});

describe('observe', () => {
  it('shows all scores and answers, as the lowered net computes them', async () => {
    const made = net({ input: [4], classes: 3 }, (x) => {
      x = exit(linear(x, 4), { head: classify });
      x = exit(linear(x, 4), { head: classify, policy: 'entropy' });
      return classify(x);
    });
    const weights = randomWeights(made, 1);
    const x = randomInput(made, 9, 1);
    const seen = observe(made);
    expect(seen.scores.map((s) => s.decision)).toEqual(['exit1', 'exit2']);
    expect(seen.answers.map((a) => a.name)).toEqual(['exit1', 'exit2', 'final']);
    const outputs = Object.fromEntries(seen.answers.map((a) => [a.name, a.logits]));
    const [all] = await runAll(outputs, weights, [x]);
    for (const [name, thresholds] of [
      ['exit1', { exit1: -infinite }],
      ['exit2', { exit2: -infinite }],
      ['final', {}],
    ] as const) {
      const [ran] = await runAll(outputsOf(sparse(made, thresholds)), weights, [x]);
      const [a, b] = [toNumbers(all![name]!), toNumbers(ran!.output!)];
      expect(a).toHaveLength(27);
      for (const [i, v] of a.entries()) expect(v).toBeCloseTo(b[i]!, 5);
    }
  });

  it('lets decisions that are no exits choose for themselves, and shows what they did', async () => {
    const rows = [
      [0, 0, 1, 0, 10],
      [9, 0, 0, 1, 20],
      [0, 2, 1, 0, 30],
    ];
    const seen = observe(spelt);
    const outputs = {
      score: seen.scores[0]!.score,
      leave: seen.answers[0]!.logits,
      final: seen.answers[1]!.logits,
      times: seen.choices[0]!.column,
      scores: seen.choices[0]!.score,
    };
    const [ran] = await runAll(outputs, new Map(), [ndarray('float32', [3, 5], rows.flat())]);
    expect(seen.choices.map((c) => c.decision)).toEqual(['times']);
    expect(toNumbers(ran!.times!)).toEqual([1, 2, 0]);
    expect(toNumbers(ran!.final!)).toEqual([20, 60, 30]);
    expect(toNumbers(ran!.leave!)).toEqual([10, 20, 30]);
    expect(toNumbers(ran!.score!)).toEqual([0, 9, 0]);
    expect(toNumbers(ran!.scores!)).toEqual([0, 1, 0, 0, 0, 1, 2, 1, 0]);
  });

  it('at thresholds of theirs, where they are given', async () => {
    const seen = observe(spelt, { times: [0, 0, -9] });
    const [ran] = await runAll({ final: seen.answers[1]!.logits }, new Map(), [
      ndarray('float32', [1, 5], [0, 3, 2, 1, 7]),
    ]);
    expect(toNumbers(ran!.final!)).toEqual([21]);
    expect(() => observe(spelt, { time: 1 })).toThrow('the net has no decision "time"');
  });
});

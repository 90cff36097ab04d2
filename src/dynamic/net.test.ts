import { describe, expect, it } from 'vitest';
import { DynaError } from '../errors.ts';
import { input, relu, reshape, slice, type Tensor } from '../graph/index.ts';
import { classify, linear } from '../nn/index.ts';
import { exit, net, select } from './net.ts';
import { answersOf, decisionsOf, joinsOf, parametersOf } from './traced.ts';

const gate = (x: Tensor, k = 1): Tensor => (k === 1 ? reshape(linear(x, 1), [0]) : linear(x, k));
const trace = (fn: (x: Tensor) => Tensor) => net({ input: [4], classes: 3 }, fn);

function refusal(fn: () => unknown): DynaError {
  try {
    fn();
  } catch (error) {
    if (error instanceof DynaError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('a traced net', () => {
  const made = trace((x) => {
    x = exit(x, { head: classify, name: 'early' });
    x = select({ score: gate(x), options: { skip: () => x, run: () => linear(x, 4) }, family: 'skip' });
    x = exit(linear(x, 4), { head: classify });
    return classify(x);
  });

  it('names its decisions by scope, the outermost and earliest first', () => {
    expect(decisionsOf(made).map(({ name, family, rule }) => [name, family, rule])).toEqual([
      ['early', 'exit', 'threshold'],
      // What only the rest needs belongs to "go on": the exits' regions hold it.
      ['skip1', 'skip', 'threshold'],
      ['exit1', 'exit', 'threshold'],
    ]);
    expect(joinsOf(made).map((j) => j.attrs.decision.options.map((o) => o.name))).toEqual([
      ['continue', 'exit'],
      ['skip', 'run'],
      ['continue', 'exit'],
    ]);
  });

  it('knows its answers, the earliest first', () => {
    expect(answersOf(made).map((a) => a.name)).toEqual(['early', 'exit1', 'final']);
    for (const { logits } of answersOf(made)) expect(logits.shape).toEqual(['N', 3]);
  });

  it('names parameters by layer, those of options under the option', () => {
    expect(parametersOf(made).map((p) => p.name)).toEqual(
      expect.arrayContaining(['early/classify1/weight', 'early/temperature', 'skip1/run/linear1/weight']),
    );
  });

  it('keeps the names of a checkpoint when a layer is inserted elsewhere', () => {
    const names = (more: boolean) =>
      parametersOf(
        trace((x) => {
          if (more) x = relu(linear(x, 4, { name: 'new' }));
          x = exit(x, { head: classify });
          return classify(linear(x, 4));
        }),
      ).map((p) => p.name);
    expect(names(true).filter((n) => !n.startsWith('new/'))).toEqual(names(false));
  });
});

describe('what cannot be traced', () => {
  it.each<[string, string, (x: Tensor) => Tensor, RegExp]>([
    [
      'options of different signatures',
      'shape',
      (x) => select({ score: gate(x), options: { a: () => x, b: () => linear(x, 5) } }),
      /decision "select1": option "a" returns float32\[N, 4\] but option "b" returns float32\[N, 5\]; all options must/,
    ],
    [
      'a head of another signature than the net',
      'shape',
      (x) => classify(exit(x, { head: (t) => linear(t, 7) })),
      /decision "exit1": option "continue" returns float32\[N, 3\] but option "exit" returns float32\[N, 7\]/,
    ],
    [
      'two decisions of one name',
      'graph',
      (x) => {
        x = exit(x, { head: (t) => slice(t, [{ axis: 1, start: 0, end: 3 }]), name: 'same', policy: 'patience' });
        x = exit(x, { head: (t) => slice(t, [{ axis: 1, start: 1, end: 4 }]), name: 'same', policy: 'patience' });
        return classify(x);
      },
      /two decisions are named "same"; give each its own name/,
    ],
    [
      'two exits of one name with weights of their own',
      'graph',
      (x) => {
        for (let i = 0; i < 2; i++) x = exit(x, { head: classify, name: 'same' });
        return classify(x);
      },
      /two parameters are named "same\//,
    ],
    [
      'a score of the wrong rank',
      'shape',
      (x) => select({ score: x, options: { a: () => x, b: () => relu(x) } }),
      /its score must be \[N, 2\], got \[N, 4\]/,
    ],
    [
      'a score with a number too few',
      'shape',
      (x) => select({ score: gate(x, 2), options: { a: () => x, b: () => relu(x), c: () => linear(x, 4) } }),
      /its score must be \[N, 3\], got \[N, 2\]/,
    ],
    [
      'one score for three options',
      'graph',
      (x) => select({ score: gate(x), options: { a: () => x, b: () => relu(x), c: () => linear(x, 4) } }),
      /a score \[N\] chooses between two options, got 3; give a score \[N, 3\]/,
    ],
    [
      'a policy whose score is no number for each input',
      'shape',
      (x) => classify(exit(x, { head: classify, policy: ({ logits }) => logits })),
      /decision "exit1": its score must be \[N\], got \[N, 3\]/,
    ],
    [
      'options named by numbers, which would stand in another order',
      'usage',
      (x) => select({ score: gate(x), options: { 224: () => x, 112: () => relu(x) } }),
      /an option cannot be named "112": JavaScript would put it before the others; name it with a letter: r112/,
    ],
    [
      'one option',
      'graph',
      (x) => select({ score: gate(x), options: { only: () => x } }),
      /at least two options, got 1/,
    ],
    [
      'options that are no rows of the batch',
      'shape',
      (x) => select({ score: gate(x), options: { a: () => reshape(x, [4, -1]), b: () => relu(reshape(x, [4, -1])) } }),
      /each input chooses for itself, so options must return \[N, \.\.\.\], got \[4, N\]/,
    ],
    [
      'an exit inside an option',
      'graph',
      (x) => select({ score: gate(x), options: { a: () => x, b: () => exit(x, { head: classify }) }, name: 'choice' }),
      /exit\(\) was called inside option "choice\/b".*put it before or after/,
    ],
    [
      'a net inside a net',
      'graph',
      (x) => trace(() => x).output,
      /net\(\) was called while another net is being traced/,
    ],
    [
      'a net inside an option',
      'graph',
      (x) => select({ score: gate(x), options: { a: () => x, b: () => trace((t) => t).output } }),
      /net\(\) was called while another net is being traced/,
    ],
    [
      'an input of another net',
      'graph',
      (x) => classify(relu(input('stranger', x.shape))),
      /the net uses input "stranger" \[N, 4\], which is not its own/,
    ],
    [
      'an unknown policy',
      'usage',
      (x) => classify(exit(x, { head: classify, policy: 'certainty' as never })),
      /unknown exit policy "certainty"; known are confidence, entropy, patience/,
    ],
    [
      'the exactness of an option that does not exist',
      'usage',
      (x) =>
        select({
          score: gate(x),
          options: { a: () => x, b: () => relu(x) },
          exactness: { int8: { approximate: 0.1 } },
        }),
      /there is no option "int8".*options are a, b/,
    ],
  ])('%s', (_, code, fn, message) => {
    const error = refusal(() => trace(fn));
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
    // The next net is not disturbed.
    expect(decisionsOf(trace((x) => classify(exit(x, { head: classify }))))).toHaveLength(1);
  });

  it('an exit that takes the name of the last answer', () => {
    const named = (name: string) => () =>
      net({ input: [1, 8, 8], classes: 3 }, (x) => classify(exit(x, { head: classify, name })));
    expect(named('final')).toThrow(/an exit cannot be named "final"/);
    expect(named('finally')).not.toThrow();
  });

  it('an exit outside of a net', () => {
    expect(refusal(() => exit(input('x', ['N', 4]), { head: relu })).message).toBe('exit() was called outside net()');
  });

  it('an error of the user passes through, and leaves no half-traced net', () => {
    expect(() =>
      trace(() => {
        throw new RangeError('mine');
      }),
    ).toThrow(RangeError);
    expect(() => trace((x) => classify(x))).not.toThrow();
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { largestDifference } from '../../../test/support/difference.ts';
import { encodeModel, fresh, input, ndarray, scalar, toNumbers, toOnnx } from '../../graph/index.ts';
import { compile } from '../../runtime/index.ts';
import { numbers, run } from '../fixtures/run.ts';
import { adamW, clipByGlobalNorm, type Optimizer, sgd } from './index.ts';

const decay = [1, 0, 1, 1];
const start = [0.5, -1, 2, 0];
const steps = 12;
const lrAt = (t: number): number => 0.05 / (1 + 0.1 * t);
/** Gradients that change sign and size, one of them tiny. */
const gradientAt = (p: readonly number[], t: number): number[] => [
  2 * p[0]! + Math.sin(t),
  30 * Math.cos(2 * t),
  p[2]! ** 3 - 1,
  1e-6 * (t + 1),
];

/** One parameter at a time, in double precision, as torch.optim's documentation writes its algorithms. */
type Rule = (p: number, g: number, lr: number, t: number, state: Record<string, number>) => number;

async function onEngine(optimizer: Optimizer): Promise<number[][]> {
  const names = optimizer.slots.map((_, i) => `slot${i}`);
  const vector = (name: string) => input(name, ['P']);
  const result = fresh(() =>
    optimizer.update({
      param: vector('param'),
      gradient: vector('gradient'),
      slots: names.map(vector),
      lr: input('lr', []),
      step: input('step', []),
      decay: vector('decay'),
    }),
  );
  expect(result.slots.length).toBe(names.length);
  const slotsOut = Object.fromEntries(names.map((name, i) => [`${name} new`, result.slots[i]!]));
  const runner = await compile(encodeModel(toOnnx({ 'param new': result.param, ...slotsOut })));
  const array = (values: readonly number[]) => ndarray('float32', [values.length], values);
  const known = new Set(runner.inputs.map((i) => i.name));
  let param = array(start);
  let slots = names.map(() => array(start.map(() => 0)));
  const path: number[][] = [];
  for (let t = 1; t <= steps; t++) {
    const feeds = {
      param,
      gradient: array(gradientAt(toNumbers(param), t)),
      ...Object.fromEntries(names.map((name, i) => [name, slots[i]!])),
      lr: ndarray('float32', [], [lrAt(t)]),
      step: ndarray('float32', [], [t]),
      decay: array(decay),
    };
    const out = await runner.run(Object.fromEntries(Object.entries(feeds).filter(([name]) => known.has(name))));
    param = out['param new']!;
    slots = names.map((name) => out[`${name} new`]!);
    path.push(toNumbers(param));
  }
  await runner.close();
  return path;
}

function byHand(rule: Rule): number[][] {
  let p = [...start];
  const states = p.map<Record<string, number>>(() => ({}));
  return Array.from({ length: steps }, (_, i) => {
    const g = gradientAt(p, i + 1);
    p = p.map((v, k) => rule(v, g[k]!, lrAt(i + 1), i + 1, Object.assign(states[k]!, { decays: decay[k]! })));
    return p;
  });
}

const torchSgd =
  (momentum: number, weightDecay: number, nesterov: boolean): Rule =>
  (p, g, lr, t, state) => {
    let d = g + weightDecay * state.decays! * p;
    if (momentum !== 0) {
      state.b = t > 1 ? momentum * state.b! + d : d;
      d = nesterov ? d + momentum * state.b : state.b;
    }
    return p - lr * d;
  };

const torchAdamW =
  (beta1: number, beta2: number, epsilon: number, weightDecay: number): Rule =>
  (p, g, lr, t, state) => {
    const decayed = p - lr * weightDecay * state.decays! * p;
    state.m = beta1 * (state.m ?? 0) + (1 - beta1) * g;
    state.v = beta2 * (state.v ?? 0) + (1 - beta2) * g * g;
    const m = state.m / (1 - beta1 ** t);
    const v = state.v / (1 - beta2 ** t);
    return decayed - (lr * m) / (Math.sqrt(v) + epsilon);
  };

describe('optimisers follow their formulas step by step', () => {
  const cases: [string, Optimizer, Rule][] = [
    ['plain', sgd({ momentum: 0 }), torchSgd(0, 0, false)],
    ['decay', sgd({ momentum: 0, weightDecay: 0.1 }), torchSgd(0, 0.1, false)],
    ['momentum', sgd(), torchSgd(0.9, 0, false)],
    ['momentum and decay', sgd({ momentum: 0.8, weightDecay: 0.3 }), torchSgd(0.8, 0.3, false)],
    ['nesterov', sgd({ nesterov: true, weightDecay: 0.05 }), torchSgd(0.9, 0.05, true)],
    ['adamW', adamW(), torchAdamW(0.9, 0.999, 1e-8, 0.01)],
    ['adam without decay', adamW({ weightDecay: 0 }), torchAdamW(0.9, 0.999, 1e-8, 0)],
    [
      'adamW, other settings',
      adamW({ beta1: 0.5, beta2: 0.9, epsilon: 1e-3, weightDecay: 2 }),
      torchAdamW(0.5, 0.9, 1e-3, 2),
    ],
  ];
  test.each(cases)('%s', async (_, optimizer, rule) => {
    const [got, expected] = [await onEngine(optimizer), byHand(rule)];
    for (const [t, p] of expected.entries()) expect(largestDifference(got[t]!, p)).toBeLessThan(2e-5);
    expect(largestDifference(got.at(-1)!, start)).toBeGreaterThan(0.1);
  });

  test("Adam's first step has the size of the learning rate, whatever the gradient's", async () => {
    const [first] = await onEngine(adamW({ weightDecay: 0, epsilon: 1e-12 }));
    for (const [i, v] of first!.entries()) expect(Math.abs(v - start[i]!)).toBeCloseTo(lrAt(1), 6);
  });

  test('slots are named, and only those that are needed exist', () => {
    expect([sgd({ momentum: 0 }), sgd(), adamW()].map((o) => [o.name, o.slots])).toEqual([
      ['sgd', []],
      ['sgd', ['momentum']],
      ['adamW', ['firstMoment', 'secondMoment']],
    ]);
  });

  test('settings outside their range are refused', () => {
    expect(() => sgd({ momentum: 1 })).toThrow('momentum should be at least 0 and below 1, got 1');
    expect(() => sgd({ momentum: 0, nesterov: true })).toThrow('nesterov needs a momentum above 0');
    expect(() => adamW({ weightDecay: Number.NaN })).toThrow(/weightDecay .* got NaN/);
    expect(() => adamW({ beta2: -1 })).toThrow(/beta2/);
  });
});

describe('clipByGlobalNorm', () => {
  test('never exceeds the limit, keeps the direction, and leaves small gradients alone', async () => {
    const { gradient, norm } = fresh(() => clipByGlobalNorm(input('g', ['P']), 2));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 8 }),
        async (values) => {
          const size = Math.hypot(...values);
          const out = await run({ gradient, norm }, { g: ndarray('float32', [values.length], values) });
          const clipped = toNumbers(out.gradient!);
          expect(Number(out.norm!.data[0])).toBeCloseTo(size, 3);
          expect(Math.hypot(...clipped)).toBeLessThanOrEqual(2 + 1e-5);
          const factor = Math.min(1, 2 / (size + 1e-6));
          expect(
            largestDifference(
              clipped,
              values.map((v) => v * factor),
            ),
          ).toBeLessThan(1e-4);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('a zero gradient stays zero; no limit is refused', async () => {
    const { gradient } = clipByGlobalNorm(input('g', [3]), 1);
    expect(await numbers(gradient, { g: ndarray('float32', [3], [0, 0, 0]) })).toEqual([0, 0, 0]);
    expect(() => clipByGlobalNorm(scalar(1), 0)).toThrow(/above 0 is expected, got 0/);
  });
});

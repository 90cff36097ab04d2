import { describe, expect, test } from 'vitest';
import { type Dataset, dataset, Random } from '../../data/index.ts';
import { keep, keepChannels, keepTokens, type Net, net, skip } from '../../dynamic/index.ts';
import {
  encodeModel,
  gradients,
  input,
  mul,
  ndarray,
  reshape,
  sumAll,
  type Tensor,
  toNumbers,
  toOnnx,
} from '../../graph/index.ts';
import { classify, linear, pooled, sgd } from '../../nn/index.ts';
import { compile } from '../../runtime/index.ts';
import { decide } from '../decide.ts';
import { train } from '../fit.ts';
import { halves } from '../fixtures/tiny.ts';
import { exponential, gumbel, keepTarget, macTarget, rateTarget, reinforce, softMixture } from './index.ts';

const quiet = { onWarning() {} };

/** Eight tokens of two numbers; one of them, marked by its second number, tells the class, the others are noise. */
function needles(length: number, seed: number): Dataset {
  const random = new Random(seed, 5);
  const inputs = new Float32Array(length * 16);
  const labels = new Int32Array(length);
  for (let i = 0; i < length; i++) {
    const [at, label] = [random.int(8), random.int(2)];
    for (let t = 0; t < 8; t++) {
      inputs[16 * i + 2 * t] = t === at ? (label === 1 ? 1 : -1) : 2 * random.normal();
      inputs[16 * i + 2 * t + 1] = t === at ? 1 : -1;
    }
    labels[i] = label;
  }
  return dataset({ name: 'needles', inputs, shape: [8, 2], labels, classes: ['no', 'yes'], mean: [0], std: [1] });
}

/** The sum of the tokens that are kept. */
const finder = (): Net =>
  net({ input: [8, 2], classes: 2, ...quiet }, (x) => {
    const score = (t: Tensor) => linear(t, 1, { name: 'score' });
    const kept = keepTokens(x, { threshold: 0, always: 0, score, name: 'tokens' });
    return classify(mul(pooled(kept.tokens), 8));
  });

const shared = { batch: 64, seed: 2, optimizer: sgd({ momentum: 0.9 }), lr: 0.05 } as const;

describe('tokens', () => {
  test.each([
    ['gumbel', gumbel({ temperature: exponential(2, 0.5) })],
    ['soft', softMixture({ temperature: exponential(1, 0.2) })],
  ] as const)('%s: what tells the class is kept, the rest is dropped to the target', async (_, decisions) => {
    const trained = await train(finder(), {
      ...shared,
      data: needles(4096, 1),
      validation: needles(1024, 2),
      epochs: 8,
      decisions,
      cost: keepTarget(0.125),
    });
    const weight = trained.weights.get('tokens/score/weight')!;
    expect(Number(weight.data[1])).toBeGreaterThan(0.5);
    const last = trained.history.at(-1)!;
    expect(last.validation!.final).toBeGreaterThan(0.95);
    expect(last.rate!['tokens/keep']).toBeLessThan(0.3);
    expect(last.rate!['tokens/keep']! + last.rate!['tokens/drop']!).toBeCloseTo(1, 4);
  });
});

describe('channels', () => {
  test('learn through the winners: dropped ones get no gradient, kept ones that of their product', async () => {
    const made = net({ input: [2], classes: 2, ...quiet }, (x) => {
      const worth = linear(x, 4, { name: 'worth' });
      const y = linear(x, 4, { name: 'body' });
      const { values } = keep({
        ...{ score: worth, rule: { count: 2 }, learns: 'winners', name: 'k' },
        values: [{ x: mul(y, worth), axis: 1 }],
      });
      return values[0]!;
    });
    const weights = new Map(
      ['worth', 'body'].flatMap((name, i) => [
        [
          `${name}/weight`,
          ndarray(
            'float32',
            [4, 2],
            [1, 0, 0, 1, -1, 0, 0, -1].map((v) => v + 0.1 * i),
          ),
        ] as const,
        [`${name}/bias`, ndarray('float32', [4], [0, 0, 0, 0])] as const,
      ]),
    );
    const { outputs } = decide(made, [made.output], gumbel());
    const parameters = [...weights.keys()].map((name) => findParam(outputs[0]!, name));
    const [gWorth, , gBody] = gradients(sumAll(outputs[0]!), parameters);
    const runner = await compile(encodeModel(toOnnx({ y: outputs[0]!, gWorth: gWorth!, gBody: gBody! }, { weights })));
    try {
      const out = await runner.run({ input: ndarray('float32', [1, 2], [3, 1]) });
      // worth: 3, 1, -3, -1; units 0 and 1 win. body: 3.4, 1.4 there.
      expect(toNumbers(out.gWorth!).map((v) => Number(v.toFixed(4)))).toEqual([10.2, 3.4, 4.2, 1.4, 0, 0, 0, 0]);
      expect(toNumbers(out.gBody!).map((v) => Number(v.toFixed(4)))).toEqual([9, 3, 3, 1, 0, 0, 0, 0]);
      expect(toNumbers(out.y!).slice(2)).toEqual([0, 0]);
    } finally {
      await runner.close();
    }
  });

  test('a net of them trains, with skips among them', async () => {
    const made = net({ input: [8, 2], classes: 2, ...quiet }, (x) => {
      let y = reshape(x, [0, 1, 8, 2]);
      y = keepChannels(y, 8, { keep: 0.5, norm: 'batch' });
      y = skip(y, (t) => keepChannels(t, 8, { keep: 0.5, norm: 'batch' }));
      return classify(y);
    });
    const trained = await train(made, { ...shared, data: needles(1024, 1), epochs: 3 });
    const { rate, loss } = trained.history.at(-1)!;
    expect(rate!['channels1/keep']).toBeCloseTo(0.5, 5);
    expect(loss).toBeLessThan(trained.history[0]!.loss);
  });
});

function findParam(t: Tensor, name: string): Tensor {
  const walk = (node: Tensor['node']): Tensor | undefined =>
    node.op.leaf === 'param' && node.attrs.name === name
      ? node.outputs[0]
      : node.inputs.map((i) => i && walk(i.node)).find((found) => found);
  return walk(t.node) ?? input(name, []);
}

describe('refused', () => {
  test.each([
    [() => keepTarget(0), /above 0 and at most 1, got 0/],
    [() => keepTarget(1.1), /got 1.1/],
    [() => keepTarget({ tokens: Number.NaN }), /got NaN/],
  ])('%s', (make, message) => {
    expect(make).toThrow(message);
  });

  test('targets for what wins by the rule of the net: nothing would answer to them', async () => {
    const made = net({ input: [1, 8, 8], classes: 2, onWarning() {} }, (x) =>
      classify(keepChannels(x, 8, { keep: 0.5, name: 'gated' })),
    );
    for (const cost of [keepTarget(0.1), rateTarget(0.1), macTarget(0.5), rateTarget({ gated: 0.5 })])
      await expect(train(made, { ...shared, data: halves(64, 1), epochs: 1, cost })).rejects.toThrow(
        /cannot move "gated": how much it takes is part of the net; give its block another count, share/,
      );
  });

  test('shares of decisions that the net does not have, and rewards where no options are drawn', async () => {
    const data = needles(64, 1);
    await expect(train(finder(), { ...shared, data, epochs: 1, cost: keepTarget({ other: 0.5 }) })).rejects.toThrow(
      /a target of kept units names "other", but the decisions that it could be for are tokens/,
    );
    await expect(train(finder(), { ...shared, data, epochs: 1, decisions: reinforce() })).rejects.toThrow(
      /reinforce draws options.*tokens.*train units with gumbel/,
    );
  });
});

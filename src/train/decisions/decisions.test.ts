import { describe, expect, test } from 'vitest';
import { type Dataset, dataset, Random } from '../../data/index.ts';
import { costTable, type Net, net, select, skip } from '../../dynamic/index.ts';
import { encodeModel, input, ndarray, neg, reshape, type Tensor, toOnnx } from '../../graph/index.ts';
import { classify, linear, sgd } from '../../nn/index.ts';
import { compile } from '../../runtime/index.ts';
import { decide } from '../decide.ts';
import { train } from '../fit.ts';
import { hardChoice, perturbed } from './choose.ts';
import { exponential, gumbel, macPrice, macTarget, rateTarget, reinforce, softMixture } from './index.ts';
import type { LossTerm } from './types.ts';

const runOnce = async (outputs: Record<string, Tensor>, feeds: Record<string, ReturnType<typeof ndarray>>) => {
  const runner = await compile(encodeModel(toOnnx(outputs)));
  try {
    return await runner.run(feeds);
  } finally {
    await runner.close();
  }
};

describe('sampling', () => {
  test('draws options with the probabilities of their softmax', async () => {
    const n = 40_000;
    const logits = [0.5, -1, 1.5];
    const random = new Random(3, 1);
    const u = ndarray(
      'float32',
      [n, 3],
      Float32Array.from({ length: 3 * n }, () => random.float()),
    );
    const rows = ndarray(
      'float32',
      [n, 3],
      Float32Array.from({ length: 3 * n }, (_, i) => logits[i % 3]!),
    );
    const picked = hardChoice(perturbed(input('logits', [n, 3]), input('u', [n, 3])));
    const { picked: out } = await runOnce({ picked }, { logits: rows, u });
    const z = logits.map(Math.exp);
    const sum = z.reduce((a, b) => a + b);
    for (const k of [0, 1, 2]) {
      let count = 0;
      for (let i = 0; i < n; i++) count += Number(out!.data[3 * i + k]);
      const p = z[k]! / sum;
      expect(Math.abs(count / n - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / n));
    }
  });

  test('takes the ends of the noise without infinities', async () => {
    const u = ndarray('float32', [2, 2], [0, 1 - 2 ** -24, 1 - 2 ** -24, 0]);
    const noisy = perturbed(input('l', [2, 2]), input('u', [2, 2]));
    const { noisy: out } = await runOnce({ noisy }, { l: ndarray('float32', [2, 2], [0, 0, 0, 0]), u });
    expect(Array.from(out!.data as Float32Array).every(Number.isFinite)).toBe(true);
    expect(Number(out!.data[0])).toBeLessThan(Number(out!.data[1]));
  });

  test('of equal scores the first wins', async () => {
    const { c } = await runOnce(
      { c: hardChoice(input('s', [2, 3])) },
      { s: ndarray('float32', [2, 3], [1, 1, 0, 0, 2, 2]) },
    );
    expect(Array.from(c!.data as Float32Array)).toEqual([1, 0, 0, 0, 1, 0]);
  });
});

/**
 * Inputs of two kinds, told apart by their last number. One kind needs the option "mix" (a product of the others decides
 * its class), the other is as easy without it.
 */
function kinds(length: number, seed: number): Dataset {
  const random = new Random(seed, 5);
  const inputs = new Float32Array(length * 4);
  const labels = new Int32Array(length);
  for (let i = 0; i < length; i++) {
    const hard = random.int(2);
    const label = random.int(2);
    const [a, b] = [random.normal(), random.normal()];
    // Hard: the sign of a product. Easy: the sign of the third number.
    const sign = label === 1 ? 1 : -1;
    inputs[4 * i] = a;
    inputs[4 * i + 1] = hard ? Math.sign(a) * sign * Math.abs(b) : b;
    inputs[4 * i + 2] = hard ? random.normal() * 0.1 : sign * (1 + Math.abs(random.normal()));
    inputs[4 * i + 3] = hard ? 1 : -1;
    labels[i] = label;
  }
  return dataset({ name: 'kinds', inputs, shape: [4], labels, classes: ['no', 'yes'], mean: [0], std: [1] });
}

/** A wide layer behind a gate that sees which kind an input is. */
const gated = (): Net =>
  net({ input: [4], classes: 2 }, (x) => {
    const stem = linear(x, 16); // without the option, the net is linear
    const score = reshape(linear(x, 1, { name: 'gate' }), [-1]);
    const mixed = select({
      name: 'mix',
      family: 'skip',
      score: neg(score),
      options: {
        run: () => linear(linear(stem, 64, { activation: 'relu' }), 16, { activation: 'relu' }),
        skip: () => stem,
      },
    });
    return classify(mixed);
  });

const shared = { batch: 64, seed: 2, optimizer: sgd({ momentum: 0.9 }), lr: 0.05 } as const;

describe('training a gate', () => {
  test.each([
    ['gumbel', gumbel(), rateTarget(0.5)],
    ['gumbel, on expected MACs', gumbel({ temperature: exponential(3, 0.5) }), macTarget(0.6)],
    ['soft mixture', softMixture({ temperature: exponential(1, 0.1) }), macTarget(0.6)],
    ['reinforce', reinforce({ price: 0.3, curriculum: 0.2 }), undefined],
  ] as const)('%s: compute goes to the kind that needs it', async (_, decisions, cost) => {
    const made = gated();
    const lines: number[] = [];
    const trained = await train(made, {
      ...shared,
      data: kinds(4096, 1),
      validation: kinds(1024, 2),
      epochs: 12,
      decisions,
      ...(cost ? { cost: cost as LossTerm } : {}),
      onProgress: (p) => lines.push(p.cost!),
    });
    const w = trained.weights.get('mix/gate/weight') ?? trained.weights.get('gate/weight')!;
    // The gate's own weight on the mark of hard inputs: they run.
    expect(Number(w.data[3])).toBeGreaterThan(0);
    expect(trained.history.at(-1)!.validation!.final).toBeGreaterThan(0.85);
    const { rate, cost: spent } = trained.history.at(-1)!;
    expect(rate!['mix/run']! + rate!['mix/skip']!).toBeCloseTo(1, 4);
    expect(rate!['mix/run']).toBeGreaterThan(0.2);
    expect(rate!['mix/run']).toBeLessThan(0.8);
    expect(spent).toBeGreaterThan(0);
    expect(lines.at(-1)).toBeCloseTo(spent!, 5);
  });

  test('a price of compute closes the gate that nothing needs', async () => {
    const data = kinds(2048, 3);
    const easy = dataset({
      ...data,
      name: 'easy',
      inputs: data.inputs.map((v, i) => (i % 4 === 2 ? (data.labels[i >> 2] ? 3 : -3) : v)) as Float32Array,
      mean: [0],
      std: [1],
    });
    const trained = await train(gated(), { ...shared, data: easy, epochs: 6, decisions: gumbel(), cost: macPrice(2) });
    expect(trained.history.at(-1)!.rate!['mix/skip']).toBeGreaterThan(0.9);
  });
});

test('decisions are counted from the input on, an outer one before those in it', () => {
  const gate = (x: Tensor): Tensor => reshape(linear(x, 1, { name: 'gate' }), [-1]);
  const wide = (x: Tensor): Tensor => linear(x, 8, { activation: 'relu' });
  const made = net({ input: [4], classes: 2, onWarning: () => {} }, (x) => {
    x = skip(linear(x, 8), (y) => skip(wide(y), wide, { gate, name: 'b' }), { gate, name: 'a' });
    return classify(skip(x, wide, { gate, name: 'c' }));
  });
  const met = new Map<string, readonly [number, number]>();
  decide(made, [made.output], {
    name: 'counting',
    weigh({ decision, logits, index, count }) {
      met.set(decision.name, [index, count]);
      return { weights: logits };
    },
  });
  expect(Object.fromEntries(met)).toEqual({ a: [0, 3], 'a/run/b': [1, 3], c: [2, 3] });
});

describe('expected cost', () => {
  test('of sampled choices is the mean of the paths taken', async () => {
    const made = gated();
    const [root, run] = costTable(made);
    const trained = await train(made, { ...shared, data: kinds(640, 4), epochs: 1, decisions: gumbel() });
    const { rate, cost } = trained.history[0]!;
    expect(cost).toBeCloseTo((root!.macs + rate!['mix/run']! * run!.macs) / (root!.macs + run!.macs), 4);
  });
});

test.each([
  ['a rate of 0', () => rateTarget(0)],
  ['a rate above 1', () => rateTarget({ mix: 1.5 })],
  ['a share of the MACs above 1', () => macTarget(1.2)],
  ['a negative price', () => macPrice(-1)],
  ['a weight below 0', () => rateTarget(0.5, { weight: -1 })],
  ['a weight that is none', () => macTarget(0.5, { weight: Number.NaN })],
  ['a target that falls for longer than the training', () => macTarget(0.5, { tighten: 2 })],
  ['a temperature of 0', () => gumbel({ temperature: 0 })],
  ['a curriculum beyond the training', () => reinforce({ curriculum: 2 })],
])('%s is refused', (_, make) => {
  expect(make).toThrow(/(share|number|above 0|from 0 to 1).*got/);
});

test('a cost is refused where only exits decide: nothing would answer to it', async () => {
  const plain = net({ input: [4], classes: 2, name: 'plain' }, (x) => classify(linear(x, 4)));
  await expect(train(plain, { ...shared, data: kinds(640, 4), epochs: 1, cost: macTarget(0.5) })).rejects.toThrow(
    'what compute costs (macs) was given, but this training of "plain" meets no decision but exits',
  );
});

test('rates for decisions that the net does not have are refused', async () => {
  await expect(
    train(gated(), { ...shared, data: kinds(640, 4), epochs: 1, cost: rateTarget({ mix: 0.5, other: 0.5 }) }),
  ).rejects.toThrow('a target rate names "other", but the decisions that it could be for are mix');
});

import { expect, test } from 'vitest';
import { type Dataset, dataset, Random, takeBatch } from '../../data/index.ts';
import { cut, everyWay, exit, type Net, net, observe, skip, waysOf } from '../../dynamic/index.ts';
import { encodeModel, reshape, type Tensor, toOnnx } from '../../graph/index.ts';
import { classify, linear, sgd } from '../../nn/index.ts';
import { compile } from '../../runtime/index.ts';
import { train } from '../fit.ts';
import { exactPolicy, macPrice } from './index.ts';

const gate = (x: Tensor): Tensor => reshape(linear(x, 1, { name: 'gate' }), [-1]);
const wide = (x: Tensor): Tensor => linear(linear(x, 32, { activation: 'relu' }), 8, { activation: 'relu' });

/** Three ways: all, without the inner part, without either. */
const nested = (): Net =>
  net({ input: [4], classes: 2, onWarning: () => {} }, (x) =>
    classify(skip(linear(x, 8), (y) => skip(wide(y), wide, { gate, name: 'inner' }), { gate, name: 'outer' })),
  );

/** Of two kinds, told apart by the last number: the sign of a product decides, or the sign of the third number. */
function kinds(length: number, seed: number): Dataset {
  const random = new Random(seed, 5);
  const labels = new Int32Array(length);
  const inputs = Float32Array.from({ length: 4 * length }, () => random.normal());
  for (let i = 0; i < length; i++) {
    const row = inputs.subarray(4 * i, 4 * i + 4);
    row[3] = i % 2 === 0 ? 1 : -1;
    row[2]! *= row[3] > 0 ? 0.1 : 2;
    labels[i] = Number((row[3] > 0 ? row[0]! * row[1]! : row[2]!) > 0);
  }
  return dataset({ name: 'kinds', inputs, shape: [4], labels, classes: ['no', 'yes'], mean: [0], std: [1] });
}

async function runOn(outputs: Record<string, Tensor>, { weights }: { weights: ReadonlyMap<string, never> }, x: never) {
  const runner = await compile(encodeModel(toOnnx(outputs, { weights })));
  try {
    return await runner.run({ input: x });
  } finally {
    await runner.close();
  }
}

test('the loss is every path’s own, and the one that is expected under the policy, to the last digit', async () => {
  const made = nested();
  const data = kinds(64, 1);
  const ways = waysOf(made);
  const price = 0.7;
  const trained = await train(made, {
    ...{ data, epochs: 1, batch: 64, paths: everyWay(made), decisions: exactPolicy(), cost: macPrice(price) },
    optimizer: sgd({ momentum: 0 }),
    lr: 1e-12,
  });
  const { loss, cost } = trained.history[0]!;

  const model = trained as never;
  const { x } = takeBatch(
    data,
    Int32Array.from({ length: 64 }, (_, i) => i),
  ) as never as { x: never };
  const { choices } = observe(made);
  const scores = await runOn(Object.fromEntries(choices.map((c) => [c.decision, c.score])), model, x);
  const answers = [];
  for (const way of ways) answers.push((await runOn({ logits: cut(made, way.choices).output }, model, x)).logits!.data);

  let [own, expected, macs] = [0, 0, 0];
  for (let i = 0; i < 64; i++)
    for (const [w, way] of ways.entries()) {
      const [a, b] = [Number(answers[w]![2 * i]), Number(answers[w]![2 * i + 1])];
      const entropy = Math.log(1 + Math.exp(data.labels[i] === 1 ? a - b : b - a));
      const probability = Object.entries(way.choices).reduce((p, [d, option]) => {
        const score = Number(scores[d]!.data[i]);
        return p / (1 + Math.exp(option === 'skip' ? -score : score));
      }, 1);
      own += entropy / 64;
      expected += (probability * entropy) / 64;
      macs += (probability * way.macs) / ways.at(-1)!.macs / 64;
    }
  expect(cost).toBeCloseTo(macs, 5);
  expect(loss).toBeCloseTo(own + expected + price * macs, 4);
});

test('compute goes to the kind that needs it', async () => {
  const made = nested();
  const trained = await train(made, {
    ...{ data: kinds(4096, 1), validation: kinds(1024, 2), epochs: 12, batch: 64, seed: 2 },
    ...{ paths: everyWay(made), decisions: exactPolicy(), cost: macPrice(0.3) },
    ...{ optimizer: sgd({ momentum: 0.9 }), lr: 0.05 },
  });
  const data = kinds(1024, 3);
  const { x } = takeBatch(
    data,
    Int32Array.from({ length: 1024 }, (_, i) => i),
  ) as never as { x: never };
  const { choices } = observe(made);
  const outer = choices.find((c) => c.decision === 'outer')!;
  const { score } = await runOn({ score: outer.score }, trained as never, x);
  const skipped = [0, 0];
  for (let i = 0; i < 1024; i++) if (Number(score!.data[i]) > 0) skipped[i % 2]! += 1 / 512;
  expect(skipped[0]).toBeLessThan(0.1);
  expect(skipped[1]).toBeGreaterThan(0.9);
});

test('open decisions, exits and weights of the loss that are none are refused', async () => {
  const options = { data: kinds(64, 1), epochs: 1, batch: 32, decisions: exactPolicy() };
  await expect(train(nested(), options)).rejects.toThrow('exactPolicy looks at whole paths, and none were given');
  await expect(train(nested(), { ...options, paths: [{ outer: 'run' }] })).rejects.toThrow(
    'the path "run" leaves decision "outer/run/inner" open',
  );
  const early = net({ input: [4], classes: 2, onWarning: () => {} }, (x) =>
    classify(skip(exit(linear(x, 8), { head: classify }), wide, { gate, name: 'outer' })),
  );
  for (const paths of [[{ outer: 'run' }, { outer: 'skip' }], everyWay(early)])
    await expect(train(early, { ...options, paths })).rejects.toThrow('exits of "net" are no policy');
  // Options alone would name two of the three ways alike.
  const named = await train(nested(), {
    ...options,
    paths: [...everyWay(nested()), { outer: 'skip', 'outer/run/inner': 'run' }],
  });
  expect(Object.keys(named.history[0]!.accuracy)).toHaveLength(4);
  expect(() => exactPolicy({ weight: 0 })).toThrow('above 0, got 0');
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { net, parametersOf } from '../dynamic/index.ts';
import { decodeModel, ndarray, type Tensor, toNumbers } from '../graph/index.ts';
import { batchNorm, classify, conv, materialize, residual, sgd } from '../nn/index.ts';
import { type Arrays, blockSize, openState } from '../runtime/index.ts';
import { flatten, unflatten } from './layout.ts';
import { type TrainingGraphs, trainingGraphs } from './step.ts';

const block = await blockSize();

interface Plan {
  readonly batch: number;
  readonly input: readonly [number, number, number];
  readonly stem: number;
  readonly blocks: readonly { width: number; stride: number; bottleneck: boolean }[];
  readonly groups: boolean;
}

const traced = ({ input, stem, blocks, groups }: Plan) =>
  net({ input: [...input], classes: 3 }, (x) => {
    x = conv(x, stem, { norm: groups ? 'group' : 'batch', activation: 'relu' });
    for (const { width, ...options } of blocks) x = residual(x, width, options);
    return classify(x);
  });

const wave = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(12.9898 * (i + 1)) * 2);

/** One step from the same start: loss, and weights and statistics afterwards. */
async function step(plan: Plan, graphs: TrainingGraphs, values: ReturnType<typeof materialize>) {
  const weights = flatten(values, graphs.weights);
  const initial: Arrays = { weights };
  if (graphs.statistics.size > 0) initial.statistics = flatten(values, graphs.statistics);
  const runner = await openState(
    { train: graphs.train },
    { state: graphs.state, initial, session: { intraOpNumThreads: 1 } },
  );
  try {
    const { loss } = await runner.step({
      x: ndarray('float32', [plan.batch, ...plan.input], wave(plan.batch * plan.input.reduce((a, b) => a * b, 1))),
      y: ndarray(
        'int64',
        [plan.batch],
        Array.from({ length: plan.batch }, (_, i) => i % 3),
      ),
      lr: ndarray('float32', [], [1]), // the change of the weights is the gradient
    });
    const after = await runner.read();
    // By name: where the step works in blocks, its state lies in blocks too.
    const [start, end] = [weights, after.weights!].map((w) =>
      [...unflatten(w, graphs.weights).values()].flatMap(toNumbers),
    );
    return {
      loss: toNumbers(loss!)[0]!,
      gradient: end!.map((v, i) => start![i]! - v),
      statistics: after.statistics ? toNumbers(after.statistics) : [],
    };
  } finally {
    await runner.close();
  }
}

const norm = (v: readonly number[]): number => Math.sqrt(v.reduce((s, x) => s + x * x, 0));
const apart = (a: readonly number[], b: readonly number[]): number =>
  norm(a.map((v, i) => v - b[i]!)) / (norm(a) + 1e-9);

test.skipIf(!block)('a step in blocks is the plain step, for nets of any shape', { timeout: 120_000 }, async () => {
  const b = block!;
  const width = fc.constantFrom(4, b, b + 4, 2 * b);
  const plans = fc.record({
    batch: fc.constantFrom(5, b, b + 3, 2 * b),
    input: fc.constantFrom<[number, number, number]>([1, 7, 7], [3, 8, 6], [2, 14, 14], [1, 9, 5]),
    stem: width,
    blocks: fc.array(fc.record({ width, stride: fc.constantFrom(1, 2), bottleneck: fc.boolean() }), { maxLength: 2 }),
    groups: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      const made = traced(plan);
      const options = { batch: plan.batch, optimizer: sgd({ momentum: 0 }) };
      const values = materialize(parametersOf(made), 1);
      const plain = await step(plan, trainingGraphs(made, options), values);
      const fast = await step(plan, trainingGraphs(made, { ...options, block }), values);
      expect(Math.abs(plain.loss - fast.loss)).toBeLessThan(1e-5 * Math.max(1, plain.loss));
      expect(apart(plain.gradient, fast.gradient)).toBeLessThan(1e-4);
      expect(apart(plain.statistics, fast.statistics)).toBeLessThan(1e-5);
    }),
    { numRuns: 12 },
  );
});

test('only the step may use what belongs to the engine', () => {
  const plan: Plan = { batch: 32, input: [3, 8, 8], stem: 16, blocks: [], groups: false };
  const domains = (bytes: Uint8Array) => Object.keys(decodeModel(bytes).opsets);
  const options = { batch: 32, optimizer: sgd() };
  const fast = trainingGraphs(traced(plan), { ...options, block: 16 });
  expect(domains(fast.train)).toContain('com.microsoft.nchwc');
  expect(domains(fast.evaluate)).not.toContain('com.microsoft.nchwc');
  expect(domains(trainingGraphs(traced(plan), options).train)).not.toContain('com.microsoft.nchwc');
});

test('running statistics move by a tenth of the way to those of the batch', async () => {
  const plan: Plan = { batch: 4, input: [2, 3, 3], stem: 2, blocks: [], groups: false };
  const made = net({ input: [...plan.input], classes: 3 }, (x: Tensor) => classify(batchNorm(x)));
  const graphs = trainingGraphs(made, { batch: plan.batch, optimizer: sgd({ momentum: 0 }) });
  const { statistics } = await step(plan, graphs, materialize(parametersOf(made), 1));
  const x = wave(plan.batch * 18);
  const channel = (c: number) => Array.from(x).filter((_, i) => Math.floor(i / 9) % 2 === c);
  const mean = (v: number[]) => v.reduce((a, b) => a + b, 0) / v.length;
  const means = [0, 1].map((c) => mean(channel(c)));
  const variances = [0, 1].map((c) => (mean(channel(c).map((v) => (v - means[c]!) ** 2)) * 36) / 35);
  const expected = [...means.map((m) => 0.1 * m), ...variances.map((v) => 0.9 + 0.1 * v)];
  statistics.forEach((v, i) => {
    expect(v).toBeCloseTo(expected[i]!, 5);
  });
});

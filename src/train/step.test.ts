import { afterEach, expect, it } from 'vitest';
import { exit, net, parametersOf } from '../dynamic/index.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import { batchNorm, classify, flatten as flat, linear, materialize, sgd } from '../nn/index.ts';
import { openState, type StateRunner } from '../runtime/index.ts';
import { flatten, unflatten } from './layout.ts';
import { type StepOptions, type TrainingGraphs, trainingGraphs } from './step.ts';

let runner: StateRunner | undefined;
afterEach(() => runner?.close());

async function open(graphs: TrainingGraphs, values: ReadonlyMap<string, NDArray>): Promise<StateRunner> {
  const zeros = () => ndarray('float32', [graphs.weights.size], new Float32Array(graphs.weights.size));
  runner = await openState(
    { train: graphs.train, evaluate: graphs.evaluate },
    {
      state: graphs.state,
      initial: {
        weights: flatten(values, graphs.weights),
        ...Object.fromEntries(graphs.slots.map((name) => [name, zeros()])),
        ...(graphs.statistics.size > 0 ? { statistics: flatten(values, graphs.statistics) } : {}),
      },
    },
  );
  return runner;
}

const X = [0.5, -1, 2, 1, 0.25, -0.5, -2, 1, 0, 3, -1, 1]; // 4 items of 3 features
const Y = [0, 1, 1, 0];
const feeds = (lr: number) => ({
  x: ndarray('float32', [4, 3], X),
  y: ndarray('int64', [4], Y),
  lr: ndarray('float32', [], [lr]),
});
const options: StepOptions = {
  batch: 4,
  optimizer: sgd({ momentum: 0.9, weightDecay: 0.1 }),
  clip: 0.2,
  smoothing: 0.1,
};

/** Softmax regression by hand: loss, and SGD with momentum, decay of the weight alone, clipping and label smoothing. */
function byHand(w: number[], b: number[], steps: number, lr: number): { losses: number[]; w: number[]; b: number[] } {
  const velocity = new Array<number>(8).fill(0);
  const losses: number[] = [];
  for (let s = 0; s < steps; s++) {
    const g = new Array<number>(8).fill(0);
    let loss = 0;
    for (let i = 0; i < 4; i++) {
      const z = [0, 1].map((k) => b[k]! + [0, 1, 2].reduce((sum, j) => sum + w[3 * k + j]! * X[3 * i + j]!, 0));
      const p = z.map((v) => Math.exp(v) / (Math.exp(z[0]!) + Math.exp(z[1]!)));
      for (const k of [0, 1]) {
        const target = 0.05 + (k === Y[i] ? 0.9 : 0);
        loss -= (target * Math.log(p[k]!)) / 4;
        for (const j of [0, 1, 2]) g[3 * k + j]! += ((p[k]! - target) * X[3 * i + j]!) / 4;
        g[6 + k]! += (p[k]! - target) / 4;
      }
    }
    losses.push(loss);
    const norm = Math.sqrt(g.reduce((sum, v) => sum + v * v, 0));
    for (let j = 0; j < 8; j++) {
      const clipped = g[j]! * Math.min(1, 0.2 / (norm + 1e-6));
      const p = j < 6 ? w : b;
      const at = j < 6 ? j : j - 6;
      velocity[j] = 0.9 * velocity[j]! + clipped + (j < 6 ? 0.1 * p[at]! : 0);
      p[at]! -= lr * velocity[j]!;
    }
  }
  return { losses, w, b };
}

it('steps as softmax regression does by hand', async () => {
  const regression = net({ input: [3], classes: 2 }, (x) => linear(x, 2));
  const graphs = trainingGraphs(regression, options);
  const values = materialize(parametersOf(regression), 3);
  const numbers = (end: string) => [...([...values].find(([n]) => n.endsWith(end))![1].data as Float32Array)];
  const expected = byHand(numbers('weight'), numbers('bias'), 5, 0.3);
  const state = await open(graphs, values);
  for (const loss of expected.losses) {
    const out = await state.step(feeds(0.3));
    expect(out.loss!.data[0]).toBeCloseTo(loss, 5);
  }
  const after = unflatten((await state.read()).weights!, graphs.weights);
  for (const [name, value] of after)
    for (const [i, v] of (name.endsWith('weight') ? expected.w : expected.b).entries())
      expect(value.data[i]).toBeCloseTo(v, 5);
});

it('sums the weighted losses of all answers, and tells each', async () => {
  const early = net({ input: [3], classes: 2 }, (x) => linear(exit(linear(x, 4), { head: (h) => linear(h, 2) }), 2));
  const lossWith = async (weights: readonly number[]) => {
    const graphs = trainingGraphs(early, { ...options, weights });
    expect(graphs.answers).toEqual(['exit1', 'final']);
    const state = await open(graphs, materialize(parametersOf(early), 3));
    const out = await state.step(feeds(0.1));
    expect(Object.keys(out).sort()).toEqual(
      ['accuracy/exit1', 'accuracy/final', 'entropy/exit1', 'entropy/final', 'loss', 'norm'].sort(),
    );
    await state.close();
    return Number(out.loss!.data[0]);
  };
  const [first, last, both] = [await lossWith([1, 0]), await lossWith([0, 1]), await lossWith([0.5, 2])];
  expect(both).toBeCloseTo(0.5 * first + 2 * last, 5);
});

it('measures running statistics: mean, and the unbiased variance', async () => {
  const normed = net({ input: [3], classes: 2 }, (x) => classify(flat(batchNorm(x))));
  const graphs = trainingGraphs(normed, options);
  const state = await open(graphs, materialize(parametersOf(normed), 1));
  await state.step(feeds(0.1));
  const after = unflatten((await state.read()).statistics!, graphs.statistics);
  for (let j = 0; j < 3; j++) {
    const column = [0, 1, 2, 3].map((i) => X[3 * i + j]!);
    const mean = column.reduce((a, v) => a + v) / 4;
    const variance = column.reduce((a, v) => a + (v - mean) ** 2, 0) / 3;
    for (const [name, value] of after)
      expect(value.data[j]).toBeCloseTo(name.endsWith('mean') ? 0.1 * mean : 0.9 + 0.1 * variance, 5);
  }
});

it('a step whose loss is not finite leaves the state as it was, bit for bit', async () => {
  const normed = net({ input: [3], classes: 2 }, (x) => classify(flat(batchNorm(linear(x, 4)))));
  const state = await open(trainingGraphs(normed, options), materialize(parametersOf(normed), 1));
  await state.step(feeds(0.1));
  const before = await state.read();
  const bad = { ...feeds(0.1), x: ndarray('float32', [4, 3], [Number.NaN, ...X.slice(1)]) };
  expect((await state.step(bad)).loss!.data[0]).toBeNaN();
  expect(await state.read()).toEqual(before);
  await state.step(feeds(0.1)); // and it can go on
  const next = await state.read();
  expect(next.weights).not.toEqual(before.weights);
  expect((next.weights!.data as Float32Array).every(Number.isFinite)).toBe(true);
});

import { type Answer, answersOf, type Net, observe } from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import {
  add,
  BATCH,
  concat,
  constant,
  encodeModel,
  gradients,
  input,
  mul,
  ndarray,
  order,
  type ParamAttrs,
  reshape,
  simplify,
  sizeOf,
  substitute,
  type Tensor,
  toOnnx,
} from '../graph/index.ts';
import {
  accuracy,
  clipByGlobalNorm,
  crossEntropy,
  distillation,
  entropy,
  type Optimizer,
  paramsOf,
} from '../nn/index.ts';
import { type Layout, layoutOf, unpack } from './layout.ts';
import { type NoiseInput, prepare } from './prepare.ts';

/** What a step minimises and how. */
export interface StepOptions {
  readonly batch: number;
  readonly optimizer: Optimizer;
  /** Largest global norm of the gradient; no clipping when left out. */
  readonly clip?: number;
  readonly smoothing?: number;
  /** Weight of each answer's loss, earliest first; all 1 by default. */
  readonly weights?: readonly number[];
  /** The last answer teaches the earlier ones: weight and temperature of the distillation loss (Phuong & Lampert 2019). */
  readonly distill?: { readonly weight: number; readonly temperature: number };
}

/** The engine's side of training: two graphs over one shared state. */
export interface TrainingGraphs {
  /** One step: batch, learning rate and state in; new state and metrics out. */
  readonly train: Uint8Array;
  /** A batch of any size: all answers and scores, at inference. */
  readonly evaluate: Uint8Array;
  readonly state: readonly { readonly input: string; readonly output: string }[];
  readonly weights: Layout;
  readonly statistics: Layout;
  readonly slots: readonly string[];
  readonly noise: readonly NoiseInput[];
  readonly answers: readonly string[];
  readonly decisions: readonly string[];
}

/** Weight decay applies to weights, not to biases and normalisation scales. */
const decayMask = ({ params, size }: Layout): Tensor => {
  const mask = new Float32Array(size);
  let at = 0;
  for (const p of params) {
    if (p.role === 'weight') mask.fill(1, at, at + sizeOf(p.shape));
    at += sizeOf(p.shape);
  }
  return constant(ndarray('float32', [size], mask));
};

const leaves = (outputs: readonly Tensor[]): Tensor[] =>
  order(outputs)
    .filter((n) => n.op.leaf === 'param')
    .map((n) => n.outputs[0]!);

const trainable = (p: ParamAttrs): boolean => p.role !== 'statistic';

function lossOf(answers: readonly Answer[], labels: Tensor, o: StepOptions): Tensor {
  const last = answers.at(-1)!;
  const terms = answers.map(({ logits }, i) => {
    let loss = crossEntropy(logits, labels, { smoothing: o.smoothing ?? 0 });
    if (o.distill && logits !== last.logits)
      loss = add(
        loss,
        mul(distillation(logits, last.logits, { temperature: o.distill.temperature }), o.distill.weight),
      );
    return mul(loss, o.weights?.[i] ?? 1);
  });
  return terms.reduce((a, b) => add(a, b));
}

/**
 * Builds the graphs that train a net. The whole step (forward, backward, optimiser, running statistics) is one graph;
 * parameters travel as one flat vector.
 *
 * @throws DynaError 'gradient' where an operator on the path to a parameter has no gradient
 */
export function trainingGraphs(net: Net, options: StepOptions): TrainingGraphs {
  const { batch, optimizer } = options;
  if (options.weights && options.weights.length !== answersOf(net).length)
    throw new DynaError(
      'usage',
      `${answersOf(net).length} answers need as many loss weights, got ${options.weights.length}`,
    );
  const params = paramsOf([net.output]);
  const weights = layoutOf(params.filter(trainable));
  const statistics = layoutOf(params.filter((p) => !trainable(p)));
  const traced = answersOf(net);

  const x = input('x', [batch, ...net.spec.input]);
  const y = input('y', [batch], 'int64');
  const bound = (
    outputs: readonly Tensor[],
    item: Tensor,
    flat: Tensor,
    flatStatistics: Tensor | undefined,
  ): { outputs: Tensor[]; values: Map<string, Tensor> } => {
    const values = new Map([...unpack(flat, weights), ...(flatStatistics ? unpack(flatStatistics, statistics) : [])]);
    const replacements = new Map(leaves(outputs).map((t) => [t, values.get(t.node.attrs.name)!]));
    replacements.set(net.input, item);
    return { outputs: substitute(outputs, replacements), values };
  };

  const flat = input('weights', [weights.size]);
  const flatStatistics = statistics.size > 0 ? input('statistics', [statistics.size]) : undefined;
  const start = bound(
    traced.map((a) => a.logits),
    x,
    flat,
    flatStatistics,
  );
  const prepared = prepare(start.outputs);
  const answers = traced.map(({ name }, i) => ({ name, logits: prepared.outputs[i]! }));
  const loss = lossOf(answers, y, options);

  const views = weights.params.map((p) => start.values.get(p.name)!);
  let gradient = concat(
    gradients(loss, views).map((g) => reshape(g, [-1])),
    0,
  );
  if (options.clip !== undefined) gradient = clipByGlobalNorm(gradient, options.clip).gradient;
  const slots = optimizer.slots.map((name) => input(name, [weights.size]));
  const updated = optimizer.update({
    param: flat,
    gradient,
    slots,
    lr: input('lr', []),
    step: input('step', []),
    decay: decayMask(weights),
  });

  const outputs: Record<string, Tensor> = { loss, 'weights/next': updated.param };
  for (const [i, name] of optimizer.slots.entries()) outputs[`${name}/next`] = updated.slots[i]!;
  if (flatStatistics) {
    const now = statistics.params.map((p) => {
      const old = start.values.get(p.name)!;
      return reshape(prepared.statistics.get(old) ?? old, [-1]);
    });
    outputs['statistics/next'] = concat(now, 0);
  }
  for (const { name, logits } of answers) {
    outputs[`accuracy/${name}`] = accuracy(logits, y);
    outputs[`entropy/${name}`] = entropy(logits);
  }
  const state = ['weights', ...optimizer.slots, ...(flatStatistics ? ['statistics'] : [])].map((name) => ({
    input: name,
    output: `${name}/next`,
  }));

  const seen = observe(net);
  const shown = bound(
    [...seen.scores.map((s) => s.score), ...seen.answers.map((a) => a.logits)],
    input('x', [BATCH, ...net.spec.input]),
    flat,
    flatStatistics,
  ).outputs;
  const evaluated: Record<string, Tensor> = {};
  for (const [i, s] of seen.scores.entries()) evaluated[`score/${s.decision}`] = shown[i]!;
  for (const [i, a] of seen.answers.entries()) evaluated[`answer/${a.name}`] = shown[seen.scores.length + i]!;

  return {
    train: encode(outputs),
    evaluate: encode(evaluated),
    state,
    weights,
    statistics,
    slots: optimizer.slots,
    noise: prepared.noise,
    answers: answers.map((a) => a.name),
    decisions: seen.scores.map((s) => s.decision),
  };
}

function encode(outputs: Record<string, Tensor>): Uint8Array {
  const names = Object.keys(outputs);
  const simple = simplify(Object.values(outputs));
  return encodeModel(toOnnx(Object.fromEntries(names.map((n, i) => [n, simple[i]!]))));
}

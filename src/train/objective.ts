import { type Answer, answersOf, type Net } from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import { add, concat, gradients, input, mul, order, reshape, substitute, type Tensor } from '../graph/index.ts';
import { crossEntropy, distillation, paramsOf } from '../nn/index.ts';
import { type Layout, layoutOf, unpack } from './layout.ts';
import { type NoiseInput, prepare } from './prepare.ts';

/** What training minimises. */
export interface ObjectiveOptions {
  readonly batch: number;
  readonly smoothing?: number;
  /** Weight of each answer's loss, earliest first; all 1 by default. */
  readonly weights?: readonly number[];
  /** The last answer teaches the earlier ones: weight and temperature of the distillation loss (Phuong & Lampert 2019). */
  readonly distill?: { readonly weight: number; readonly temperature: number };
}

/** The parameters of a net as two flat vectors: trained ones, and measured ones (absent where there are none). */
export interface FlatParameters {
  readonly weights: Layout;
  readonly statistics: Layout;
  readonly flat: Tensor;
  readonly flatStatistics: Tensor | undefined;
}

export function flatParameters(net: Net): FlatParameters {
  const params = paramsOf([net.output]);
  const weights = layoutOf(params.filter((p) => p.role !== 'statistic'));
  const statistics = layoutOf(params.filter((p) => p.role === 'statistic'));
  if (weights.size === 0) throw new DynaError('training', `the net "${net.name}" has no parameters to train`);
  return {
    weights,
    statistics,
    flat: input('weights', [weights.size]),
    flatStatistics: statistics.size > 0 ? input('statistics', [statistics.size]) : undefined,
  };
}

/** Rebuilds `outputs` of a net on `item` as its input and on the flat vectors as its parameters. */
export function bind(
  net: Net,
  outputs: readonly Tensor[],
  item: Tensor,
  { weights, statistics, flat, flatStatistics }: FlatParameters,
): { outputs: Tensor[]; values: ReadonlyMap<string, Tensor> } {
  const values = new Map([...unpack(flat, weights), ...(flatStatistics ? unpack(flatStatistics, statistics) : [])]);
  const params = order(outputs).filter((n) => n.op.leaf === 'param');
  const replacements = new Map(params.map((n) => [n.outputs[0]!, values.get(n.attrs.name)!]));
  replacements.set(net.input, item);
  return { outputs: substitute(outputs, replacements), values };
}

/** The loss of a batch and its gradients, as graph over the inputs "x", "y", "weights", "statistics" and the noise. */
export interface Objective {
  readonly labels: Tensor;
  readonly answers: readonly Answer[];
  readonly loss: Tensor;
  /** The loss's gradient by each trained parameter, in the order of the layout. */
  readonly gradients: readonly Tensor[];
  /** The running statistics after this batch. */
  readonly nextStatistics: Tensor | undefined;
  readonly noise: readonly NoiseInput[];
}

function lossOf(answers: readonly Answer[], labels: Tensor, o: ObjectiveOptions): Tensor {
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
 * Traces what training minimises: the weighted sum of all answers' losses on a batch, and its gradients.
 *
 * @throws DynaError 'gradient' where an operator on the path to a parameter has no gradient
 */
export function objectiveOf(net: Net, parameters: FlatParameters, options: ObjectiveOptions): Objective {
  const traced = answersOf(net);
  if (options.weights && options.weights.length !== traced.length)
    throw new DynaError('usage', `${traced.length} answers need as many loss weights, got ${options.weights.length}`);
  const x = input('x', [options.batch, ...net.spec.input]);
  const labels = input('y', [options.batch], 'int64');
  const logits = traced.map((a) => a.logits);
  const start = bind(net, logits, x, parameters);
  const prepared = prepare(start.outputs);
  const answers = traced.map(({ name }, i) => ({ name, logits: prepared.outputs[i]! }));
  const loss = lossOf(answers, labels, options);
  const { weights, statistics, flatStatistics } = parameters;
  const paramValue = (name: string): Tensor => start.values.get(name)!;
  const measured = statistics.params.map(({ name }) =>
    reshape(prepared.statistics.get(paramValue(name)) ?? paramValue(name), [-1]),
  );
  return {
    labels,
    answers,
    loss,
    gradients: gradients(
      loss,
      weights.params.map((p) => paramValue(p.name)),
    ),
    nextStatistics: flatStatistics ? concat(measured, 0) : undefined,
    noise: prepared.noise,
  };
}

import { type Answer, answersOf, type Choices, cut, fixed, type Model, type Net } from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import {
  add,
  type BlockSize,
  concat,
  constant,
  gradients,
  input,
  mul,
  order,
  reshape,
  substitute,
  type Tensor,
} from '../graph/index.ts';
import { crossEntropy, distillation, paramsOf, stopGradient } from '../nn/index.ts';
import { type DecidedJoin, decide, lossView, type ScalarInput, scalarReader, scalarsOf } from './decide.ts';
import { type DecisionTraining, gumbel, type LossTerm } from './decisions/index.ts';
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
  /** A trained model that teaches every answer, with its plain, full path (Hinton et al. 2015, arXiv:1503.02531). */
  readonly teacher?: { readonly model: Model; readonly weight: number; readonly temperature: number };
  /** How decisions that are no exits are trained; `gumbel()` by default. */
  readonly decisions?: DecisionTraining;
  /** What compute costs: a term of the loss on the rates or expected MACs of those decisions. */
  readonly cost?: LossTerm | readonly LossTerm[];
  /**
   * Trains these fixed paths instead, each with a loss of its own (see `everyWidth`); the first teaches the others where
   * `distill` is given (in-place distillation; Yu & Huang 2019, arXiv:1903.05134).
   */
  readonly paths?: readonly Choices[];
}

/** The parameters of a net as two flat vectors: trained ones, and measured ones (absent where there are none). */
export interface FlatParameters {
  readonly weights: Layout;
  readonly statistics: Layout;
  readonly flat: Tensor;
  readonly flatStatistics: Tensor | undefined;
}

/** @param block of the engine's blocked convolutions, where the graphs use them */
export function flatParameters(net: Net, block?: BlockSize): FlatParameters {
  const params = paramsOf([net.output]);
  const weights = layoutOf(
    params.filter((p) => p.role !== 'statistic'),
    block,
  );
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
  readonly scalars: readonly ScalarInput[];
  /** Decisions that are no exits, with the weights of their options in this batch. */
  readonly decisions: readonly DecidedJoin[];
  /** Expected MACs of each input as a share of the dearest path, [N]; undefined where only exits decide. */
  readonly expected: Tensor | undefined;
}

/** What has a loss: the net's answers, or those of each fixed path, the first path (which teaches) last. */
export function answersIn(net: Net, { paths }: Pick<ObjectiveOptions, 'paths'>): Answer[] {
  if (!paths) return answersOf(net);
  if (paths.length === 0) throw new DynaError('usage', 'paths should name at least one path, got none');
  return [...paths].reverse().flatMap((choices) => {
    const name = [...new Set(Object.values(choices))].join('+') || 'plain';
    return answersOf(fixed(net, choices)).map((a) => ({ name: `${a.name}@${name}`, logits: a.logits }));
  });
}

/** [N]: the loss of each input, for rewards. */
const rowLosses = (answers: readonly Answer[], labels: Tensor, o: ObjectiveOptions): Tensor =>
  answers
    .map(({ logits }, i) => mul(crossEntropy(logits, labels, { reduction: 'none' }), o.weights?.[i] ?? 1))
    .reduce((a, b) => add(a, b));

/** The logits of the teacher's full path on `x`, as it answers at inference. */
function teacherLogits({ net, weights }: Model, x: Tensor): Tensor {
  const full = cut(net);
  const replacements = new Map<Tensor, Tensor>([[full.input, x]]);
  for (const { op, attrs, outputs } of order([full.output]))
    if (op.leaf === 'param') {
      const value = weights.get(attrs.name);
      if (!value)
        throw new DynaError('training', `the teacher "${net.name}" has no value for its parameter "${attrs.name}"`);
      replacements.set(outputs[0]!, constant(value));
    }
  return stopGradient(substitute([full.output], replacements)[0]!);
}

function lossOf(answers: readonly Answer[], labels: Tensor, x: Tensor, o: ObjectiveOptions): Tensor {
  const last = answers.at(-1)!;
  const taught = o.teacher && teacherLogits(o.teacher.model, x);
  const terms = answers.map(({ logits }, i) => {
    let loss = crossEntropy(logits, labels, { smoothing: o.smoothing ?? 0 });
    if (o.distill && logits !== last.logits)
      loss = add(
        loss,
        mul(distillation(logits, last.logits, { temperature: o.distill.temperature }), o.distill.weight),
      );
    if (taught)
      loss = add(loss, mul(distillation(logits, taught, { temperature: o.teacher!.temperature }), o.teacher!.weight));
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
  const traced = answersIn(net, options);
  if (options.weights && options.weights.length !== traced.length)
    throw new DynaError('usage', `${traced.length} answers need as many loss weights, got ${options.weights.length}`);
  const x = input('x', [options.batch, ...net.spec.input]);
  const labels = input('y', [options.batch], 'int64');
  const logits = traced.map((a) => a.logits);
  const start = bind(net, logits, x, parameters);
  const way = options.decisions ?? gumbel();
  const decided = decide(net, start.outputs, way);
  const prepared = prepare([...decided.outputs, ...decided.decisions.flatMap(tensorsOf)]);
  const answers = traced.map(({ name }, i) => ({ name, logits: prepared.outputs[i]! }));
  let at = answers.length;
  const decisions = decided.decisions.map((d) => {
    const own = tensorsOf(d).map(() => prepared.outputs[at++]!);
    return withTensors(d, own);
  });
  const view = decisions.length > 0 ? lossView(net, rowLosses(answers, labels, options), decisions) : undefined;
  const costs = [options.cost ?? []].flat();
  if (!view && costs.length > 0)
    throw new DynaError(
      'usage',
      `what compute costs (${costs.map((c) => c.name).join(', ')}) was given, but this training of "${net.name}" meets no decision but exits`,
      { fix: 'leave cost out: exits are moved by certify, afterwards' },
    );
  const terms = view ? [way.term && { name: way.name, of: way.term.of }, ...costs] : [];
  const loss = terms.reduce<Tensor>(
    (sum, term) => (term ? add(sum, term.of({ ...view!, scalar: scalarReader(term.name) })) : sum),
    lossOf(answers, labels, x, options),
  );
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
    noise: [...decided.noise, ...prepared.noise],
    scalars: view ? [way, ...costs].flatMap(scalarsOf) : [],
    decisions,
    expected: view?.cost,
  };
}

const parts = ['weights', 'probabilities', 'logProbability', 'entropy'] as const;

const tensorsOf = (d: DecidedJoin): Tensor[] => parts.flatMap((p) => d[p] ?? []);

/** The same decision with other tensors, in the order of `tensorsOf`. */
function withTensors(d: DecidedJoin, tensors: readonly Tensor[]): DecidedJoin {
  const present = parts.filter((p) => d[p]);
  return { ...d, ...Object.fromEntries(present.map((p, i) => [p, tensors[i]!])) };
}

import {
  type Answer,
  amongPeers,
  answersOf,
  type Choices,
  cut,
  decisionsOf,
  fixed,
  isExit,
  type Model,
  type Net,
} from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import {
  add,
  type BlockSize,
  concat,
  constant,
  formatShape,
  gradients,
  input,
  meanAll,
  mul,
  ndarray,
  order,
  reshape,
  type Shape,
  sameShape,
  simplify,
  substitute,
  type Tensor,
} from '../graph/index.ts';
import { distillation, paramsOf, stopGradient } from '../nn/index.ts';
import { decide, lossView, type ScalarInput, scalarReader, scalarsOf } from './decide.ts';
import { type Decided, type DecisionTraining, gumbel, type LossTerm } from './decisions/index.ts';
import { type Layout, layoutOf, unpack } from './layout.ts';
import { overPaths, policyPaths } from './over-paths.ts';
import { type NoiseInput, prepare } from './prepare.ts';
import { classification, logitsOf, type Task, wantedOf } from './task.ts';

/** What training minimises. */
export interface ObjectiveOptions {
  readonly batch: number;
  /** What is learned, where it is not which class an input is of. */
  readonly task?: Task;
  /** Of labels: share of the target that is spread evenly over all classes; not with another task. */
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
  readonly decisions: readonly Decided[];
  /** Expected MACs of each input as a share of the dearest path, [N]; undefined where only exits decide. */
  readonly expected: Tensor | undefined;
}

/** What has a loss: the net's answers, or those of each fixed path, the first path (which teaches) last. */
export function answersIn(net: Net, { paths }: Pick<ObjectiveOptions, 'paths'>): Answer[] {
  if (!paths) return answersOf(net);
  if (paths.length === 0) throw new DynaError('usage', 'paths should name at least one path, got none');
  const names = namesOf(paths);
  return paths
    .map((choices, i) => {
      const path = fixed(net, choices);
      const open = decisionsOf(path).find((d) => d.kind === 'select' && !isExit(d));
      if (open)
        throw new DynaError('usage', `the path "${names[i]}" leaves decision "${open.name}" open`, {
          fix: 'name an option of it in every path on which it is met: everyWay(net) gives all paths',
        });
      return answersOf(path).map((a) => ({ name: `${a.name}@${names[i]}`, logits: a.logits }));
    })
    .reverse()
    .flat();
}

/** What paths are called: by their options, and where that is not enough by their decisions too. */
function namesOf(paths: readonly Choices[]): string[] {
  const short = paths.map((choices) => [...new Set(Object.values(choices))].join('+') || 'plain');
  if (new Set(short).size === short.length) return short;
  return paths.map((choices) =>
    Object.entries(choices)
      .map(([decision, option]) => `${decision}=${option}`)
      .join('+'),
  );
}

/** The task that the options name. */
export const taskOf = ({ task, smoothing = 0 }: Pick<ObjectiveOptions, 'task' | 'smoothing'>): Task =>
  task ?? classification({ smoothing });

/** [N]: a loss of each input; all have the batch's where the task does not part them. */
const perRow = (loss: Tensor, { batch }: ObjectiveOptions): Tensor =>
  loss.rank === 1 ? loss : add(loss, constant(ndarray('float32', [batch], new Float32Array(batch))));

/** [N]: the loss of each input over all answers, for rewards. */
const rowLosses = (losses: readonly Tensor[], o: ObjectiveOptions): Tensor =>
  perRow(
    losses.map((loss, i) => mul(loss, o.weights?.[i] ?? 1)).reduce((a, b) => add(a, b)),
    o,
  );

/** The logits of the teacher's full path on `x`, as it answers at inference. */
function teacherLogits({ net, weights }: Model, x: Tensor): Tensor {
  const peers = decisionsOf(net).find(amongPeers);
  if (peers)
    throw new DynaError(
      'usage',
      `the teacher "${net.name}" chooses among peers in "${peers.name}": it has no full path`,
      {
        fix: 'teach with cut(teacher, choices)',
      },
    );
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

/** The teacher's answer as the student's is read: another form of answer than the student's cannot teach. */
function taughtLogits(model: Model, x: Tensor, task: Task): Tensor {
  return logitsOf(task, teacherLogits(model, x), `the teacher "${model.net.name}"`);
}

function lossOf(
  answers: readonly Answer[],
  losses: readonly Tensor[],
  x: Tensor,
  task: Task,
  o: ObjectiveOptions,
): Tensor {
  const last = answers.at(-1)!;
  const taught = o.teacher && taughtLogits(o.teacher.model, x, task);
  const terms = answers.map(({ logits: answer }, i) => {
    const own = losses[i]!;
    let loss = own.rank === 0 ? own : meanAll(own);
    const learn = (
      from: Tensor,
      { weight, temperature }: { readonly weight: number; readonly temperature: number },
    ) => {
      const student = logitsOf(task, answer, 'distillation');
      loss = add(loss, mul(distillation(student, from, { temperature }), weight));
    };
    if (o.distill && answer !== last.logits) learn(logitsOf(task, last.logits, 'distillation'), o.distill);
    if (taught) learn(taught, o.teacher!);
    return mul(loss, o.weights?.[i] ?? 1);
  });
  return terms.reduce((a, b) => add(a, b));
}

function checkLoss({ name }: Task, shape: Shape, batch: number): void {
  if (shape.length > 0 && !sameShape(shape, [batch]))
    throw new DynaError(
      'shape',
      `the loss of the task "${name}" should be a scalar or [${batch}], one for each input, got ${formatShape(shape)}`,
    );
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
  const task = taskOf(options);
  const wanted = wantedOf(task, labels, options.batch);
  const way = options.decisions ?? gumbel();
  const policy = options.paths && way.overPaths ? policyPaths(net, [...options.paths].reverse()) : undefined;
  const bound = bind(net, [...traced.map((a) => a.logits), ...(policy?.scores ?? [])], x, parameters);
  const start = options.paths ? merged(bound) : bound;
  const decided = decide(net, start.outputs, way);
  const prepared = prepare([...decided.outputs, ...decided.decisions.flatMap(tensorsOf)]);
  const answers = traced.map(({ name }, i) => ({ name, logits: prepared.outputs[i]! }));
  let at = decided.outputs.length;
  const decisions = decided.decisions.map((d) => {
    const own = tensorsOf(d).map(() => prepared.outputs[at++]!);
    return withTensors(d, own);
  });
  const losses = answers.map(({ logits }) => task.loss(logits, wanted));
  for (const { shape } of losses) checkLoss(task, shape, options.batch);
  const over =
    policy &&
    overPaths(
      policy,
      prepared.outputs.slice(answers.length, decided.outputs.length),
      losses.map((loss) => perRow(loss, options)),
    );
  const view = over?.view ?? (decisions.length > 0 ? lossView(net, rowLosses(losses, options), decisions) : undefined);
  const costs = [options.cost ?? []].flat();
  if (!view && costs.length > 0)
    throw new DynaError(
      'usage',
      `what compute costs (${costs.map((c) => c.name).join(', ')}) was given, but this training of "${net.name}" meets no decision but exits`,
      { fix: 'leave cost out: exits are moved by certify, afterwards' },
    );
  const of = over ? () => way.overPaths!(over.paths) : way.term?.of;
  const terms = view ? [of && { name: way.name, of }, ...costs] : [];
  const loss = terms.reduce<Tensor>(
    (sum, term) => (term ? add(sum, term.of({ ...view!, scalar: scalarReader(term.name) })) : sum),
    lossOf(answers, losses, x, task, options),
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

/** What paths have in common as one: it is then computed, and differentiated, once. */
function merged({ outputs, values }: ReturnType<typeof bind>): ReturnType<typeof bind> {
  const all = simplify([...outputs, ...values.values()]);
  return {
    outputs: all.slice(0, outputs.length),
    values: new Map([...values.keys()].map((name, i) => [name, all[outputs.length + i]!])),
  };
}

const parts = ['weights', 'logits', 'probabilities', 'logProbability', 'entropy'] as const;

const tensorsOf = (d: Decided): Tensor[] => parts.flatMap((p) => d[p] ?? []);

/** The same decision with other tensors, in the order of `tensorsOf`. */
function withTensors(d: Decided, tensors: readonly Tensor[]): Decided {
  const present = parts.filter((p) => d[p]);
  return { ...d, ...Object.fromEntries(present.map((p, i) => [p, tensors[i]!])) };
}

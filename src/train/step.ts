import { type Net, observe } from '../dynamic/index.ts';
import {
  abs,
  add,
  BATCH,
  type BlockSize,
  blocked,
  branch,
  concat,
  constant,
  dot,
  encodeModel,
  expand,
  input,
  less,
  meanAll,
  ndarray,
  reduceMean,
  reshape,
  simplify,
  sizeOf,
  split,
  sqrt,
  straighten,
  type Tensor,
  toOnnx,
} from '../graph/index.ts';
import { accuracy, clipByGlobalNorm, entropy, type Optimizer } from '../nn/index.ts';
import type { ScalarInput } from './decide.ts';
import { type Layout, packed } from './layout.ts';
import { answersIn, bind, flatParameters, type ObjectiveOptions, objectiveOf, taskOf } from './objective.ts';
import type { NoiseInput } from './prepare.ts';

/** What a step minimises and how. */
export interface StepOptions extends ObjectiveOptions {
  readonly optimizer: Optimizer;
  /** Largest global norm of the gradient; no clipping when left out. */
  readonly clip?: number;
  /** What `blockSize` of the runtime found: the step then runs on blocks of channels, about twice as fast. */
  readonly block?: BlockSize | undefined;
}

/** The engine's side of training: two graphs over one shared state. */
export interface TrainingGraphs {
  /** One step: batch, learning rate and state in; new state and metrics out. */
  readonly train: Uint8Array;
  /** A batch of any size: all answers (the class logits in them, where the task knows some), at inference. */
  readonly evaluate: Uint8Array;
  readonly state: readonly { readonly input: string; readonly output: string }[];
  readonly weights: Layout;
  readonly statistics: Layout;
  readonly slots: readonly string[];
  readonly noise: readonly NoiseInput[];
  readonly scalars: readonly ScalarInput[];
  readonly answers: readonly string[];
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

const LARGEST_FLOAT = 3.4028234663852886e38;

/**
 * Builds the graphs that train a net. The whole step (forward, backward, optimiser, running statistics) is one graph;
 * parameters travel as one flat vector. A step whose loss or gradient is not finite leaves the state as it was.
 *
 * @throws DynaError 'gradient' where an operator on the path to a parameter has no gradient
 */
export function trainingGraphs(net: Net, options: StepOptions): TrainingGraphs {
  const { optimizer } = options;
  const parameters = flatParameters(net, options.block);
  const { weights, statistics, flat, flatStatistics } = parameters;
  const objective = objectiveOf(net, parameters, options);
  const { labels, answers, loss, gradients, nextStatistics, noise, scalars } = objective;

  const whole = concat(
    gradients.map((g, i) => packed(g, weights.params[i]!, weights)),
    0,
  );
  const squared = dot(whole, whole);
  const slots = optimizer.slots.map((name) => input(name, [weights.size]));
  const updated = optimizer.update({
    param: flat,
    gradient: options.clip === undefined ? whole : clipByGlobalNorm(whole, options.clip).gradient,
    slots,
    lr: input('lr', []),
    step: input('step', []),
    decay: decayMask(weights),
  });
  const names = ['weights', ...optimizer.slots, ...(flatStatistics ? ['statistics'] : [])];
  // A comparison with NaN is false. The branch costs no pass over the state, as a Where would.
  const next = branch(
    less(add(abs(loss), squared), LARGEST_FLOAT),
    [updated.param, ...updated.slots, ...(nextStatistics ? [nextStatistics] : [])],
    [flat, ...slots, ...(flatStatistics ? [flatStatistics] : [])],
  );
  const state = names.map((name) => ({ input: name, output: `${name}/next` }));

  const outputs: Record<string, Tensor> = { loss, norm: sqrt(squared) };
  for (const [i, { output }] of state.entries()) outputs[output] = next[i]!;
  const { logits } = taskOf(options);
  if (logits)
    for (const { name, logits: answer } of answers) {
      outputs[`accuracy/${name}`] = accuracy(logits(answer), labels);
      outputs[`entropy/${name}`] = entropy(logits(answer));
    }
  for (const { decision, weights: w } of objective.decisions) {
    const shares = split(
      reduceMean(w, [0]),
      decision.options.map(() => 1),
      0,
    );
    for (const [k, { name }] of decision.options.entries())
      outputs[`rate/${decision.name}/${name}`] = reshape(shares[k]!, []);
  }
  if (objective.expected) outputs.cost = meanAll(objective.expected);

  const seen = options.paths ? answersIn(net, options) : observe(net).answers;
  const images = input('x', [BATCH, ...net.spec.input]);
  const shown = bind(
    net,
    seen.map((a) => a.logits),
    images,
    parameters,
  ).outputs;
  const evaluated = Object.fromEntries(
    seen.map(({ name }, i) => [`answer/${name}`, logits ? logits(shown[i]!) : shown[i]!]),
  );

  return {
    train: encode(outputs, options.block),
    evaluate: encode(evaluated),
    state,
    weights,
    statistics,
    slots: optimizer.slots,
    noise,
    scalars,
    answers: answers.map((a) => a.name),
  };
}

function encode(outputs: Record<string, Tensor>, block?: BlockSize): Uint8Array {
  const simple = simplify(Object.values(outputs));
  const written = simplify(straighten(expand(block ? blocked(simple, { block }) : simple)));
  return encodeModel(toOnnx(Object.fromEntries(Object.keys(outputs).map((n, i) => [n, written[i]!]))));
}

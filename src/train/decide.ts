import {
  type Decision,
  decidersOf,
  expectedCost,
  hardMask,
  isExit,
  type MaskUnits,
  mixed,
  type Net,
  type SelectDecision,
} from '../dynamic/index.ts';
import {
  cast,
  concat,
  greaterOrEqual,
  input,
  reduceMean,
  sigmoid,
  softmax,
  split,
  sub,
  type Tensor,
} from '../graph/index.ts';
import { type Schedule, stopGradient } from '../nn/index.ts';
import { type Decided, type DecisionTraining, type LossTerm, type LossView, straightUnits } from './decisions/index.ts';
import type { NoiseInput } from './prepare.ts';

/** A number that the host feeds at each step. */
export interface ScalarInput {
  readonly name: string;
  readonly schedule: Schedule;
}

/** A net whose decisions (but exits) are mixed for training. */
export interface DecidedNet {
  readonly outputs: readonly Tensor[];
  readonly decisions: readonly Decided[];
  readonly noise: readonly NoiseInput[];
}

const scalarName = (owner: string, name: string): string => `${owner}/${name}`;

/** The scalars of a way of training or of a term of the loss. */
export const scalarsOf = ({ name: owner, scalars = {} }: Pick<LossTerm, 'name' | 'scalars'>): ScalarInput[] =>
  Object.entries(scalars).map(([name, schedule]) => ({ name: scalarName(owner, name), schedule }));

/** Reads the scalars of `owner` in the graph; one input each. */
export function scalarReader(owner: string): (name: string) => Tensor {
  const made = new Map<string, Tensor>();
  return (name) => {
    const t = made.get(name) ?? input(scalarName(owner, name), []);
    made.set(name, t);
    return t;
  };
}

/** The shares of units kept and dropped, [N, 2], of a mask [N, n]. */
function shares(mask: Tensor): Tensor {
  const kept = reduceMean(mask, [1], true);
  return concat([kept, sub(1, kept)], 1);
}

/** Whether how many of its group run is part of the net. */
const amongOthers = (decision: Decision): boolean => decision.kind === 'select' && decision.among !== undefined;

/** The choice between two options as the shipped net makes it, [N, 2]; no gradient flows through it. */
function firstIsBest(logits: Tensor): Tensor {
  const [first, second] = split(stopGradient(logits), [1, 1], 1) as [Tensor, Tensor];
  const taken = cast(greaterOrEqual(first, second), 'float32');
  return concat([taken, sub(1, taken)], 1);
}

/** Puts a way of training in the place of the hard choices. Exits stay: each of their answers has a loss of its own. */
export function decide(net: Net, outputs: readonly Tensor[], way: DecisionTraining): DecidedNet {
  // In the order in which they were written, which is that of their scores: an outer decision comes before those in it.
  const written = decidersOf(net)
    .filter(({ attrs: { decision } }) => decision.kind !== 'weigh' && !isExit(decision) && !amongOthers(decision))
    .sort((a, b) => a.inputs[0]!.node.id - b.inputs[0]!.node.id)
    .map((n) => n.attrs.decision.name);
  const noise: NoiseInput[] = [];
  const scalar = scalarReader(way.name);
  const decisions: Decided[] = [];
  const uniform =
    ({ name: owner }: Decision) =>
    (shape: readonly number[]): Tensor => {
      const name = `noise/${owner}/${noise.length + 1}`;
      noise.push({ name, shape });
      return input(name, shape);
    };
  const weigh = (decision: SelectDecision, logits: Tensor): Tensor => {
    const common = { decision, logits, probabilities: softmax(logits, 1) };
    if (decision.among) {
      const weights = firstIsBest(logits);
      decisions.push({ ...common, weights, fixed: true });
      return weights;
    }
    const place = { index: written.indexOf(decision.name), count: written.length };
    const weighed = way.weigh({ decision, logits, ...place, uniform: uniform(decision), scalar });
    decisions.push({ ...common, ...weighed });
    return weighed.weights;
  };
  const keeping = way.keep ?? straightUnits;
  const mask: MaskUnits = (decision, score, learns) => {
    const own = learns === 'winners' ? hardMask(decision, score, learns) : undefined;
    const made = own ?? keeping({ decision, score, uniform: uniform(decision), scalar });
    decisions.push({
      ...{ decision, weights: shares(made), probabilities: shares(sigmoid(score)) },
      ...(own ? { fixed: true } : {}),
    });
    return made;
  };
  const made = mixed(outputs, weigh, mask);
  return { outputs: made.outputs, decisions, noise };
}

/** What the terms of the loss look at. */
export const lossView = (net: Net, losses: Tensor, decisions: DecidedNet['decisions']): Omit<LossView, 'scalar'> => ({
  losses,
  cost: expectedCost(net, new Map(decisions.map((d) => [d.decision.name, d.weights]))),
  decisions,
});

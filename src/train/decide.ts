import { type Decision, decisionsOf, expectedCost, isExit, mixed, type Net } from '../dynamic/index.ts';
import { input, softmax, type Tensor } from '../graph/index.ts';
import type { Schedule } from '../nn/index.ts';
import type { DecisionTraining, LossTerm, LossView, Weighed } from './decisions/index.ts';
import type { NoiseInput } from './prepare.ts';

/** A number that the host feeds at each step. */
export interface ScalarInput {
  readonly name: string;
  readonly schedule: Schedule;
}

/** How one decision goes in training, and the softmax of its options' logits, [N, K]. */
export type DecidedJoin = Weighed & { readonly decision: Decision; readonly probabilities: Tensor };

/** A net whose decisions (but exits) are mixed for training. */
export interface Decided {
  readonly outputs: readonly Tensor[];
  readonly decisions: readonly DecidedJoin[];
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

/** Puts a way of training in the place of the hard choices. Exits stay: each of their answers has a loss of its own. */
export function decide(net: Net, outputs: readonly Tensor[], way: DecisionTraining): Decided {
  const names = decisionsOf(net).filter((d) => !isExit(d));
  const noise: NoiseInput[] = [];
  const scalar = scalarReader(way.name);
  const decisions: DecidedJoin[] = [];
  const made = mixed(outputs, (decision, logits) => {
    const weighed = way.weigh({
      decision,
      logits,
      index: decisions.length,
      count: names.length,
      uniform(shape) {
        const name = `noise/${decision.name}/${noise.length + 1}`;
        noise.push({ name, shape });
        return input(name, shape);
      },
      scalar,
    });
    decisions.push({ decision, probabilities: softmax(logits, 1), ...weighed });
    return weighed.weights;
  });
  return { outputs: made.outputs, decisions, noise };
}

/** What the terms of the loss look at. */
export const lossView = (net: Net, losses: Tensor, decisions: Decided['decisions']): Omit<LossView, 'scalar'> => ({
  losses,
  cost: expectedCost(net, new Map(decisions.map((d) => [d.decision.name, d.weights]))),
  decisions,
});

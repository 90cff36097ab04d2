import { DynaError } from '../../errors.ts';
import {
  add,
  cast,
  constant,
  div,
  exp,
  greaterOrEqual,
  logSoftmax,
  meanAll,
  mul,
  ndarray,
  neg,
  reduceSum,
  sub,
  sumAll,
  type Tensor,
} from '../../graph/index.ts';
import { type Schedule, stopGradient } from '../../nn/index.ts';
import { hardChoice, perturbed } from './choose.ts';
import type { DecisionTraining } from './types.ts';

export interface ReinforceOptions {
  /** What the full MACs cost, in units of the task's loss (nats); 1 by default. */
  readonly price?: number | Schedule;
  /** Weight of the policy's loss; 1 by default. */
  readonly weight?: number;
  /** Weight of the entropy that keeps the policy from settling too early; 0.01 by default. */
  readonly entropy?: number;
  /**
   * Curriculum (BlockDrop): decisions are freed one after another, the last first, over this share of the training; those
   * that are not free take their first option. 0 (default): all are free from the start.
   */
  readonly curriculum?: number;
}

/**
 * REINFORCE (Williams 1992): each input's options are drawn from the policy, the reward is -(loss + price x cost), and the
 * baseline is the mean reward of the batch's other inputs. The curriculum is that of BlockDrop (Wu et al. 2018,
 * arXiv:1711.08393); rewards as in SkipNet (Wang et al. 2018, arXiv:1711.09485). Actions and their log-probabilities are
 * computed in the graph from noise that the host feeds.
 *
 * @throws DynaError 'usage' for numbers outside their range
 * @example await train(gated, { data, epochs: 10, decisions: reinforce({ price: 0.5, curriculum: 0.3 }) })
 */
export function reinforce(options: ReinforceOptions = {}): DecisionTraining {
  const { price = 1, weight = 1, entropy = 0.01, curriculum = 0 } = options;
  for (const [name, value] of Object.entries({ weight, entropy, ...(typeof price === 'number' ? { price } : {}) }))
    if (!(value >= 0 && Number.isFinite(value)))
      throw new DynaError('usage', `reinforce: ${name} is a finite number of at least 0, got ${value}`);
  if (!(curriculum >= 0 && curriculum <= 1))
    throw new DynaError('usage', `reinforce: the curriculum is a share of the training, 0 to 1, got ${curriculum}`);
  return {
    name: 'reinforce',
    scalars: {
      price: typeof price === 'number' ? () => price : price,
      free: (step, total) => (curriculum === 0 ? 1 : Math.min(1, step / Math.max(1, curriculum * total))),
    },
    weigh({ logits, index, count, uniform, scalar }) {
      const logP = logSoftmax(logits, 1);
      const sampled = hardChoice(perturbed(stopGradient(logits), uniform(logits.shape as number[])));
      // The last decision is free from the start, the one before it a little later, the first at the end.
      const free = cast(greaterOrEqual(add(scalar('free'), 1e-6), (count - 1 - index) / count), 'float32');
      const k = Number(logits.shape[1]);
      const first = constant(
        ndarray(
          'float32',
          [1, k],
          Array.from({ length: k }, (_, i) => (i === 0 ? 1 : 0)),
        ),
      );
      const weights = add(mul(sampled, free), mul(first, sub(1, free)));
      const spread = neg(reduceSum(mul(exp(logP), logP), [1]));
      return {
        weights,
        logProbability: mul(reduceSum(mul(weights, logP), [1]), free),
        entropy: mul(spread, free),
      };
    },
    term: {
      name: 'policy',
      of({ losses, cost, decisions, scalar }) {
        if (!decisions.some((d) => d.logProbability))
          throw new DynaError(
            'usage',
            `reinforce draws options, and the decisions of this net are not drawn (${decisions.map((d) => d.decision.name).join(', ')})`,
            { fix: 'train units with gumbel(), and the best two experts with a loadBalance' },
          );
        const n = Number(losses.shape[0]);
        const reward = neg(stopGradient(add(losses, mul(cost, scalar('price')))));
        // The mean of the others: (sum - own) / (n - 1), so that the advantage stays unbiased.
        const others = div(sub(sumAll(reward), reward), Math.max(1, n - 1));
        const advantage = sub(reward, others);
        const sum = (parts: readonly (Tensor | undefined)[]): Tensor =>
          parts.filter((t) => t !== undefined).reduce((a, b) => add(a, b));
        const gain = meanAll(mul(advantage, sum(decisions.map((d) => d.logProbability))));
        return sub(mul(gain, -weight), mul(meanAll(sum(decisions.map((d) => d.entropy))), entropy));
      },
    },
  };
}

import { DynaError } from '../../errors.ts';
import { div, softmax } from '../../graph/index.ts';
import type { Schedule } from '../../nn/index.ts';
import { hardChoice, perturbed, straightThrough } from './choose.ts';
import { temperatureOf } from './temperature.ts';
import type { DecisionTraining } from './types.ts';
import { sampledUnits } from './units.ts';

export interface GumbelOptions {
  /** 1 by default; high: soft and unbiased towards all options, low: close to the hard choice. */
  readonly temperature?: number | Schedule;
  /** Straight-through: the hard choice forwards (default). Without it the soft sample is used in both directions. */
  readonly hard?: boolean;
}

/**
 * Gumbel-Softmax: each input's option is sampled, and gradients flow through the relaxed sample
 * (Jang et al. 2016, arXiv:1611.01144; Maddison et al. 2016, arXiv:1611.00712; for gates ConvNet-AIG, arXiv:1711.11503).
 *
 * @throws DynaError 'usage' for a temperature that is not above 0
 * @example await train(gated, { data, epochs: 10, decisions: gumbel({ temperature: exponential(5, 0.1) }), cost: rateTarget(0.6) })
 */
export function gumbel({ temperature = 1, hard = true }: GumbelOptions = {}): DecisionTraining {
  if (typeof hard !== 'boolean') throw new DynaError('usage', `hard is true or false, got ${String(hard)}`);
  return {
    name: 'gumbel',
    scalars: { temperature: temperatureOf(temperature) },
    weigh({ logits, uniform, scalar }) {
      const noisy = perturbed(logits, uniform(logits.shape as number[]));
      const soft = softmax(div(noisy, scalar('temperature')), 1);
      return { weights: hard ? straightThrough(hardChoice(noisy), soft) : soft };
    },
    keep: (meeting) => sampledUnits(meeting, hard),
  };
}

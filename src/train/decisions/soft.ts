import { div, softmax } from '../../graph/index.ts';
import type { Schedule } from '../../nn/index.ts';
import { temperatureOf } from './temperature.ts';
import type { DecisionTraining } from './types.ts';
import { softUnits } from './units.ts';

/**
 * A mixture of all options, weighed by softmax(logits / temperature) (Jacobs et al. 1991): smooth and without noise, but
 * the net never sees the hard choice that it will ship with. Cool the temperature towards the end.
 *
 * @throws DynaError 'usage' for a temperature that is not above 0
 * @example await train(gated, { data, epochs: 10, decisions: softMixture({ temperature: exponential(2, 0.1) }) })
 */
export const softMixture = ({
  temperature = 1,
}: {
  readonly temperature?: number | Schedule;
} = {}): DecisionTraining => ({
  name: 'soft',
  scalars: { temperature: temperatureOf(temperature) },
  keep: softUnits,
  weigh: ({ logits, scalar }) => ({ weights: softmax(div(logits, scalar('temperature')), 1) }),
});

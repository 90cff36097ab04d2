import { adamW, exponential, macTarget, type Net, softMixture } from 'dynaneural';
import type { DetectionSet } from 'dynaneural/data';
import { oneCycle } from 'dynaneural/nn';
import type { TrainOptions } from 'dynaneural/train';
import { type Context, digest } from '../shared/context.ts';
import { type Recipe, trainOnce } from '../shared/fit.ts';
import { detection } from './task.ts';

/** The same for every detector, each from scratch. An epoch sees every image and its mirror images. */
const recipe: Recipe = { epochs: 40, batch: 16, rate: 2e-3, warmup: 0.2, decay: 1e-4, smoothing: 0, seed: 1 };

/**
 * Edges fade out around their threshold, ever more sharply, until a hard choice does the same; which of them save the MACs is
 * left to training. No noise: the attention itself is what is learned.
 */
export const dropping = { temperature: [6, 0.1], macs: 0.7 } as const;

const options: Pick<TrainOptions, 'decisions' | 'cost'> = {
  decisions: softMixture({ temperature: exponential(...dropping.temperature) }),
  cost: macTarget(dropping.macs),
};

/** Trains a detector once. */
export async function learn(cx: Context, name: string, net: Net, data: DetectionSet, seed: number, drops = false) {
  const { epochs, batch } = cx.quick ? { epochs: 2, batch: 8 } : recipe;
  const { rate, warmup, decay } = recipe;
  const more = { boxes: digest(data.boxes), optimizer: 'adamW', ...(drops ? { dropping } : {}) };
  return trainOnce(
    cx,
    `${name}-${seed}`,
    net,
    { ...recipe, epochs, batch, seed, more },
    {
      data,
      options: {
        task: detection(data),
        optimizer: adamW({ weightDecay: decay }),
        schedule: oneCycle(rate, { warmup }),
        augment: {}, // mirror images are in the data, with their boxes
        smoothing: undefined,
        ...(drops ? options : {}),
      },
    },
  );
}

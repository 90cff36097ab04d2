import type { Augment } from '../data/index.ts';
import { type Optimizer, oneCycle, type Schedule, sgd } from '../nn/index.ts';
import type { SessionOptions } from '../runtime/index.ts';

/** How the demo's net and its baselines are trained: short, with one cycle of the learning rate (Smith 2018). */
export interface Recipe {
  readonly batch: number;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly smoothing: number;
  readonly augment: Augment;
  readonly session: SessionOptions;
}

/** Weight of each answer's loss: early heads must not bend the shared features to themselves (Huang et al. 2018). */
export const answerWeights = [0.5, 0.5, 1];

export const recipe: Recipe = {
  batch: 64,
  optimizer: sgd({ momentum: 0.9, nesterov: true, weightDecay: 5e-4 }),
  schedule: oneCycle(0.1, { warmup: 0.25 }),
  smoothing: 0.1,
  augment: { flip: true },
  // Nothing else wants the cores here, so threads may spin between operators.
  session: { extra: { session: { intra_op: { allow_spinning: '1' } } } },
};

export const EPOCHS = 3;

import type { Augment, Dataset } from '../../data/index.ts';
import type { Model } from '../../dynamic/index.ts';
import type { NDArray } from '../../graph/index.ts';
import { adamW } from '../../nn/index.ts';
import { type TrainOptions, type TrainProgress, train } from '../../train/index.ts';
import { checkpoints, weightsOf } from './heads.ts';
import { relativeSteps } from './relative.ts';
import { batchOf } from './sizes.ts';

export interface RetrainRequest {
  /** The original, which teaches. */
  readonly original: Model;
  /** The model with its decisions, and the weights that training starts from; what is new may have none. */
  readonly start: Model;
  /** With labels, or with the original's answers in their place. */
  readonly images: Dataset;
}

export interface RetrainOptions extends Pick<TrainOptions, 'session' | 'signal'> {
  /** By default as many as show about 600,000 images, from 4 to 40. */
  readonly epochs?: number;
  readonly seed?: number;
  /** Peak learning rate; relative to the size of each of the model's own weights; 1e-3 by default. */
  readonly lr?: number;
  readonly augment?: Augment;
  /** Keeps the training there; an interrupted one goes on to the same weights. */
  readonly folder?: string | undefined;
  readonly onProgress?: (progress: TrainProgress) => void;
}

const epochsFor = ({ length }: Dataset): number => Math.max(4, Math.min(40, Math.round(600_000 / length)));

/**
 * Trains the model's own weights together with what is new in it: all answers learn the labels and spread probabilities as
 * the original does (Hinton et al. 2015). Convolutions that norms were folded into are trained as they are; norms that
 * stand alone measure their statistics anew.
 *
 * @param own what is particular to the kind of decisions
 * @returns new values of all parameters
 */
export function retrain(
  { original, start, images }: RetrainRequest,
  { epochs, seed = 1, lr = 1e-3, augment, folder, session, signal, onProgress }: RetrainOptions,
  own: Pick<TrainOptions, 'weights' | 'decisions' | 'cost'>,
): Promise<ReadonlyMap<string, NDArray>> {
  const training = train(start.net, {
    data: images,
    start: start.weights,
    teacher: { model: original, weight: 2, temperature: 2 },
    epochs: epochs ?? epochsFor(images),
    ...own,
    seed,
    batch: Math.min(batchOf(images), images.length),
    optimizer: relativeSteps(adamW({ weightDecay: 0 }), start.net, original.weights),
    lr,
    clip: 5,
    ...(augment ? { augment } : {}),
    ...checkpoints(folder, 50),
    ...(session ? { session } : {}),
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress } : {}),
  });
  return weightsOf(training, signal);
}

import type { Augment, Dataset } from '../../data/index.ts';
import type { Model } from '../../dynamic/index.ts';
import type { NDArray } from '../../graph/index.ts';
import { adamW } from '../../nn/index.ts';
import {
  exponential,
  gumbel,
  macTarget,
  recalibrate,
  type TrainOptions,
  type TrainProgress,
  train,
} from '../../train/index.ts';
import { checkpoints, weightsOf } from './heads.ts';
import { relativeSteps } from './relative.ts';
import { batchOf } from './sizes.ts';
import type { SkipPlace } from './skips.ts';
import { epochsFor } from './tune.ts';

export interface GateRequest {
  /** The original, which teaches. */
  readonly original: Model;
  /** The model with its gates; those not yet trained have no weights in it. */
  readonly start: Model;
  readonly places: readonly SkipPlace[];
  /** With labels, or with the original's answers in their place. */
  readonly images: Dataset;
}

export interface GateOptions extends Pick<TrainOptions, 'session' | 'signal'> {
  readonly epochs?: number;
  readonly seed?: number;
  readonly lr?: number;
  readonly augment?: Augment;
  readonly folder?: string | undefined;
  readonly onProgress?: (progress: TrainProgress) => void;
}

/** Of what gates guard, so much is aimed at; the path of settings that is certified reaches to both sides of it. */
const KEPT = 0.5;

/**
 * Trains gates before residual blocks together with the model's own weights, taught by the original (LAUDNet's way: Han et
 * al. 2023, arXiv:2308.15949): the blocks learn to do without each other, the gates for which images they can.
 *
 * @returns new values of all parameters
 */
export async function trainGates(
  { original, start, places, images }: GateRequest,
  { epochs, seed = 1, lr = 1e-3, augment, folder, session, signal, onProgress }: GateOptions = {},
): Promise<ReadonlyMap<string, NDArray>> {
  const guarded = places.reduce((sum, p) => sum + p.share, 0);
  const shared = { ...(session ? { session } : {}), ...(signal ? { signal } : {}) };
  const training = train(start.net, {
    data: images,
    start: start.weights,
    teacher: { model: original, weight: 2, temperature: 2 },
    decisions: gumbel({ temperature: exponential(5, 0.5) }),
    cost: macTarget(1 - (1 - KEPT) * guarded),
    epochs: epochs ?? epochsFor(images),
    seed,
    batch: Math.min(batchOf(images), images.length),
    optimizer: relativeSteps(adamW({ weightDecay: 0 }), start.net, original.weights),
    lr,
    clip: 5,
    ...(augment ? { augment } : {}),
    ...checkpoints(folder, 50),
    ...shared,
    ...(onProgress ? { onProgress } : {}),
  });
  const weights = await weightsOf(training, signal);
  const { weights: ready } = await recalibrate({ ...start, weights }, images, {
    seed,
    ...(augment ? { augment } : {}),
    ...(session ? { session } : {}),
  });
  return ready;
}

import type { NDArray } from '../../graph/index.ts';
import { exponential, gumbel, macTarget, recalibrate } from '../../train/index.ts';
import { type RetrainOptions, type RetrainRequest, retrain } from './retrain.ts';
import type { SkipPlace } from './skips.ts';

export interface GateRequest extends RetrainRequest {
  readonly places: readonly SkipPlace[];
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
  { places, ...request }: GateRequest,
  options: RetrainOptions = {},
): Promise<ReadonlyMap<string, NDArray>> {
  const { seed = 1, augment, session } = options;
  const guarded = places.reduce((sum, p) => sum + p.share, 0);
  const weights = await retrain(request, options, {
    decisions: gumbel({ temperature: exponential(5, 0.5) }),
    cost: macTarget(1 - (1 - KEPT) * guarded),
  });
  const { weights: ready } = await recalibrate({ ...request.start, weights }, request.images, {
    seed,
    ...(augment ? { augment } : {}),
    ...(session ? { session } : {}),
  });
  return ready;
}

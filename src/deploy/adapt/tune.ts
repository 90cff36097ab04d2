import type { Augment, Dataset } from '../../data/index.ts';
import { decisionsOf, type Model, type Net } from '../../dynamic/index.ts';
import {
  apply,
  type NDArray,
  ndarray,
  order,
  Param,
  type ParamAttrs,
  substitute,
  type Tensor,
} from '../../graph/index.ts';
import { adamW } from '../../nn/index.ts';
import { type TrainOptions, type TrainProgress, train } from '../../train/index.ts';
import type { Foreign } from './foreign.ts';
import { checkpoints, weightsOf, withExits } from './heads.ts';
import type { Place } from './plan.ts';
import { relativeSteps } from './relative.ts';
import { batchOf } from './sizes.ts';

export interface TuneRequest {
  /** The original, which teaches. */
  readonly original: Model;
  /** The model with its exits, and the weights that training starts from. */
  readonly start: Model;
  /** With labels, or with the original's answers in their place. */
  readonly images: Dataset;
}

export interface TuneOptions extends Pick<TrainOptions, 'session' | 'signal'> {
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

/** Weight of the last answer's loss: it is to stay where the original is, which exits alone would not mind. */
const LAST = 3;
/** Of all exits' losses together, at the most; each alone has 1. */
const EXITS = 4;
/** As many as show about 600,000 images, from 4 to 40. */
export const epochsFor = ({ length }: Dataset): number => Math.max(4, Math.min(40, Math.round(600_000 / length)));

/**
 * Trains the model's own weights and its heads together: every answer, the last one too, learns the labels and spreads
 * probabilities as the original does (Hinton et al. 2015). Convolutions that norms were folded into are trained as they
 * are; norms that stand alone measure their statistics anew.
 *
 * @returns new values of all parameters
 */
export async function tune(
  { original, start, images }: TuneRequest,
  { epochs, seed = 1, lr = 1e-3, augment, folder, session, signal, onProgress }: TuneOptions = {},
): Promise<ReadonlyMap<string, NDArray>> {
  const exits = decisionsOf(start.net);
  const training = train(start.net, {
    data: images,
    start: start.weights,
    teacher: { model: original, weight: 2, temperature: 2 },
    epochs: epochs ?? epochsFor(images),
    weights: [...exits.map(() => Math.min(1, EXITS / exits.length)), LAST],
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

/** How far from the start to what training reached the tuned weights that are tried lie. */
export const WAYPOINTS = [1 / 3, 2 / 3, 1] as const;

/**
 * Weights between two trained ones: nearer to the start the last answer drifts less from the original, nearer to the end
 * exits know more (Wortsman et al. 2022, arXiv:2109.01903).
 */
export function between(
  start: ReadonlyMap<string, NDArray>,
  end: ReadonlyMap<string, NDArray>,
  share: number,
): ReadonlyMap<string, NDArray> {
  if (share === 1) return end;
  return new Map(
    [...end].map(([name, to]): [string, NDArray] => {
      const from = start.get(name)!.data as Float32Array;
      const mixed = Float32Array.from(to.data as Float32Array, (v, i) => from[i]! + share * (v - from[i]!));
      return [name, ndarray(to.dtype, to.dims, mixed)];
    }),
  );
}

const copyName = (name: string): string => `tuned/${name}`;

/**
 * The tuned beginning with its exits, and behind the last of them the original, whole and with its own weights: an image
 * that leaves nowhere gets the original's answer, and pays for both.
 */
export function beforeOriginal(
  foreign: Foreign,
  exits: readonly Place[],
  name: string,
  tuned: ReadonlyMap<string, NDArray>,
): { readonly net: Net; readonly weights: ReadonlyMap<string, NDArray> } {
  const early = exits.map((e) => e.tensor);
  const copies = new Map<Tensor, Tensor>();
  const weights = new Map<string, NDArray>([...tuned, ...foreign.weights]);
  for (const { op, attrs, outputs } of order(early))
    if (op.leaf === 'param') {
      const own = attrs as ParamAttrs;
      const copy = copyName(own.name);
      copies.set(outputs[0]!, apply<ParamAttrs>(Param, [], { ...own, name: copy }));
      weights.set(copy, tuned.get(own.name)!);
    }
  return { net: withExits(foreign, exits, name, [...substitute(early, copies), foreign.logits]), weights };
}

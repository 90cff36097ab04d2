import { exit, type Net, net } from '../../dynamic/index.ts';
import { type NDArray, reshape, sizeOf, split, substitute, type Tensor } from '../../graph/index.ts';
import { adamW } from '../../nn/index.ts';
import { type TrainOptions, type TrainProgress, train } from '../../train/index.ts';
import type { Features } from './features.ts';
import { type Foreign, itemShape } from './foreign.ts';
import { head, pool } from './head.ts';
import type { Place } from './plan.ts';

/**
 * The model with its exits: what is certified and saved. Parameters of heads have the names that `trainHeads` gives.
 *
 * @param body features at each exit, then the logits behind all of them, as functions of the model's input
 */
export const withExits = (
  foreign: Foreign,
  exits: readonly Place[],
  name: string,
  body: readonly Tensor[] = [...exits.map((e) => e.tensor), foreign.logits],
): Net =>
  net({ input: itemShape(foreign), classes: foreign.classes.length, name, onWarning: () => undefined }, (x) => {
    const [...made] = substitute(body, new Map([[foreign.input, x]]));
    for (const [k, e] of exits.entries()) exit(made[k]!, { name: e.exit!, head: (t) => head(pool(t, e.head), e.head) });
    return made.at(-1)!;
  });

/** The heads alone, on rows of cached features; its last answer is the model's own, which teaches the others. */
const headsNet = (exits: readonly Place[], classes: number): Net => {
  const widths = exits.map((e) => sizeOf(e.head.pooled));
  const width = widths.reduce((a, b) => a + b, classes);
  return net({ input: [width], classes, name: 'heads', onWarning: () => undefined }, (row) => {
    const parts = split(row, [...widths, classes], 1);
    for (const [k, e] of exits.entries())
      exit(reshape(parts[k]!, [0, ...e.head.pooled]), { name: e.exit!, head: (t) => head(t, e.head) });
    return parts.at(-1)!;
  });
};

export interface HeadOptions extends Pick<TrainOptions, 'session' | 'signal'> {
  /** By default as many as show about 200,000 rows, from 4 to 20. */
  readonly epochs?: number;
  readonly seed?: number;
  /** Keeps the training there; an interrupted one goes on to the same weights. */
  readonly folder?: string | undefined;
  readonly onProgress?: (progress: TrainProgress) => void;
}

/** The weights of a training that the caller may stop: with the caller's own reason, not a word on checkpoints it cannot see. */
export async function weightsOf(
  training: ReturnType<typeof train>,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, NDArray>> {
  try {
    return (await training).weights;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** Checkpoints in a folder: those of the last run are continued. */
export const checkpoints = (folder: string | undefined, every: number): Partial<TrainOptions> =>
  folder === undefined ? {} : { checkpoint: folder, resume: true, every };

/**
 * Trains all heads at once on cached features: to name the model's class, and to spread probabilities as it does
 * (distillation, Hinton et al. 2015). Nobody's labels are needed; the model itself stays as it is.
 */
export async function trainHeads(
  exits: readonly Place[],
  { rows }: Features,
  { epochs, seed = 1, folder, session, signal, onProgress }: HeadOptions = {},
): Promise<ReadonlyMap<string, NDArray>> {
  const training = train(headsNet(exits, rows.classes.length), {
    data: rows,
    epochs: epochs ?? Math.max(4, Math.min(20, Math.round(200_000 / rows.length))),
    seed,
    batch: Math.min(64, rows.length),
    optimizer: adamW({ weightDecay: 0.01 }),
    lr: 2e-3,
    clip: 5,
    distill: { weight: 1, temperature: 2 },
    weights: [...exits.map(() => 1), 0],
    ...checkpoints(folder, 200),
    ...(session ? { session } : {}),
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress } : {}),
  });
  return weightsOf(training, signal);
}

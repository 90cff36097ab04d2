import { adamW, cosine, exponential, macTarget, type Trained } from 'dynaneural';
import { add, cast, mul, reshape } from 'dynaneural/graph';
import { crossEntropy } from 'dynaneural/nn';
import type { Task, TrainOptions } from 'dynaneural/train';
import type { Context } from '../shared/context.ts';
import { type Recipe, trainOnce } from '../shared/fit.ts';
import { startOf } from '../shared/static.ts';
import type { Weighted } from '../shared/trial.ts';
import { sharpening, usage } from './gating.ts';
import { classLogits, FULL, QUICK, type Reads, type Shape, sceneNet, staticNet, weatherLogits } from './nets.ts';
import type { Scenes } from './scenes.ts';

export const shapeOf = (cx: Context): Shape => (cx.quick ? QUICK : FULL);

const optimiser = 'adamW, one cosine after the warm-up, gradients clipped at 1';

/** How the static nets learn, from scratch. */
const learning: Recipe = {
  ...{ epochs: 11, batch: 64, rate: 1e-3, warmup: 0.05, decay: 0.05, smoothing: 0.1, seed: 1 },
  more: { optimiser },
};

/** How a dynamic net is tuned that starts from the static one, and that one itself as far again. */
const tuning: Recipe = { ...learning, epochs: 3, rate: 5e-4, warmup: 0.1, smoothing: 0 };

const quickly = (cx: Context, r: Recipe): Recipe => (cx.quick ? { ...r, epochs: 1, batch: 32 } : r);

const optionsOf = ({ rate, warmup, decay }: Recipe): Partial<TrainOptions> => ({
  optimizer: adamW({ weightDecay: decay }),
  schedule: cosine(rate, { warmup }),
  clip: 1,
});

/** The static transformer, on all weathers: where all others start, and what they are compared with. */
export function trainStatic(cx: Context, { data }: Scenes): Promise<Trained> {
  const recipe = quickly(cx, learning);
  return trainOnce(cx, 'scene-static', staticNet(shapeOf(cx)), recipe, { data, options: optionsOf(recipe) });
}

/** The same net, tuned as long as the dynamic ones were. */
export function trainFurther(cx: Context, { data }: Scenes, plain: Trained): Promise<Trained> {
  const recipe = quickly(cx, tuning);
  const from = { data, start: plain.weights, options: optionsOf(recipe) };
  return trainOnce(cx, 'scene-further', plain.net, recipe, from);
}

/** A static transformer of fewer layers, trained as long as the dynamic nets were in all. */
export function trainShallow(cx: Context, { data }: Scenes, depth: number): Promise<Trained> {
  const recipe = quickly(cx, { ...learning, epochs: learning.epochs + tuning.epochs });
  const made = staticNet({ ...shapeOf(cx), depth });
  return trainOnce(cx, `scene-static-${depth}`, made, recipe, { data, options: optionsOf(recipe) });
}

/** Gates join the trained net, and all is tuned; it teaches its successor (LAUDNet, Han et al. 2023, arXiv:2308.15949). */
const gating = {
  temperature: [5, 1],
  sharpness: [1, 6],
  /** Share of the MACs of everything run. */
  macs: 0.55,
  /** Tokens are what is given up first: without shares of their own, layers and heads would stay as they are. */
  layers: 0.8,
  heads: 0.75,
  teacher: { weight: 0.5, temperature: 4 },
  /** Of the weather head's loss beside that of the classes. */
  weather: 0.5,
} as const;

/** The share of the MACs that gates are trained towards. */
export const target = gating.macs;

/** Two questions of each image: what is on it, and what the weather is. */
export const sceneTask = (weather: ArrayLike<number>): Task => ({
  name: 'class and weather',
  targets: { weather: { shape: [1], of: (item) => [weather[item]!] } },
  loss(answer, { labels, targets }) {
    const truth = cast(reshape(targets.weather!, [-1]), 'int64');
    const [classes, head] = [
      crossEntropy(classLogits(answer), labels, { reduction: 'none' }),
      crossEntropy(weatherLogits(answer), truth, { reduction: 'none' }),
    ];
    return add(classes, mul(head, gating.weather));
  },
  logits: classLogits,
});

/** A trained scene-adaptive net: as it is shipped. */
export async function trainScene(
  cx: Context,
  { data, weather }: Scenes,
  plain: Trained,
  reads: Reads,
  seed: number,
): Promise<Weighted> {
  const { deployed, training } = sceneNet(shapeOf(cx), reads);
  const { temperature, sharpness, macs, layers, heads, teacher } = gating;
  const recipe = { ...quickly(cx, tuning), seed, more: { optimiser, gating } };
  const trained = await trainOnce(cx, `scene-${reads}-${seed}`, training, recipe, {
    data,
    start: startOf(training, plain.weights),
    teacher: { model: plain, ...teacher },
    options: {
      ...optionsOf(recipe),
      smoothing: undefined, // the task has a loss of its own
      task: sceneTask(weather),
      decisions: sharpening({ temperature: exponential(...temperature), sharpness: exponential(...sharpness) }),
      cost: [macTarget(macs), usage('skip', layers), usage('heads', heads)],
    },
  });
  return { net: deployed, weights: trained.weights };
}

import type { Dataset } from 'dynaneural';
import { channelStatistics, Random } from 'dynaneural/data';
import { render, WEATHERS } from './weather.ts';

/** A data set whose every image has a weather of its own, drawn by seed. */
export interface Scenes {
  readonly data: Dataset;
  /** Number of each image's weather, in `WEATHERS`. */
  readonly weather: Uint8Array;
}

/** No weather is so light that only the random numbers know of it. */
const LIGHTEST = 0.3;

/**
 * Paints simulated weather over a data set of colour images: each image gets one, with a severity of its own.
 *
 * @param seed another one for each split
 */
export function inWeather(clear: Dataset, seed: number): Scenes {
  const side = clear.shape[1]!;
  const size = 3 * side * side;
  const inputs = new Uint8Array(clear.inputs.length);
  const weather = new Uint8Array(clear.length);
  for (let i = 0; i < clear.length; i++) {
    const random = new Random(seed, i);
    weather[i] = random.int(WEATHERS.length);
    const severity = LIGHTEST + (1 - LIGHTEST) * random.float();
    const bytes = (clear.inputs as Uint8Array).subarray(i * size, (i + 1) * size);
    inputs.set(render({ bytes, side }, WEATHERS[weather[i]!]!, severity, random).bytes, i * size);
  }
  return { data: { ...clear, name: `${clear.name} in simulated weather`, inputs }, weather };
}

/** The same scenes, normalised as `like` is. */
export const normalisedAs = ({ data, weather }: Scenes, { mean, std }: Pick<Dataset, 'mean' | 'std'>): Scenes => ({
  data: { ...data, mean, std },
  weather,
});

/** What each split of the images is in weather; normalised by the training images. */
export function scenesOf<K extends string>(
  splits: Readonly<Record<K | 'train', Dataset>>,
): Record<K | 'train', Scenes> {
  const names = Object.keys(splits) as (K | 'train')[];
  const painted = names.map((name, i) => [name, inWeather(splits[name], i + 1)] as const);
  const statistics = channelStatistics(painted.find(([name]) => name === 'train')![1].data);
  return Object.fromEntries(painted.map(([name, s]) => [name, normalisedAs(s, statistics)])) as Record<
    K | 'train',
    Scenes
  >;
}

import type { Dataset } from 'dynaneural';
import { Random } from 'dynaneural/data';
import { type Decision, decisionsOf, type Net, ownThresholds, type Trace } from 'dynaneural/dynamic';
import { sparseBytes } from '../shared/evaluate.ts';
import type { Weighted } from '../shared/trial.ts';
import { flagsOf, unitsOf } from './choices.ts';
import { type Shape, toldNet, toldPlaces } from './nets.ts';
import { WEATHERS } from './weather.ts';

const lastName = ({ name }: Pick<Decision, 'name'>): string => name.split('/').at(-1)!;

/**
 * Images with a fourth channel that tells each what to do: what `traces` did, dealt out by `from`.
 *
 * @param from whose choices each image gets, by number
 */
export function told(
  data: Dataset,
  shape: Shape,
  net: Net,
  traces: readonly Trace[],
  from: ArrayLike<number>,
): Dataset {
  const [, height, width] = data.shape as [number, number, number];
  const plane = height * width;
  const inputs = new Uint8Array(data.length * 4 * plane);
  const places = toldPlaces(shape);
  const decisions = decisionsOf(net);
  for (let i = 0; i < data.length; i++) {
    inputs.set((data.inputs as Uint8Array).subarray(i * 3 * plane, (i + 1) * 3 * plane), i * 4 * plane);
    const values = new Map(traces[from[i]!]!.rows.map((r) => [r.decision, r.value]));
    for (const d of decisions) {
      const flags = flagsOf({ units: unitsOf(d) }, values.get(d.name) ?? null);
      inputs.set(
        flags.map((f) => 255 * f),
        (i * 4 + 3) * plane + places[lastName(d)]!.start,
      );
    }
  }
  return {
    ...data,
    ...{ name: `${data.name}, told`, inputs, shape: [4, height, width] },
    ...{ mean: [...data.mean, 0], std: [...data.std, 1] },
  };
}

/** The file that does what it is told, over the same weights. */
export function toldBytes(shape: Shape, { weights }: Pick<Weighted, 'weights'>): Uint8Array {
  const net = toldNet(shape);
  return sparseBytes(net, weights, ownThresholds(decisionsOf(net)));
}

/** Choices dealt out at random: each image gets those of another one. */
export const dealt = (count: number, seed: number): ArrayLike<number> => new Random(seed, 1).permutation(count);

/** Dealt out among the images of the same weather. */
export function dealtWithin(weather: ArrayLike<number>, seed: number): ArrayLike<number> {
  const from = new Int32Array(weather.length);
  for (const w of WEATHERS.keys()) {
    const own = Array.from({ length: weather.length }, (_, i) => i).filter((i) => weather[i] === w);
    const order = new Random(seed, 2, w).permutation(own.length);
    for (const [k, i] of own.entries()) from[i] = own[order[k]!]!;
  }
  return from;
}

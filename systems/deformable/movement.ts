import { mean } from '../shared/evaluate.ts';
import { type Chosen, placeOf } from './choices.ts';
import { bits } from './moments.ts';

/** A modulation is 2 sigmoid(.). */
const modulation = (v: number): number => 2 / (1 + Math.exp(-v));

/** How much the choices of a net move, over its layers. */
export interface Movement {
  /** Whether they depend on the input at all. */
  readonly moves: boolean;
  /** Of kernels: deviation of a weight across inputs; entropy of the mean mixture, and mean entropy. */
  readonly kernels?: { readonly sd: number; readonly ofMean: number; readonly mean: number };
  /** Of offsets, in pixels: mean size, and deviation across inputs; deviation of the modulation, 0 to 2, at its mean. */
  readonly places?: { readonly size: number; readonly sd: number; readonly modulation: number };
}

/** A weight of a kernel, or an offset in pixels, has to move so far for its layer to count as dynamic. */
const LEAST = { weight: 0.02, pixels: 0.05 };

export function movementOf(chosen: readonly Chosen[]): Movement {
  const kernels = chosen.filter((c) => c.kind === 'weights');
  const places = chosen.filter((c) => c.kind === 'places');
  const over = (list: readonly Chosen[], f: (c: Chosen) => number) => mean(list.map(f));
  // Two thirds of the channels are offsets, the others modulations before their sigmoid.
  const offsets = (values: readonly number[]) => values.slice(0, (2 * values.length) / 3);
  const last = (values: readonly number[]) => values.slice((2 * values.length) / 3);
  const slope = (v: number) => (modulation(v) * (2 - modulation(v))) / 2;
  const sdOfWeights = kernels.length > 0 ? over(kernels, (c) => mean(c.moments.sd)) : 0;
  const sdOfPlaces = places.length > 0 ? over(places, (c) => mean(offsets(c.moments.sd))) : 0;
  return {
    moves: sdOfWeights >= LEAST.weight || sdOfPlaces >= LEAST.pixels,
    ...(kernels.length > 0 && {
      kernels: {
        sd: sdOfWeights,
        ofMean: over(kernels, (c) => c.entropy!.ofMean),
        mean: over(kernels, (c) => c.entropy!.mean),
      },
    }),
    ...(places.length > 0 && {
      places: {
        size: over(places, (c) => mean(offsets(c.moments.size))),
        sd: sdOfPlaces,
        modulation: over(places, ({ moments }) => {
          const deviations = last(moments.sd);
          return mean(last(moments.mean).map((v, i) => slope(v) * deviations[i]!));
        }),
      },
    }),
  };
}

/** For a result's `spread`: the kernel that weighs most, layer by layer. */
export function strongestOf(chosen: readonly Chosen[]): {
  readonly rates: Readonly<Record<string, number>>;
  readonly paths: number;
  readonly bits: number;
} {
  const layers = chosen.filter((c) => c.strongest);
  const n = layers[0]!.strongest!.length;
  const rates: Record<string, number> = {};
  const ways = new Map<string, number>();
  for (const c of layers)
    for (let k = 0; k < c.moments.mean.length; k++)
      rates[`${placeOf(c)}/kernel${k + 1}`] = c.strongest!.filter((v) => v === k).length / n;
  for (let i = 0; i < n; i++) {
    const way = layers.map((c) => c.strongest![i]).join();
    ways.set(way, (ways.get(way) ?? 0) + 1);
  }
  const shares = [...ways.values()].map((count) => count / n);
  return { rates, paths: shares.filter((s) => s >= 0.01).length, bits: bits(shares) };
}

import { DynaError } from '../errors.ts';
import { type Baseline, baselineOf } from './baseline.ts';
import { layoutOf, type Scorer, scoresEach } from './layout.ts';

export interface CurveOptions {
  /** Stages from the whole input to none of it; 28 by default, at most as many as there are places. */
  readonly steps?: number;
  /** Inputs that are scored at once; 64 by default. */
  readonly batch?: number;
  /** What takes the place of what is taken away: 0 by default for deletion, `blur` for insertion, as in the paper. */
  readonly baseline?: Baseline;
}

/** A score while places go or come, the most salient first. */
export interface Curve {
  /** Share of the places that were changed, from 0 to 1. */
  readonly shares: readonly number[];
  readonly scores: readonly number[];
  /** Under the curve, by trapezoids: the mean score on the way. */
  readonly area: number;
}

/**
 * Deletion (Petsiuk et al. 2018, arXiv:1806.07421): the score while the places of an input are taken away in an order. A
 * good order makes it fall early: a small area. Compare with `randomOrder`: what is left of any order is an unnatural
 * input, whose scores say little by themselves.
 *
 * @param order places, the most salient first, as `ranking(map)` gives them; channels go together
 * @throws DynaError 'shape' for an input, order or scores that do not fit, 'usage' for options out of range
 * @example const { area } = await deletion(pixels, [1, 28, 28], ranking(map), score)
 */
export const deletion = async (
  input: ArrayLike<number>,
  shape: readonly number[],
  order: ArrayLike<number>,
  score: Scorer,
  options: CurveOptions = {},
): Promise<Curve> =>
  walk(Float32Array.from(input), baselineOf(input, shape, options.baseline ?? 0), shape, order, score, options);

/**
 * Insertion: the score while the places of an input come to a baseline in an order. A good order makes it rise early: a
 * large area. Arguments and errors are those of `deletion`.
 */
export const insertion = async (
  input: ArrayLike<number>,
  shape: readonly number[],
  order: ArrayLike<number>,
  score: Scorer,
  options: CurveOptions = {},
): Promise<Curve> =>
  walk(baselineOf(input, shape, options.baseline ?? 'blur'), Float32Array.from(input), shape, order, score, options);

/** From one input to another, place by place. */
async function walk(
  from: Float32Array,
  to: Float32Array,
  shape: readonly number[],
  order: ArrayLike<number>,
  score: Scorer,
  { steps = 28, batch = 64 }: CurveOptions,
): Promise<Curve> {
  const { channels, places } = layoutOf(shape, from);
  for (const [name, value] of Object.entries({ steps, batch }))
    if (!Number.isInteger(value) || value < 1)
      throw new DynaError('usage', `${name} should be a whole number from 1 on, got ${value}`);
  if (order.length !== places || new Set(Array.from(order)).size !== places)
    throw new DynaError('shape', `an order names each of ${places} places once, got ${order.length} places`);
  const stages = Math.min(steps, places);
  const counts = Array.from({ length: stages + 1 }, (_, k) => Math.round((k * places) / stages));
  const now = from.slice();
  const scores: number[] = [];
  let done = 0;
  for (let start = 0; start <= stages; start += batch) {
    const these = counts.slice(start, start + batch);
    const inputs = new Float32Array(these.length * now.length);
    for (const [i, count] of these.entries()) {
      for (; done < count; done++)
        for (let c = 0; c < channels; c++) now[c * places + order[done]!] = to[c * places + order[done]!]!;
      inputs.set(now, i * now.length);
    }
    const found = await score(inputs, these.length);
    scoresEach(found, these.length, 1);
    scores.push(...Array.from(found));
  }
  const shares = counts.map((count) => count / places);
  return { shares, scores, area: areaUnder(shares, scores) };
}

/** By trapezoids, over the width of the curve. */
export function areaUnder(x: readonly number[], y: readonly number[]): number {
  let area = 0;
  for (let i = 1; i < x.length; i++) area += ((x[i]! - x[i - 1]!) * (y[i]! + y[i - 1]!)) / 2;
  return area / (x.at(-1)! - x[0]!);
}

import {
  apply,
  argMax,
  cast,
  clip,
  constant,
  equal,
  fullLike,
  greater,
  mul,
  ndarray,
  or,
  reshape,
  ScatterElements,
  type Tensor,
  topK,
  unsqueeze,
  where,
  zerosLike,
} from '../../graph/index.ts';
import type { KeepDecision } from '../decision.ts';

/** ScatterElements whose shape the file declares: the engine's optimiser fails on no rows of an unnamed batch. */
const Declared: typeof ScatterElements = { ...ScatterElements, internal: ['rows'] };

/** Above every score. */
const HIGHEST = 3e38;

/** Truths [n]: the first `count`. */
const first = (n: number, count: number): Tensor =>
  constant(
    ndarray(
      'bool',
      [n],
      Array.from({ length: n }, (_, i) => (i < count ? 1 : 0)),
    ),
  );

/** Fewest units that a decision keeps. */
export const leastKept = ({ always }: Pick<KeepDecision, 'always'>): number => Math.max(1, always);

/** What the number of kept units is called where it is known only when the graph runs. */
export const keptName = ({ name }: Pick<KeepDecision, 'name'>): string => `${name}.kept`;

/** How many units the rule `top` keeps, int64 [1]. */
export const topCount = (decision: KeepDecision, threshold: Tensor): Tensor =>
  reshape(cast(clip(threshold, leastKept(decision), decision.units), 'int64'), [1]);

/**
 * Which units are kept, [N, n] float32: 1 kept, 0 dropped. Never fewer than one of a row, whatever the scores are.
 *
 * @param score [N, n]
 * @param threshold []
 * @param previous [N, n]: what an earlier decision kept of the same units
 */
export function keptMask(decision: KeepDecision, score: Tensor, threshold: Tensor, previous?: Tensor): Tensor {
  if (previous) return mul(keptMask(decision, where(greater(previous, 0), score, -HIGHEST), threshold), previous);
  const { units, always, rule } = decision;
  const sure = always > 0 ? first(units, always) : undefined;
  if (rule === 'top') {
    const own = sure ? where(sure, HIGHEST, score) : score;
    const count = keptName(decision);
    const { places } = topK(own, topCount(decision, threshold), { axis: 1, sorted: false, count });
    const ones = fullLike(places, 1, 'float32');
    return apply(Declared, [zerosLike(score), places, ones], { axis: 1, reduction: 'none' });
  }
  const above = greater(score, threshold);
  if (sure) return cast(or(above, sure), 'float32');
  const numbers = constant(
    ndarray(
      'int64',
      [units],
      Array.from({ length: units }, (_, i) => i),
    ),
  );
  return cast(or(above, equal(unsqueeze(argMax(score, 1), [1]), numbers)), 'float32');
}

/** Weights without those that are not above the threshold. */
export const keptWeights = (weights: Tensor, threshold: Tensor): Tensor =>
  where(greater(weights, threshold), weights, 0);

import {
  argMax,
  cast,
  equal,
  greater,
  input,
  type NDArray,
  ndarray,
  not,
  reshape,
  sub,
  type Tensor,
} from '../../graph/index.ts';
import type { Decision } from '../decision.ts';

/** Thresholds of decisions by name: a number, or one for each option of an argmax decision. */
export type Thresholds = Readonly<Record<string, number | readonly number[]>>;

export const thresholdName = (decision: Decision): string => `${decision.name}/threshold`;

/** "Never leave the plain path": infinite for two options, no preference among more. */
export const neutral = ({ rule, options }: Decision): number | number[] =>
  rule === 'threshold' ? Number.POSITIVE_INFINITY : new Array<number>(options.length).fill(0);

/** A threshold as a tensor: [] or [K], float32. */
export const thresholdArray = (decision: Decision, value: number | readonly number[] = neutral(decision)): NDArray =>
  typeof value === 'number' ? ndarray('float32', [], [value]) : ndarray('float32', [value.length], value);

/** Graph inputs that callers may leave out: they carry the certified default. */
export const thresholdInput = (decision: Decision, thresholds: Thresholds): Tensor => {
  const value = thresholdArray(decision, thresholds[decision.name]);
  return input(thresholdName(decision), value.dims, 'float32', value);
};

/** Which rows take which option: a mask [N] for each, and the option's number [N, 1] as float32. */
export interface Choice {
  readonly masks: readonly Tensor[];
  readonly column: Tensor;
}

export function choose(decision: Decision, score: Tensor, threshold: Tensor): Choice {
  if (decision.rule === 'threshold') {
    const taken = greater(score, threshold);
    return { masks: [not(taken), taken], column: reshape(cast(taken, 'float32'), [-1, 1]) };
  }
  const best = argMax(sub(score, threshold), 1);
  const masks = decision.options.map((_, k) => equal(best, k));
  return { masks, column: reshape(cast(best, 'float32'), [-1, 1]) };
}

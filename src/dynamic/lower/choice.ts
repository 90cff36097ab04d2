import { DynaError } from '../../errors.ts';
import {
  argMax,
  cast,
  equal,
  greater,
  input,
  lessOrEqual,
  type NDArray,
  ndarray,
  not,
  reduceMax,
  reduceMin,
  sub,
  type Tensor,
  unsqueeze,
} from '../../graph/index.ts';
import { type Decision, neutral, type SelectDecision } from '../decision.ts';

/** Thresholds of decisions by name: a number, or one for each option of an argmax decision. */
export type Thresholds = Readonly<Record<string, number | readonly number[]>>;

/** Name of the graph input that holds a decision's threshold. */
export const thresholdName = (decision: Decision): string => `${decision.name}/threshold`;

/**
 * A threshold as a tensor: [] or [K], float32.
 *
 * @throws DynaError 'usage' where it is not one number or, for the largest of K options, one for each; or is NaN
 */
export function thresholdArray(decision: Decision, value: number | readonly number[] = neutral(decision)): NDArray {
  const { name, rule, options } = decision;
  const values = typeof value === 'number' ? [value] : value;
  const several = rule === 'argmax';
  const fits = several ? value === values && values.length === options.length : typeof value === 'number';
  if (!fits || values.some(Number.isNaN))
    throw new DynaError(
      'usage',
      `the threshold of decision "${name}" should be ${several ? `${options.length} numbers, one for each option` : 'a number'}, got ${typeof value === 'number' ? value : `[${values.join(', ')}]`}`,
    );
  return ndarray('float32', several ? [values.length] : [], values);
}

/** Graph inputs that callers may leave out: they carry the certified default. */
export const thresholdInput = (decision: Decision, thresholds: Thresholds): Tensor => {
  const value = thresholdArray(decision, thresholds[decision.name]);
  return input(thresholdName(decision), value.dims, 'float32', value);
};

/** Which rows take which option. */
export interface Choice {
  /** [rows] bool: the rows that take option `k`. */
  mask(k: number): Tensor;
  /** A bool scalar: does any row take option `k`? */
  any(k: number): Tensor;
  /** The option's number for each row, [rows, 1] float32. */
  column(): Tensor;
}

/** [rows] as a column of a trace, [rows, 1] float32. */
export const asColumn = (t: Tensor): Tensor => unsqueeze(cast(t, 'float32'), [1]);

/** True (a scalar) where any row is; of no rows the maximum is -Infinity, which is not above 0. */
const anyOf = (mask: Tensor): Tensor => greater(reduceMax(cast(mask, 'float32'), [0]), 0);

/**
 * The hard choice. Two options: the first where score <= threshold, else the second (a NaN score takes it too).
 * More: the largest of score - threshold.
 */
export function choose(decision: SelectDecision, score: Tensor, threshold: Tensor): Choice {
  if (decision.rule === 'threshold') {
    const first = lessOrEqual(score, threshold);
    return {
      mask: (k) => (k === 0 ? first : not(first)),
      // ReduceMin may give NaN where one row's score is NaN. The region then runs, on no rows at worst.
      any: (k) => (k === 0 ? not(greater(reduceMin(score, [0]), threshold)) : anyOf(not(first))),
      column: () => asColumn(not(first)),
    };
  }
  const best = argMax(sub(score, threshold), 1);
  return {
    mask: (k) => equal(best, k),
    any: (k) => anyOf(equal(best, k)),
    column: () => asColumn(best),
  };
}

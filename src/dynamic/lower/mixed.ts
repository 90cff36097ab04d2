import { DynaError } from '../../errors.ts';
import {
  add,
  concat,
  constant,
  greater,
  isFloat,
  mul,
  reshape,
  rewrite,
  split,
  type Tensor,
  unsqueeze,
  where,
  zerosLike,
} from '../../graph/index.ts';
import { isExit, isSelect, type KeepDecision, optionValues, type SelectDecision } from '../decision.ts';
import { isKeep, isWeigh, type KeepAttrs, partsOfKeep, underMask } from '../keep.ts';
import { thresholdArray } from './choice.ts';
import { keptMask } from './kept.ts';

/** Gives the weight of each option for each input, [N, K], rows of sum 1, from the options' logits [N, K]. */
export type Weigh = (decision: SelectDecision, logits: Tensor) => Tensor;

/** Gives the mask of units, [N, n], from their scores [N, n]; `learns` says how the gradient should reach them. */
export type MaskUnits = (decision: KeepDecision, score: Tensor, learns: KeepAttrs['learns']) => Tensor;

/** A net in which every option is computed, and mixed by weights. */
export interface Mixed {
  readonly outputs: readonly Tensor[];
  /** The options' weights by the decision's name, [N, K]. */
  readonly weights: ReadonlyMap<string, Tensor>;
}

/** A decision's score as one logit for each option, [N, K]; of two options the one above the threshold 0 has the larger. */
export function optionLogits({ rule }: SelectDecision, score: Tensor): Tensor {
  if (rule === 'argmax') return score;
  const column = unsqueeze(score, [1]);
  return concat([zerosLike(column), column], 1);
}

/** A score that nothing is below, of units that an earlier decision dropped. */
const LOWEST = 1e9;

/** The mask that the decision was traced with: no gradient reaches the scores through it. */
export const hardMask: MaskUnits = (decision, score) =>
  keptMask(decision, score, constant(thresholdArray(decision, decision.own)));

/** sum over k of weights[:, k] values[k]. */
function blend(decision: SelectDecision, weights: readonly Tensor[], values: readonly Tensor[]): Tensor {
  const first = values[0]!;
  if (!isFloat(first.dtype))
    throw new DynaError('gradient', `decision "${decision.name}" joins ${first.dtype} values, which cannot be mixed`, {
      fix: 'let its options return float tensors',
    });
  const axes = first.shape.slice(2).map((_, i) => i + 2);
  const wide = weights.map((w) => (first.rank === 1 ? reshape(w, [0]) : axes.length > 0 ? unsqueeze(w, axes) : w));
  return values.map((v, k) => mul(v, wide[k]!)).reduce((a, b) => add(a, b));
}

/**
 * The training form: every option is computed, and the join is their weighted sum; units are put to zero by a mask, and
 * weights stay as they are. Exits are left alone: each of their
 * answers has a loss of its own.
 *
 * @throws DynaError 'gradient' for options that return whole numbers or truths
 */
export function mixed(outputs: readonly Tensor[], weigh: Weigh, mask: MaskUnits = hardMask): Mixed {
  const weights = new Map<string, Tensor>();
  const rewritten = rewrite(outputs, (node, inputs) => {
    if (isWeigh(node)) return [inputs[0]!];
    if (isKeep(node)) {
      const { decision, axes, learns } = node.attrs;
      const { score, previous, values } = partsOfKeep(inputs, node.attrs);
      const own = mask(decision, previous ? where(greater(previous, 0), score, -LOWEST) : score, learns);
      return underMask(previous ? mul(own, previous) : own, values, axes);
    }
    if (!isSelect(node) || isExit(node.attrs.decision)) return undefined;
    const { decision, results } = node.attrs;
    const each = weigh(decision, optionLogits(decision, inputs[0]!));
    weights.set(decision.name, each);
    const columns = split(
      each,
      decision.options.map(() => 1),
      1,
    );
    const values = decision.options.map((_, k) => optionValues(inputs, node.attrs, k));
    return Array.from({ length: results }, (_, i) =>
      blend(
        decision,
        columns,
        values.map((v) => v[i]!),
      ),
    );
  });
  return { outputs: rewritten, weights };
}

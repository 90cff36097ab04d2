import { constant, reduceSum, rewrite, type Tensor } from '../../graph/index.ts';
import { isExit, isSelect, optionValues, ownThresholds } from '../decision.ts';
import { isKeep, isWeigh, partsOfKeep, underMask } from '../keep.ts';
import { checkDecisions, decisionsOf, type Net } from '../traced.ts';
import { choose, type Thresholds, thresholdArray } from './choice.ts';
import { keptMask, keptWeights } from './kept.ts';
import { pick } from './masked.ts';

/** A net whose only decisions are exits, and what its other decisions chose. */
export interface Settled {
  readonly net: Net;
  /** By the decision's name: its score, and the option's number for each row, [N, 1]; also where it would not be reached. */
  readonly choices: ReadonlyMap<string, { readonly score: Tensor; readonly column: Tensor }>;
  /** By the name of a decision about units: its score, [N, units], and how many it kept, [N, 1]. */
  readonly kept: ReadonlyMap<string, { readonly score: Tensor; readonly count: Tensor }>;
}

/**
 * Lets all decisions but the exits choose for themselves, at fixed thresholds and with everything computed.
 *
 * @param thresholds by name; others part where trained gates do: at 0, or at the largest score
 * @throws DynaError 'usage' for a decision that the net does not have
 */
export function settled(net: Net, thresholds: Thresholds = {}): Settled {
  checkDecisions(net, Object.keys(thresholds));
  const fixed: Thresholds = { ...ownThresholds(decisionsOf(net)), ...thresholds };
  const choices = new Map<string, { score: Tensor; column: Tensor }>();
  const kept = new Map<string, { score: Tensor; count: Tensor }>();
  const [output] = rewrite([net.output], (node, inputs) => {
    if (isWeigh(node)) {
      const { decision } = node.attrs;
      return [keptWeights(inputs[0]!, constant(thresholdArray(decision, fixed[decision.name])))];
    }
    if (isKeep(node)) {
      const { decision, axes } = node.attrs;
      const { score, previous, values } = partsOfKeep(inputs, node.attrs);
      const mask = keptMask(decision, score, constant(thresholdArray(decision, fixed[decision.name])), previous);
      kept.set(decision.name, { score, count: reduceSum(mask, [1], true) });
      return underMask(mask, values, axes);
    }
    if (!isSelect(node) || isExit(node.attrs.decision)) return undefined;
    const { decision } = node.attrs;
    const choice = choose(decision, inputs[0]!, constant(thresholdArray(decision, fixed[decision.name])));
    choices.set(decision.name, { score: inputs[0]!, column: choice.column() });
    const values = decision.options.map((_, k) => optionValues(inputs, node.attrs, k));
    return values.reduceRight((rest, own, k) => rest.map((r, i) => pick(choice.mask(k), own[i]!, r)));
  });
  return { net: { ...net, output: output! }, choices, kept };
}

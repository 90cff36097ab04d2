import { and, concat, type Node, placement, reshape, rewrite, type Tensor, where } from '../../graph/index.ts';
import { isSelect, optionValues, type SelectAttrs } from '../decision.ts';
import { joinsOf, type Net } from '../net.ts';
import { type Choice, choose, type Thresholds, thresholdInput } from './choice.ts';

/** What a lowered net computes: the answer, and the choices made, [N, decisions], -1 where a decision was not reached. */
export interface Lowered {
  readonly output: Tensor;
  readonly trace: Tensor | undefined;
}

const spread = (mask: Tensor, like: Tensor): Tensor =>
  like.rank === 1 ? mask : reshape(mask, [-1, ...like.shape.slice(1).map(() => 1)]);

/**
 * The hard choice with everything computed: the reference in tests, and the form for targets without control flow.
 */
export function masked(net: Net, thresholds: Thresholds = {}): Lowered {
  const placed = placement([net.output]);
  const choices = new Map<Node, Choice>();
  const [output] = rewrite([net.output], (node, inputs) => {
    if (!isSelect(node)) return undefined;
    const { attrs } = node;
    const choice = choose(attrs.decision, inputs[0]!, thresholdInput(attrs.decision, thresholds));
    choices.set(node, choice);
    let results = optionValues(inputs, attrs, 0);
    for (let k = 1; k < attrs.decision.options.length; k++) {
      const values = optionValues(inputs, attrs, k);
      results = results.map((r, i) => where(spread(choice.masks[k]!, r), values[i]!, r));
    }
    return results;
  });

  const reach = (node: Node): Tensor | undefined => {
    const block = placed.of.get(node)!;
    if (!block.owner) return undefined;
    const { decision } = block.owner.attrs as SelectAttrs;
    const taken = choices.get(block.owner)!.masks[decision.options.findIndex((o) => o.name === block.name)]!;
    const outer = reach(block.owner);
    return outer ? and(outer, taken) : taken;
  };
  const columns = joinsOf(net).map((node) => {
    const { column } = choices.get(node)!;
    const reached = reach(node);
    return reached ? where(reshape(reached, [-1, 1]), column, -1) : column;
  });
  return { output: output!, trace: columns.length > 0 ? concat(columns, 1) : undefined };
}

import {
  add,
  and,
  cast,
  concat,
  type Node,
  not,
  or,
  rewrite,
  type Tensor,
  unsqueeze,
  where,
} from '../../graph/index.ts';
import { isExit, isSelect, optionValues, type SelectAttrs } from '../decision.ts';
import { isKeep, isWeigh, partsOfKeep, underMask } from '../keep.ts';
import { checkDecisions, type Net } from '../traced.ts';
import { type Choice, choose, type Thresholds, thresholdInput } from './choice.ts';
import { JoinMap, keptColumns } from './columns.ts';
import { keptMask, keptWeights } from './kept.ts';

/** What a lowered net computes: the answer, and the choices made, [N, columns] (see `columnsOf`). */
export interface Lowered {
  readonly output: Tensor;
  readonly trace: Tensor | undefined;
}

/** `a` in the rows of the mask [rows], `b` in the others. */
export function pick(mask: Tensor, a: Tensor, b: Tensor): Tensor {
  // A Reshape to -1 would hide the batch's name from ONNX Runtime, whose layout optimiser then fails on no rows.
  const axes = a.shape.slice(1).map((_, i) => i + 1);
  const wide = axes.length === 0 ? mask : unsqueeze(mask, axes);
  // ONNX Runtime has no Where on truths.
  return a.dtype === 'bool' ? or(and(wide, a), and(not(wide), b)) : where(wide, a, b);
}

/**
 * The hard choice with everything computed: the reference in tests, and the form for targets without control flow.
 */
export function masked(net: Net, thresholds: Thresholds = {}): Lowered {
  checkDecisions(net, Object.keys(thresholds));
  const map = new JoinMap(net);
  const choices = new Map<Node, Choice>();
  /** What decisions that are no joins put into the trace. */
  const kept = new Map<Node, Tensor>();
  const [output] = rewrite([net.output], (node, inputs) => {
    if (isKeep(node)) {
      const { decision } = node.attrs;
      const { score, previous, values } = partsOfKeep(inputs, node.attrs);
      const mask = keptMask(decision, score, thresholdInput(decision, thresholds), previous);
      kept.set(node, keptColumns(decision, mask));
      return underMask(mask, values, node.attrs.axes);
    }
    if (isWeigh(node)) {
      const weights = keptWeights(inputs[0]!, thresholdInput(node.attrs.decision, thresholds));
      kept.set(node, weights);
      return [weights];
    }
    if (!isSelect(node)) return undefined;
    const { attrs } = node;
    const choice = choose(attrs.decision, inputs[0]!, thresholdInput(attrs.decision, thresholds));
    choices.set(node, choice);
    const last = attrs.decision.options.length - 1;
    let results = optionValues(inputs, attrs, last);
    for (let k = last - 1; k >= 0; k--) {
      const values = optionValues(inputs, attrs, k);
      results = results.map((r, i) => pick(choice.mask(k), values[i]!, r));
    }
    return results;
  });

  /** Which rows reach a join; undefined: all. */
  const reach = (node: Node): Tensor | undefined => {
    const block = map.placed.of.get(node)!;
    if (!block.owner) return undefined;
    const { decision } = block.owner.attrs as SelectAttrs;
    const taken = choices.get(block.owner)!.mask(decision.options.findIndex((o) => o.name === block.name));
    const outer = reach(block.owner);
    return outer ? and(outer, taken) : taken;
  };
  /** How many exits of a chain a row passed. */
  const passed = (joins: readonly Node[]): Tensor => {
    let going: Tensor | undefined;
    let count: Tensor | undefined;
    for (const join of joins) {
      const on = choices.get(join)!.mask(0);
      going = going ? and(going, on) : on;
      const one = cast(going, 'float32');
      count = count ? add(count, one) : one;
    }
    return unsqueeze(count!, [1]);
  };
  const columns = map.columns().map((nodes) => {
    const [first] = nodes;
    const exits = isSelect(first) && isExit(first.attrs.decision);
    const column = exits ? passed(nodes) : (kept.get(first) ?? choices.get(first)!.column());
    const reached = reach(first);
    return reached ? where(unsqueeze(reached, [1]), column, -1) : column;
  });
  return { output: output!, trace: columns.length > 0 ? concat(columns, 1) : undefined };
}

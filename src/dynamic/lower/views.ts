import {
  atScope,
  type Block,
  type NDArray,
  order,
  type ParamAttrs,
  param,
  placement,
  remake,
  rewrite,
  type Tensor,
} from '../../graph/index.ts';
import type { Model } from '../model.ts';

/** Parameters that several nodes read. */
function shared(output: Tensor): Set<Tensor> {
  const readers = new Map<Tensor, number>();
  for (const { inputs } of order([output]))
    for (const t of inputs) if (t?.node.op.leaf === 'param') readers.set(t, (readers.get(t) ?? 0) + 1);
  return new Set([...readers].flatMap(([t, n]) => (n > 1 ? [t] : [])));
}

/**
 * Gives weights that several branches share values of their own in each, views of them (the narrower widths' of a master) too.
 * They then lie inside the branches that use them, where the engine folds and packs them: faster, for a larger file.
 */
export function ownViews<M extends Pick<Model, 'net' | 'weights'>>(model: M): M {
  const weights = new Map(model.weights);
  const masters = shared(model.net.output);
  const { of } = placement([model.net.output]);
  const values = new Map<Tensor, NDArray>();
  const copies = new Map<Block, Map<Tensor, Tensor>>();
  const own = (from: ParamAttrs, value: NDArray): Tensor => {
    const plain = `${from.name}[${value.dims.join('x')}]`;
    let name = plain;
    for (let k = 2; weights.has(name); k++) name = `${plain}.${k}`;
    weights.set(name, value);
    return atScope('', () => param(name, value.dims, { kind: 'value', value }, from.role));
  };
  /** A weight as a node in a branch reads it: where it lies outside, by a copy for that branch. */
  const inside = (t: Tensor | undefined, block: Block): Tensor | undefined => {
    const value = t && masters.has(t) && of.get(t.node) !== block ? values.get(t) : undefined;
    if (!t || !value) return t;
    const known = copies.get(block) ?? new Map<Tensor, Tensor>();
    copies.set(block, known);
    const copy = known.get(t) ?? own(t.node.attrs as unknown as ParamAttrs, value);
    known.set(t, copy);
    return copy;
  };
  const [output] = rewrite([model.net.output], (node, inputs) => {
    const { op, attrs, outputs } = node;
    if (op.leaf === 'param') {
      const value = weights.get((attrs as unknown as ParamAttrs).name);
      if (value && masters.has(outputs[0]!)) values.set(outputs[0]!, value);
    } else if (op.leaf === 'constant') values.set(outputs[0]!, (attrs as { value: NDArray }).value);
    if (op.leaf || op.block) return undefined;
    const from = inputs.find((t) => t?.node.op.leaf === 'param');
    if (!from) return undefined;
    const known = inputs.map((t) => t && values.get(t));
    const found = known.every((v) => v) ? op.evaluate?.(known as NDArray[], attrs, outputs) : undefined;
    if (found) return found.map((value) => own(from.node.attrs as unknown as ParamAttrs, value));
    return remake(
      node,
      inputs.map((t) => inside(t, of.get(node)!)),
    );
  });
  return weights.size === model.weights.size ? model : { ...model, net: { ...model.net, output: output! }, weights };
}

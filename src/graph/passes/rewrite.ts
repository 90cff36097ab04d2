import { atScope } from '../scope.ts';
import { applyAll, type Node, type Tensor } from '../tensor.ts';
import { order } from './order.ts';

/** Gives the tensors that take the place of a node's outputs, or undefined to keep the node (on its new inputs). */
export type Visitor = (node: Node, inputs: readonly (Tensor | undefined)[]) => readonly Tensor[] | undefined;

/** The same operator on other inputs, under the same name; types are inferred anew. */
export const remake = (node: Node, inputs: readonly (Tensor | undefined)[]): readonly Tensor[] =>
  inputs.every((t, i) => t === node.inputs[i])
    ? node.outputs
    : atScope(node.scope, () => applyAll(node.op, inputs, node.attrs));

/** Rebuilds a graph from its leaves; `visit` replaces nodes on the way. Untouched parts are shared, not copied. */
export function rewrite(outputs: readonly Tensor[], visit: Visitor): Tensor[] {
  const made = new Map<Node, readonly Tensor[]>();
  for (const node of order(outputs)) {
    const inputs = node.inputs.map((t) => t && made.get(t.node)![t.index]!);
    made.set(node, atScope(node.scope, () => visit(node, inputs)) ?? remake(node, inputs));
  }
  return outputs.map((t) => made.get(t.node)![t.index]!);
}

/** Replaces tensors (usually leaves) by others. */
export const substitute = (outputs: readonly Tensor[], replacements: ReadonlyMap<Tensor, Tensor>): Tensor[] =>
  rewrite(outputs, (node) => {
    if (!node.outputs.some((t) => replacements.has(t))) return undefined;
    return node.outputs.map((t) => replacements.get(t) ?? t);
  });

import { DynaError } from '../errors.ts';
import { add, isFloat } from './ops/elementwise.ts';
import { scalar } from './ops/leaf.ts';
import { reduceSum } from './ops/reduce.ts';
import { fullLike, reshapeLike, zerosLike } from './ops/reshape.ts';
import { order } from './passes/order.ts';
import { atScope } from './scope.ts';
import { formatShape, sameShape } from './shape.ts';
import type { Node, Rule, Tensor } from './tensor.ts';

/** Sums a cotangent over the axes along which its input was broadcast. */
function unbroadcast(g: Tensor, x: Tensor): Tensor {
  if (sameShape(g.shape, x.shape)) return g;
  const lead = g.rank - x.rank;
  const axes = g.shape.flatMap((d, i) => (i < lead || (x.shape[i - lead] === 1 && d !== 1) ? [i] : []));
  const rest = lead < 0 || x.shape.some((d, i) => d !== 1 && d !== g.shape[i + lead]);
  if (rest) throw new DynaError('gradient', `a rule gave the cotangent ${formatShape(g.shape)} for ${x}`);
  return reshapeLike(axes.length > 0 ? reduceSum(g, axes, true) : g, x);
}

const ruleFor = (node: Node, input: number): Rule =>
  typeof node.op.gradient === 'function' ? node.op.gradient(input) : (node.op.gradient[input] ?? null);

/**
 * Reverse-mode differentiation: a walk over the graph that emits the gradient as more graph, which can be
 * differentiated again.
 *
 * @param loss a scalar (or any tensor: then the gradient of the sum of its elements), float
 * @param targets the tensors to differentiate by
 * @returns for each target a tensor of its shape; zeros where the loss does not depend on it
 * @throws DynaError 'gradient' where an operator on the path has no gradient
 * @example const [dw] = gradients(crossEntropy(logits, labels), [w])
 */
export function gradients(loss: Tensor, targets: readonly Tensor[]): Tensor[] {
  if (!isFloat(loss.dtype)) throw new DynaError('gradient', `a loss must be a float tensor, got ${loss}`);
  const nodes = order([loss]);
  const wanted = new Set(targets);
  const onPath = new Set<Tensor>();
  for (const node of nodes) {
    const reached = node.inputs.some((t) => t && onPath.has(t));
    for (const t of node.outputs) if (isFloat(t.dtype) && (reached || wanted.has(t))) onPath.add(t);
  }

  const cotangents = new Map<Tensor, Tensor>();
  const receive = (t: Tensor, g: Tensor): void => {
    const known = cotangents.get(t);
    cotangents.set(t, known ? add(known, g) : g);
  };
  receive(loss, loss.rank === 0 ? scalar(1, loss.dtype) : fullLike(loss, 1));

  for (const node of nodes.reverse()) {
    const gs = node.outputs.map((t) => cotangents.get(t));
    if (gs.every((t) => t === undefined) || !node.inputs.some((t) => t && onPath.has(t))) continue;
    atScope(node.scope, () => {
      const x = node.inputs as readonly Tensor[];
      const g = gs[0] ?? zerosLike(node.outputs[0]!);
      for (const [i, t] of node.inputs.entries()) {
        if (!t || !onPath.has(t)) continue;
        const rule = ruleFor(node, i);
        if (rule === null) continue;
        if (typeof rule !== 'function')
          throw new DynaError(
            'gradient',
            `${node.op.name}${node.scope ? ` in "${node.scope}"` : ''} has no gradient: ${rule.refuse}`,
          );
        const flow = rule({ g, gs, x, y: node.outputs, attrs: node.attrs });
        if (flow) receive(t, unbroadcast(flow, t));
      }
    });
  }
  return targets.map((t) => cotangents.get(t) ?? fullLike(t, 0));
}

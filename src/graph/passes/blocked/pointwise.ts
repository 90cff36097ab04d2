import { Add, Mul, neg, Sub } from '../../ops/elementwise.ts';
import { isConcrete, sameShape } from '../../shape.ts';
import { apply, type Node, type Operator, type Tensor } from '../../tensor.ts';
import { affine, asVector, isPerChannel } from './channels.ts';
import type { Layout } from './layout.ts';

/**
 * An operator that works place by place gives the same in any order of places: where one operand is in blocks already,
 * the others join it. Operands with one number for each channel make it a scale or an offset.
 */
export function lowerPointwise(layout: Layout, node: Node, inputs: readonly (Tensor | undefined)[]) {
  const shape = node.outputs[0]!.shape;
  const operands = inputs.filter((t) => t !== undefined);
  if (!operands.some((t) => layout.known(t)) || !layout.fits(node.outputs[0]!)) return undefined;
  if (operands.some((t) => t.dtype !== 'float32')) return undefined;
  const whole = (t: Tensor): boolean => sameShape(t.shape, shape);
  const single = (t: Tensor): boolean => isConcrete(t.shape) && t.shape.every((d) => d === 1);
  if (operands.every((t) => whole(t) || single(t))) {
    const twins = inputs.map((t) => (t && whole(t) ? layout.blocked(t) : t));
    return layout.plain(apply(node.op, twins, node.attrs));
  }
  const [a, b] = operands as [Tensor, Tensor];
  const is = (...ops: Operator[]): boolean => ops.includes(node.op);
  if (whole(a) && isPerChannel(b, a)) return perChannel(a, b);
  if (whole(b) && isPerChannel(a, b) && is(Add, Mul)) return perChannel(b, a);
  return undefined;

  function perChannel(x: Tensor, v: Tensor): Tensor | undefined {
    const vector = asVector(v, x);
    if (is(Mul)) return layout.plain(affine(layout, layout.blocked(x), vector));
    if (is(Add)) return layout.plain(affine(layout, layout.blocked(x), undefined, vector));
    if (is(Sub)) return layout.plain(affine(layout, layout.blocked(x), undefined, neg(vector)));
    return undefined;
  }
}

import { times } from '../../../graph/dims.ts';
import {
  apply,
  applyAll,
  atScope,
  BATCH,
  Conv,
  type ConvAttrs,
  Flatten,
  ints,
  type Node,
  type Operator,
  Reshape,
  remake,
  reshape,
  type Shape,
  Split,
  type Tensor,
} from '../../../graph/index.ts';
import { windowShape } from '../../../graph/ops/conv.ts';
import { keptName } from '../kept.ts';
import { sized } from './kept-units.ts';
import type { Unit } from './moves.ts';

// Operators whose records want to know sizes that are names here.

const Channels: Operator<ConvAttrs> = {
  ...Conv,
  infer: ([x, w], attrs) => [
    { dtype: x!.dtype, shape: [x!.shape[0]!, w!.shape[0]!, ...windowShape(x!.shape, attrs, 'Conv')] },
  ],
};

/** Split without sizes: equal pieces. */
const Evenly: Operator<{ axis: number; pieces: readonly Shape[] }> = {
  ...(Split as unknown as Operator<{ axis: number; pieces: readonly Shape[] }>),
  arity: [1, 1],
  internal: ['pieces'],
  infer: ([x], { pieces }) => pieces.map((shape) => ({ dtype: x!.dtype, shape })),
};

const is = (node: Node, op: unknown): boolean => node.op === op;

/** The size of a unit axis where only kept units lie on it. */
export const keptSize = ({ outer, inner, keep }: Unit): string | number =>
  times(outer * inner, keptName(keep.attrs.decision))!;

/** A traced shape with the kept sizes on its unit axes. */
export const shrunk = (shape: Shape, units: readonly Unit[]): Shape =>
  shape.map((d, axis) => {
    const unit = units.find((u) => u.axis === axis);
    return unit ? keptSize(unit) : d;
  });

/** The batch as it is called where `x` is. */
const ofRows = (shape: Shape, x: Tensor): Shape => shape.map((d) => (d === BATCH ? x.shape[0]! : d));

/** A Reshape whose target was written for all units. */
function reshaped(node: Node, x: Tensor, units: readonly Unit[], counts: (unit: Unit) => Tensor): Tensor {
  const to = ofRows(shrunk(node.outputs[0]!.shape, units), x);
  const copies = to.map((d, i) => (typeof d === 'number' ? d : d === x.shape[i] ? 0 : undefined));
  const open = copies.filter((d) => d === undefined).length;
  if (open === 0) return reshape(x, copies as number[]);
  // An inferred size would fail on no rows.
  if (open === 1 && x.shape[0] === 1)
    return reshape(
      x,
      copies.map((d) => d ?? -1),
    );
  const sizes = copies.map((d, i) => d ?? counts(units.find((u) => u.axis === i)!));
  return apply(Reshape, [x, sized(sizes)], { to });
}

/**
 * A node on inputs that hold kept units only.
 *
 * @param formOf the unit axes of the node's outputs
 * @param counts the kept size of an axis, int64 [1]
 */
export function remakeShrunk(
  node: Node,
  inputs: readonly (Tensor | undefined)[],
  formOf: (t: Tensor) => readonly Unit[],
  counts: (unit: Unit) => Tensor,
): readonly Tensor[] {
  const [out] = node.outputs;
  return atScope(node.scope, () => {
    if (is(node, Reshape) || is(node, Flatten)) return [reshaped(node, inputs[0]!, formOf(out!), counts)];
    if (is(node, Conv)) return applyAll(Channels, inputs, node.attrs as unknown as ConvAttrs);
    const { axis } = node.attrs as { axis?: number };
    if (is(node, Split) && formOf(out!).some((u) => u.axis === axis))
      return applyAll(Evenly, [inputs[0]], {
        axis: axis!,
        pieces: node.outputs.map((t) => ofRows(shrunk(t.shape, formOf(t)), inputs[0]!)),
      });
    return remake(node, inputs);
  });
}

/** int64 [1]: the number of places that `count` kept units take. */
export const placesOf = ({ outer, inner }: Unit, count: Tensor, multiply: (a: Tensor, b: Tensor) => Tensor): Tensor =>
  outer * inner === 1 ? count : multiply(count, ints([outer * inner]));

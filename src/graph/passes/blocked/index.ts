import { Conv } from '../../ops/conv.ts';
import { ConvInputGradient, ConvWeightGradient } from '../../ops/conv-gradient.ts';
import { GlobalAveragePool } from '../../ops/pool.ts';
import { ReduceSum } from '../../ops/reduce.ts';
import type { Attrs, Tensor } from '../../tensor.ts';
import { expand } from '../expand.ts';
import { rewrite } from '../rewrite.ts';
import { simplify } from '../simplify.ts';
import { lowerConv } from './conv.ts';
import { fuse } from './fuse.ts';
import { lowerInputGradient } from './input-gradient.ts';
import { type BlockSize, Layout } from './layout.ts';
import { lowerPointwise } from './pointwise.ts';
import { lowerAverage, lowerSum } from './statistics.ts';
import { lowerWeightGradient } from './weight-gradient.ts';

export type { BlockSize } from './layout.ts';

type Lowering = (layout: Layout, x: readonly Tensor[], attrs: Attrs) => Tensor | undefined;

/** The operators that have a form in blocks of their own. What a form does not cover is left as it is. */
const lowerings = new Map<unknown, Lowering>([
  [Conv, (l, [x, w, bias], a) => lowerConv(l, x!, w!, bias, a as Parameters<typeof lowerConv>[4])],
  [ConvInputGradient, (l, [g, w], a) => lowerInputGradient(l, g!, w!, a as Parameters<typeof lowerInputGradient>[3])],
  [
    ConvWeightGradient,
    (l, [g, x], a) => lowerWeightGradient(l, g!, x!, a as Parameters<typeof lowerWeightGradient>[3]),
  ],
  [ReduceSum, (l, [x, axes], a) => lowerSum(l, x!, axes, a.keepdims === 1)],
  [GlobalAveragePool, (l, [x]) => lowerAverage(l, x!)],
]);

/**
 * Rewrites a training graph so that convolutions, their gradients and what lies between them work on blocks of
 * channels, by operators that ONNX Runtime keeps for itself: about twice as fast, the same numbers up to rounding. Only
 * for graphs that run here and now, on an engine that `blockSize` of the runtime found able; never for a file.
 *
 * @param outputs a graph on known shapes, gradients included (blocked operators cannot be differentiated)
 * @example const fast = blocked(simplify([loss, ...gradients(loss, weights)]), { block: 16 })
 */
export function blocked(outputs: readonly Tensor[], { block }: { block: BlockSize }): Tensor[] {
  const layout = new Layout(block);
  // Equal nodes become one first, so that each tensor is brought into blocks once.
  const written = simplify(expand(outputs, (op) => lowerings.has(op)));
  const lowered = rewrite(written, (node, inputs) => {
    const own = lowerings.get(node.op);
    const made = own
      ? own(layout, inputs as readonly Tensor[], node.attrs)
      : node.op.pointwise && lowerPointwise(layout, node, inputs);
    return made ? [made] : undefined;
  });
  return fuse(lowered, layout);
}

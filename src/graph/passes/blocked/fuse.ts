import { Add, Relu } from '../../ops/elementwise.ts';
import { sameShape } from '../../shape.ts';
import { apply, type Node, type Tensor } from '../../tensor.ts';
import { order } from '../order.ts';
import { rewrite } from '../rewrite.ts';
import type { Layout } from './layout.ts';
import { BlockedConv, type BlockedConvAttrs } from './operators.ts';

const is = (node: Node, op: unknown): boolean => (node.op as unknown) === op;

/**
 * Lets a blocked convolution do what follows it, where nothing else reads its result: an offset for each channel, a sum
 * with another tensor, and Relu. Each saves a pass over memory.
 */
export function fuse(outputs: readonly Tensor[], layout: Layout): Tensor[] {
  const uses = new Map<Tensor, number>();
  const read = (t: Tensor | undefined): void => {
    if (t) uses.set(t, (uses.get(t) ?? 0) + 1);
  };
  for (const t of outputs) read(t);
  for (const node of order(outputs)) for (const t of node.inputs) read(t);

  return rewrite(outputs, (node, inputs) => {
    /** The convolution that made input `i`, if it is free to do more. */
    const free = (i: number): Node<BlockedConvAttrs> | undefined => {
      const made = inputs[i]?.node;
      if (!made || !is(made, BlockedConv) || uses.get(node.inputs[i]!) !== 1) return undefined;
      return made.attrs.activation ? undefined : (made as unknown as Node<BlockedConvAttrs>);
    };
    const again = (made: Node<BlockedConvAttrs>, more: { bias?: Tensor; sum?: Tensor; activation?: 'Relu' }) => {
      const [x, w, bias, sum] = made.inputs;
      const activation = more.activation ? { activation: more.activation } : {};
      const list = [x, w, more.bias ?? bias, more.sum ?? sum];
      while (!list.at(-1)) list.pop();
      return [apply(BlockedConv, list, { ...made.attrs, ...activation })];
    };

    if (is(node, Relu)) {
      const made = free(0);
      return made && again(made, { activation: 'Relu' });
    }
    if (is(node, Add)) {
      const [a, b] = inputs as [Tensor, Tensor];
      if (!sameShape(a.shape, b.shape)) return undefined;
      for (const [i, other] of [
        [0, b],
        [1, a],
      ] as const) {
        const made = free(i);
        if (made && !made.inputs[3]) return again(made, { sum: other });
      }
      return undefined;
    }
    // An offset alone (scale 1) joins the convolution before it.
    if (is(node, BlockedConv) && inputs[2] && !inputs[3] && isOnes(inputs[1]!) && !padded(node.attrs.pads)) {
      const made = free(0);
      if (made && !made.inputs[2] && !made.inputs[3]) return again(made, { bias: inputs[2] });
    }
    return undefined;
  });

  function isOnes(w: Tensor): boolean {
    return w === layout.ones([w.shape[0] as number, 1, 1, 1]);
  }
}

const padded = (pads: readonly number[]): boolean => pads.some((p) => p !== 0);

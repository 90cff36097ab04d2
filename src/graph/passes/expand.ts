import type { Operator, Tensor } from '../tensor.ts';
import { rewrite } from './rewrite.ts';

/** Writes operators that have an expansion by others, but for those that `keep` says a later pass will lower. */
export const expand = (outputs: readonly Tensor[], keep: (op: Operator) => boolean = () => false): Tensor[] =>
  rewrite(outputs, (node, inputs) =>
    keep(node.op) ? undefined : node.op.expand?.(inputs as readonly Tensor[], node.attrs),
  );

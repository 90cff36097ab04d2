import { BATCH, input, order, rewrite, substitute, type Tensor } from '../../graph/index.ts';
import { isAlone } from './alone.ts';

/**
 * `rows`: each region runs on the rows that take it (one input and batches alike).
 * `branch`: plain branches for a fixed batch of one, which also skips units of weights.
 */
export type SparseForm = 'rows' | 'branch';

/** A graph for a fixed batch of one. */
export function single(output: Tensor): Tensor {
  const fed = order([output]).flatMap((n) =>
    n.op.leaf === 'input' && n.outputs[0]!.shape[0] === BATCH ? n.outputs : [],
  );
  const ones = fed.map((t): [Tensor, Tensor] => [t, input(t.node.attrs.name, [1, ...t.shape.slice(1)], t.dtype)]);
  return substitute([output], new Map(ones))[0]!;
}

/** A traced net as a file of one form computes it. */
export const formed = (output: Tensor, form: SparseForm): Tensor =>
  rewrite([form === 'branch' ? single(output) : output], (node, inputs) => {
    if (!isAlone(node)) return undefined;
    return form === 'branch' ? [node.attrs.make(inputs.slice(1) as Tensor[])] : [inputs[0]!];
  })[0]!;

import { apply, type Node, noMacs, type Operator, type Tensor } from '../../graph/index.ts';

interface AloneAttrs {
  /** The same value from inputs 1, 2, ... of a batch of one. */
  readonly make: (inputs: readonly Tensor[]) => Tensor;
}

/** Input 0, for which one input knows a cheaper way from the others. */
export const Alone: Operator<AloneAttrs> = {
  name: 'Alone',
  domain: 'dynaneural',
  arity: [1, Number.POSITIVE_INFINITY],
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  gradient: (input) => (input === 0 ? ({ g }) => g : null),
  macs: noMacs,
  expand: ([x]) => [x!],
};

/** `batched`, or in files for one input what `make` builds from `from`; both must give the same numbers. */
export const alone = (batched: Tensor, from: readonly Tensor[], make: AloneAttrs['make']): Tensor =>
  apply(Alone, [batched, ...from], { make });

export const isAlone = (node: Node): node is Node & { readonly attrs: AloneAttrs } =>
  node.op === (Alone as unknown as Operator);

import { DynaError } from '../../errors.ts';
import {
  BATCH,
  constantOf,
  formatShape,
  input as graphInput,
  Reshape,
  reshape,
  rewrite,
  type Tensor,
  toNumbers,
} from '../../graph/index.ts';

/**
 * Opens the batch axis of a graph that was exported for one image: the input becomes [N, ...]. Reshapes to a fixed
 * [1, ...] copy axis 0 instead; every other operator takes any batch or is refused by its own shape rule.
 *
 * @throws DynaError 'model' where the batch of 1 is built into a node
 */
export function openBatch(input: Tensor, output: Tensor): { readonly input: Tensor; readonly output: Tensor } {
  const x = graphInput(input.node.attrs.name, [BATCH, ...input.shape.slice(1)]);
  let at = '';
  const refuse = (why: string, cause?: unknown): DynaError =>
    new DynaError('model', `the batch of 1 is built into the model${at}: ${why}`, {
      fix: 'export it with an open batch axis',
      ...(cause === undefined ? {} : { cause }),
    });
  const visit: Parameters<typeof rewrite>[1] = (node, inputs) => {
    at = ` near ${node.op.name}${node.scope ? ` "${node.scope}"` : ''}`;
    if (node === input.node) return [x];
    if ((node.op as unknown) !== Reshape || inputs[0]?.shape[0] !== BATCH) return undefined;
    const target = constantOf(inputs[1]);
    if (!target || node.inputs[0]!.shape[0] !== 1) return undefined;
    const [first, ...rest] = toNumbers(target);
    return first === 1 ? [reshape(inputs[0], [0, ...rest])] : undefined;
  };
  let result: Tensor;
  try {
    [result] = rewrite([output], visit) as [Tensor];
  } catch (cause) {
    if (!(cause instanceof DynaError)) throw cause;
    throw refuse(cause.message, cause);
  }
  at = '';
  if (result.rank > 0 && result.shape[0] !== BATCH && output.shape[0] === 1)
    throw refuse(`its output stays ${formatShape(result.shape)} for any batch`);
  return { input: x, output: result };
}

import { DynaError } from '../../errors.ts';
import { BATCH, formatShape, type Node, type Tensor } from '../../graph/index.ts';

/** Does its first axis hold the batch? */
export const batched = (t: Tensor): boolean => t.shape[0] === BATCH;

const named = (t: Tensor): boolean => t.shape.some((d) => typeof d === 'string');

/** Does the operator work along axis 0 of its rows? An axis counted from the end is one of the larger shape. */
function alongRows({ attrs, inputs, outputs }: Node): boolean {
  const { axis } = attrs as { axis?: number };
  if (axis === undefined || !inputs[0] || !batched(inputs[0])) return false;
  return (axis < 0 ? axis + Math.max(inputs[0].rank, outputs[0]!.rank) : axis) === 0;
}

/**
 * Inside a region only some rows are present, so nothing may mix rows or move them to another axis.
 *
 * @throws DynaError 'graph' for an operator that does
 */
export function refuseMerging(node: Node): void {
  const inputs = node.inputs.filter((t) => t !== undefined);
  if (!inputs.some(named)) return;
  const apart = (t: Tensor): boolean => batched(t) && t.shape.slice(1).every((d) => typeof d === 'number');
  const bad =
    node.op.couplesBatch || alongRows(node) || !inputs.filter(named).every(apart) || !node.outputs.every(apart);
  if (bad)
    throw new DynaError(
      'graph',
      `${node.op.name}${node.scope ? ` in "${node.scope}"` : ''} merges the batch axis (${inputs.map((t) => formatShape(t.shape)).join(', ')} to ${node.outputs.map((t) => formatShape(t.shape)).join(', ')}) inside a region that runs only for some inputs; keep axis 0 apart there`,
    );
}

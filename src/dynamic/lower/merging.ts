import { DynaError } from '../../errors.ts';
import {
  BATCH,
  Cast,
  CumSum,
  constantOf,
  formatShape,
  GatherND,
  isFloat,
  type Node,
  type Operator,
  ScatterND,
  ShapeOf,
  type Tensor,
} from '../../graph/index.ts';

/** Does its first axis hold the batch? */
export const batched = (t: Tensor): boolean => t.shape[0] === BATCH;

const is = ({ op }: Node, other: unknown): boolean => op === (other as Operator);

/** Does the size of an axis hang on how many rows there are? */
const countsRows = (d: string | number): boolean => typeof d === 'string' && d.split(/[*+()]/).includes(BATCH);
const holdsRows = (t: Tensor): boolean => t.shape.some(countsRows);

/** Does a node tell sizes of a tensor, the number of rows among them? */
const tellsRows = (node: Node): boolean =>
  is(node, ShapeOf) && node.inputs[0]!.shape.slice(node.attrs.start ?? 0, node.attrs.end).some(countsRows);

/**
 * Whether a tensor is made of sizes that count the rows: a region has its own number of rows, so it must ask again.
 */
export function tellsSizes(t: Tensor, depth = 8): boolean {
  if (t.node.op.leaf || t.rank > 1 || t.dtype === 'bool') return false;
  return tellsRows(t.node) || (depth > 0 && t.node.inputs.some((i) => i && tellsSizes(i, depth - 1)));
}

/** Does the operator work along axis 0 of its rows? An axis counted from the end is one of the larger shape. */
function alongRows(node: Node): boolean {
  const { attrs, inputs, outputs } = node;
  if (!inputs[0] || !batched(inputs[0])) return false;
  // Positions count through all rows.
  if (is(node, GatherND) || is(node, ScatterND)) return true;
  const given = is(node, CumSum) ? constantOf(inputs[1])?.data[0] : (attrs as { axis?: number }).axis;
  if (given === undefined) return is(node, CumSum);
  const axis = Number(given);
  return (axis < 0 ? axis + Math.max(inputs[0].rank, outputs[0]!.rank) : axis) === 0;
}

/**
 * Inside a region only some rows are present, so nothing may mix rows or move them to another axis.
 *
 * @throws DynaError 'graph' for an operator that does
 */
export function refuseMerging(node: Node): void {
  const inputs = node.inputs.filter((t) => t !== undefined);
  if (is(node, Cast) && isFloat(node.outputs[0]!.dtype) && tellsSizes(inputs[0]!))
    throw new DynaError(
      'graph',
      `${node.scope ? `"${node.scope}"` : 'a layer'} calculates with the number of rows, which is another one inside a region that runs only for some inputs; keep rows apart there`,
    );
  if (is(node, ShapeOf) || !inputs.some(holdsRows)) return;
  const apart = (t: Tensor): boolean => batched(t) && !t.shape.slice(1).some(countsRows);
  const bad =
    node.op.couplesBatch || alongRows(node) || !inputs.filter(holdsRows).every(apart) || !node.outputs.every(apart);
  if (bad)
    throw new DynaError(
      'graph',
      `${node.op.name}${node.scope ? ` in "${node.scope}"` : ''} merges the batch axis (${inputs.map((t) => formatShape(t.shape)).join(', ')} to ${node.outputs.map((t) => formatShape(t.shape)).join(', ')}) inside a region that runs only for some inputs; keep axis 0 apart there`,
    );
}

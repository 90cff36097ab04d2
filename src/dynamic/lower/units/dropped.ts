import {
  And,
  constantOf,
  Div,
  LogSoftmax,
  Mul,
  type NDArray,
  type Node,
  ndarray,
  Softmax,
  type Tensor,
  Where,
} from '../../../graph/index.ts';
import { isSelect } from '../../decision.ts';
import { isKeep } from '../../keep.ts';
import type { Unit } from './moves.ts';

type Dropped = Unit['dropped'];

/** Under this nothing counts beside anything else: what masked attention puts in the place of dropped keys. */
const LOW = -1e20;

const numberOf = (state: Dropped | undefined): number | undefined =>
  state === 'zero' ? 0 : state === 'low' ? 10 * LOW : undefined;
const stateOf = (value: number | undefined): Dropped => (value === 0 ? 'zero' : value! <= LOW ? 'low' : 'any');

const single = (t: Tensor): number | undefined => {
  const value = constantOf(t);
  return value?.data.length === 1 ? Number(value.data[0]) : undefined;
};

/**
 * What stands at the dropped units of a node's result, from what stands there in its inputs (undefined: the input has no
 * such axis).
 */
export function droppedAfter(node: Node, inputs: readonly (Dropped | undefined)[]): Dropped {
  const op = node.op as unknown;
  const own = inputs.filter((s) => s !== undefined);
  if (node.op.pointwise || op === Where) {
    const values = node.inputs.map((t, i) => (inputs[i] ? numberOf(inputs[i]) : t && single(t)));
    if (op === Where)
      return values[0] === 0 ? stateOf(values[2]) : values[1] === values[2] ? stateOf(values[1]) : 'any';
    if ((op === Mul || op === And) && values.includes(0)) return 'zero';
    if (op === Div && values[0] === 0) return 'zero';
    return values.every((v) => v !== undefined) ? stateOf(evaluated(node, values as number[])) : 'any';
  }
  if (isSelect(node)) {
    const [first] = own;
    const options = node.attrs.decision.options.length;
    return own.length === options && own.every((s) => s === first) ? first! : 'any';
  }
  if (isKeep(node)) return own[0]!;
  // Whatever only moves numbers to other places keeps them; arithmetic with weights may do anything.
  const moves = node.op.macs(node) === 0 && node.inputs.every((t, i) => !t || inputs[i] !== undefined || integer(t));
  return moves && own.every((s) => s === 'zero') && !changes.has(op) ? 'zero' : 'any';
}

const integer = ({ dtype }: Tensor): boolean => dtype === 'int64';
/** These make something of nothing. */
const changes = new Set<unknown>([Softmax, LogSoftmax]);

function evaluated(node: Node, values: readonly number[]): number | undefined {
  if (!node.op.evaluate) return undefined;
  const arrays = node.inputs.map((t, i): NDArray => ndarray(t!.dtype, [], [values[i]!]));
  const out = node.op.evaluate(arrays, node.attrs, [{ dtype: node.outputs[0]!.dtype, shape: [] }]);
  return out && Number(out[0]!.data[0]);
}

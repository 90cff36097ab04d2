import { type NDArray, sizeOf } from './array.ts';
import { isFloat } from './ops/elementwise.ts';
import type { ParamAttrs } from './ops/leaf.ts';
import { order } from './passes/order.ts';
import type { Node, Tensor } from './tensor.ts';

/**
 * Whether gradients pass through an operator as it is used: `yes`; `flat` where the derivative is zero almost
 * everywhere (comparisons, indices); `no` where it is refused.
 */
export type Differentiable = 'yes' | 'flat' | 'no';

export interface OperatorSummary {
  /** ONNX name, with the domain in front where it is not ai.onnx. */
  readonly name: string;
  readonly count: number;
  /** Multiply-accumulates for one item of the batch. */
  readonly macs: number;
  readonly differentiable: Differentiable;
}

export interface Summary {
  /** By name. */
  readonly operators: readonly OperatorSummary[];
  /** Elements of all trained parameters (weights and biases), and of running statistics. */
  readonly parameters: { readonly trained: number; readonly statistics: number; readonly tensors: number };
  /** Elements of constants. */
  readonly constants: number;
  /** Multiply-accumulates for one item; all branches of decisions are counted. */
  readonly macs: number;
  /** True where every parameter that the outputs depend on can be trained. */
  readonly differentiable: boolean;
}

const rank: readonly Differentiable[] = ['yes', 'flat', 'no'];
const worse = (a: Differentiable, b: Differentiable): Differentiable => (rank.indexOf(a) > rank.indexOf(b) ? a : b);

/** What the record says about the inputs through which something trainable comes in. */
function differentiability(node: Node, live: ReadonlySet<Tensor>): Differentiable {
  const { gradient } = node.op;
  const rules = node.inputs.flatMap((t, i) =>
    t && live.has(t) ? [typeof gradient === 'function' ? gradient(i) : (gradient[i] ?? null)] : [],
  );
  if (rules.some((r) => r !== null && typeof r !== 'function')) return 'no';
  return rules.some((r) => typeof r === 'function') || rules.length === 0 ? 'yes' : 'flat';
}

/**
 * Counts what a graph consists of: operators, parameters, multiply-accumulates.
 *
 * @param outputs what the graph gives; only what they need is counted
 * @example summary(Object.values(fromOnnx(model).outputs)).macs // 12_501_632
 */
export function summary(outputs: readonly Tensor[]): Summary {
  const operators = new Map<string, OperatorSummary>();
  const parameters = { trained: 0, statistics: 0, tensors: 0 };
  const live = new Set<Tensor>();
  let constants = 0;
  let macs = 0;
  let differentiable = true;
  for (const node of order(outputs)) {
    if (node.op.leaf === 'param') {
      const { shape, role } = node.attrs as ParamAttrs;
      parameters[role === 'statistic' ? 'statistics' : 'trained'] += sizeOf(shape);
      parameters.tensors++;
    }
    if (node.op.leaf === 'constant') constants += sizeOf((node.attrs.value as NDArray).dims);
    const reached = node.inputs.some((t) => t && live.has(t)) || node.op.leaf === 'param' || node.op.leaf === 'input';
    for (const t of node.outputs) if (reached && isFloat(t.dtype)) live.add(t);
    if (node.op.leaf) continue;
    const name = node.op.domain === '' ? node.op.name : `${node.op.domain}.${node.op.name}`;
    const own = node.op.macs(node);
    const state = differentiability(node, live);
    const known = operators.get(name) ?? { name, count: 0, macs: 0, differentiable: state };
    operators.set(name, {
      name,
      count: known.count + 1,
      macs: known.macs + own,
      differentiable: worse(known.differentiable, state),
    });
    macs += own;
    if (state === 'no') differentiable = false;
  }
  const byName = [...operators.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { operators: byName, parameters, constants, macs, differentiable };
}

import { order, type ParamAttrs, type Tensor } from '../graph/index.ts';
import { checkNames, paramAttrs } from './init.ts';

/**
 * The parameters that `outputs` depend on, in the order in which they were traced.
 *
 * @throws DynaError 'graph' when two of them have one name
 * @example paramsOf([logits]).map((p) => p.name) // ["conv1/weight", "conv1/bias", "classify1/weight", ...]
 */
export function paramsOf(outputs: readonly Tensor[]): ParamAttrs[] {
  const nodes = order(outputs).filter((node) => node.op.leaf === 'param');
  const params = nodes.sort((a, b) => a.id - b.id).map((node) => paramAttrs(node.outputs[0]!));
  checkNames(params);
  return params;
}

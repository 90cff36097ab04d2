import { atScope, type NDArray, order, type ParamAttrs, param, rewrite, type Tensor } from '../../graph/index.ts';
import type { Model } from '../model.ts';

/** Parameters that several nodes read. */
function shared(output: Tensor): Set<Tensor> {
  const readers = new Map<Tensor, number>();
  for (const { inputs } of order([output]))
    for (const t of inputs) if (t?.node.op.leaf === 'param') readers.set(t, (readers.get(t) ?? 0) + 1);
  return new Set([...readers].flatMap(([t, n]) => (n > 1 ? [t] : [])));
}

/**
 * Gives views of shared weights (the narrower widths' of a master) values of their own. They then lie inside the branches
 * that use them, where the engine packs them: faster, for a larger file.
 */
export function ownViews<M extends Model>(model: M): M {
  const weights = new Map(model.weights);
  const masters = shared(model.net.output);
  const values = new Map<Tensor, NDArray>();
  const own = (from: ParamAttrs, value: NDArray): Tensor => {
    const plain = `${from.name}[${value.dims.join('x')}]`;
    let name = plain;
    for (let k = 2; weights.has(name); k++) name = `${plain}.${k}`;
    weights.set(name, value);
    return atScope('', () => param(name, value.dims, { kind: 'value', value }, from.role));
  };
  const [output] = rewrite([model.net.output], ({ op, attrs, outputs }, inputs) => {
    if (op.leaf === 'param') {
      const value = weights.get((attrs as unknown as ParamAttrs).name);
      if (value && masters.has(outputs[0]!)) values.set(outputs[0]!, value);
    } else if (op.leaf === 'constant') values.set(outputs[0]!, (attrs as { value: NDArray }).value);
    if (op.leaf || !op.evaluate) return undefined;
    const from = inputs.find((t) => t?.node.op.leaf === 'param');
    const known = inputs.map((t) => t && values.get(t));
    if (!from || known.some((v) => !v)) return undefined;
    return op
      .evaluate(known as NDArray[], attrs, outputs)
      ?.map((value) => own(from.node.attrs as unknown as ParamAttrs, value));
  });
  return weights.size === model.weights.size ? model : { ...model, net: { ...model.net, output: output! }, weights };
}

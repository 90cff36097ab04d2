import { add, mul, reshape, scalar, slice, type Tensor } from '../graph/index.ts';
import { costTable, type RegionCost } from './cost.ts';
import { extremeMacs } from './paths.ts';
import { decisionsOf, type Net } from './traced.ts';

/**
 * The MACs that each input is expected to take, as a share of the dearest path, [N]: the sum over regions of their MACs,
 * each times the product of the weights of the options that lead there. Exits count as passed.
 *
 * @param weights of options by the decision's name, [N, K]
 */
export function expectedCost(net: Pick<Net, 'output'>, weights: ReadonlyMap<string, Tensor>): Tensor {
  const regions = costTable(net);
  const full = extremeMacs({ decisions: decisionsOf(net), regions }, Math.max);
  const columns = new Map<string, Tensor>();
  const share = (decision: string, option: number): Tensor | undefined => {
    const own = weights.get(decision);
    if (!own) return undefined;
    const key = `${decision}/${option}`;
    const column = columns.get(key) ?? reshape(slice(own, [{ axis: 1, start: option, end: option + 1 }]), [-1]);
    columns.set(key, column);
    return column;
  };
  const left = ({ decision, option }: RegionCost['guard'][number]): boolean => option > 0 && !weights.has(decision);
  let fixed = 0;
  let total: Tensor | undefined;
  for (const { guard, macs } of regions) {
    if (guard.some(left)) continue; // the head of an exit that is passed
    const shares = guard.map((g) => share(g.decision, g.option)).filter((t) => t !== undefined);
    if (shares.length === 0) fixed += macs / full;
    else {
      const part = mul(
        shares.reduce((a, b) => mul(a, b)),
        macs / full,
      );
      total = total ? add(total, part) : part;
    }
  }
  return total ? add(total, fixed) : reshape(scalar(fixed), [1]);
}

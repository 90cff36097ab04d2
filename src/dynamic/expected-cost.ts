import { add, mul, reshape, scalar, slice, type Tensor } from '../graph/index.ts';
import { costTable, type RegionCost } from './cost.ts';
import { extremeMacs } from './paths.ts';
import { decisionsOf, type Net } from './traced.ts';

/**
 * The MACs that each input is expected to take, as a share of the dearest path, [N]: the sum over regions of their MACs,
 * each times the product of the weights of the options that lead there. Exits count as passed.
 *
 * @param weights of options by the decision's name, [N, K]; of decisions about units the shares kept and dropped, [N, 2]
 */
export function expectedCost(net: Pick<Net, 'output'>, weights: ReadonlyMap<string, Tensor>): Tensor {
  const regions = costTable(net, 'branch');
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
  const plus = (macs: number, shares: readonly Tensor[]): void => {
    if (macs === 0) return;
    if (shares.length === 0) fixed += macs / full;
    else {
      const part = mul(
        shares.reduce((a, b) => mul(a, b)),
        macs / full,
      );
      total = total ? add(total, part) : part;
    }
  };
  for (const { guard, macs, units = [] } of regions) {
    if (guard.some(left)) continue; // the head of an exit that is passed
    const led = guard.map((g) => share(g.decision, g.option)).filter((t) => t !== undefined);
    plus(macs - units.reduce((sum, u) => sum + u.macs, 0), led);
    for (const term of units) {
      // The first column of a decision about units is the share that is kept.
      const kept = term.units.flatMap(({ decision, power }) =>
        new Array<Tensor | undefined>(power).fill(share(decision, 0)),
      );
      plus(term.macs, [...led, ...kept.filter((t) => t !== undefined)]);
    }
  }
  return total ? add(total, fixed) : reshape(scalar(fixed), [1]);
}

import { isExit, plainOption } from './decision.ts';
import type { SparseForm } from './lower/form.ts';
import { pathMacs } from './observations.ts';
import { decisionsOf, type Net } from './traced.ts';

/**
 * MACs up to each exit, the full path last, in the order of the decisions; decisions beside the exits take option 0
 * and keep all units.
 *
 * @param form of the file that they are counted in: for batches by default
 */
export function exitCosts(net: Net, form?: SparseForm): readonly number[] {
  const decisions = decisionsOf(net);
  const rest = decisions.filter((d) => !isExit(d));
  return pathMacs(
    net,
    decisions.filter(isExit).map((d) => d.name),
    form,
  )(new Map(rest.map((d) => [d.name, d.kind === 'keep' ? d.units : plainOption(d)])));
}

import { macsOf, type RegionCost } from './cost.ts';
import { type Decision, groupsOf, type KeepDecision } from './decision.ts';
import { leastKept } from './lower/kept.ts';

/** The choices of a net and what they cost. */
export interface Paths {
  readonly decisions: readonly Decision[];
  readonly regions: readonly RegionCost[];
}

/**
 * MACs of the dearest (`Math.max`) or cheapest (`Math.min`) way of one input through a net, over all choices that
 * `fixed` (options by number, or how many units are kept) leaves open. Regions form a tree (each lies in one option of one decision), so this is one walk over it.
 */
export function extremeMacs(
  { decisions, regions }: Paths,
  pick: (...macs: number[]) => number,
  fixed: Readonly<Record<string, number>> = {},
): number {
  const keeps = new Map(decisions.filter((d): d is KeepDecision => d.kind === 'keep').map((d) => [d.name, d]));
  const kept = (name: string): number | undefined => {
    const d = keeps.get(name);
    return name in fixed ? fixed[name] : d && pick(leastKept(d), d.units);
  };
  const under = (guard: RegionCost['guard']): number => {
    const depth = guard.length;
    const inside = regions.filter((r) => guard.every((g, i) => same(r.guard[i], g)));
    const own = inside.filter((r) => r.guard.length === depth).reduce((sum, r) => sum + macsOf(r, kept), 0);
    const next = decisions.filter(({ name }) => inside.some((r) => r.guard[depth]?.decision === name));
    const at = (name: string, option: number): number => under([...guard, { decision: name, option }]);
    const groups = groupsOf(next).reduce(
      (sum, { members, take }) => sum + ofGroup(members, take, pick, fixed, at),
      own,
    );
    return next.reduce((sum, d) => {
      if (d.kind === 'select' && d.among) return sum;
      const open = d.name in fixed ? [fixed[d.name]!] : d.options.map((_, k) => k);
      return sum + pick(...open.map((option) => at(d.name, option)));
    }, groups);
  };
  return under([]);
}

/** MACs of decisions of which `take` run: those that `fixed` names, then the dearest (or cheapest) others. */
function ofGroup(
  group: readonly Decision[],
  take: number,
  pick: (...macs: number[]) => number,
  fixed: Readonly<Record<string, number>>,
  at: (name: string, option: number) => number,
): number {
  const costs = group.map(({ name }) => ({ name, run: at(name, 0), rest: at(name, 1) }));
  const known = costs.filter((c) => c.name in fixed);
  const left = Math.max(0, take - known.filter((c) => fixed[c.name] === 0).length);
  const sign = pick(0, 1) === 1 ? -1 : 1;
  const open = costs.filter((c) => !(c.name in fixed)).sort((a, b) => sign * (a.run - a.rest - (b.run - b.rest)));
  const sum = (list: readonly { readonly run: number; readonly rest: number }[], of: 'run' | 'rest'): number =>
    list.reduce((total, c) => total + c[of], 0);
  return (
    known.reduce((total, c) => total + (fixed[c.name] === 0 ? c.run : c.rest), 0) +
    sum(open.slice(0, left), 'run') +
    sum(open.slice(left), 'rest')
  );
}

const same = (a: RegionCost['guard'][number] | undefined, b: RegionCost['guard'][number]): boolean =>
  a?.decision === b.decision && a.option === b.option;

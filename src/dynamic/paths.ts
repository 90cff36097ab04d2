import { macsOf, type RegionCost } from './cost.ts';
import type { Decision, KeepDecision } from './decision.ts';
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
    return next.reduce((sum, { name, options }) => {
      const open = name in fixed ? [fixed[name]!] : options.map((_, k) => k);
      return sum + pick(...open.map((option) => under([...guard, { decision: name, option }])));
    }, own);
  };
  return under([]);
}

const same = (a: RegionCost['guard'][number] | undefined, b: RegionCost['guard'][number]): boolean =>
  a?.decision === b.decision && a.option === b.option;

import type { ModelCard } from '../../../src/deploy/card.ts';
import type { RegionCost } from '../../../src/dynamic/cost.ts';
import { type Decision, isExit } from '../../../src/dynamic/decision.ts';
import type { Trace } from '../../../src/dynamic/trace.ts';

export type Guard = RegionCost['guard'];

/** A part of the net that runs as a whole: its own work, then the decisions in it. */
export interface Region {
  readonly guard: Guard;
  readonly macs: number;
  readonly forks: readonly Fork[];
}

/** A decision where it stands. */
export interface Fork {
  readonly decision: Decision;
  /** Whether its second option ends the way: an answer of the whole net. */
  readonly exit: boolean;
  readonly guard: Guard;
  /** What runs behind each option; none where all inputs go the same way (units kept or weighed). */
  readonly options: readonly Region[];
}

const same = (a: Guard[number] | undefined, b: Guard[number]): boolean =>
  a?.decision === b.decision && a.option === b.option;

const under = (guard: Guard, outer: Guard): boolean => outer.every((g, i) => same(guard[i], g));

/** The tree of regions and decisions that a card describes. */
export function regionTree({ decisions, regions }: Pick<ModelCard, 'decisions' | 'regions'>): Region {
  const placed = new Set(regions.flatMap(({ guard }) => guard.map((g) => g.decision)));
  const build = (guard: Guard): Region => {
    const inside = regions.filter((r) => under(r.guard, guard));
    const macs = inside.filter((r) => r.guard.length === guard.length).reduce((sum, r) => sum + r.macs, 0);
    const here = decisions.filter(
      ({ name }) =>
        inside.some((r) => r.guard[guard.length]?.decision === name) || (guard.length === 0 && !placed.has(name)),
    );
    const forks = here.map((decision): Fork => {
      const routes = decision.kind === 'select' ? decision.options : [];
      const options = routes.map((_, option) => build([...guard, { decision: decision.name, option }]));
      return { decision, exit: isExit(decision), guard, options };
    });
    return { guard, macs, forks };
  };
  return build([]);
}

/** Whether a way through the net goes where `guard` leads. */
export const takes = (trace: Trace, guard: Guard): boolean =>
  guard.every(({ decision, option }) => trace.rows.find((r) => r.decision === decision)?.value === option);

import type { Model, Observations } from '../../dynamic/index.ts';
import { type Assessed, assess } from './assess.ts';
import { calibrated } from './calibrated.ts';
import type { Goal, Referred } from './claim.ts';
import { type Expected, exitTimes, expected, priceOf, type WayTimes } from './expected.ts';
import type { ExitPlan, Place } from './plan.ts';
import type { Times } from './times.ts';

/** All subsets with 1 to `most` of `n` things, each in order. */
function subsets(n: number, most: number): number[][] {
  let grown: number[][] = [[]];
  const all: number[][] = [];
  for (let size = 1; size <= most; size++) {
    grown = grown.flatMap((s) =>
      Array.from({ length: n }, (_, k) => k)
        .filter((k) => k > (s.at(-1) ?? -1))
        .map((k) => [...s, k]),
    );
    all.push(...grown);
  }
  return all;
}

/** What some of a model's exits, and its last answer, did. */
function only(seen: Observations, exits: readonly number[]): Observations {
  const columns = [...exits, seen.decisions.length];
  const [from, to] = [seen.decisions.length, exits.length];
  return {
    ...seen,
    decisions: exits.map((e) => seen.decisions[e]!),
    names: columns.map((c) => seen.names[c]!),
    scores: Float32Array.from(
      { length: seen.n * to },
      (_, i) => seen.scores[Math.floor(i / to) * from + exits[i % to]!]!,
    ),
    answers: Int32Array.from(
      { length: seen.n * (to + 1) },
      (_, i) => seen.answers[Math.floor(i / (to + 1)) * (from + 1) + columns[i % (to + 1)]!]!,
    ),
    logits: columns.map((c) => seen.logits[c]!),
  };
}

/** A choice among the exits that were tried, with what is expected of it. */
export interface Selected {
  readonly exits: readonly Place[];
  readonly found: Assessed;
  readonly expected: Expected;
  /** Absent where MACs were asked for. */
  readonly ways?: WayTimes;
}

export interface SelectOptions {
  /** Times of a model with one exit, for each exit that is tried; without them the choice goes by MACs. */
  readonly times?: readonly (readonly Times[])[] | undefined;
  /** What leaves nowhere begins the model anew. */
  readonly again?: boolean | undefined;
}

/**
 * Chooses among a model's exits those of which together the least time is expected within the claim, on the tune split (of single
 * images and of batches: the mean of the two shares), or without times the fewest MACs. An exit that decides little costs
 * everyone its head and the time to ask.
 *
 * @param seen of a model with all exits, on the tune split
 * @param made the model with some of them
 */
export function selectExits(
  seen: Observations,
  { exits, most, macs }: ExitPlan,
  made: (exits: readonly Place[]) => Model,
  tune: Referred,
  goal: Goal,
  { times, again }: SelectOptions = {},
): Selected {
  const scored = calibrated(made(exits), seen, tune, goal);
  const all = subsets(exits.length, most).map((subset): Selected => {
    const some = subset.map((e) => exits[e]!);
    const found = assess(made(some), { ...scored, seen: only(scored.seen, subset) }, tune, goal);
    if (!times) return { exits: some, found, expected: expected(found, goal, macs) };
    const own = subset.map((e) => times[e]!);
    const ways = exitTimes(own, again);
    return { exits: some, found, ways, expected: expected(found, goal, macs, ways) };
  });
  const price = (s: Selected): number => priceOf(s.found, s.expected);
  return all.reduce((a, b) => (price(b) < price(a) ? b : a));
}

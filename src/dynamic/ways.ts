import { DynaError } from '../errors.ts';
import { costTable, pathCost } from './cost.ts';
import { groupsOf, type SelectDecision } from './decision.ts';
import { type Choices, type FixedChoice, fixedScores } from './lower/static.ts';
import { extremeMacs } from './paths.ts';
import { decisionsOf, type Net } from './traced.ts';

/** One way through a net: the option of each decision that is reached on it, and what it costs. */
export interface Way {
  /** A character for each decision, the number of its option; "-" where it is not reached. */
  readonly name: string;
  /** For `cut`, and as a path of the fit loop: the option that each decision takes. */
  readonly choices: Readonly<Record<string, string>>;
  readonly macs: number;
}

const selects = (net: Net): SelectDecision[] => decisionsOf(net).filter((d) => d.kind === 'select');

/** The choices that must have been made for a decision to be reached, by its name. */
function conditions(net: Net): Map<string, ReadonlyMap<string, number>> {
  const found = new Map<string, ReadonlyMap<string, number>>();
  for (const { guard } of costTable(net))
    for (const [i, { decision }] of guard.entries())
      found.set(decision, new Map(guard.slice(0, i).map((g) => [g.decision, g.option])));
  return found;
}

/** Gives the choices of an input as a word, the same for equal ways. */
export function wordsOf(net: Net): (taken: (decision: string) => number | null | undefined) => string {
  const names = selects(net).map((d) => d.name);
  return (taken) => names.map((name) => taken(name) ?? '-').join('');
}

/** More ways than these are not listed: nobody trains or judges them one by one. */
const MOST_WAYS = 4096;

/**
 * Every way through a net, by all options that its decisions can choose where they are reached; the full way (first options)
 * last. All units are kept on each of them.
 *
 * @throws DynaError 'usage' for a net of more than 4,096 ways
 * @example for (const { name, macs, choices } of waysOf(gated)) console.log(name, macs, parametersOf(cut(gated, choices)).length)
 */
export function waysOf(net: Net): Way[] {
  const ways = waysUpTo(net, MOST_WAYS);
  if (ways) return ways;
  throw new DynaError(
    'usage',
    `"${net.name}" has more than ${MOST_WAYS} ways through its ${selects(net).length} decisions`,
    { fix: 'name the paths that matter yourself, or put more blocks behind each gate' },
  );
}

/**
 * Every way through a net as paths to train, the full way first: it teaches the others where a training distils.
 *
 * @throws DynaError 'usage' for a net of more than 4,096 ways
 * @example await train(gated, { data, epochs: 3, paths: everyWay(gated), decisions: exactPolicy(), cost: macTarget(0.5) })
 */
export const everyWay = (net: Net): Choices[] =>
  waysOf(net)
    .map((w) => w.choices)
    .reverse();

/** Whether choices so far keep to how many of each group run. */
function keepsGroups(decisions: readonly SelectDecision[]): (way: ReadonlyMap<string, number>) => boolean {
  const groups = groupsOf(decisions);
  return (way) =>
    groups.every(({ members, take }) => {
      const taken = members.flatMap((d) => way.get(d.name) ?? []);
      const run = taken.filter((option) => option === 0).length;
      return taken.length === 0 || (run <= take && run + members.length - taken.length >= take);
    });
}

/** The same where there are no more than `most`, else undefined. */
export function waysUpTo(net: Net, most: number): Way[] | undefined {
  const decisions = selects(net);
  const needs = conditions(net);
  const table = costTable(net);
  const possible = keepsGroups(decisions);
  let open: ReadonlyMap<string, number>[] = [new Map()];
  for (const { name, options } of decisions) {
    open = open.flatMap((way) =>
      [...(needs.get(name) ?? [])].every(([d, k]) => way.get(d) === k)
        ? options.map((_, k) => new Map([...way, [name, k]]))
        : [way],
    );
    open = open.filter(possible);
    if (open.length > most) return undefined;
  }
  const word = wordsOf(net);
  const ways = open.map(
    (way): Way => ({
      name: word((d) => way.get(d)),
      choices: Object.fromEntries(
        decisions.flatMap((d) => (way.has(d.name) ? [[d.name, d.options[way.get(d.name)!]!.name]] : [])),
      ),
      macs: pathCost(table, (d) => way.get(d)).macs,
    }),
  );
  return ways.sort((a, b) => (a.name < b.name ? 1 : -1));
}

/** A way as training sees it. */
export interface TracedWay {
  /** The decisions that are met on it, and their scores there. */
  readonly met: readonly FixedChoice[];
  /** As a share of the dearest way's. */
  readonly macs: number;
}

/**
 * What decides on a way: the scores of the decisions that lead there, and what it costs.
 *
 * @throws DynaError 'usage' for a decision or an option that the net does not have
 */
export function traceWay(net: Net, choices: Choices): TracedWay {
  const scores = fixedScores(net, choices);
  const taken = new Map(scores.map((s) => [s.decision.name, s.option]));
  const needs = conditions(net);
  const table = costTable(net);
  const most = extremeMacs({ decisions: decisionsOf(net), regions: table }, Math.max);
  return {
    met: scores.filter((s) => [...(needs.get(s.decision.name) ?? [])].every(([d, k]) => taken.get(d) === k)),
    macs: pathCost(table, (d) => taken.get(d)).macs / most,
  };
}

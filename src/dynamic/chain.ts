import type { Dataset } from '../data/index.ts';
import { exitLosses, operatingPath, type Risk } from './certify/index.ts';
import { ownThresholds, type SelectDecision } from './decision.ts';
import type { Thresholds } from './lower/choice.ts';
import { labelled } from './observations.ts';
import { fewWays, type SeenWays } from './run-ways.ts';
import { decisionsOf, type Net } from './traced.ts';
import type { Way } from './ways.ts';

/** Gates one inside the other: an input leaves their chain at one of them, or goes to its end. */
export interface Chain {
  readonly gates: readonly SelectDecision[];
  /** The way that leaves at each gate; the full way last. */
  readonly ways: readonly Way[];
}

/** Nobody chains more gates than a net may nest. */
const MOST = 64;

/**
 * The decisions of a net as a chain, outermost first: each has a threshold, all but the first are met only where the one before
 * takes its first option, and nothing decides where one takes its second. Undefined for other nets.
 */
export function chainOf(net: Net): Chain | undefined {
  const gates = decisionsOf(net).filter((d): d is SelectDecision => d.kind === 'select' && d.rule === 'threshold');
  const all = fewWays(net, MOST);
  if (!all || gates.length === 0 || gates.length !== decisionsOf(net).length || all.length !== gates.length + 1) return;
  const ways = [...all].sort((a, b) => Object.keys(a.choices).length - Object.keys(b.choices).length);
  // The full way meets as many gates as the one that leaves at the last.
  const full = ways.findIndex((w) => gates.every((g) => w.choices[g.name] === g.options[0]!.name));
  const leaving = ways.filter((_, i) => i !== full);
  const last = leaving.map((way) => gates.filter((g) => way.choices[g.name] === g.options[1]!.name));
  const chained =
    full >= 0 && leaving.every((way, k) => last[k]!.length === 1 && Object.keys(way.choices).length === k + 1);
  if (!chained) return;
  return { gates: last.map(([gate]) => gate!), ways: [...leaving, ways[full]!] };
}

/** What a setting is to be good for. */
export interface Aim {
  /** Disagreement where there are no labels. */
  readonly risk?: Risk | undefined;
  /** Where settings are finest; 0.005 by default. */
  readonly epsilon?: number | undefined;
}

/**
 * Settings of a chain, from cautious to bold. It leaves inputs as exits do, so thresholds are chosen as theirs are: for each
 * tolerated risk those with the least MACs.
 *
 * @param seen the chain's ways, on the split that settings may be fitted to
 */
export function settingsOfChain(
  { gates }: Chain,
  seen: SeenWays,
  { labels }: Pick<Dataset, 'labels'>,
  aim: Aim,
): Thresholds[] {
  const { risk = 'harm', epsilon = 0.005 } = aim;
  const count = gates.length;
  const own = labelled({ labels }) ? { risk, labels } : { risk: 'disagreement' as const, labels: undefined };
  const met = new Map(seen.ways[count]!.met.map((m) => [m.decision.name, m.scores]));
  const columns = gates.map((g) => met.get(g.name)!);
  const scores = Float64Array.from({ length: seen.n * count }, (_, i) => columns[i % count]![Math.floor(i / count)]!);
  const path = operatingPath({
    scores,
    losses: exitLosses(own.risk, seen.answers, count, own.labels),
    costs: seen.ways.map((w) => w.alone),
    epsilon,
  });
  return path.map(({ thresholds }) => ({
    ...ownThresholds(gates),
    ...Object.fromEntries(gates.map(({ name }, e) => [name, Math.fround(thresholds[e]!)])),
  }));
}

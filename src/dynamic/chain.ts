import type { Dataset } from '../data/index.ts';
import { DynaError } from '../errors.ts';
import { cutsOf } from './certify/cuts.ts';
import { exitLosses, pathAgainst, type Risk } from './certify/index.ts';
import { amongPeers, type SelectDecision } from './decision.ts';
import type { Thresholds } from './lower/choice.ts';
import { labelled } from './observations.ts';
import { fewWays, type SeenWays } from './run-ways.ts';
import { decisionsOf, MOST_NESTED, type Net } from './traced.ts';
import type { Way } from './ways.ts';

/** Gates one inside the other: an input leaves their chain at one of them, or goes to its end. */
export interface Chain {
  readonly gates: readonly SelectDecision[];
  /** The way that leaves at each gate; the full way last. */
  readonly ways: readonly Way[];
}

/**
 * The decisions of a net as a chain, outermost first: each has a threshold, all but the first are met only where the one before
 * takes its first option, and nothing decides where one takes its second. Undefined for other nets.
 */
export function chainOf(net: Net): Chain | undefined {
  const gates = decisionsOf(net).filter(
    (d): d is SelectDecision => d.kind === 'select' && d.rule === 'threshold' && !amongPeers(d),
  );
  const all = fewWays(net, MOST_NESTED + 1);
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
  /** Where they are best (see `operatingPath`). */
  readonly reach?: number | undefined;
  /** The answers that risks are counted against, [n]; the net's own full way's by default. */
  readonly reference?: ArrayLike<number> | undefined;
}

/**
 * Settings of a chain, from cautious to bold, and one in which all leave at the first gate. It leaves inputs as exits do, so
 * thresholds are chosen as theirs are: for each tolerated risk those with the least MACs.
 *
 * @param seen the chain's ways, on the split that settings may be fitted to
 * @throws DynaError 'data' for a gate that scores NaN
 */
export function settingsOfChain(
  { gates }: Chain,
  seen: SeenWays,
  { labels }: Pick<Dataset, 'labels'>,
  { risk = 'harm', epsilon = 0.005, reach, reference }: Aim,
): Thresholds[] {
  const { n } = seen;
  const count = gates.length;
  const width = count + 1;
  const answers = Int32Array.from({ length: n * (width + 1) }, (_, i) => {
    const [row, column] = [Math.floor(i / (width + 1)), i % (width + 1)];
    return column === width && reference ? reference[row]! : seen.answers[row * width + Math.min(column, count)]!;
  });
  const met = new Map(seen.ways[count]!.met.map((m) => [m.decision.name, m.scores]));
  const columns = gates.map((g) => met.get(g.name)!);
  for (const [g, scores] of columns.entries()) {
    const at = scores.findIndex(Number.isNaN);
    if (at >= 0) throw new DynaError('data', `the score of gate "${gates[g]!.name}" is NaN for input ${at}`);
  }
  const path = pathAgainst({
    scores: Float64Array.from({ length: n * count }, (_, i) => columns[i % count]![Math.floor(i / count)]!),
    losses: labelled({ labels })
      ? exitLosses(risk, answers, width, labels)
      : exitLosses('disagreement', answers, width),
    costs: seen.ways.map((w) => w.alone),
    ...{ epsilon, reach },
  });
  const named = (thresholds: readonly number[]): Thresholds =>
    Object.fromEntries(gates.map(({ name }, e) => [name, thresholds[e]!]));
  const all = columns.map((scores) => cutsOf([...scores].sort((a, b) => b - a)).at(-1)!.threshold);
  return [...path.map((p) => named(p.thresholds)), named(all)];
}

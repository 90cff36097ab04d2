import { Random } from 'dynaneural/data';
import { crossEdges, type Edge } from './detector.ts';

/** The decision about an edge, by its name in the net. */
export const decisionAbout = ({ node, source }: Edge): string => `node${node}/edge${source + 1}/choice`;

/** For people. */
export const edgeName = ({ node, source }: Edge): string => `${source === 0 ? 'stem' : source}->${node}`;

/** The way of one image: for each cross-layer edge 1 where it is used, else 0, in the order of `crossEdges`. */
export type Way = string;

export const edgesOf = (way: Way): Edge[] => crossEdges.filter((_, i) => way[i] === '1');

/** For `cut`: what each decision takes on a way. */
export const choicesOf = (way: Way): Record<string, string> =>
  Object.fromEntries(crossEdges.map((e, i) => [decisionAbout(e), way[i] === '1' ? 'run' : 'drop']));

/** The way that most images take; of equal ones the one with fewer edges, then the first by name. */
export function mostTaken(ways: readonly Way[]): Way {
  const counts = new Map<Way, number>();
  for (const way of ways) counts.set(way, (counts.get(way) ?? 0) + 1);
  const order = ([a, m]: [Way, number], [b, n]: [Way, number]) =>
    n - m || edgesOf(a).length - edgesOf(b).length || (a < b ? -1 : 1);
  return [...counts].sort(order)[0]![0];
}

/** The same ways, dealt out without looking. */
export const dealt = (ways: readonly Way[], seed: number): Way[] =>
  Array.from(new Random(seed).permutation(ways.length), (i) => ways[i]!);

/** The first edges of an order that together cost no less than `target`; all where even they cost less. */
export function keptUntil(order: readonly Edge[], target: number, macsOf: (kept: readonly Edge[]) => number): Edge[] {
  for (let n = 0; n < order.length; n++) {
    const kept = order.slice(0, n);
    if (macsOf(kept) >= target) return kept;
  }
  return [...order];
}

/** Edges of the largest mean weight first. */
export const byWeight = (weights: ReadonlyMap<string, number>): Edge[] =>
  [...crossEdges].sort((a, b) => weights.get(decisionAbout(b))! - weights.get(decisionAbout(a))!);

export const atRandom = (seed: number): Edge[] =>
  Array.from(new Random(seed, 7).permutation(crossEdges.length), (i) => crossEdges[i]!);

/** One setting of a threshold, on the tuning split. */
export interface Setting {
  readonly threshold: number;
  readonly map: number;
  readonly macs: number;
}

/** What precision may be given up on the tuning split. */
export const ALLOWED = 0.005;

/** The cheapest setting that is at most `ALLOWED` less precise than the best one; of equal ones the lower threshold. */
export function cheapest(settings: readonly Setting[]): Setting {
  const best = Math.max(...settings.map((s) => s.map));
  const fine = settings.filter((s) => s.map >= best - ALLOWED);
  return fine.reduce((a, s) => (s.macs < a.macs || (s.macs === a.macs && s.threshold < a.threshold) ? s : a));
}

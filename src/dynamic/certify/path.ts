import { DynaError } from '../../errors.ts';
import { exitsTaken } from './exits.ts';
import { type Ranks, ThresholdSearch } from './optimise.ts';

/** One setting of all thresholds, and what it did on the tune split. */
export interface OperatingPoint {
  /** [exits]; +Infinity is "never". An input leaves at the first exit whose score lies above its threshold. */
  readonly thresholds: readonly number[];
  /** Mean cost of an input, in the unit of `costs`. */
  readonly cost: number;
  /** Mean loss of an input. */
  readonly risk: number;
  /** Share of the inputs with a loss that is not 0: the risk itself for 0/1 losses, more for signed ones. */
  readonly changed: number;
  /** Share of the inputs that leave at each exit; the last is the full path. [exits + 1] */
  readonly shares: readonly number[];
}

export interface PathOptions {
  /** The tune split's scores, [n, exits], row by row; higher is surer. */
  readonly scores: ArrayLike<number>;
  /** The loss of leaving at each exit, [n, exits] (see `exitLosses`); the full path loses 0. */
  readonly losses: ArrayLike<number>;
  /** The cost of leaving at each exit, the full path last: [exits + 1]. Any unit; the points' costs come in the same. */
  readonly costs: ArrayLike<number>;
  /** The risk that is to be certified: the path is finest around it. */
  readonly epsilon: number;
  /** The risk that can be certified in all likelihood (see `reachableRate`): there the path is best; 0.7 epsilon by default. */
  readonly reach?: number | undefined;
}

/** A certified point shows about this share of epsilon on a calibration set of some thousand inputs. */
export const REACH = 0.7;
/** No step of the path saves more than this share of the full cost. */
const LARGEST_STEP = 1 / 16;

/**
 * An ordered path of operating points, from "nobody exits" to bold. The points are nested: each next one lets every input
 * exit at least as early as the one before, which is the order in which a certificate tests them.
 *
 * For a grid of tolerated risks, the cheapest thresholds are searched on the tune split: first near the risk that a certificate
 * can reach, free of any limits, then outwards from there, safer ones above the last found thresholds and bolder ones below.
 * Steps that would save much at once are filled in.
 *
 * @returns 2 to about 50 points
 * @throws DynaError('data') if there are no inputs, DynaError('shape') if the arrays don't fit together
 * @example
 * const losses = exitLosses('harm', answers, exits, labels)
 * const path = operatingPath({ scores, losses, costs: [0.2, 0.5, 1], epsilon: 0.005 })
 */
export function operatingPath({
  scores,
  losses,
  costs,
  epsilon,
  reach = REACH * epsilon,
}: PathOptions): OperatingPoint[] {
  const search = new ThresholdSearch(scores, losses, costs);
  if (search.n === 0) throw new DynaError('data', 'expected tune inputs to choose operating points from, got none');
  const chain = nestedChain(search, epsilon, reach);
  return distinctPoints(search, fillSteps(search, chain, Number(costs[search.exits]) * LARGEST_STEP * search.n));
}

/**
 * The same where the last answer is not what answers are held against, so that it may lose too: what is chosen is what exits
 * add to that.
 *
 * @param losses of every answer, the last one too: [n, exits + 1]
 */
export function pathAgainst({
  scores,
  losses,
  costs,
  epsilon,
  reach = REACH * epsilon,
}: PathOptions): OperatingPoint[] {
  const width = costs.length;
  const exits = width - 1;
  const n = losses.length / width;
  const at = (row: number, column: number): number => losses[row * width + column]!;
  const mean = (of: (row: number) => number): number => {
    let sum = 0;
    for (let row = 0; row < n; row++) sum += of(row);
    return sum / n;
  };
  const base = mean((row) => at(row, exits));
  const least = epsilon / 10;
  const path = operatingPath({
    scores,
    losses: Float64Array.from({ length: n * exits }, (_, i) => {
      const row = Math.floor(i / exits);
      return at(row, i % exits) - at(row, exits);
    }),
    costs,
    epsilon: Math.max(epsilon - base, least),
    reach: Math.max(reach - base, REACH * least),
  });
  return path.map((p) => {
    const taken = exitsTaken(scores, p.thresholds);
    const lost = (row: number): number => at(row, taken[row]!);
    return { ...p, risk: mean(lost), changed: mean((row) => Math.abs(lost(row))) };
  });
}

/** The tolerated risks: steps of 5 % of epsilon up to 1.5 epsilon, then growing ones. */
function targets(epsilon: number): number[] {
  const list: number[] = [];
  for (let k = 0; k <= 10; k++) list.push((k * epsilon) / 20); // 0 .. 0.5
  for (let k = 1; k <= 12; k++) list.push(((10 + k) * epsilon) / 20); // .55 .. 1.1
  for (let factor = 1.3; factor < 50; factor *= 1.5) list.push(factor * epsilon);
  return list;
}

function nestedChain(search: ThresholdSearch, epsilon: number, focus: number): Ranks[] {
  const limit = (target: number) => target * search.n + 1e-9;
  const grid = targets(epsilon);
  const anchor = search.cheapest(limit(focus), { from: search.never, to: search.all });
  const chain: Ranks[] = [anchor];
  for (const target of grid.filter((t) => t < focus * 0.999).reverse()) {
    chain.unshift(search.cheapest(limit(target), { from: search.never, to: chain[0] }));
  }
  for (const target of grid.filter((t) => t > focus * 1.001)) {
    chain.push(search.cheapest(limit(target), { from: chain[chain.length - 1], to: search.all }));
  }
  return [search.never, ...chain];
}

/** Puts points between neighbours whose costs differ by more than `largest`, at ranks between theirs. */
function fillSteps(search: ThresholdSearch, chain: readonly Ranks[], largest: number): Ranks[] {
  const out: Ranks[] = [chain[0]];
  for (let k = 1; k < chain.length; k++) {
    const [a, b] = [chain[k - 1], chain[k]];
    const pieces = Math.ceil((search.evaluate(a).cost - search.evaluate(b).cost) / largest);
    for (let p = 1; p < pieces; p++) {
      out.push(a.map((from, e) => Math.max(from, search.snap(e, Math.round(from + ((b[e] - from) * p) / pieces)))));
    }
    out.push(b);
  }
  return out;
}

/** The points of the ranks; of neighbours that treat all tune inputs alike, only the first. */
function distinctPoints(search: ThresholdSearch, chain: readonly Ranks[]): OperatingPoint[] {
  const points: OperatingPoint[] = [];
  let last = '';
  for (const ranks of chain) {
    const { cost, loss, changed, counts } = search.evaluate(ranks);
    const key = counts.join();
    if (key === last) continue; // nested, so equal counts mean that every input leaves where it left before
    last = key;
    points.push({
      thresholds: search.thresholds(ranks),
      cost: cost / search.n,
      risk: loss / search.n,
      changed: changed / search.n,
      shares: counts.map((c) => c / search.n),
    });
  }
  return points;
}

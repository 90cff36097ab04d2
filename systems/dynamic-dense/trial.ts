import type { Net, Trained } from 'dynaneural';
import { decisionsOf, edgeThreshold, type Thresholds } from 'dynaneural/dynamic';
import { type Context, phase } from '../shared/context.ts';
import { weightsDigest } from '../shared/fit.ts';
import { atRandom, byWeight, cheapest, dealt, edgeName, keptUntil, mostTaken, type Setting } from './choose.ts';
import type { Cells } from './data.ts';
import {
  crossEdges,
  detector,
  dynamicEdges,
  type Edge,
  fixedEdges,
  ONE_SCALE,
  type Shape,
  usualEdges,
} from './detector.ts';
import { meanWeights } from './evaluate.ts';
import { type Looked, look, lookDynamic, lookForced, macsOn, type Precision } from './judge.ts';
import { learn } from './train.ts';

/** The weight under which edges are dropped while the net is trained. */
const TRAINED_AT = 0.1;
/** Weights to drop under that are tried on the val split. */
const TRIED = [0, 0.06, 0.08, 0.09, 0.1, 0.11, 0.12, 0.14, 0.17, 0.2];
/** How often ways are dealt out anew. */
const DEALS = 3;

/** A detector and what it found on the test split. */
export interface Candidate {
  readonly model: Pick<Trained, 'net' | 'weights'>;
  readonly test: Precision;
}

/** Everything of one seed. */
export interface Trial {
  /** Nets without decisions, by name. */
  readonly fixed: Readonly<Record<string, Candidate>>;
  /** What was chosen on val for the nets at the dynamic one's MACs, in words. */
  readonly chosen: string;
  readonly dynamic: Candidate & {
    readonly test: Looked;
    readonly thresholds: Thresholds;
    /** The weight under which edges are dropped, chosen on val. */
    readonly threshold: number;
    /** On test, at every weight that was tried. */
    readonly curve: readonly Setting[];
    readonly full: Precision;
    readonly dealt: Precision;
    readonly constant: Precision;
  };
}

/** Thresholds of all decisions for a weight to drop under. */
const droppingUnder = (net: Net, weight: number): Thresholds =>
  Object.fromEntries(decisionsOf(net).map((d) => [d.name, edgeThreshold(TRAINED_AT, weight)]));

const average = (list: readonly Precision[]): Precision => {
  const of = (f: (p: Precision) => number) => list.reduce((sum, p) => sum + f(p), 0) / list.length;
  return {
    map: of((p) => p.map),
    byClass: list[0]!.byClass.map((_, c) => of((p) => p.byClass[c]!)),
    macs: of((p) => p.macs),
  };
};

async function dynamicTrial(cx: Context, shape: Shape, { train, val, test }: Cells, seed: number) {
  const net = detector('dynamic', shape, train.objectClasses.length, dynamicEdges(TRAINED_AT));
  const model = await learn(cx, 'detector-dynamic', net, train, seed, true);
  const id = `detector-dynamic-${seed}`;
  const settings: Setting[] = [];
  for (const threshold of cx.quick ? [0, TRAINED_AT, 0.4] : TRIED) {
    const { map, macs } = await lookDynamic(cx, id, model, droppingUnder(net, threshold), val);
    settings.push({ threshold, map, macs });
  }
  const { threshold, macs } = cheapest(settings);
  const thresholds = droppingUnder(net, threshold);
  const onVal = await lookDynamic(cx, id, model, thresholds, val);
  const found = await lookDynamic(cx, id, model, thresholds, test);
  const curve: Setting[] = [];
  for (const s of settings) {
    const at = await lookDynamic(cx, id, model, droppingUnder(net, s.threshold), test);
    curve.push({ threshold: s.threshold, map: at.map, macs: at.macs });
  }
  const forced = (name: string, ways: readonly string[]) => lookForced(cx, `${id}-${name}`, model, ways, test);
  const deals: Precision[] = [];
  for (let k = 1; k <= (cx.quick ? 1 : DEALS); k++) deals.push(await forced('dealt', dealt(found.ways, k)));
  const everybody = (way: string) => found.ways.map(() => way);
  const weights = await phase(cx, `${id}-weights`, { own: weightsDigest(model.weights), n: val.length }, async () =>
    Object.fromEntries(await meanWeights(model, TRAINED_AT, val)),
  );
  return {
    ...{ model, test: found, thresholds, threshold, curve },
    full: await forced('full', everybody('1'.repeat(crossEdges.length))),
    dealt: average(deals),
    constant: await forced('constant', everybody(mostTaken(onVal.ways))),
    /** For static nets that cost no less. */
    macsOnVal: macs,
    weights: new Map(Object.entries(weights)),
  };
}

/** Trains and tests all detectors of one seed; nothing is chosen on test. */
export async function trialOf(cx: Context, shape: Shape, cells: Cells, seed: number): Promise<Trial> {
  const { train, test } = cells;
  const classes = train.objectClasses.length;
  const made = (name: string, edges: readonly Edge[]) => detector(name, shape, classes, fixedEdges(edges));
  const flat = (width: number) => detector('one-scale', { ...shape, width }, classes, fixedEdges([]), ONE_SCALE);
  const { macsOnVal, weights, ...dynamic } = await dynamicTrial(cx, shape, cells, seed);
  const until = (order: readonly Edge[]) => keptUntil(order, macsOnVal, (kept) => macsOn({ net: made('kept', kept) }));
  let width = shape.width;
  while (macsOn({ net: flat(width) }) < macsOnVal) width += 4;
  const [heavy, random] = [until(byWeight(weights)), until(atRandom(seed))];
  const nets: Readonly<Record<string, Net>> = {
    plain: made('plain', []),
    'usual skips': made('usual', usualEdges),
    dense: made('dense', crossEdges),
    'fewer edges, by mean weight': made('by-weight', heavy),
    'fewer edges, at random': made('at-random', random),
    'plain, one scale': flat(width),
  };
  const fixed: Record<string, Candidate> = {};
  for (const [name, net] of Object.entries(nets)) {
    const model = await learn(cx, `detector-${net.name}`, net, train, seed);
    fixed[name] = { model, test: await look(cx, `detector-${net.name}-${seed}`, model, test) };
  }
  const names = (edges: readonly Edge[]): string => edges.map(edgeName).join(', ');
  const chosen = `seed ${seed}: fewer edges are ${names(heavy)} by mean weight, ${names(random)} at random; the plain net of one scale has ${width} channels`;
  return { fixed, chosen, dynamic };
}

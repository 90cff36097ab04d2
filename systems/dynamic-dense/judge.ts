import type { Model } from 'dynaneural';
import { type DetectedImage, type DetectionSet, meanAveragePrecision } from 'dynaneural/data';
import { costTable, decisionsOf, pathCost, type Thresholds, type Trace } from 'dynaneural/dynamic';
import { type Context, phase } from '../shared/context.ts';
import { mean } from '../shared/evaluate.ts';
import { weightsDigest } from '../shared/fit.ts';
import type { Spread } from '../shared/system.ts';
import { spreadOf } from '../shared/ways.ts';
import { choicesOf, decisionAbout, edgeName, type Way } from './choose.ts';
import { crossEdges } from './detector.ts';
import { cutFile, detect, shipped } from './evaluate.ts';

export type Weighted = Pick<Model, 'net' | 'weights'>;

/** Mean average precision at an overlap of half, and what it is made of. */
export interface Precision {
  readonly map: number;
  /** Of each class. */
  readonly byClass: readonly number[];
  /** Of an image, in the mean. */
  readonly macs: number;
}

/** A dynamic detector on a split. */
export interface Looked extends Precision {
  /** Of each image. */
  readonly ways: readonly Way[];
  readonly spread: Spread;
}

function precisionOf(images: readonly DetectedImage[], set: DetectionSet, macs: number): Precision {
  const { map, classes } = meanAveragePrecision(images, { classes: set.objectClasses.length, overlap: 0.5 });
  return { map, byClass: classes.map((c) => c.ap ?? 0), macs };
}

/** MACs of a net that everybody goes through in one way; first options where a decision is not named. */
export function macsOn({ net }: Pick<Weighted, 'net'>, choices: Readonly<Record<string, string>> = {}): number {
  const decisions = new Map(decisionsOf(net).map((d) => [d.name, d.options.map((o) => o.name)]));
  return pathCost(costTable(net), (d) => Math.max(0, decisions.get(d)!.indexOf(choices[d] ?? ''))).macs;
}

const wayOf = ({ rows }: Trace): Way => {
  const values = new Map(rows.map((r) => [r.decision, r.value]));
  return crossEdges.map((e) => (values.get(decisionAbout(e)) === 0 ? '1' : '0')).join('');
};

/** How often each edge is used, by "node/edge". */
function edgeSpread(name: string, { net }: Weighted, traces: readonly Trace[]): Spread {
  const spread = spreadOf(name, net, traces);
  const rates = crossEdges.map((e) => [edgeName(e), spread.rates[`${decisionAbout(e)}/run`]!] as const);
  return { ...spread, rates: Object.fromEntries(rates) };
}

const keyOf = (model: Weighted, set: DetectionSet) => ({
  own: weightsDigest(model.weights),
  data: set.name,
  n: set.length,
});

/** A detector without decisions. */
export const look = (cx: Context, name: string, model: Weighted, set: DetectionSet): Promise<Precision> =>
  phase(cx, `${name}-found`, keyOf(model, set), async () => {
    const { images } = await detect(cx, `${name}: ${set.name}`, shipped(model, {}), set);
    return precisionOf(images, set, macsOn(model));
  });

/** A dynamic detector as it would be shipped, at one setting of its thresholds. */
export const lookDynamic = (
  cx: Context,
  name: string,
  model: Weighted,
  thresholds: Thresholds,
  set: DetectionSet,
): Promise<Looked> =>
  phase(cx, `${name}-found`, { ...keyOf(model, set), thresholds }, async () => {
    const { images, traces } = await detect(cx, `${name}: ${set.name}`, shipped(model, thresholds), set, {
      net: model.net,
    });
    return {
      ...precisionOf(images, set, mean(traces.map((t) => t.macs))),
      ways: traces.map(wayOf),
      spread: edgeSpread(name, model, traces),
    };
  });

/** The same detector where each image goes a way that is given to it: cut to that way, without gates. */
export const lookForced = (
  cx: Context,
  name: string,
  model: Weighted,
  ways: readonly Way[],
  set: DetectionSet,
): Promise<Precision> =>
  phase(cx, `${name}-forced`, { ...keyOf(model, set), ways }, async () => {
    const images: DetectedImage[] = [];
    for (const way of new Set(ways)) {
      const items = ways.flatMap((w, i) => (w === way ? [i] : []));
      const ran = await detect(cx, `${name}: ${set.name}`, cutFile(model, choicesOf(way)), set, { items });
      for (const [i, item] of items.entries()) images[item] = ran.images[i]!;
    }
    return precisionOf(images, set, mean(ways.map((w) => macsOn(model, choicesOf(w)))));
  });

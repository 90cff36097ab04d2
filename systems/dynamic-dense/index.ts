import { type DetectionSet, takeBatch } from 'dynaneural/data';
import { decisionsOf, fullThresholds } from 'dynaneural/dynamic';
import { clock, type Ticks } from '../shared/clock.ts';
import { type Context, digests, phase } from '../shared/context.ts';
import type { CurvePoint, Findings, Works } from '../shared/system.ts';
import { choicesOf, mostTaken } from './choose.ts';
import { cells, describe } from './data.ts';
import { FULL, QUICK } from './detector.ts';
import { cutFile, shipped } from './evaluate.ts';
import { CUT, FIXED, figuresOf, row } from './figures.ts';
import type { Precision } from './judge.ts';
import { type Trial, trialOf } from './trial.ts';

/** Times of one image, of the first seed's nets, in turns. */
async function timesOf(cx: Context, { fixed, dynamic }: Trial, images: ReturnType<typeof takeBatch>['x']) {
  const files: Record<string, Uint8Array> = {
    dynamic: shipped(dynamic.model, dynamic.thresholds, 'branch'),
    worst: shipped(dynamic.model, fullThresholds(decisionsOf(dynamic.model.net)), 'branch'),
    [CUT]: cutFile(dynamic.model, choicesOf(mostTaken(dynamic.test.ways))),
  };
  for (const [name, { model }] of Object.entries(fixed)) files[name] = shipped(model, {});
  const runs = cx.quick ? 20 : 2000;
  return phase(cx, 'detector-times', { files: digests(files), runs }, async () => {
    cx.progress.start('detectors: times of one image', runs);
    const times = await clock(files, { images, batch: 1, runs, onProgress: (done) => cx.progress.update(done) });
    cx.progress.stop();
    return times as Record<string, Ticks>;
  });
}

/** How much hangs on few objects: classes count alike. */
function rarest({ boxes, objectClasses }: DetectionSet): string {
  const counts = objectClasses.map((_, label) => boxes.flat().filter((b) => b.label === label).length);
  const least = Math.min(...counts);
  const points = (100 / least / objectClasses.length).toFixed(2);
  return `Classes count alike, and the test images hold ${least} objects of the class ${objectClasses[counts.indexOf(least)]}: each of them weighs about ${points} points of mAP, so differences of a few points between nets of one seed say little.`;
}

async function run(cx: Context): Promise<Findings> {
  const shape = cx.quick ? QUICK : FULL;
  const data = await cells(cx, shape);
  const trials: Trial[] = [];
  for (const seed of cx.seeds) trials.push(await trialOf(cx, shape, data, seed));
  const { x: images } = takeBatch(data.test, [...data.test.boxes.keys()]);
  const times = await timesOf(cx, trials[0]!, images);
  const moves = trials.every((t) => t.dynamic.test.spread.dynamic);
  const of = (f: (t: Trial) => Precision) => trials.map(f);
  const curve: CurvePoint[] = trials[0]!.dynamic.curve.map(({ map, macs }) => ({
    ...{ series: 'dynamic, by the weight to drop under', macs },
    accuracy: map,
  }));
  return {
    data: describe(data, shape),
    measure: 'mAP@.5',
    headline: [
      'dynamic: mAP@.5 above plain',
      'dynamic: mAP@.5 above usual skips',
      'dynamic: mAP@.5 above dense',
      'dynamic: MACs of dense over mean MACs',
    ],
    contenders: [
      ...Object.entries(FIXED).map(([name, role]) =>
        row(
          name,
          role,
          of((t) => t.fixed[name]!.test),
          times[name],
        ),
      ),
      row(
        moves ? 'dynamic' : 'dynamic [static: its edges do not move]',
        moves ? 'dynamic' : 'constant',
        of((t) => t.dynamic.test),
        times.dynamic,
        times.worst,
      ),
      row(
        'dynamic, all edges',
        'full',
        of((t) => t.dynamic.full),
      ),
      row(
        'dynamic, ways of other images',
        'random',
        of((t) => t.dynamic.dealt),
      ),
      row(
        'dynamic, one way for all',
        'constant',
        of((t) => t.dynamic.constant),
      ),
    ],
    figures: figuresOf(trials, times, data.test.objectClasses),
    spread: trials.map(({ dynamic }, i) => ({ ...dynamic.test.spread, name: `dynamic, seed ${cx.seeds[i]}` })),
    curve,
    notes: [
      ...trials.map((t) => t.chosen),
      'What stands in the place of accuracy is mean average precision at an overlap of half (mAP@.5, VOC 2010), over three classes.',
      rarest(data.test),
      'Every net is trained from scratch for each seed, on the official training images and their mirror images, as long as the others. All but one go down to a scale of 32 pixels and back: "plain" without any edge across, which small cells hardly survive, "usual skips" with the two that encoder-decoder nets have. "plain, one scale" stays at 8 pixels.',
      'The weight to drop under is chosen on val; so is which edges the static nets with fewer edges keep (the largest mean weights), and the one way for all (the one most often taken there).',
      'Static nets at "same-macs" cost no less than the dynamic net does on val. There is no oracle: precision is not a sum over images.',
      'Training fades edges out that images give little weight, so its full path runs edges that hardly learned: it is the worst case on the clock, not a goal.',
      'Times are of one image, of the first seed, in the form with plain branches (`dyna export --form branch`); no times of batches were taken. What the fifteen decisions cost, realisation tells.',
    ],
  };
}

export const dynamicDense: Works = {
  id: 'dynamic-dense',
  title: 'Cross-layer dynamic connections for detection',
  claim: '+4.5 mAP',
  builds: 'DenseNet whose edges carry input-conditioned attention and are dropped under a threshold; a detection head',
  anchors: 'DynamicHead, Dynamic Routing, CondenseNet',
  metric: 'mAP@.5 plain / dense / dynamic, edges used, MACs (blood cells, BCCD)',
  state: 'works',
  run,
};

import { recalibrate, type Trained } from 'dynaneural';
import { decisionsOf, ownThresholds } from 'dynaneural/dynamic';
import { dynamicRow, ownBaselines, staticRow } from '../shared/compare.ts';
import type { Context } from '../shared/context.ts';
import { cifarSplits, describe } from '../shared/data.ts';
import { accuracyOf } from '../shared/evaluate.ts';
import { augment } from '../shared/fit.ts';
import { macsOf, plainNet } from '../shared/static.ts';
import { stat } from '../shared/stats.ts';
import type { CurvePoint, Figure, Findings, Works } from '../shared/system.ts';
import { answersOf, type Judged, judge } from '../shared/trial.ts';
import { MOST, type Paced, reached, secondsOf } from './pace.ts';
import { gatedNet, learn, shapeOf, ways } from './ways.ts';

/** Chosen before the first run: what the small static net has after about half of the epochs. */
const target = (cx: Context): number => (cx.quick ? 0.12 : 0.75);

/** The static net beside the ways. */
const WITHOUT = 'static, without gates';

/** Epochs and seconds to the target, over seeds; what never got there says so. */
function paces(name: string, trainings: readonly Trained[], wanted: number, epoch: number): Figure[] {
  const found = trainings.map((t) => reached(t, wanted)).filter((r) => r !== null);
  const missed = trainings.length - found.length;
  const note =
    missed > 0
      ? `${missed} of ${trainings.length} never had ${100 * wanted} % at ${100 * MOST} % of the MACs`
      : `to ${100 * wanted} % on the tune split, at ${100 * MOST} % of the MACs at the most; between epochs by a straight line`;
  const figure = (what: string, unit: Figure['unit'], each: number, more = ''): Figure => ({
    ...{ name: `${name}: ${what} to ${100 * wanted} %`, unit, note: `${note}${more}` },
    value: stat(found.length > 0 ? found.map((f) => each * f) : [Number.POSITIVE_INFINITY]),
  });
  return [
    figure('epochs', 'epochs', 1),
    figure('seconds', 's', epoch, `; ${epoch.toFixed(0)} s an epoch, timed in turns with the others, one thread`),
  ];
}

async function run(cx: Context): Promise<Findings> {
  const splits = await cifarSplits(cx);
  const { train, test } = splits;
  const wanted = target(cx);
  const plain = plainNet(train, shapeOf(cx));
  const statics: Trained[] = [];
  const trainings: Record<string, Trained[]> = {};
  const judged: Record<string, Judged[]> = {};
  const curve: CurvePoint[] = [];
  for (const seed of cx.seeds) {
    statics.push(await learn(cx, `scheduled-static-${seed}`, plain, splits, seed));
    for (const [name, way] of Object.entries(ways)) {
      const id = `scheduled-${name.toLowerCase().replace(' ', '-')}-${seed}`;
      const trained = await learn(cx, id, gatedNet(cx, splits), splits, seed, way);
      const ready = await recalibrate(trained, train, { seed, augment });
      trainings[name] = [...(trainings[name] ?? []), trained];
      judged[name] = [...(judged[name] ?? []), await judge(cx, id, ready, ownThresholds(decisionsOf(ready.net)), test)];
    }
  }
  const gated = gatedNet(cx, splits);
  const paced: Record<string, Paced> = { [WITHOUT]: { net: plain } };
  for (const [name, way] of Object.entries(ways)) paced[name] = { net: gated, way };
  const epoch = await secondsOf(cx, paced, splits);
  const series = Object.entries(judged);
  const accuracies: number[] = [];
  for (const [i, s] of statics.entries())
    accuracies.push(accuracyOf(await answersOf(cx, `static ${i + 1}`, s, {}, test), test));
  for (const [name, list] of series)
    for (const { macs, accuracy } of list) curve.push({ series: name, macs, accuracy });
  return {
    data: describe(splits),
    headline: Object.keys(ways).map((name) => `${name}: epochs to ${100 * wanted} %`),
    contenders: [
      { ...staticRow('static', 'static', { accuracy: 0, macs: macsOf(plain) }), accuracy: stat(accuracies) },
      ...series.map(([name, list]) => dynamicRow(name, list)),
      ...series.flatMap(([name, list]) => ownBaselines(name, list)),
    ],
    figures: [
      ...Object.entries(trainings).flatMap(([name, list]) => paces(name, list, wanted, epoch[name]!)),
      ...paces(WITHOUT, statics, wanted, epoch[WITHOUT]!),
      ...series.map(
        ([name, list]): Figure => ({
          name: `${name}: MACs of static over mean MACs at the end`,
          value: stat(list.map((j) => macsOf(plain) / j.macs)),
          unit: 'x',
        }),
      ),
    ],
    spread: series.map(([name, list]) => ({ ...list[0]!.spread, name })),
    curve,
    notes: [
      'Validation after each epoch is with hard choices, as the net would be shipped, before any recalibration.',
      'Every option is computed while training, so seconds measure how well a way learns, not what it skips; MACs stand beside.',
    ],
  };
}

export const scheduling: Works = {
  id: 'gumbel',
  title: 'Differentiable scheduling',
  claim: '40 % better training efficiency on CIFAR-100',
  builds: 'straight-through Gumbel-Softmax path selection with MAC targets and temperature schedule',
  anchors: 'ConvNet-AIG, LAUDNet',
  metric: 'epochs and seconds to a fixed accuracy: Gumbel / REINFORCE / soft gate (here on CIFAR-10)',
  state: 'works',
  run,
};

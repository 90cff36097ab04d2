import {
  exponential,
  gumbel,
  macTarget,
  net,
  recalibrate,
  reinforce,
  skip,
  softMixture,
  type Trained,
} from 'dynaneural';
import { decisionsOf, type Net, ownThresholds } from 'dynaneural/dynamic';
import { constantRate } from 'dynaneural/nn';
import type { TrainOptions } from 'dynaneural/train';
import { backbone, inTurn, QUICK, type Shape, untrained } from './shared/backbone.ts';
import { dynamicRow, ownBaselines, staticRow } from './shared/compare.ts';
import type { Context } from './shared/context.ts';
import { cifarSplits, describe, type Splits } from './shared/data.ts';
import { accuracyOf } from './shared/evaluate.ts';
import { augment, type Recipe, trainOnce } from './shared/fit.ts';
import { macsOf, plainNet, quickly } from './shared/static.ts';
import { stat } from './shared/stats.ts';
import type { CurvePoint, Figure, Findings, Works } from './shared/system.ts';
import { answersOf, type Judged, judge } from './shared/trial.ts';

/** A twelfth of the backbone: four trainings from scratch are needed for each seed. */
const SMALL: Shape = { widths: [16, 16, 32, 64], groups: [2, 2, 2] };

const shapeOf = (cx: Context): Shape => (cx.quick ? QUICK : SMALL);

/** A constant rate: a falling one would tie the accuracy of an epoch to how many epochs are planned. */
const recipe: Recipe = {
  epochs: 8,
  batch: 64,
  rate: 0.05,
  warmup: 0,
  decay: 5e-4,
  smoothing: 0,
  seed: 1,
};

/** Chosen before the first run: what the small static net has after about half of the epochs. */
const target = (cx: Context): number => (cx.quick ? 0.12 : 0.75);

/** Two aim at a share of the MACs; REINFORCE has a price for them instead. */
const settings = {
  gumbel: { temperature: [5, 0.5], macs: 0.6 },
  reinforce: { price: 0.3, curriculum: 1 / 3 },
  soft: { temperature: [2, 0.1], macs: 0.6 },
} as const;

interface Way {
  /** All that decides it. */
  readonly more: unknown;
  readonly options: Pick<TrainOptions, 'decisions' | 'cost'>;
}

const ways: Readonly<Record<string, Way>> = {
  'Gumbel-Softmax': {
    more: settings.gumbel,
    options: {
      decisions: gumbel({ temperature: exponential(...settings.gumbel.temperature) }),
      cost: macTarget(settings.gumbel.macs),
    },
  },
  REINFORCE: { more: settings.reinforce, options: { decisions: reinforce(settings.reinforce) } },
  'soft mixture': {
    more: settings.soft,
    options: {
      decisions: softMixture({ temperature: exponential(...settings.soft.temperature) }),
      cost: macTarget(settings.soft.macs),
    },
  },
};

const gatedNet = (cx: Context, { train }: Splits): Net =>
  net(
    { input: train.shape, classes: train.classes.length, name: 'scheduled', onWarning: () => {} },
    backbone(shapeOf(cx), { group: (x, blocks, i) => skip(x, (y) => inTurn(y, blocks), { name: `gate${i + 1}` }) }),
  );

const learn = (
  cx: Context,
  name: string,
  made: Net,
  { train, tune }: Splits,
  seed: number,
  { more, options }: Partial<Way> = {},
) =>
  trainOnce(
    cx,
    name,
    made,
    { ...quickly(cx, recipe), seed, more: { rate: 'constant', more } },
    {
      data: train,
      start: untrained(train, shapeOf(cx).widths[0]),
      validation: tune,
      options: { schedule: constantRate(recipe.rate), ...options },
    },
  );

/** An accuracy that is reached by computing everything was not scheduled: so large a share of the full MACs counts, at the most. */
const MOST = 0.7;

/**
 * When a training first had the target accuracy on the tune split, with hard choices, at no more than `MOST` of the MACs in the
 * mean of an epoch; between two epochs accuracy is taken to grow evenly. Null where it never had.
 */
export function reached(
  { history }: Pick<Trained, 'history'>,
  wanted: number,
): { readonly epochs: number; readonly seconds: number } | null {
  const at = history.findIndex((h) => h.validation!.final! >= wanted && (h.cost ?? 0) <= MOST);
  if (at < 0) return null;
  const [before, after] = [at - 1, at].map((i) => history[i]?.validation?.final ?? 0) as [number, number];
  // Where MACs came down last, the epoch is needed as a whole.
  const part = before < wanted ? (wanted - before) / (after - before) : 1;
  const whole = history.slice(0, at).reduce((sum, h) => sum + h.seconds, 0);
  return { epochs: at + part, seconds: whole + part * history[at]!.seconds };
}

/** Epochs and seconds to the target, over seeds; what never got there says so. */
function paces(name: string, trainings: readonly Trained[], wanted: number): Figure[] {
  const found = trainings.map((t) => reached(t, wanted)).filter((r) => r !== null);
  const missed = trainings.length - found.length;
  const note =
    missed > 0
      ? `${missed} of ${trainings.length} never had ${100 * wanted} % at ${100 * MOST} % of the MACs`
      : `to ${100 * wanted} % on the tune split, at ${100 * MOST} % of the MACs at the most; between epochs by a straight line`;
  const figure = (what: 'epochs' | 'seconds', unit: Figure['unit']): Figure => ({
    ...{ name: `${name}: ${what} to ${100 * wanted} %`, unit, note },
    value: stat(found.length > 0 ? found.map((f) => f[what]) : [Number.POSITIVE_INFINITY]),
  });
  return [figure('epochs', 'epochs'), figure('seconds', 's')];
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
      ...Object.entries(trainings).flatMap(([name, list]) => paces(name, list, wanted)),
      ...paces('static, without gates', statics, wanted),
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

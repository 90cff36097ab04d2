import type { Trained } from 'dynaneural';
import { decisionsOf, ownThresholds } from 'dynaneural/dynamic';
import { dynamicRow, ownBaselines, staticRow } from '../shared/compare.ts';
import type { Context } from '../shared/context.ts';
import { cifarSplits, describe, type Splits } from '../shared/data.ts';
import { accuracyOf } from '../shared/evaluate.ts';
import { macsOf } from '../shared/static.ts';
import { stat } from '../shared/stats.ts';
import type { Contender, CurvePoint, Figure, Findings, Role, Works } from '../shared/system.ts';
import { answersOf, constantPoints, judge, type Weighted } from '../shared/trial.ts';
import { accuracyOfSets, countsAt, difference, drawn, type Gated, judgeGated, mostKept } from './judge.ts';
import { gatedMacs } from './nets.ts';
import { type Times, timesOf } from './times.ts';
import { MAIN, type Narrow, OTHERS, type Stage, trainFurther, trainPlain, trainSlim, trainStage } from './train.ts';

/** A net on the test split. */
interface Point {
  readonly accuracy: number;
  readonly macs: number;
}

const named = ({ keep }: Stage): string => `${Math.round(100 * keep)} %`;

async function plainPoint(cx: Context, name: string, model: Weighted, { test }: Splits): Promise<Point> {
  return { accuracy: accuracyOf(await answersOf(cx, name, model, {}, test), test), macs: macsOf(model.net) };
}

/** The nets of one stage and seed, on the test split. */
interface Judged {
  readonly stage: Stage;
  readonly nets: Narrow;
  readonly gated: Gated;
  readonly pruned: Point;
}

async function judgeStage(cx: Context, splits: Splits, nets: Narrow, seed: number): Promise<Judged> {
  const { stage, gated, pruned } = nets;
  const id = `channels-gated-${stage.keep}-${seed}`;
  return {
    ...{ stage, nets },
    gated: await judgeGated(cx, `${id}: test`, gated, splits.test),
    pruned: await plainPoint(cx, `channels-pruned-${stage.keep}-${seed}`, pruned, splits),
  };
}

/** What the weights of a gated net are worth when inputs do not choose. */
async function blind(cx: Context, { test, tune }: Splits, { nets, gated, stage }: Judged, seed: number) {
  const model = nets.gated;
  const id = `channels-gated-${stage.keep}-${seed}`;
  const counts = countsAt(model, stage.keep);
  const usual = await judgeGated(cx, `${id}: tune`, model, tune);
  const all = Object.fromEntries(Object.keys(counts).map((d) => [d, Number.POSITIVE_INFINITY]));
  const full = await judgeGated(cx, `${id}: all channels`, model, test, all);
  const sets = (name: string, list: Gated['some']) => accuracyOfSets(cx, `${id}: ${name}`, model, list, test);
  const alike = nets.alike && (await judgeGated(cx, `${id}: alike`, nets.alike, test));
  return {
    full,
    others: await sets('sets of other images', gated.some),
    random: await sets('random channels', drawn(model, counts, seed)),
    constant: await sets('one set for all', [mostKept(usual.rates, counts)]),
    alike: alike?.accuracy ?? Number.NaN,
  };
}

/** The main net at other numbers of channels, without more training: a knob. */
async function knob(cx: Context, { test }: Splits, model: Trained): Promise<CurvePoint[]> {
  const points: CurvePoint[] = [];
  for (const share of cx.quick ? [0.4, 1] : [0.3, 0.38, 0.55, 0.7, 0.85, 1]) {
    const { accuracy, macs } = await judgeGated(cx, 'channels-knob', model, test, countsAt(model, share));
    points.push({ series: `gated for ${named(MAIN)}, other counts`, accuracy, macs });
  }
  return points;
}

const row = (name: string, role: Role, points: readonly Point[], note?: string): Contender => ({
  ...{ name, role, accuracy: stat(points.map((p) => p.accuracy)), macs: stat(points.map((p) => p.macs)) },
  ...(note === undefined ? {} : { note }),
});

const gatedRow = (list: readonly Judged[]): Contender => {
  const moves = list.every((j) => j.gated.spread.dynamic);
  const name = `gated, ${named(list[0]!.stage)} of channels`;
  const found = list.map((j) => j.gated);
  return moves ? row(name, 'dynamic', found) : row(`${name} [static: its choices do not differ]`, 'constant', found);
};

const timed = (one: Times['one']['plain'], many: Times['many']['plain']) => ({
  ms1: stat([one.median]),
  ms64: stat([many.mean]),
  p95: stat([one.p95]),
});

function gains(list: readonly Judged[], plain: Point, further: Point): Figure[] {
  const name = `gated, ${named(list[0]!.stage)}`;
  const figure = (what: string, unit: Figure['unit'], f: (j: Judged) => number): Figure => ({
    ...{ name: `${name}: ${what}`, unit },
    value: stat(list.map(f)),
  });
  return [
    figure('MACs saved', '%', (j) => 1 - j.gated.macs / plain.macs),
    figure('above the plain net', 'points', (j) => j.gated.accuracy - plain.accuracy),
    figure('above the plain net, trained further', 'points', (j) => j.gated.accuracy - further.accuracy),
    figure('above L1 pruning at the same MACs', 'points', (j) => j.gated.accuracy - j.pruned.accuracy),
    figure('kept channels that another image drops', '%', (j) => j.gated.differing),
  ];
}

async function run(cx: Context): Promise<Findings> {
  const splits = await cifarSplits(cx);
  const { test } = splits;
  const trained = await trainPlain(cx, splits);
  const plain = await plainPoint(cx, 'channels-plain', trained, splits);
  const further = await plainPoint(cx, 'channels-further', await trainFurther(cx, splits, trained), splits);
  const main: Judged[] = [];
  const blinds: Awaited<ReturnType<typeof blind>>[] = [];
  for (const seed of cx.seeds) {
    main.push(await judgeStage(cx, splits, await trainStage(cx, splits, trained, MAIN, seed), seed));
    blinds.push(await blind(cx, splits, main.at(-1)!, seed));
  }
  const others: Judged[] = [];
  for (const stage of OTHERS)
    others.push(await judgeStage(cx, splits, await trainStage(cx, splits, trained, stage, 1), 1));
  const slimmed = await trainSlim(cx, splits, trained);
  const slim = await judge(cx, 'channels-slim', slimmed, ownThresholds(decisionsOf(slimmed.net)), test);
  const { gated, pruned } = main[0]!.nets;
  const { one, many } = await timesOf(cx, { plain: trained, pruned, gated, slim: slimmed }, splits);
  const apart = await difference(cx, 'channels', gated, test);

  const macs = main.map((j) => j.gated.macs);
  const at = (accuracies: readonly number[]): Point[] =>
    accuracies.map((accuracy, i) => ({ accuracy, macs: macs[i]! }));
  const speed = (name: string, value: number, note?: string): Figure => ({
    ...{ name, value: stat([value]), unit: 'x' },
    ...(note === undefined ? {} : { note }),
  });
  const stages = [[others[0]!], main, [others[1]!]];
  const head = `gated, ${named(MAIN)}`;
  return {
    data: describe(splits),
    headline: [`${head}: MACs saved`, `${head}: above the plain net`, `${head}: above L1 pruning at the same MACs`],
    contenders: [
      { ...staticRow('plain', 'static', plain), ...timed(one.plain, many.plain) },
      staticRow('plain, as many further epochs', 'static', further),
      ...stages.map((list) => ({
        ...gatedRow(list),
        ...(list === main ? { ...timed(one.gated, many.gated), worst: stat([one.full.median]) } : {}),
      })),
      ...stages.map((list) => ({
        ...row(
          `pruned by L1 to the MACs of ${named(list[0]!.stage)}`,
          'same-macs',
          list.map((j) => j.pruned),
        ),
        ...(list === main ? timed(one.pruned, many.pruned) : {}),
      })),
      row(`${head}, trained alike, the same channels for all`, 'constant', at(blinds.map((b) => b.alike))),
      row(
        `${head}, all channels`,
        'full',
        blinds.map((b) => b.full),
      ),
      row(`${head}, channels of other images`, 'random', at(blinds.map((b) => b.others)), 'mean of three images'),
      row(`${head}, channels at random`, 'random', at(blinds.map((b) => b.random)), 'mean of three draws'),
      row(`${head}, those kept most often for all`, 'constant', at(blinds.map((b) => b.constant)), 'chosen on tune'),
      { ...dynamicRow('slimmable, width by input', [slim]), ...timed(one.slim, many.slim) },
      ...ownBaselines('slimmable', [slim]),
    ],
    figures: [
      ...stages.flatMap((list) => gains(list, plain, further)),
      {
        name: `${head}: above its twin with the same channels for all`,
        value: stat(main.map((j, i) => j.gated.accuracy - blinds[i]!.alike)),
        unit: 'points',
      },
      speed(`${head}: speed-up of one image`, one.plain.median / one.gated.median),
      speed(
        `${head}: speed-up in batches of 64`,
        many.plain.mean / many.gated.mean,
        'dropped channels are computed, and put to zero',
      ),
      speed('pruned by L1: speed-up of one image', one.plain.median / one.pruned.median),
      speed('pruned by L1: speed-up in batches of 64', many.plain.mean / many.pruned.mean),
      speed('slimmable: speed-up of one image', one.plain.median / one.slim.median),
      speed('slimmable: speed-up in batches of 64', many.plain.mean / many.slim.mean),
      {
        ...{ name: `${head}: realisation of one image`, value: stat([one.pruned.median / one.gated.median]), unit: '' },
        note: 'the pruned net, of as many channels without decisions, over the gated one',
      },
    ],
    spread: [...main, ...others].map((j) => j.gated.spread).concat(slim.spread),
    curve: [
      { series: 'plain', ...plain },
      ...stages.flat().flatMap((j): CurvePoint[] => [
        { series: 'gated', accuracy: j.gated.accuracy, macs: j.gated.macs },
        { series: 'pruned by L1', ...j.pruned },
      ]),
      ...(await knob(cx, splits, gated)),
      ...constantPoints('slimmable, one width for all', slim),
      { series: 'slimmable, width by input', accuracy: slim.accuracy, macs: slim.macs },
    ],
    notes: [
      `Inputs choose in the last layers; the first ones are pruned by L1 in all narrow nets, whose MACs count all that runs, gates too (${((gatedMacs(gated.net) / plain.macs) * 100).toFixed(1)} % of the plain net's).`,
      `The file for one image computes kept channels only; the one for batches puts dropped ones to zero, and gave the accuracies. Their logits differ by at most ${apart.toExponential(1)} on the first test images.`,
      'Gated and pruned nets have the same start, epochs and teacher (the plain net). Slimmable widths are taught by the widest.',
    ],
  };
}

export const channelGating: Works = {
  id: 'channel-gating',
  title: 'Channel pruning by feature importance',
  claim: '-73 % FLOPs for 1.8 points',
  builds: 'pooled saliency, top-k channels, real small GEMMs; slimmable widths with a per-input gate',
  anchors: 'FBS (M-CifarNet 3.9x at 0.8 points, ResNet-18 2x), US-Nets (-74 % costs 7.6), DS-Net',
  metric: 'accuracy/MACs curve against static L1 pruning (fine-tuned) and slimmable',
  state: 'works',
  wanted: [
    { figure: `gated, ${named(MAIN)}: MACs saved`, least: 0.73 },
    { figure: `gated, ${named(MAIN)}: above the plain net`, least: -0.018 },
    { figure: `gated, ${named(MAIN)}: above L1 pruning at the same MACs`, least: 0 },
  ],
  run,
};

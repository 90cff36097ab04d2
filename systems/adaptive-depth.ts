import { certify, exponential, gumbel, macTarget, net, recalibrate, reinforce, skip, type Trained } from 'dynaneural';
import { decisionsOf, type Net, ownThresholds, type Thresholds } from 'dynaneural/dynamic';
import { backbone } from './shared/backbone.ts';
import { dynamicRow, gains, ownBaselines } from './shared/compare.ts';
import { type Context, phase } from './shared/context.ts';
import { cifarSplits, describe, type Splits, thinned } from './shared/data.ts';
import { augment, trainOnce, weightsDigest } from './shared/fit.ts';
import { standing } from './shared/rivals.ts';
import { quickly, shapeOf, startOf, trainBackbone, tuning } from './shared/static.ts';
import type { CurvePoint, Findings, Works } from './shared/system.ts';
import { type Timed, timesOf } from './shared/times.ts';
import { constantPoints, type Judged, judge } from './shared/trial.ts';

/** From the trained net, taught by it (LAUDNet, Han et al. 2023, arXiv:2308.15949). */
const gumbelWay = { temperature: [5, 0.5], macs: 0.42, teacher: { weight: 0.5, temperature: 4 } } as const;
/** The last gates are freed first, over the first third (BlockDrop, Wu et al. 2018, arXiv:1711.08393). */
const reinforceWay = { price: 0.3, entropy: 0.01, curriculum: 1 / 3 } as const;

/** One gate before each group of equal blocks: coarse units pay on the clock. */
const gatedNet = (cx: Context, { train }: Splits): Net =>
  net(
    { input: train.shape, classes: train.classes.length, name: 'adaptive-depth' },
    backbone(shapeOf(cx), { group: (x, run, i) => skip(x, run, { name: `gate${i + 1}` }) }),
  );

/** The two ways to train the gates; both start from the same static net. */
const ways = {
  gumbel: (cx: Context, splits: Splits, plain: Trained, seed: number) => {
    const made = gatedNet(cx, splits);
    const { temperature, macs, teacher } = gumbelWay;
    return trainOnce(
      cx,
      `depth-gumbel-${seed}`,
      made,
      { ...quickly(cx, tuning), seed, more: gumbelWay },
      {
        data: splits.train,
        start: startOf(made, plain.weights),
        teacher: { model: plain, ...teacher },
        options: { decisions: gumbel({ temperature: exponential(...temperature) }), cost: macTarget(macs) },
      },
    );
  },
  reinforce: (cx: Context, splits: Splits, plain: Trained, seed: number) => {
    const made = gatedNet(cx, splits);
    return trainOnce(
      cx,
      `depth-reinforce-${seed}`,
      made,
      { ...quickly(cx, tuning), seed, more: reinforceWay },
      {
        data: splits.train,
        start: startOf(made, plain.weights),
        options: { decisions: reinforce(reinforceWay) },
      },
    );
  },
};

interface Path {
  /** The boldest setting that was proven against the net's own full path. */
  readonly chosen: Thresholds;
  /** The setting whose MACs are nearest to what the gates were trained to: in training they were drawn, not cut at 0. */
  readonly aimed: Thresholds;
  readonly points: readonly Thresholds[];
  readonly statement: string;
}

/** Settings of the gates, moved by one offset. */
async function pathOf(cx: Context, name: string, model: Trained, { tune, certify: data }: Splits): Promise<Path> {
  const epsilon = cx.quick ? 0.05 : 0.005;
  return phase(cx, `${name}-certificate`, { own: weightsDigest(model.weights), epsilon }, async () => {
    cx.progress.start(`${name}: certify`, 1);
    const { chosen, points, certificate } = await certify(model, { tune, data, risk: 'harm', epsilon, delta: 0.1 });
    cx.progress.stop();
    const away = ({ budget }: (typeof points)[number]): number => Math.abs(budget - gumbelWay.macs);
    const aimed = points.reduce((a, b) => (away(b) < away(a) ? b : a));
    const all = points.map((p) => p.thresholds);
    return { chosen: chosen.thresholds, aimed: aimed.thresholds, points: all, statement: certificate.message };
  });
}

/** The same gates, moved to the boldest setting whose harm against their own full path is proven. */
const PROVEN = 'gumbel, proven';

async function run(cx: Context): Promise<Findings> {
  const splits = await cifarSplits(cx);
  const { train, test } = splits;
  const plain = await trainBackbone(cx, train);
  const judged: Record<string, Judged[]> = { gumbel: [], [PROVEN]: [], reinforce: [] };
  const curve: CurvePoint[] = [];
  const notes: string[] = [];
  for (const seed of cx.seeds)
    for (const [name, trainWay] of Object.entries(ways)) {
      const trained = await trainWay(cx, splits, plain, seed);
      const ready = await recalibrate(trained, train, { seed, augment });
      const id = `depth-${name}-${seed}`;
      const found = await pathOf(cx, id, ready, splits);
      const main = name === 'gumbel' ? found.aimed : ownThresholds(decisionsOf(ready.net));
      judged[name]!.push(await judge(cx, id, ready, main, test));
      notes.push(`seed ${seed}, ${name}, against its own full path: ${found.statement}`);
      if (name === 'gumbel') judged[PROVEN]!.push(await judge(cx, id, ready, found.chosen, test));
      if (seed !== cx.seeds[0]) continue;
      for (const thresholds of thinned(cx, found.points)) {
        const { accuracy, macs } = await judge(cx, id, ready, thresholds, test);
        curve.push({ series: name, macs, accuracy });
      }
    }
  const main = judged.gumbel!;
  const rivals = await standing(cx, splits, plain, main);
  const times: Record<string, Timed[]> = {};
  for (const [name, list] of Object.entries(judged)) {
    times[name] = [];
    for (const j of list) times[name].push(await timesOf(cx, j, rivals));
  }
  const series = Object.entries(judged);
  return {
    data: describe(splits),
    headline: ['gumbel: speed-up of one image', 'gumbel: above the static net'],
    contenders: [
      ...rivals.rows(times.gumbel!),
      ...series.map(([name, list]) => dynamicRow(name, list, times[name])),
      ...['gumbel', 'reinforce'].flatMap((name) => ownBaselines(name, judged[name]!)),
    ],
    figures: series.flatMap(([name, list]) => gains(name, list, times[name]!, rivals.facts)),
    spread: series.map(([name, list]) => ({ ...list[0]!.spread, name })),
    curve: [...curve, ...constantPoints('gumbel, one way for all', main[0]!)],
    notes,
  };
}

export const adaptiveDepth: Works = {
  id: 'adaptive-depth',
  title: 'Input-adaptive pathways by reinforcement learning',
  claim: '2.3x at < 0.5 % loss',
  builds: 'a gate at each group of residual blocks; Gumbel and REINFORCE trainers with curriculum',
  anchors: 'SkipNet, BlockDrop (20 % mean, 36 % max at equal accuracy), ConvNet-AIG',
  metric:
    'measured batch-1 and batch-64 speed-up at <= 0.5 points loss, against a static net trained at the same MACs and random skipping',
  state: 'works',
  run,
};

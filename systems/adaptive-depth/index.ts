import { certify, type Trained } from 'dynaneural';
import type { Thresholds } from 'dynaneural/dynamic';
import { aimedAt } from '../shared/aim.ts';
import { dynamicRow, gains, ownBaselines } from '../shared/compare.ts';
import { type Context, phase } from '../shared/context.ts';
import { cifarSplits, describe, type Splits, thinned } from '../shared/data.ts';
import { weightsDigest } from '../shared/fit.ts';
import { standing } from '../shared/rivals.ts';
import { trainBackbone } from '../shared/static.ts';
import type { CurvePoint, Findings, Works } from '../shared/system.ts';
import { type Timed, timesOf } from '../shared/times.ts';
import { constantPoints, type Judged, judge } from '../shared/trial.ts';
import { AIM, type GateWay, gateWays, trainDepths, trainGates } from './learn.ts';

interface Path {
  /** The boldest setting that was proven against the net's own full path, and all that were tried. */
  readonly chosen: Thresholds;
  readonly points: readonly Thresholds[];
  readonly statement: string;
}

/** Settings of the gates, on the path that is certified. */
async function pathOf(cx: Context, name: string, model: Trained, { tune, certify: data }: Splits): Promise<Path> {
  const epsilon = cx.quick ? 0.05 : 0.005;
  return phase(cx, `${name}-certificate`, { own: weightsDigest(model.weights), epsilon }, async () => {
    cx.progress.start(`${name}: certify`, 1);
    const { chosen, points, certificate } = await certify(model, { tune, data, risk: 'loss', epsilon, delta: 0.1 });
    cx.progress.stop();
    const all = points.map((p) => p.thresholds);
    return { chosen: chosen.thresholds, points: all, statement: certificate.message };
  });
}

const MAIN: GateWay = 'exact policy';
/** The same gates, moved to the boldest setting whose loss against their own full path is proven. */
const PROVEN = 'exact policy, proven';

async function run(cx: Context): Promise<Findings> {
  const splits = await cifarSplits(cx);
  const { test } = splits;
  const plain = await trainBackbone(cx, splits.train);
  const judged: Record<string, Judged[]> = { [MAIN]: [], [PROVEN]: [], gumbel: [], reinforce: [] };
  const curve: CurvePoint[] = [];
  const notes: string[] = [];
  for (const seed of cx.seeds) {
    const depths = await trainDepths(cx, splits, plain, seed);
    for (const name of Object.keys(gateWays) as GateWay[]) {
      const own = await trainGates(cx, splits, depths, name, seed);
      const id = `depth-${name.replace(' ', '-')}-${seed}`;
      const aimed = await aimedAt(cx, id, own, splits.tune, AIM);
      const found = await pathOf(cx, id, own, splits);
      judged[name]!.push(await judge(cx, id, own, aimed, test));
      notes.push(`seed ${seed}, ${name}, against its own full path: ${found.statement}`);
      if (name === MAIN) judged[PROVEN]!.push(await judge(cx, id, own, found.chosen, test));
      if (seed !== cx.seeds[0]) continue;
      for (const thresholds of thinned(cx, found.points)) {
        const { accuracy, macs } = await judge(cx, id, own, thresholds, test);
        curve.push({ series: name, macs, accuracy });
      }
    }
  }
  const main = judged[MAIN]!;
  const rivals = await standing(cx, splits, plain, main);
  const times: Record<string, Timed[]> = {};
  for (const [name, list] of Object.entries(judged)) {
    times[name] = [];
    for (const j of list) times[name].push(await timesOf(cx, j, rivals));
  }
  const series = Object.entries(judged);
  return {
    data: describe(splits),
    headline: [MAIN, PROVEN].flatMap((n) => [
      `${n}: speed-up of one image`,
      `${n}: above the static net`,
      `${n}: above static at the same MACs`,
    ]),
    contenders: [
      ...rivals.rows(times[MAIN]!),
      ...series.map(([name, list]) => dynamicRow(name, list, times[name])),
      ...[MAIN, 'gumbel', 'reinforce'].flatMap((name) => ownBaselines(name, judged[name]!)),
    ],
    figures: series.flatMap(([name, list]) => gains(name, list, times[name]!, rivals.facts)),
    spread: series.map(([name, list]) => ({ ...list[0]!.spread, name })),
    curve: [...curve, ...constantPoints('one way for all', main[0]!)],
    notes: [
      ...notes,
      'Depths are taught by the static net while they learn; the static nets that they stand beside had no teacher.',
    ],
  };
}

export const adaptiveDepth: Works = {
  id: 'adaptive-depth',
  title: 'Input-adaptive pathways by reinforcement learning',
  claim: '2.3x at < 0.5 % loss',
  builds:
    'gates that choose how deep an image goes, fed by small classifiers; normalisation of its own for each depth; exact policy, Gumbel and REINFORCE trainers with curriculum',
  anchors: 'SkipNet, BlockDrop (20 % mean, 36 % max at equal accuracy), ConvNet-AIG',
  metric:
    'measured batch-1 and batch-64 speed-up at <= 0.5 points loss, against a static net trained at the same MACs and random skipping',
  state: 'works',
  wanted: [
    { figure: `${MAIN}: speed-up of one image`, least: 2.3 },
    { figure: `${MAIN}: above the static net`, least: -0.005 },
    { figure: `${MAIN}: above static at the same MACs`, least: 0 },
  ],
  run,
};

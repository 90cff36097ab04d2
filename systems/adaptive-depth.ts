import {
  certify,
  exponential,
  gumbel,
  macTarget,
  net,
  recalibrate,
  reinforce,
  skip,
  type Tensor,
  type Trained,
} from 'dynaneural';
import type { Net, Thresholds } from 'dynaneural/dynamic';
import { aimedAt } from './shared/aim.ts';
import { type Block, backbone, inTurn } from './shared/backbone.ts';
import { dynamicRow, gains, ownBaselines } from './shared/compare.ts';
import { type Context, phase } from './shared/context.ts';
import { cifarSplits, describe, type Splits, thinned } from './shared/data.ts';
import { overEveryWay } from './shared/every-way.ts';
import { augment, trainOnce, weightsDigest } from './shared/fit.ts';
import { standing } from './shared/rivals.ts';
import { gently, quickly, shapeOf, startOf, trainBackbone } from './shared/static.ts';
import type { CurvePoint, Findings, Works } from './shared/system.ts';
import { type Timed, timesOf } from './shared/times.ts';
import { constantPoints, type Judged, judge } from './shared/trial.ts';

/** How many of a group's blocks run: asked before each of them, until one is not wanted. */
function nested(x: Tensor, [block, ...rest]: readonly Block[], group: number, at = 1): Tensor {
  if (!block) return x;
  return skip(x, (y) => nested(block(y), rest, group, at + 1), { name: `gate${group + 1}-${at}` });
}

/** A group that all must run, where there is one, is small. */
const gatedNet = (cx: Context, { train }: Splits): Net =>
  net(
    { input: train.shape, classes: train.classes.length, name: 'adaptive-depth', onWarning: () => {} },
    backbone(shapeOf(cx), { group: (x, blocks, i) => (i === 0 ? inTurn(x, blocks) : nested(x, blocks, i)) }),
  );

/** What the mean image may take, as a share of the full MACs: gates take time too. */
const AIM = 0.38;
/**
 * First every way through the net learns to answer, taught by the full one, and the gates learn from all ways at once what each
 * is worth to an image.
 */
const everyWay = { weight: 0.25, distill: { weight: 1, temperature: 3 }, macs: AIM, epochs: 3 };
/** Then, from these weights and with new gates, what the field does: samples that gradients flow through (LAUDNet, Han et al. 2023, arXiv:2308.15949). */
const gumbelWay = { temperature: [5, 0.5], macs: AIM, epochs: 2 } as const;
/** Or draws and rewards; the last gates are freed first, over the first third (BlockDrop, Wu et al. 2018, arXiv:1711.08393). */
const reinforceWay = { price: 0.3, entropy: 0.01, curriculum: 1 / 3, epochs: 2 } as const;

const isGate = (name: string): boolean => /\/gate\d+\//.test(name);

function trainWays(cx: Context, splits: Splits, plain: Trained, seed: number): Promise<Trained> {
  const made = gatedNet(cx, splits);
  return trainOnce(
    cx,
    `depth-exact-${seed}`,
    made,
    { ...quickly(cx, { ...gently, epochs: everyWay.epochs }), seed, more: everyWay },
    {
      data: splits.train,
      start: startOf(made, plain.weights),
      options: overEveryWay(made, everyWay),
    },
  );
}

/** Ways to train new gates on weights that know every way. */
const gateWays = {
  gumbel: {
    more: gumbelWay,
    options: { decisions: gumbel({ temperature: exponential(...gumbelWay.temperature) }), cost: macTarget(AIM) },
  },
  reinforce: { more: reinforceWay, options: { decisions: reinforce(reinforceWay) } },
};

const trainGates = (
  cx: Context,
  { train }: Splits,
  { net: made, weights }: Trained,
  name: keyof typeof gateWays,
  seed: number,
) =>
  trainOnce(
    cx,
    `depth-${name}-${seed}`,
    made,
    { ...quickly(cx, { ...gently, epochs: gateWays[name].more.epochs }), seed, more: gateWays[name].more },
    {
      data: train,
      start: new Map([...weights].filter(([n]) => !isGate(n))),
      options: gateWays[name].options,
    },
  );

interface Path {
  /** The boldest setting that was proven against the net's own full path, and all that were tried. */
  readonly chosen: Thresholds;
  readonly points: readonly Thresholds[];
  readonly statement: string;
}

/** Settings of the gates, moved by one offset. */
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

/** The net with its gates where they are to stand, its statistics measured on the inputs that then meet each block. */
async function readied(cx: Context, name: string, own: Trained, { train, tune }: Splits, seed: number) {
  const thresholds = await aimedAt(cx, `${name}-before`, own, tune, AIM);
  const ready = await recalibrate(own, train, { seed, augment, thresholds });
  return { ready, aimed: await aimedAt(cx, name, ready, tune, AIM) };
}

const MAIN = 'exact policy';
/** The same gates, moved to the boldest setting whose loss against their own full path is proven. */
const PROVEN = 'exact policy, proven';

async function run(cx: Context): Promise<Findings> {
  const splits = await cifarSplits(cx);
  const { train, test } = splits;
  const plain = await trainBackbone(cx, train);
  const judged: Record<string, Judged[]> = { [MAIN]: [], [PROVEN]: [], gumbel: [], reinforce: [] };
  const curve: CurvePoint[] = [];
  const notes: string[] = [];
  for (const seed of cx.seeds) {
    const base = await trainWays(cx, splits, plain, seed);
    const trained = {
      [MAIN]: base,
      gumbel: await trainGates(cx, splits, base, 'gumbel', seed),
      reinforce: await trainGates(cx, splits, base, 'reinforce', seed),
    };
    for (const [name, own] of Object.entries(trained)) {
      const id = `depth-${name.replace(' ', '-')}-${seed}`;
      const { ready, aimed } = await readied(cx, id, own, splits, seed);
      const found = await pathOf(cx, id, ready, splits);
      judged[name]!.push(await judge(cx, id, ready, aimed, test));
      notes.push(`seed ${seed}, ${name}, against its own full path: ${found.statement}`);
      if (name === MAIN) judged[PROVEN]!.push(await judge(cx, id, ready, found.chosen, test));
      if (seed !== cx.seeds[0]) continue;
      for (const thresholds of thinned(cx, found.points)) {
        const { accuracy, macs } = await judge(cx, id, ready, thresholds, test);
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
    headline: [MAIN, PROVEN].flatMap((n) => [`${n}: speed-up of one image`, `${n}: above the static net`]),
    contenders: [
      ...rivals.rows(times[MAIN]!),
      ...series.map(([name, list]) => dynamicRow(name, list, times[name])),
      ...[MAIN, 'gumbel', 'reinforce'].flatMap((name) => ownBaselines(name, judged[name]!)),
    ],
    figures: series.flatMap(([name, list]) => gains(name, list, times[name]!, rivals.facts)),
    spread: series.map(([name, list]) => ({ ...list[0]!.spread, name })),
    curve: [...curve, ...constantPoints('one way for all', main[0]!)],
    notes,
  };
}

export const adaptiveDepth: Works = {
  id: 'adaptive-depth',
  title: 'Input-adaptive pathways by reinforcement learning',
  claim: '2.3x at < 0.5 % loss',
  builds:
    'gates that choose how many blocks of a group run; exact policy, Gumbel and REINFORCE trainers with curriculum',
  anchors: 'SkipNet, BlockDrop (20 % mean, 36 % max at equal accuracy), ConvNet-AIG',
  metric:
    'measured batch-1 and batch-64 speed-up at <= 0.5 points loss, against a static net trained at the same MACs and random skipping',
  state: 'works',
  run,
};

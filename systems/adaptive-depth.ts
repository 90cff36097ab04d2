import {
  batchNorm,
  certify,
  classify,
  conv,
  exit,
  exponential,
  gate,
  gumbel,
  macTarget,
  net,
  recalibrate,
  reinforce,
  relu,
  scope,
  skip,
  type Tensor,
  type Trained,
} from 'dynaneural';
import { confidence, fixed, type Net, type Thresholds } from 'dynaneural/dynamic';
import { add, mul, param, reshape, sub } from 'dynaneural/graph';
import { stopGradient, zeros } from 'dynaneural/nn';
import { aimedAt } from './shared/aim.ts';
import { type Block, backbone, inTurn } from './shared/backbone.ts';
import { dynamicRow, gains, ownBaselines } from './shared/compare.ts';
import { type Context, phase } from './shared/context.ts';
import { cifarSplits, describe, type Splits, thinned } from './shared/data.ts';
import { overEveryWay } from './shared/every-way.ts';
import { augment, type FitOptions, trainOnce, weightsDigest } from './shared/fit.ts';
import { standing } from './shared/rivals.ts';
import { quickly, shapeOf, startOf, trainBackbone, tuning } from './shared/static.ts';
import type { CurvePoint, Findings, Works } from './shared/system.ts';
import { type Timed, timesOf } from './shared/times.ts';
import { constantPoints, type Judged, judge, ownWeights } from './shared/trial.ts';

/** What a look at the first features says: classes, and how sure it is of them, [N, 1]. */
interface Look {
  readonly logits: Tensor;
  readonly sure: Tensor;
}

/** Gates are to know which images are hard, as exits do: they ask a small classifier. */
const lookAt = (x: Tensor): Look =>
  scope('look', () => {
    const logits = classify(conv(x, 128, { stride: 2, norm: 'batch', activation: 'relu' }));
    return { logits, sure: reshape(confidence({ logits: stopGradient(logits), previous: [] }), [0, 1]) };
  });

/** What a logarithm of a probability weighs at first: noise of training is about as large as it then is. */
const UNSURE = 4;

/** How much the next block is wanted: by the features, and the more the less sure the look was. */
const wanted = (x: Tensor, { sure }: Look): Tensor =>
  sub(gate(x), mul(sure, param('unsure', [1], { kind: 'constant', value: UNSURE })));

/** Where blocks are left out, later layers are to find features like theirs: a hundredth of the MACs. */
const instead = (x: Tensor): Tensor =>
  scope('instead', () => {
    const norm = (y: Tensor) => batchNorm(y, { scale: zeros, name: 'norm' });
    return relu(add(x, conv(x, Number(x.shape[1]), { kernel: 1, norm })));
  });

/** How many of a group's blocks run: asked before each of them, until one is not wanted. */
function nested(x: Tensor, [block, ...rest]: readonly Block[], group: number, look: Look, at = 1): Tensor {
  if (!block) return x;
  return skip(x, (y) => nested(block(y), rest, group, look, at + 1), {
    name: `gate${group + 1}-${at}`,
    gate: (t) => wanted(t, look),
    shortcut: instead,
  });
}

/** The look is an answer only while it learns; `withoutLook` is what runs. */
const gatedNet = (cx: Context, { train }: Splits): Net =>
  net({ input: train.shape, classes: train.classes.length, name: 'adaptive-depth', onWarning: () => {} }, (image) => {
    let look: Look | undefined;
    const after = (x: Tensor, block: string): Tensor => {
      if (block !== 'down2') return x;
      look = lookAt(x);
      const { logits, sure } = look;
      return exit(x, { name: 'look', head: () => logits, policy: () => reshape(sure, [0]) });
    };
    // What stands before the look, all must run.
    const group = (x: Tensor, blocks: readonly Block[], i: number) =>
      look ? nested(x, blocks, i, look) : inTurn(x, blocks);
    return backbone(shapeOf(cx), { after, group })(image);
  });

function withoutLook({ net: made, weights, ...rest }: Trained): Trained {
  const running = fixed(made, { look: 'continue' });
  return { ...rest, net: running, weights: ownWeights(running, weights) };
}

/** What the mean image may take, as a share of the full MACs: gates take time too. */
const AIM = 0.4;
/** Of the loss of the look's answers. */
const LOOK = 0.5;
/**
 * First what the field does: samples that gradients flow through (LAUDNet, Han et al. 2023, arXiv:2308.15949), from the static
 * net, which also teaches.
 */
const gumbelWay = {
  temperature: [5, 0.5],
  macs: AIM,
  weights: [LOOK, 1],
  teacher: { weight: 1, temperature: 2 },
} as const;
/** Then every way through the net is computed for every image, and gates learn from all at once what each is worth. */
const everyWay = { weight: 0.25, distill: { weight: 1, temperature: 3 }, macs: AIM };
/** Or draws and rewards; the last gates are freed first, over the first third (BlockDrop, Wu et al. 2018, arXiv:1711.08393). */
const reinforceWay = { price: 0.3, entropy: 0.01, curriculum: 1 / 3 } as const;

/** Of `tuning`'s epochs, the first go to all, the last one to what is compared: its rate goes on where the others' was small. */
const LAST = 1;
const LATE = 0.01;

function trainSampled(cx: Context, splits: Splits, plain: Trained, seed: number): Promise<Trained> {
  const made = gatedNet(cx, splits);
  const { temperature, macs, weights, teacher } = gumbelWay;
  return trainOnce(
    cx,
    `depth-gumbel-${seed}`,
    made,
    { ...quickly(cx, { ...tuning, epochs: tuning.epochs - LAST }), seed, more: gumbelWay },
    {
      data: splits.train,
      start: startOf(made, plain.weights),
      teacher: { model: plain, ...teacher },
      options: { decisions: gumbel({ temperature: exponential(...temperature) }), cost: macTarget(macs), weights },
    },
  );
}

/** What the last epoch is spent on. */
const lastWays: Readonly<Record<string, { readonly more: unknown; of(made: Net): FitOptions['options'] }>> = {
  exact: { more: everyWay, of: (made) => overEveryWay(made, everyWay) },
  reinforce: { more: reinforceWay, of: () => ({ decisions: reinforce(reinforceWay) }) },
};

function trainLast(cx: Context, { train }: Splits, base: Trained, name: string, seed: number): Promise<Trained> {
  const { more, of } = lastWays[name]!;
  const { net: made, weights } = withoutLook(base);
  return trainOnce(
    cx,
    `depth-${name}-${seed}`,
    made,
    { ...quickly(cx, { ...tuning, rate: LATE, epochs: LAST }), seed, more },
    { data: train, start: weights, options: of(made) },
  );
}

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
    const sampled = await trainSampled(cx, splits, plain, seed);
    const trained = {
      [MAIN]: await trainLast(cx, splits, sampled, 'exact', seed),
      gumbel: withoutLook(sampled),
      reinforce: await trainLast(cx, splits, sampled, 'reinforce', seed),
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
    'gates that choose how many blocks of a group run, fed by a small classifier; exact policy, Gumbel and REINFORCE trainers with curriculum',
  anchors: 'SkipNet, BlockDrop (20 % mean, 36 % max at equal accuracy), ConvNet-AIG',
  metric:
    'measured batch-1 and batch-64 speed-up at <= 0.5 points loss, against a static net trained at the same MACs and random skipping',
  state: 'works',
  run,
};

import { certify, classify, conv, exit, net, type Tensor, type Trained } from 'dynaneural';
import type { Model, Net, PolicyName, Thresholds } from 'dynaneural/dynamic';
import { add, mul, ndarray } from 'dynaneural/graph';
import { stopGradient } from 'dynaneural/nn';
import { backbone } from './shared/backbone.ts';
import { dynamicRow, gains, ownBaselines } from './shared/compare.ts';
import { type Context, phase } from './shared/context.ts';
import { cifarSplits, describe, type Splits, thinned } from './shared/data.ts';
import { type Recipe, trainOnce, weightsDigest } from './shared/fit.ts';
import { standing } from './shared/rivals.ts';
import { gently, quickly, shapeOf, startOf, trainBackbone } from './shared/static.ts';
import type { CurvePoint, Findings, Works } from './shared/system.ts';
import { type Timed, timesOf } from './shared/times.ts';
import { constantPoints, type Judged, judge, ownWeights } from './shared/trial.ts';

/** Of the answers, earliest first. */
const weights = [0.5, 0.6, 0.8, 1];
const distill = { weight: 0.5, temperature: 3 };
/** The static net teaches too, and rates are low: what it had learnt is to stay as good as it was. */
const teacher = { weight: 1, temperature: 3 };
/** How much of an answer goes into the next one. */
const CARRIED = 0.5;

/**
 * From the trained net, then everything together: early features bend to the exits, late ones need not be learnt anew
 * (Kubaty et al. 2024, arXiv:2407.14320). No smoothing: it spoils the order of right and wrong by confidence, which exits live
 * on (Xia et al. 2024, arXiv:2403.14715).
 */
const recipe: Recipe = { ...gently, more: { weights, distill, CARRIED } };

/** Features need not bend to be an answer at once (MSDNet, Huang et al. 2018): a few of the head's own stand between. */
const head = (x: Tensor): Tensor => classify(conv(x, 64, { kernel: 1, norm: 'batch', activation: 'relu' }));

/** The first features see only a quarter of the image: the first head looks further, which later ones would do in vain. */
const firstHead = (x: Tensor): Tensor => classify(conv(x, 128, { stride: 2, norm: 'batch', activation: 'relu' }));

/**
 * An input may leave at a fifth, two fifths and three quarters of the MACs. Every answer stands on the one before it, so that it has
 * to learn only what that got wrong (BoostNet, Yu et al. 2022, arXiv:2211.16726).
 */
function exitNet(cx: Context, { train }: Splits, policy: PolicyName): Net {
  const shape = shapeOf(cx);
  const heads = new Map([
    ['down2', firstHead],
    ['group2-1', head],
    [`group2-${shape.groups[1]}`, head],
  ]);
  return net({ input: train.shape, classes: train.classes.length, name: 'early-exit' }, (image) => {
    let before: Tensor | undefined;
    const upon = (logits: Tensor): Tensor => {
      before = before ? add(logits, mul(stopGradient(before), CARRIED)) : logits;
      return before;
    };
    const after = (x: Tensor, block: string) => {
      const own = heads.get(block);
      return own ? exit(x, { head: (t) => upon(own(t)), policy }) : x;
    };
    return upon(backbone(shape, { after })(image));
  });
}

/** What is compared: how sure is sure, and what is proven of it (loss: signed, as points of accuracy are). Chosen before any data is seen. */
const contests = [
  { name: 'confidence', policy: 'confidence', risk: 'loss', epsilon: 0.005 },
  { name: 'entropy', policy: 'entropy', risk: 'loss', epsilon: 0.005 },
  { name: 'patience', policy: 'patience', risk: 'loss', epsilon: 0.005 },
  { name: 'confidence, harm', policy: 'confidence', risk: 'harm', epsilon: 0.005 },
  { name: 'confidence, harm 1 %', policy: 'confidence', risk: 'harm', epsilon: 0.01 },
] as const;
type Contest = (typeof contests)[number];

interface Calibrated {
  /** Of the exits, fitted on the tune split. */
  readonly temperatures: Readonly<Record<string, number>>;
  /** The boldest setting that was proven, and all settings of the path. */
  readonly chosen: Thresholds;
  readonly points: readonly Thresholds[];
  readonly statement: string;
}

async function calibrate(
  cx: Context,
  name: string,
  model: Model,
  { tune, certify: data }: Splits,
  { risk, epsilon: wanted }: Contest,
): Promise<Calibrated> {
  const epsilon = cx.quick ? 0.05 : wanted;
  return phase(cx, `${name}-certificate`, { own: weightsDigest(model.weights), risk, epsilon }, async () => {
    cx.progress.start(`${name}: certify`, 1);
    const { weights, chosen, points, certificate } = await certify(model, { tune, data, risk, epsilon, delta: 0.1 });
    cx.progress.stop();
    const temperatures = [...weights].filter(([n]) => n.endsWith('/temperature'));
    return {
      temperatures: Object.fromEntries(temperatures.map(([n, { data: t }]) => [n, Number(t[0])])),
      chosen: chosen.thresholds,
      points: points.map((p) => p.thresholds),
      statement: certificate.message,
    };
  });
}

/** The trained net with another policy and its temperatures. */
const withPolicy = (trained: Trained, made: Net, temperatures: Calibrated['temperatures'] = {}): Model => {
  const tempered = Object.entries(temperatures).map(([n, t]) => [n, ndarray('float32', [], [t])] as const);
  return { ...trained, net: made, weights: new Map([...ownWeights(made, trained.weights), ...tempered]) };
};

async function run(cx: Context): Promise<Findings> {
  const splits = await cifarSplits(cx);
  const { train, test } = splits;
  const plain = await trainBackbone(cx, train);
  const judged: Record<string, Judged[]> = {};
  const curve: CurvePoint[] = [];
  const notes: string[] = [];
  for (const seed of cx.seeds) {
    const own = exitNet(cx, splits, 'confidence');
    const trained = await trainOnce(
      cx,
      `early-exit-${seed}`,
      own,
      { ...quickly(cx, recipe), seed },
      {
        data: train,
        start: startOf(own, plain.weights),
        teacher: { model: plain, ...teacher },
        options: { weights, distill },
      },
    );
    for (const contest of contests) {
      const { name, policy, risk, epsilon } = contest;
      const made = exitNet(cx, splits, policy);
      const id = `early-exit-${policy}-${risk}-${epsilon}-${seed}`;
      const found = await calibrate(cx, id, withPolicy(trained, made), splits, contest);
      const model = withPolicy(trained, made, found.temperatures);
      judged[name] = [...(judged[name] ?? []), await judge(cx, id, model, found.chosen, test)];
      notes.push(`seed ${seed}, ${name}: ${found.statement}`);
      // The other contests go the same path.
      if (seed !== cx.seeds[0] || risk !== 'loss') continue;
      for (const thresholds of thinned(cx, found.points)) {
        const { accuracy, macs } = await judge(cx, id, model, thresholds, test);
        curve.push({ series: name, macs, accuracy });
      }
    }
  }
  const main = judged.confidence!;
  const rivals = await standing(cx, splits, plain, main);
  const times: Record<string, Timed[]> = {};
  for (const { name } of contests) {
    times[name] = [];
    for (const j of judged[name]!) times[name].push(await timesOf(cx, j, rivals));
  }
  return {
    data: describe(splits),
    headline: ['confidence', 'confidence, harm'].flatMap((name) => [
      `${name}: speed-up of one image`,
      `${name}: above the static net`,
    ]),
    contenders: [
      ...rivals.rows(times.confidence!),
      ...contests.map(({ name }) => dynamicRow(name, judged[name]!, times[name])),
      ...ownBaselines('confidence', main),
    ],
    figures: contests.flatMap(({ name }) => gains(name, judged[name]!, times[name]!, rivals.facts)),
    spread: contests.map(({ name }) => ({ ...judged[name]![0]!.spread, name })),
    curve: [...curve, ...constantPoints('one exit for all', main[0]!)],
    notes: [
      ...notes,
      'Exits are taught by the static net while they learn; the static nets that they stand beside had no teacher.',
    ],
  };
}

export const earlyExit: Works = {
  id: 'early-exit',
  title: 'Dynamic early exit',
  claim: '2.8x energy, ~11 ms on a phone',
  builds: 'exits with calibrated confidence, entropy, patience; certified thresholds',
  anchors: 'BranchyNet, MSDNet, Zero-Time-Waste, Apparate (median latency -40..-91 %)',
  metric: 'measured batch-1 and batch-64 speed-up at <= 0.5 points loss, worst case beside it',
  state: 'works',
  wanted: [
    { figure: 'confidence: speed-up of one image', least: 2.3 },
    { figure: 'confidence: above the static net', least: -0.005 },
    { figure: 'confidence: above static at the same MACs', least: 0 },
  ],
  run,
};

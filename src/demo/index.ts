import { join } from 'node:path';
import { takeBatch } from '../data/index.ts';
import { load, toBytes } from '../deploy/index.ts';
import { type Measured, measure } from '../deploy/measure.ts';
import { type CertifiedModel, certify, cut, decisionsOf, exitCosts, observations } from '../dynamic/index.ts';
import { makeFolder, writeAtomic } from '../files.ts';
import { encodeModel, toOnnx } from '../graph/index.ts';
import { type Progress, silent } from '../progress.ts';
import { commit, machine } from '../provenance.ts';
import { reportHtml, type Summary } from '../report/index.ts';
import { type Trained, train } from '../train/index.ts';
import { multiExit } from '../zoo/index.ts';
import { type Baselines, baselinesOf } from './baselines.ts';
import { accuracyOf, curveOf, exitReports, type FileRun, runFile } from './inspect.ts';
import { EPOCHS, recipe } from './recipe.ts';
import { chooseData, openSplits, type Splits } from './splits.ts';
import { summaryText } from './text.ts';

export interface DemoOptions {
  /** `fashion-mnist` or `mnist`; by default the first that is there. */
  readonly data?: string;
  readonly out?: string;
  readonly seed?: number;
  readonly epochs?: number;
  /** A small form that takes about a minute and proves only that the road is whole. */
  readonly quick?: boolean;
  readonly progress?: Progress;
  readonly onNote?: (note: string) => void;
}

export interface DemoResult {
  readonly summary: Summary;
  readonly text: readonly string[];
}

/** All times are taken with one thread: what one request costs on a server that runs many. */
const session = { intraOpNumThreads: 1 };

/** The files whose times are compared. The static net has the architecture of the full cut, so it runs as fast. */
function contenders(model: CertifiedModel, file: Uint8Array) {
  const plain = (net: typeof model.net) => encodeModel(toOnnx({ logits: net.output }, { weights: model.weights }));
  const names = decisionsOf(model.net).map((d) => d.name);
  const full = plain(cut(model.net));
  const never = { net: model.net, weights: model.weights, classes: model.classes, preprocessing: model.preprocessing };
  return {
    dynamic: file,
    nobodyExits: toBytes(never),
    static: full,
    cuts: [...names.map((n) => plain(cut(model.net, { [n]: 'exit' }))), full],
  };
}

function trainFields(p: {
  loss: number;
  accuracy: Readonly<Record<string, number>>;
  entropy: Readonly<Record<string, number>>;
  imagesPerSecond: number;
  secondsLeft: number;
}): Record<string, string> {
  const list = (values: Readonly<Record<string, number>>, f: (v: number) => string) =>
    Object.values(values).map(f).join('/');
  return {
    loss: p.loss.toFixed(3),
    'accuracy %': list(p.accuracy, (v) => (100 * v).toFixed(1)),
    entropy: list(p.entropy, (v) => v.toFixed(2)),
    '': `${Math.round(p.imagesPerSecond)} images/s`,
    left: `${Math.round(p.secondsLeft)} s`,
  };
}

async function trainStage(splits: Splits, options: DemoOptions, progress: Progress): Promise<Trained> {
  const net = multiExit({ input: splits.train.shape, classes: splits.train.classes.length });
  const epochs = options.epochs ?? (options.quick ? 1 : EPOCHS);
  let started = false;
  const trained = await train(net, {
    ...recipe,
    data: splits.train,
    epochs,
    seed: options.seed ?? 1,
    onProgress(p) {
      if (!started) progress.start('train', p.steps);
      started = true;
      progress.update(p.step, trainFields(p));
    },
  });
  progress.stop();
  return trained;
}

async function certifyStage(
  trained: Trained,
  splits: Splits,
  quick: boolean,
  progress: Progress,
): Promise<CertifiedModel> {
  let stage = '';
  const certified = await certify(trained, {
    tune: splits.tune,
    data: splits.certify,
    risk: 'harm',
    epsilon: quick ? 0.02 : 0.005,
    delta: 0.1,
    onProgress(now, done, total) {
      if (now !== stage) progress.start(now, total);
      stage = now;
      progress.update(done);
    },
  });
  progress.stop();
  return certified;
}

/**
 * The whole road: real images, a net with exits, training, certificate, one ONNX file, and what it gains on the clock.
 *
 * @example const { summary } = await demo({ out: 'out/demo' })
 */
export async function demo(options: DemoOptions = {}): Promise<DemoResult> {
  const { out = 'out/demo', seed = 1, quick = false, progress = silent, onNote = () => {} } = options;
  const splits = await openSplits(chooseData(options.data, onNote), seed, quick);
  await makeFolder(out);

  const trained = await trainStage(splits, options, progress);
  const certified = await certifyStage(trained, splits, quick, progress);
  const file = toBytes(certified);
  await writeAtomic(join(out, 'model.onnx'), file);

  const exits = decisionsOf(certified.net).map((d) => d.name);
  progress.start('test', splits.test.length);
  const model = await load(file);
  const run = await runFile(model, splits.test, exits, (done) => progress.update(done)).finally(() => model.close());
  const seen = await observations(certified, splits.test);
  progress.stop();

  const rounds = quick ? { single: 200, batch: 10 } : { single: 2000, batch: 100 };
  const images = takeBatch(
    splits.test,
    Array.from({ length: splits.test.length }, (_, i) => i),
  ).x;
  progress.start('time', rounds.single + rounds.batch);
  const measured = await measure(contenders(certified, file), {
    images,
    paths: run.paths,
    rounds,
    session,
    onProgress: (done) => progress.update(done),
  });
  progress.stop();

  const baselines = baselinesOf(splits.name);
  const summary = await summarise(
    { splits, seed, quick, out },
    certified,
    trained,
    run,
    accuracyOf(seen, exits.length),
    measured,
    baselines,
  );
  const report = await reportHtml({
    summary,
    statement: certified.certificate.message,
    imageShape: splits.test.shape,
    exits: exitReports(certified, seen, run, splits.test),
    curve: curveOf(certified, seen, measured.paths),
    epochs: trained.history,
  });
  await writeAtomic(join(out, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  await writeAtomic(join(out, 'report.html'), report);
  return { summary, text: summaryText(summary, certified.certificate.message, out) };
}

async function summarise(
  { splits, seed, quick, out }: { splits: Splits; seed: number; quick: boolean; out: string },
  certified: CertifiedModel,
  trained: Trained,
  run: FileRun,
  fullAccuracy: number,
  measured: Measured,
  baselines: Baselines | undefined,
): Promise<Summary> {
  const macs = exitCosts(certified.net).at(-1)!;
  const names = [...decisionsOf(certified.net).map((d) => d.name), 'final'];
  const { risk, method, epsilon, delta, n } = certified.certificate;
  const notes = [
    'Times are medians of runs that took turns in one process, with one thread; speed-ups are static over dynamic.',
    baselines
      ? `The accuracies of "static" and "sameMacs" come from results/baselines.json, made by \`${baselines.command}\` (commit ${baselines.commit}, ${baselines.epochs} epochs, seed ${baselines.seed}); their times were taken here.`
      : 'No committed baselines for this data set: the accuracies of "static" and "sameMacs" are missing; `npm run bench` makes them.',
    ...(quick ? ['QUICK form: little data and one epoch; the figures prove only that the road is whole.'] : []),
  ];
  const accuracyAt = (e: number) => {
    const left = Array.from(run.paths.keys()).filter((i) => run.paths[i] === e);
    return left.filter((i) => run.answers[i] === splits.test.labels[i]).length / left.length;
  };
  return {
    dataset: splits.name,
    seed,
    machine: await machine(session.intraOpNumThreads),
    commit: commit(),
    command: `npm run demo -- --data ${splits.name} --seed ${seed}${quick ? ' --quick' : ''} --out ${out}`,
    full: { accuracy: fullAccuracy, macs, ...measured.full },
    static: { accuracy: baselines?.static.accuracy ?? null, macs, ...measured.static },
    dynamic: { accuracy: run.accuracy, macs: run.macs, ...measured.dynamic },
    speedup1: measured.static.ms1 / measured.dynamic.ms1,
    speedup64: measured.static.ms64 / measured.dynamic.ms64,
    macSpeedup: macs / run.macs,
    realisation1: measured.realisation1,
    realisation64: measured.realisation64,
    exits: names.map((name, e) => ({
      name,
      share: run.paths.filter((p) => p === e).length / run.paths.length,
      accuracy: accuracyAt(e),
    })),
    certificate: { risk, method, epsilon, delta, n },
    training: trained.training,
    baseline: { sameMacs: baselines ? { ...baselines.sameMacs } : { accuracy: null, macs: null } },
    notes,
  };
}

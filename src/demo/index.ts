import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { takeBatch } from '../data/index.ts';
import { load, toBytes } from '../deploy/index.ts';
import { measure } from '../deploy/measure.ts';
import { type CertifiedModel, cut, decisionsOf, observations } from '../dynamic/index.ts';
import { makeFolder, writeAtomic } from '../files.ts';
import { encodeModel, toOnnx } from '../graph/index.ts';
import { type Progress, silent } from '../progress.ts';
import { machine } from '../provenance.ts';
import { reportHtml, type Summary } from '../report/index.ts';
import { certifyNet, trainNet } from './fit.ts';
import { accuracyOf, curveOf, exitReports, runFile } from './inspect.ts';
import { EPOCHS } from './recipe.ts';
import { openSplits } from './splits.ts';
import { summarise } from './summary.ts';
import { summaryText } from './text.ts';

export interface DemoOptions {
  /** `fashion-mnist` or `mnist`; by default the first, or the second where that cannot be had. */
  readonly data?: string;
  readonly out?: string;
  readonly seed?: number;
  readonly epochs?: number;
  /** A small form that takes about a minute and proves only that the road is whole. */
  readonly quick?: boolean;
  readonly progress?: Progress;
  readonly onNote?: (note: string) => void;
  /** Aborting it ends the demo after the step or the part that runs; what was learnt is kept, and the same demo goes on there. */
  readonly signal?: AbortSignal;
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

/**
 * The whole road: real images, a net with exits, training, certificate, one ONNX file, and what it gains on the clock.
 *
 * @example const { summary } = await demo({ out: 'out/demo' })
 */
export async function demo(options: DemoOptions = {}): Promise<DemoResult> {
  const { out = 'out/demo', seed = 1, quick = false, progress = silent, onNote = () => {} } = options;
  const splits = await openSplits(options.data, seed, { quick, progress, onNote });
  await makeFolder(out);

  const { epochs = quick ? 1 : EPOCHS, signal } = options;
  // One for each recipe: a small demo that was stopped is not in the way of the whole one.
  const checkpoint = join(out, `checkpoint-${splits.name}-${seed}-${epochs}${quick ? '-quick' : ''}`);
  const trained = await trainNet(splits, {
    epochs,
    seed,
    progress,
    checkpoint,
    ...(signal ? { signal } : {}),
  });
  signal?.throwIfAborted();
  const certified = await certifyNet(trained, splits, quick ? 0.02 : 0.005, progress);
  const file = toBytes(certified);
  await writeAtomic(join(out, 'model.onnx'), file);
  signal?.throwIfAborted();

  const exits = decisionsOf(certified.net).map((d) => d.name);
  progress.start('test', splits.test.length);
  const model = await load(file);
  const run = await runFile(model, splits.test, exits, (done) => progress.update(done)).finally(() => model.close());
  const seen = await observations(certified, splits.test);
  progress.stop();
  signal?.throwIfAborted();

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

  const summary = summarise({
    splits,
    seed,
    quick,
    out,
    certified,
    training: trained.training,
    run,
    fullAccuracy: accuracyOf(seen, exits.length),
    measured,
    machine: await machine(session.intraOpNumThreads),
  });
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
  await rm(checkpoint, { recursive: true, force: true });
  return { summary, text: summaryText(summary, certified.certificate.message, out) };
}

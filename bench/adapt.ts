// npm run bench -- adapt
// Adapts static classifiers and measures the files on images that neither they nor the adaptation have seen.
// $DYNANEURAL_MODELS: folders with ONNX files, separated as in $PATH. CIFAR-10 classifiers get CIFAR-10; a file NAME.json
// beside one (see bench/torch_models.py) tells its preprocessing and how many training images it has seen, else all.
// $DYNANEURAL_PHOTOS: a folder of images for classifiers of other sizes in colour; they are adapted without labels.
// $DYNANEURAL_WAYS: only ways whose names hold one of these, separated by semicolons; what others found before is kept.
// $DYNANEURAL_THREADS: of the engine while it adapts; those of the table are taken with one.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cifar10, type Dataset, dataset, imageFolder, subset } from '../src/data/index.ts';
import {
  type AdaptOptions,
  adapt,
  compareTimes,
  type Foreign,
  readForeign,
  statedPixels,
} from '../src/deploy/adapt/index.ts';
import {
  costTable,
  decisionsOf,
  extremeMacs,
  lossOf,
  type Model,
  observations,
  type Risk,
} from '../src/dynamic/index.ts';
import { readOnnxFile } from '../src/graph/index.ts';
import { commit, machine } from '../src/provenance.ts';
import { readResult, writeResult } from './results.ts';

/** What is tried; all of one model share their work folder, so that nothing is computed twice. */
const ways: Readonly<
  Record<string, Pick<AdaptOptions, 'maxDisagreement' | 'maxHarm' | 'maxLoss' | 'tune' | 'skips'> & { more?: boolean }>
> = {
  'frozen, 0.5 %': { maxDisagreement: 0.005 },
  'frozen, 2 %': { maxDisagreement: 0.02 },
  'frozen, more images, 0.5 %': { maxDisagreement: 0.005, more: true },
  'frozen, more images, 2 %': { maxDisagreement: 0.02, more: true },
  'tuned without labels, 0.5 %': { maxDisagreement: 0.005, tune: true, more: true },
  'tuned with labels, harm 0.5 %': { maxHarm: 0.005, tune: true, more: true },
  'tuned with labels, loss 0.5 %': { maxLoss: 0.005, tune: true, more: true },
  'tuned with labels, skips too, harm 0.5 %': { maxHarm: 0.005, tune: true, skips: true, more: true },
};

const wanted = (process.env.DYNANEURAL_WAYS ?? '').split(';').filter(Boolean);
const threads = Number(process.env.DYNANEURAL_THREADS ?? 0);

/** Images by what they are for. */
interface Sets {
  /** Unknown to the model: half for heads where nothing else is there for them, the rest to tune and certify. */
  readonly data: Dataset;
  /** Unknown to the model and to what was made of it. */
  readonly test: Dataset;
}

/** As somebody has them who has only typical inputs, and as somebody who has the training set too. */
interface Supplies {
  readonly few: Sets;
  /** With images for the heads that the model was trained on. */
  readonly more?: Sets & { readonly train: Dataset };
}

const range = (ds: Dataset, from: number, to: number): Dataset =>
  subset(
    ds,
    Int32Array.from({ length: to - from }, (_, i) => from + i),
  );

/** Two sets of bytes, one after the other. */
const joined = (a: Dataset, b: Dataset): Dataset =>
  dataset({
    ...{ name: `${a.name} and ${b.name}`, shape: a.shape, classes: a.classes, mean: a.mean, std: a.std },
    inputs: Buffer.concat([a.inputs as Uint8Array, b.inputs as Uint8Array]),
    labels: Int32Array.from([...a.labels, ...b.labels]),
  });

/** Pixels as a file's metadata or the JSON beside it says, in units of value / 255. */
function normalisation(path: string, foreign: Foreign): Pick<Dataset, 'mean' | 'std'> {
  const beside = path.replace(/\.onnx$/, '.json');
  if (existsSync(beside)) return JSON.parse(readFileSync(beside, 'utf8')) as Pick<Dataset, 'mean' | 'std'>;
  return statedPixels(foreign) ?? { mean: [0], std: [1] };
}

async function setsOf(path: string, foreign: Foreign): Promise<Supplies | undefined> {
  const [channels, height, width] = foreign.input.shape.slice(1) as [number, number, number];
  const pixels = normalisation(path, foreign);
  if (channels === 3 && height === 32 && foreign.classes.length === 10) {
    const known = existsSync(path.replace(/\.onnx$/, '.json'));
    const about = known
      ? (JSON.parse(readFileSync(path.replace(/\.onnx$/, '.json'), 'utf8')) as { seenTrainingImages: number })
      : { seenTrainingImages: 50_000 };
    const [train, test] = [await cifar10('train'), await cifar10('test')].map((ds) => ({ ...ds, ...pixels }));
    const half = range(test!, 5000, 10_000);
    if (about.seenTrainingImages > 45_000) {
      const few = { data: range(test!, 0, 5000), test: half };
      return { few, more: { ...few, train: train! } };
    }
    const held = range(train!, 45_000, 50_000);
    return {
      few: { data: held, test: test! },
      // Twice as many for thresholds and certificate, half as many to look at.
      more: {
        train: range(train!, 0, about.seenTrainingImages),
        data: joined(held, range(test!, 0, 5000)),
        test: half,
      },
    };
  }
  const photos = process.env.DYNANEURAL_PHOTOS;
  if (!photos || channels !== 3) return undefined;
  const all = { ...(await imageFolder(photos, { size: [height, width], channels, mean: [0], std: [1] })), ...pixels };
  const cut = Math.round(0.7 * all.length);
  return { few: { data: range(all, 0, cut), test: range(all, cut, all.length) } };
}

/** MACs if every image left at the first answer that loses nothing: what perfect exits would reach, as a share. */
async function oracle(model: Model, images: Dataset, risk: Risk, macs: number, foreign: Foreign) {
  const seen = await observations(model, images);
  const { referenceAnswers } = await import('../src/deploy/adapt/reference.ts');
  const reference = await referenceAnswers(foreign, images);
  const width = seen.names.length;
  let sum = 0;
  for (let i = 0; i < seen.n; i++) {
    const right = (e: number) => lossOf(risk, seen.answers[i * width + e]!, reference[i]!, images.labels[i]!) <= 0;
    const first = Array.from({ length: width }, (_, e) => e).find(right) ?? width - 1;
    sum += seen.macs[i * width + first]!;
  }
  return macs / (sum / seen.n);
}

async function one(path: string, way: string, work: string): Promise<object | undefined> {
  const original = readOnnxFile(path);
  const foreign = readForeign(original);
  const supplies = await setsOf(path, foreign);
  const { more, ...claim } = ways[way]!;
  const sets: (Sets & { readonly train?: Dataset }) | undefined = more ? supplies?.more : supplies?.few;
  if (!sets || ((claim.maxHarm ?? claim.maxLoss) && sets.data.classes.length === 0)) return undefined;
  const classes = [...foreign.classes];
  const named = (ds: Dataset): Dataset => (ds.classes.length === classes.length ? { ...ds, classes } : ds);
  const begin = performance.now();
  const { summary, bytes, candidate, model } = await adapt(original, {
    data: named(sets.data),
    ...(sets.train ? { train: named(sets.train), views: 2 } : {}),
    test: named(sets.test),
    ...claim,
    work,
    seed: 1,
    ...(threads ? { session: { intraOpNumThreads: threads } } : {}),
    onProgress: (stage, done, total) => process.stderr.write(`\r${stage} ${done}/${total}   `),
  });
  const seconds = (performance.now() - begin) / 1000;
  const times = await compareTimes(original, foreign, bytes, sets.test, { session: { intraOpNumThreads: 1 } });
  const full = extremeMacs({ decisions: decisionsOf(candidate.net), regions: costTable(candidate.net) }, Math.max);
  const { differences: _, ...test } = summary.test!;
  return {
    way: summary.way,
    fullModelKept: summary.fullModelKept,
    certificate: summary.message,
    tried: summary.tried,
    macs: { original: summary.originalMacs, mean: test.meanMacs, nobodyExits: model ? full : summary.originalMacs },
    macSpeedup: summary.originalMacs / test.meanMacs,
    oracleMacSpeedup: await oracle(candidate, sets.test, summary.claim.risk, summary.originalMacs, foreign),
    times: times.map(({ batch, original: before, adapted }) => ({
      ...{ batch, original: before, adapted },
      speedup: before / adapted,
    })),
    test,
    seconds: Math.round(seconds),
    threads: threads || 'as many as cores',
    peakMemoryMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  };
}

/** Each in a process of its own: the peak memory is then its own too. */
export async function run(): Promise<void> {
  const folders = (process.env.DYNANEURAL_MODELS ?? '').split(delimiter).filter(Boolean);
  const paths = folders.flatMap((f) => readdirSync(f).flatMap((n) => (n.endsWith('.onnx') ? [join(f, n)] : [])));
  if (paths.length === 0) {
    console.error('DYNANEURAL_MODELS names no folder with ONNX files; bench/torch_models.py makes some');
    process.exitCode = 1;
    return;
  }
  const script = fileURLToPath(import.meta.url);
  const models: Record<string, Record<string, unknown>> = {
    ...(readResult('adapt').models as Record<string, Record<string, unknown>> | undefined),
  };
  for (const path of paths) {
    const name = basename(path, '.onnx');
    for (const way of Object.keys(ways)) {
      if (wanted.length > 0 && !wanted.some((w) => way.includes(w))) continue;
      const work = join('out', 'adapt-bench', name);
      const args = [...process.execArgv, script, '--one', path, way, work];
      const said = execFileSync(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
      const figures = JSON.parse(said) as object | null;
      if (!figures) continue;
      models[name] = { ...models[name], [way]: { ...figures, machine: await machine(), commit: commit() } };
      console.log(`\n${name}, ${way}: ${said}`);
      await writeResult('adapt', 'npm run bench -- adapt', {
        what: 'classifiers adapted by dyna adapt: MACs, times (one thread) and answers on images that nothing had seen',
        seed: 1,
        models,
      });
    }
  }
}

if (process.argv[2] === '--one') {
  const [, , , path, way, work] = process.argv as [string, string, string, string, string, string];
  process.stdout.write(JSON.stringify((await one(path, way, work)) ?? null));
}

// npm run bench -- saliency
// Do maps of why an exit was sure point at what it looks at? Deletion and insertion against random orders, and the check by
// random weights. DYNANEURAL_TRAINED names a folder with a trained multi-exit net (otherwise one is trained and kept),
// DYNANEURAL_BENCH_IMAGES how many test images are explained.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Dataset, subset, takeBatch } from '../src/data/index.ts';
import { answerWeights, recipe } from '../src/demo/recipe.ts';
import { openSplits } from '../src/demo/splits.ts';
import { argmaxAt, observe } from '../src/dynamic/index.ts';
import {
  baselineOf,
  bootstrap,
  type Curve,
  decisionGradient,
  deletion,
  edges,
  type GradientAt,
  gradientTimesInput,
  type Interval,
  insertion,
  integratedGradients,
  mapOf,
  randomisationCheck,
  randomOrder,
  ranking,
  rise,
  type Scorer,
  smoothGrad,
} from '../src/explain/index.ts';
import { encodeModel, softmax, toOnnx } from '../src/graph/index.ts';
import { silent } from '../src/progress.ts';
import { compile, type Runner } from '../src/runtime/index.ts';
import { openTrained, saveTrained, type Trained, train } from '../src/train/index.ts';
import { multiExit } from '../src/zoo/index.ts';
import { writeResult } from './results.ts';

const what =
  `What an exit's score (the log of its confidence, its largest softmax probability) rests on. Curves follow the
probability of the answer that the exit gave to the whole image. Deletion: area under it while pixels become the data set's
mean grey, most important first (smaller is better). Insertion: area while pixels of a blurred image become their own (larger
is better). lessRandom: the area less the mean of random orders of the same image. confidence: how sure the exit is, of
whatever class, of the image, of plain grey and of the blurred image. randomisation: rank correlation of gradient maps with
those of the trained net after layers were drawn anew from the last down to the one named; a map that looks at the model
falls to about 0. Intervals: 95 %, bootstrap over images.`.replaceAll('\n', ' ');

const cache = 'out/saliency';
const seed = 1;
const trainImages = 20_000;
/** Of the check by random weights: enough for a mean of correlations. */
const checkedImages = 64;
const settings = { masks: 500, samples: 16, noise: 0.15, steps: 16, stages: 28, randomOrders: 3 };
async function trainedNet(data: Dataset): Promise<{ trained: Trained; folder: string }> {
  const net = multiExit({ input: data.shape, classes: data.classes.length });
  const folder = process.env.DYNANEURAL_TRAINED ?? cache;
  if (process.env.DYNANEURAL_TRAINED || existsSync(join(folder, 'trained.dyna')))
    return { trained: await openTrained(folder, net), folder };
  const some = subset(
    data,
    Array.from({ length: Math.min(trainImages, data.length) }, (_, i) => i),
  );
  const onProgress = (p: { step: number; steps: number }) => process.stderr.write(`\rtrain ${p.step}/${p.steps} `);
  const trained = await train(net, { ...recipe, weights: answerWeights, data: some, epochs: 1, seed, onProgress });
  await saveTrained(trained, folder);
  return { trained, folder };
}

/** One exit: what it would answer, and the gradient of its score. */
interface Decided {
  readonly name: string;
  /** softmax of its logits, [n, classes] row by row. */
  readonly probabilities: (x: Float32Array, n: number) => Promise<Float32Array>;
  readonly gradient: GradientAt;
  readonly classes: number;
  readonly runners: readonly Runner[];
}

/** How sure an exit is of one class: of the answer that it gave to the whole image. */
const sureOf =
  ({ probabilities, classes }: Decided, answer: number): Scorer =>
  async (x, n) => {
    const found = await probabilities(x, n);
    return Float32Array.from({ length: n }, (_, i) => found[i * classes + answer]!);
  };

async function open(trained: Trained, name: string): Promise<Decided> {
  const { logits } = observe(trained.net).answers.find((a) => a.name === name)!;
  const forward = await compile(encodeModel(toOnnx({ y: softmax(logits) }, { weights: trained.weights })));
  const target = `decision/${name}`;
  const backward = await compile(decisionGradient(trained, { targets: [target] }).bytes);
  const batch = (data: Float32Array, n: number) => ({
    input: { dtype: 'float32' as const, dims: [n, ...trained.preprocessing.shape], data },
  });
  return {
    name,
    probabilities: async (x, n) => (await forward.run(batch(x, n))).y!.data as Float32Array,
    gradient: async (x, n) => (await backward.run(batch(x, n)))[target]!.data as Float32Array,
    classes: trained.classes.length,
    runners: [forward, backward],
  };
}

/** Places of an image from the most to the least important, by each method. Signed maps rank what raises confidence first. */
async function orders(x: Float32Array, shape: readonly number[], gradient: GradientAt, score: Scorer, image: number) {
  const { masks, samples, noise, steps, randomOrders } = settings;
  const plain = await gradient(x, 1);
  const [risen] = await rise(x, shape, score, { masks, seed: image });
  const maps: Record<string, Float32Array> = {
    gradient: mapOf(plain, shape),
    gradientTimesInput: mapOf(gradientTimesInput(x, shape, plain), shape, 'sum'),
    smoothGrad: mapOf(await smoothGrad(x, gradient, { samples, noise, seed: image }), shape),
    integratedGradients: mapOf(await integratedGradients(x, shape, gradient, { steps }), shape, 'sum'),
    rise: risen!,
    edges: edges(x, shape),
  };
  const places = maps.edges!.length;
  return {
    ...Object.fromEntries(Object.entries(maps).map(([name, map]) => [name, [ranking(map, image)]])),
    random: Array.from({ length: randomOrders }, (_, k) => randomOrder(places, image * randomOrders + k)),
  } as Record<string, Int32Array[]>;
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const rounded = ({ mean, low, high }: Interval) =>
  Object.fromEntries(Object.entries({ mean, low, high }).map(([k, v]) => [k, Number(v.toFixed(4))]));

async function curvesOf(decided: Decided, images: Float32Array, n: number, shape: readonly number[]) {
  const size = images.length / n;
  const areas = { deletion: new Map<string, number[]>(), insertion: new Map<string, number[]>() };
  const sure: Record<string, number[]> = { image: [], grey: [], blurred: [] };
  for (let i = 0; i < n; i++) {
    const x = images.slice(i * size, (i + 1) * size);
    const before = { image: x, grey: baselineOf(x, shape, 0), blurred: baselineOf(x, shape, 'blur') };
    for (const [name, input] of Object.entries(before))
      sure[name]!.push(Math.max(...(await decided.probabilities(input, 1))));
    const score = sureOf(decided, argmaxAt(await decided.probabilities(x, 1), 0, decided.classes));
    for (const [method, list] of Object.entries(await orders(x, shape, decided.gradient, score, i))) {
      const curves = { deletion: [] as Curve[], insertion: [] as Curve[] };
      const options = { steps: settings.stages };
      for (const order of list) {
        curves.deletion.push(await deletion(x, shape, order, score, options));
        curves.insertion.push(await insertion(x, shape, order, score, options));
      }
      for (const kind of ['deletion', 'insertion'] as const) {
        const known = areas[kind].get(method) ?? [];
        areas[kind].set(method, known);
        known.push(mean(curves[kind].map((c) => c.area)));
      }
    }
    process.stderr.write(`\r${decided.name} ${i + 1}/${n} `);
  }
  const table = (found: ReadonlyMap<string, number[]>) => {
    const random = found.get('random')!;
    return Object.fromEntries(
      [...found].map(([method, values]) => {
        const lessRandom = bootstrap(values.map((v, i) => v - random[i]!));
        return [
          method,
          { area: rounded(bootstrap(values)), ...(values === random ? {} : { lessRandom: rounded(lessRandom) }) },
        ];
      }),
    );
  };
  return {
    confidence: Object.fromEntries(Object.entries(sure).map(([k, v]) => [k, Number(mean(v).toFixed(4))])),
    deletion: table(areas.deletion),
    insertion: table(areas.insertion),
  };
}

export async function run(): Promise<void> {
  const splits = await openSplits('fashion-mnist', seed, { quick: false, progress: silent, onNote: console.log });
  const { trained, folder } = await trainedNet(splits.train);
  const n = Math.min(Number(process.env.DYNANEURAL_BENCH_IMAGES ?? 200), splits.test.length);
  const numbers = Array.from({ length: n }, (_, i) => i);
  const { x } = takeBatch(splits.test, numbers);
  const checked = takeBatch(splits.test, numbers.slice(0, checkedImages)).x;
  const decisions: Record<string, unknown> = {};
  for (const { decision: name } of observe(trained.net).scores) {
    const decided = await open(trained, name);
    try {
      const curves = await curvesOf(decided, x.data as Float32Array, n, splits.test.shape);
      const stages = await randomisationCheck(trained, checked, {
        target: `decision/${name}`,
        seed: trained.seed + 1,
      });
      const randomisation = stages.map(({ layer, signed, magnitude }) => ({
        layer,
        signed: rounded(bootstrap(signed)),
        magnitude: rounded(bootstrap(magnitude)),
      }));
      decisions[name] = { ...curves, randomisation };
      console.log(`\n${name}`, JSON.stringify(curves, null, 1));
    } finally {
      await Promise.all(decided.runners.map((r) => r.close()));
    }
  }
  const fewer = process.env.DYNANEURAL_BENCH_IMAGES ? `DYNANEURAL_BENCH_IMAGES=${n} ` : '';
  await writeResult('saliency', `${fewer}npm run bench -- saliency`, {
    what,
    data: splits.name,
    images: { explained: n, checked: checked.dims[0], which: 'the first of the official test split' },
    model: {
      net: trained.net.name,
      seed: trained.seed,
      epochs: trained.training.epochs,
      from: folder === cache ? `trained here on ${trainImages} images` : 'DYNANEURAL_TRAINED',
    },
    settings,
    decisions,
  });
}

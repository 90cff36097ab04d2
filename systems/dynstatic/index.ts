import { masked } from 'dynaneural';
import { takeBatch } from 'dynaneural/data';
import { decisionsOf, forcedThresholds, ownThresholds, thresholdName } from 'dynaneural/dynamic';
import { encodeModel, type NDArray, ndarray, stripDefaults, toOnnx } from 'dynaneural/graph';
import { compile } from 'dynaneural/runtime';
import { aimedAt } from '../shared/aim.ts';
import { dynamicRow, gains, ownBaselines, staticRow } from '../shared/compare.ts';
import { type Context, phase } from '../shared/context.ts';
import { cifarSplits, describe } from '../shared/data.ts';
import { plainBytes, sparseBytes } from '../shared/evaluate.ts';
import { weightsDigest } from '../shared/fit.ts';
import { standing } from '../shared/rivals.ts';
import { trainBackbone } from '../shared/static.ts';
import { stat } from '../shared/stats.ts';
import type { Figure, Findings, Works } from '../shared/system.ts';
import { type Timed, timesOf } from '../shared/times.ts';
import { constantPoints, type Judged, judge, type Weighted } from '../shared/trial.ts';
import { AIM, trainModes } from './learn.ts';
import { modes } from './nets.ts';

/** Largest difference of any logit between a mode compiled gate-free and the masked net that is forced into it. */
async function differences({ net: made, weights }: Weighted, images: NDArray): Promise<number[]> {
  const found: number[] = [];
  for (const choices of Object.values(modes)) {
    const { output } = masked(made, forcedThresholds(decisionsOf(made), choices));
    const files = [plainBytes(made, weights, choices), encodeModel(toOnnx({ logits: output }, { weights }))];
    const [a, b] = await Promise.all(files.map((f) => logitsOf(f, images)));
    found.push(a!.reduce((most, v, i) => Math.max(most, Math.abs(v - b![i]!)), 0));
  }
  return found;
}

async function logitsOf(bytes: Uint8Array, images: NDArray): Promise<Float32Array> {
  const runner = await compile(bytes);
  try {
    return (await runner.run({ input: images })).logits!.data as Float32Array;
  } finally {
    await runner.close();
  }
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** What it takes to change the mode of one open file by its thresholds, and to open another file instead; milliseconds. */
async function switching({ net: made, weights }: Weighted, image: NDArray, rounds: number) {
  const decisions = decisionsOf(made);
  const bytes = stripDefaults(sparseBytes(made, weights, ownThresholds(decisions)), decisions.map(thresholdName));
  const session = { intraOpNumThreads: 1 };
  const runner = await compile(bytes, session);
  const settings = Object.values(modes).map((choices) => {
    const set = forcedThresholds(decisions, choices);
    return Object.fromEntries(
      decisions.map((d) => {
        const value = set[d.name]!;
        const list = typeof value === 'number' ? [value] : value;
        return [thresholdName(d), ndarray('float32', typeof value === 'number' ? [] : [list.length], [...list])];
      }),
    );
  });
  const stays: number[] = [];
  const after: number[] = [];
  try {
    for (let i = 0; i < rounds; i++)
      for (const setting of settings)
        for (const list of [after, stays, stays]) {
          const start = performance.now();
          await runner.run({ input: image, ...setting });
          list.push(performance.now() - start);
        }
  } finally {
    await runner.close();
  }
  const reloads: number[] = [];
  for (const choices of Object.values(modes)) {
    const file = plainBytes(made, weights, choices);
    const start = performance.now();
    const other = await compile(file, session);
    await other.run({ input: image });
    reloads.push(performance.now() - start);
    await other.close();
  }
  // The last run of each setting is as warm as it gets: the first one beside it is what the change costs.
  const each = (list: readonly number[], per: number, k: number) =>
    median(list.filter((_, i) => Math.floor(i / per) % settings.length === k));
  const changes = settings.map((_, k) => each(after, 1, k) - each(stays, 2, k));
  return { change: median(changes), reload: median(reloads), bytes: bytes.length };
}

async function run(cx: Context): Promise<Findings> {
  const splits = await cifarSplits(cx);
  const { train, test } = splits;
  const plain = await trainBackbone(cx, train);
  const judged: Judged[] = [];
  const apart: number[] = [];
  const switches: Awaited<ReturnType<typeof switching>>[] = [];
  const images = takeBatch(
    test,
    Array.from({ length: 256 }, (_, i) => i),
  ).x;
  const one = takeBatch(test, [0]).x;
  for (const seed of cx.seeds) {
    const model = await trainModes(cx, splits, plain, seed);
    const id = `dynstatic-${seed}`;
    const aimed = await aimedAt(cx, id, model, splits.tune, AIM);
    judged.push(await judge(cx, id, model, aimed, test));
    const own = weightsDigest(model.weights);
    apart.push(Math.max(...(await phase(cx, `${id}-differences`, own, () => differences(model, images)))));
    switches.push(await phase(cx, `${id}-switching`, own, () => switching(model, one, cx.quick ? 10 : 200)));
  }
  const rivals = await standing(cx, splits, plain, judged);
  const times: Timed[] = [];
  for (const j of judged) times.push(await timesOf(cx, j, rivals));
  const wayOf = (choices: Readonly<Record<string, string>>) =>
    judged[0]!.ways.findIndex((w) => Object.entries(w.choices).every(([d, o]) => choices[d] === o));
  const figure = (name: string, unit: Figure['unit'], values: readonly number[], note?: string): Figure => ({
    ...{ name, unit, value: stat(values) },
    ...(note === undefined ? {} : { note }),
  });
  return {
    data: describe(splits),
    headline: ['static, compiled, against masked: largest difference of a logit', 'switch by thresholds'],
    contenders: [
      ...rivals.rows(times),
      dynamicRow('dynamic(policy)', judged, times),
      ...Object.entries(modes).map(([name, choices]) => {
        const at = wayOf(choices);
        const { macs } = judged[0]!.ways[at]!;
        const row = staticRow(
          name,
          'constant',
          { accuracy: 0, macs },
          times.map((t) => t.cuts[at]!),
        );
        return { ...row, accuracy: stat(judged.map((j) => j.accuracies[at]!)) };
      }),
      ...ownBaselines('dynamic(policy)', judged),
    ],
    figures: [
      figure('static, compiled, against masked: largest difference of a logit', '', apart, 'to be at most 1e-4'),
      figure(
        'switch by thresholds',
        'ms',
        switches.map((s) => s.change),
        'first run after a change, over a run without one',
      ),
      figure(
        'switch by opening another file',
        'ms',
        switches.map((s) => s.reload),
        'opened and run once',
      ),
      figure(
        'one file for all modes',
        'MB',
        switches.map((s) => s.bytes / 1e6),
        'each branch has copies of its own of the weights that widths share',
      ),
      ...gains('dynamic(policy)', judged, times, rivals.facts),
    ],
    spread: [{ ...judged[0]!.spread, name: 'dynamic(policy)' }],
    curve: [
      ...judged.map((j) => ({ series: 'dynamic(policy)', macs: j.macs, accuracy: j.accuracy })),
      ...constantPoints('one way for all', judged[0]!),
    ],
    notes: [
      'One set of weights serves all modes; each width has normalisations of its own, with the statistics of all images.',
      'Modes are taught by the static net while they learn; the static nets that they stand beside had no teacher.',
    ],
  };
}

export const dynstatic: Works = {
  id: 'dynstatic',
  title: 'DynStatic: one weight set, static and dynamic',
  claim: 'seamless mode switching',
  builds: 'one weight set; static(width, depth) compiled gate-free, or dynamic(policy); here a residual net',
  anchors: 'MatFormer, DynaBERT, Mixture-of-Depths, DyCL',
  metric: 'static-compiled = masked to 1e-4; accuracy in both modes; switch cost',
  state: 'works',
  run,
};

import { subset } from 'dynaneural/data';
import {
  argmaxAt,
  costTable,
  cut,
  type Net,
  pathCost,
  type Thresholds,
  type Trace,
  type TraceKey,
  traceKey,
} from 'dynaneural/dynamic';
import type { Against } from '../shared/compare.ts';
import { type Context, phase } from '../shared/context.ts';
import { plainBytes, sparseBytes } from '../shared/evaluate.ts';
import { weightsDigest } from '../shared/fit.ts';
import { macsOf } from '../shared/static.ts';
import type { Spread } from '../shared/system.ts';
import type { Weighted } from '../shared/trial.ts';
import { answersFrom, type Ran, tokensMovedBy } from './answers.ts';
import { bitsOfWeather, sceneSpread, type Uses, usesOf } from './choices.ts';
import { constantBytes, settingsOf } from './constants.ts';
import { type Answers, accuracyOf, type Grade, gradesOf } from './metric.ts';
import { type Shape, weatherNet } from './nets.ts';
import type { Scenes } from './scenes.ts';
import { dealt, dealtWithin, told, toldBytes } from './told.ts';
import { WEATHERS } from './weather.ts';

/** Fixed before any net was trained. */
export const PRECISION = 0.8;

export interface SceneSplits {
  readonly train: Scenes;
  readonly tune: Scenes;
  readonly test: Scenes;
}

const answered = ({ logits }: Ran, { data, weather }: Scenes): Answers => ({ logits, labels: data.labels, weather });

/** A net on the test split. */
export interface Graded extends Against {
  /** By weather. */
  readonly grades: readonly Grade[];
}

/** A net without decisions: graded with scores chosen on the tune split. */
export async function gradeStatic(
  cx: Context,
  name: string,
  { net, weights }: Weighted,
  { tune, test }: SceneSplits,
): Promise<Graded> {
  const own = weightsDigest(weights);
  return phase(cx, `${name}-grades`, { own, PRECISION, n: test.data.length }, async () => {
    const bytes = plainBytes(net, weights);
    const seen = answered(await answersFrom(cx, `${name}: tune`, bytes, tune.data), tune);
    const met = answered(await answersFrom(cx, `${name}: test`, bytes, test.data), test);
    return { accuracy: accuracyOf(met), macs: macsOf(net), grades: gradesOf(PRECISION, seen, met) };
  });
}

/** Images in the search of an offset. */
const LOOKED_AT = 2000;
const STEPS = 8;

/** Traces are read with the costs of single images, whose files compute nothing that is dropped. */
const keyOf = (net: Net): TraceKey => traceKey(net, 'branch');

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const meanMacs = ({ traces }: Pick<Ran, 'traces'>): number => mean(traces.map((t) => t.macs));

/** MACs of the same choices in a file for batches. */
function batchMacs(net: Net, traces: readonly Trace[]): number {
  const table = costTable(net, 'rows');
  const macs = new Map<Trace, number>();
  return mean(
    traces.map((t) => {
      const values = new Map(t.rows.map((r) => [r.decision, r.value]));
      const chosen = (name: string): number | undefined => {
        const value = values.get(name);
        return typeof value === 'object' ? value?.length : value;
      };
      const known = macs.get(t) ?? pathCost(table, chosen).macs;
      macs.set(t, known);
      return known;
    }),
  );
}

/** The offset of the tokens at which the mean MACs are nearest to a share of the full ones, by halving, on the tune split. */
export async function offsetFor(
  cx: Context,
  name: string,
  model: Weighted,
  { tune }: SceneSplits,
  share: number,
): Promise<number> {
  const { net, weights } = model;
  return phase(cx, `${name}-offset`, { own: weightsDigest(weights), share, n: tune.data.length }, async () => {
    const wanted = share * macsOf(net);
    const length = Math.min(LOOKED_AT, tune.data.length);
    const some = subset(
      tune.data,
      Array.from({ length }, (_, i) => i),
    );
    let [low, high] = [-6, 6];
    let best = { offset: 0, off: Number.POSITIVE_INFINITY };
    for (let step = 0; step < STEPS; step++) {
      const offset = step === 0 ? 0 : (low + high) / 2;
      const bytes = sparseBytes(net, weights, tokensMovedBy(offset, model));
      const macs = meanMacs(await answersFrom(cx, `${name}: offset ${offset.toFixed(2)}`, bytes, some, keyOf(net)));
      const off = Math.abs(macs - wanted);
      if (off < best.off) best = { offset, off };
      if (macs > wanted) high = offset;
      else low = offset;
    }
    return best.offset;
  });
}

/** The scene-adaptive net on the test split, and what the same weights do when choices are made without looking. */
export interface Judged extends Graded {
  readonly thresholds: Thresholds;
  /** Of the form for batches, which leaves out layers only. */
  readonly batchMacs: number;
  /** By weather. */
  readonly uses: readonly Uses[];
  readonly spread: Spread;
  /** Bits that an image's way tells of its weather. */
  readonly bits: number;
  readonly full: Against;
  readonly random: Against;
  /** Dealt out at random among the images of the same weather. */
  readonly within: Against;
  readonly constant: Against;
}

const SETTINGS = 6;

export async function judge(
  cx: Context,
  name: string,
  model: Weighted,
  thresholds: Thresholds,
  shape: Shape,
  { tune, test }: SceneSplits,
): Promise<Judged> {
  const { net, weights } = model;
  const what = { own: weightsDigest(weights), thresholds, PRECISION, n: test.data.length };
  return phase(cx, `${name}-judged`, what, async () => {
    const key = keyOf(net);
    const bytes = sparseBytes(net, weights, thresholds);
    const onTune = await answersFrom(cx, `${name}: tune`, bytes, tune.data, key);
    const onTest = await answersFrom(cx, `${name}: test`, bytes, test.data, key);
    const { traces } = onTest;
    const macs = meanMacs(onTest);
    const right = async (title: string, file: Uint8Array, data = test.data): Promise<number> =>
      accuracyOf(answered(await answersFrom(cx, `${name}: ${title}`, file, data), test));
    const file = toldBytes(shape, model);
    const dealtBy = async (title: string, from: ArrayLike<number>): Promise<Against> => ({
      accuracy: await right(title, file, told(test.data, shape, net, traces, from)),
      macs,
    });
    const settings = settingsOf(net, onTune.traces, tune.weather, meanMacs(onTune)).slice(0, SETTINGS);
    let best = { accuracy: -1, setting: settings[0]! };
    for (const [k, setting] of settings.entries()) {
      const ran = await answersFrom(cx, `${name}: setting ${k + 1}`, constantBytes(model, setting), tune.data);
      const accuracy = accuracyOf(answered(ran, tune));
      if (accuracy > best.accuracy) best = { accuracy, setting };
    }
    const met = answered(onTest, test);
    return {
      ...{ accuracy: accuracyOf(met), macs, thresholds },
      grades: gradesOf(PRECISION, answered(onTune, tune), met),
      batchMacs: batchMacs(net, traces),
      uses: WEATHERS.map((_, w) =>
        usesOf(
          net,
          traces.filter((_, i) => test.weather[i] === w),
        ),
      ),
      spread: sceneSpread(name, net, traces),
      bits: bitsOfWeather(traces, test.weather),
      full: { accuracy: await right('all run', plainBytes(net, weights)), macs: macsOf(cut(net)) },
      random: await dealtBy('at random', dealt(test.data.length, 1)),
      within: await dealtBy('at random in its weather', dealtWithin(test.weather, 1)),
      constant: { accuracy: await right('one setting', constantBytes(model, best.setting)), macs: best.setting.macs },
    };
  });
}

/** Share of images whose weather the head tells. */
export async function headAccuracy(
  cx: Context,
  name: string,
  { weights }: Weighted,
  shape: Shape,
  { test }: SceneSplits,
): Promise<number> {
  const own = weightsDigest(weights);
  return phase(cx, `${name}-head`, { own, n: test.data.length }, async () => {
    const net = weatherNet(shape);
    const { logits } = await answersFrom(cx, `${name}: weather head`, plainBytes(net, weights), test.data);
    const columns = WEATHERS.length;
    const right = Array.from(test.weather, (w, i): number => (argmaxAt(logits, i * columns, columns) === w ? 1 : 0));
    return mean(right);
  });
}

/** Accuracy and mean MACs at other thresholds, on the test split. */
export async function pointAt(
  cx: Context,
  name: string,
  { net, weights }: Weighted,
  thresholds: Thresholds,
  { test }: SceneSplits,
): Promise<Against> {
  const what = { own: weightsDigest(weights), thresholds, n: test.data.length };
  return phase(cx, `${name}-point`, what, async () => {
    const ran = await answersFrom(cx, `${name}: curve`, sparseBytes(net, weights, thresholds), test.data, keyOf(net));
    return { accuracy: accuracyOf(answered(ran, test)), macs: meanMacs(ran) };
  });
}

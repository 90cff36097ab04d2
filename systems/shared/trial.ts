import type { Dataset, Model } from 'dynaneural';
import { cut, type Net, parametersOf, type Thresholds, type Way, waysOf } from 'dynaneural/dynamic';
import { type Context, phase } from './context.ts';
import { accuracyOf, mean, plainBytes, runFile, runSparse } from './evaluate.ts';
import { netDigest, weightsDigest } from './fit.ts';
import type { CurvePoint, Spread } from './system.ts';
import { type Baseline, baselinesOf, spreadOf, taken } from './ways.ts';

export type Weighted = Pick<Model, 'net' | 'weights'>;

/** A dynamic net at one setting of its thresholds, run over the test split, with what its own ways would have given. */
export interface Judged {
  readonly name: string;
  readonly model: Weighted;
  readonly thresholds: Thresholds;
  readonly data: Dataset;
  readonly ways: readonly Way[];
  /** Which way each input took. */
  readonly used: Int32Array;
  readonly accuracy: number;
  readonly macs: number;
  /** The full way for all. */
  readonly full: Baseline;
  readonly random: Baseline;
  readonly constant: Baseline;
  readonly oracle: Baseline;
  /** Of each way, where all go it. */
  readonly accuracies: readonly number[];
  readonly spread: Spread;
}

/** The weights that a net needs, of those that are there. */
export const ownWeights = (net: Net, weights: Weighted['weights']): Weighted['weights'] => {
  const known = new Set(parametersOf(net).map((p) => p.name));
  return new Map([...weights].filter(([name]) => known.has(name)));
};

/** What a net without decisions, or one cut to a way, answers on the test split: computed once for each set of weights. */
export async function answersOf(
  cx: Context,
  title: string,
  { net, weights }: Weighted,
  choices: Readonly<Record<string, string>>,
  data: Dataset,
): Promise<readonly number[]> {
  const made = cut(net, choices);
  const own = [netDigest(made), weightsDigest(ownWeights(made, weights))];
  return phase(cx, 'answers', { own, data: data.name, n: data.length }, async () => [
    ...(await runFile(cx, title, plainBytes(net, weights, choices), data)).answers,
  ]);
}

/** Runs a dynamic net as it would be shipped, and every way through it. */
export async function judge(
  cx: Context,
  name: string,
  model: Weighted,
  thresholds: Thresholds,
  data: Dataset,
): Promise<Judged> {
  const ways = waysOf(model.net);
  const what = {
    own: [netDigest(model.net), weightsDigest(model.weights)],
    thresholds,
    data: data.name,
    n: data.length,
  };
  const ran = await phase(cx, `${name}-test`, what, async () => {
    const { answers, traces } = await runSparse(cx, `${name}: test`, model, data, thresholds);
    return {
      accuracy: accuracyOf(answers, data),
      macs: mean(traces.map((t) => t.macs)),
      used: [...taken(model.net, ways, traces)],
      spread: spreadOf(name, model.net, traces),
    };
  });
  const right: boolean[][] = [];
  for (const way of ways) {
    const answers = await answersOf(cx, `${name}: way ${way.name}`, model, way.choices, data);
    right.push(answers.map((a, i) => a === data.labels[i]));
  }
  const accuracies = right.map((r) => r.filter(Boolean).length / data.length);
  return {
    ...{ name, model, thresholds, data, ways },
    ...ran,
    used: Int32Array.from(ran.used),
    accuracies,
    full: { accuracy: accuracies.at(-1)!, macs: ways.at(-1)!.macs, note: 'its own last answer, with everything run' },
    ...baselinesOf(ways, right, ran.used),
  };
}

/** What every way through a net would give, if all inputs went it. */
export const constantPoints = (series: string, { ways, accuracies }: Judged): CurvePoint[] =>
  ways.map(({ macs }, i) => ({ series, macs, accuracy: accuracies[i]! }));

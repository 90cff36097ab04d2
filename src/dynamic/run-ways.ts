import type { Dataset } from '../data/index.ts';
import { DynaError } from '../errors.ts';
import { encodeModel, simplify, type Tensor, toOnnx } from '../graph/index.ts';
import { compileInWorker, type SessionOptions } from '../runtime/index.ts';
import { costTable, pathCost } from './cost.ts';
import type { SelectDecision } from './decision.ts';
import { argmaxAt } from './logits.ts';
import { type Thresholds, thresholdArray } from './lower/choice.ts';
import { fixed } from './lower/static.ts';
import type { Model } from './model.ts';
import { checkFits, inOrder } from './observations.ts';
import { decisionsOf, type Net } from './traced.ts';
import { traceWay, type Way, waysUpTo } from './ways.ts';

/** What a net answers at each of some settings. */
export interface SettingsRun {
  /** [n, settings]: the class of each answer. */
  readonly answers: Int32Array;
  /** Mean MACs of each setting, in a file for one input, which skips all that it may. */
  readonly macs: readonly number[];
  /** The same in a file for batches, which only puts some of the dropped units to zero. */
  readonly batched: readonly number[];
}

export interface RunSettingsOptions {
  readonly batch?: number;
  readonly session?: SessionOptions;
  readonly onProgress?: (done: number) => void;
}

/** The ways through a net that only selects, where they are no more than `most`. */
export const fewWays = (net: Net, most: number): readonly Way[] | undefined =>
  decisionsOf(net).every((d) => d.kind === 'select') ? waysUpTo(net, most) : undefined;

/** A way as it is run: its answer, and the scores that lead there, by the names of outputs. */
interface Run {
  readonly answer: string;
  readonly met: readonly { readonly decision: SelectDecision; readonly option: number; readonly score: string }[];
  readonly alone: number;
  readonly together: number;
}

/** Every way through a net, run over a data set. */
export interface SeenWays {
  readonly n: number;
  /** [n, ways]: the class of each answer. */
  readonly answers: Int32Array;
  /** In the order of the answers. MACs are those of a file for one input, and of one for batches. */
  readonly ways: readonly {
    readonly met: readonly {
      readonly decision: SelectDecision;
      readonly option: number;
      /** [n], or [n, options]. */
      readonly scores: Float32Array;
    }[];
    readonly alone: number;
    readonly together: number;
  }[];
}

function traced(
  net: Net,
  ways: readonly Way[],
): { readonly runs: readonly Run[]; readonly outputs: Record<string, Tensor> } {
  const parts = ways.map(({ choices }) => ({ logits: fixed(net, choices).output, met: traceWay(net, choices).met }));
  // What ways have in common is then one.
  const all = simplify(parts.flatMap(({ logits, met }) => [logits, ...met.map((m) => m.score)]));
  const names = new Map([...new Set(all)].map((t, i) => [t, `output${i}`]));
  const [alone, together] = [costTable(net, 'branch'), costTable(net)];
  let at = 0;
  const next = (): string => names.get(all[at++]!)!;
  const runs = parts.map(({ met }): Run => {
    const taken = new Map(met.map((m) => [m.decision.name, m.option]));
    const cost = (table: typeof alone): number => pathCost(table, (d) => taken.get(d)).macs;
    return {
      answer: next(),
      met: met.map(({ decision, option }) => ({ decision, option, score: next() })),
      alone: cost(alone),
      together: cost(together),
    };
  });
  return { runs, outputs: Object.fromEntries([...names].map(([t, name]) => [name, t])) };
}

/** As the graph chooses: see `choose`. */
function optionOf(
  { rule, options }: SelectDecision,
  scores: Float32Array,
  row: number,
  thresholds: Float32Array,
): number {
  if (rule === 'threshold') return scores[row]! <= thresholds[0]! ? 0 : 1;
  const at = (k: number): number => Math.fround(scores[row * options.length + k]! - thresholds[k]!);
  let best = 0;
  for (let k = 1; k < options.length; k++) if (at(k) > at(best)) best = k;
  return best;
}

/** Runs each way for every input; what ways have in common is computed once. */
export async function seeWays(
  { net, weights, classes }: Model,
  data: Dataset,
  ways: readonly Way[],
  { batch, session, onProgress }: RunSettingsOptions = {},
): Promise<SeenWays> {
  checkFits({ net, classes }, data);
  const { runs, outputs } = traced(net, ways);
  const runner = await compileInWorker(encodeModel(toOnnx(outputs, { weights })), session);
  const answers = new Int32Array(data.length * ways.length);
  const sizes = new Map(
    runs.flatMap(({ met }) =>
      met.map(({ decision, score }) => [score, decision.rule === 'threshold' ? 1 : decision.options.length] as const),
    ),
  );
  const scores = new Map([...sizes].map(([name, size]) => [name, new Float32Array(data.length * size)]));
  try {
    for (const { start, count, x } of inOrder(data, batch)) {
      const out = await runner.run({ input: x });
      const values = (name: string): Float32Array => out[name]!.data as Float32Array;
      for (const [w, { answer }] of runs.entries())
        for (let i = 0; i < count; i++)
          answers[(start + i) * ways.length + w] = argmaxAt(values(answer), i * classes.length, classes.length);
      for (const [name, all] of scores) all.set(values(name), start * sizes.get(name)!);
      onProgress?.(start + count);
    }
  } finally {
    await runner.close();
  }
  return {
    n: data.length,
    answers,
    ways: runs.map(({ met, alone, together }) => ({
      met: met.map(({ decision, option, score }) => ({ decision, option, scores: scores.get(score)! })),
      ...{ alone, together },
    })),
  };
}

/** What a net answers at each of some settings, from one run of each of its ways. */
export function settle({ n, answers: of, ways }: SeenWays, settings: readonly Thresholds[]): SettingsRun {
  const answers = new Int32Array(n * settings.length);
  const macs = settings.map(() => 0);
  const batched = settings.map(() => 0);
  for (const [j, setting] of settings.entries()) {
    const tests = ways.map(({ met }) =>
      met.map((m) => ({ ...m, own: thresholdArray(m.decision, setting[m.decision.name]).data as Float32Array })),
    );
    for (let i = 0; i < n; i++) {
      const w = tests.findIndex((met) =>
        met.every(({ decision, option, scores, own }) => optionOf(decision, scores, i, own) === option),
      );
      if (w < 0)
        throw new DynaError('data', `input ${i} takes none of the net's ways: a decision scores NaN there`, {
          fix: 'the net overflows on it: look at its weights',
        });
      answers[i * settings.length + j] = of[i * ways.length + w]!;
      macs[j]! += ways[w]!.alone;
      batched[j]! += ways[w]!.together;
    }
  }
  const mean = (sum: number): number => sum / n;
  return { answers, macs: macs.map(mean), batched: batched.map(mean) };
}

/**
 * What a net answers at each of some settings, from one run of each way through it: where there are fewer ways than settings,
 * as between a few gates.
 */
export const runWays = async (
  model: Model,
  data: Dataset,
  settings: readonly Thresholds[],
  ways: readonly Way[],
  options: RunSettingsOptions = {},
): Promise<SettingsRun> => settle(await seeWays(model, data, ways, options), settings);

import { type Dataset, takeBatch } from '../data/index.ts';
import { encodeModel, simplify, type Tensor, toOnnx } from '../graph/index.ts';
import { compileInWorker, type SessionOptions } from '../runtime/index.ts';
import { costTable, pathCost } from './cost.ts';
import type { SelectDecision } from './decision.ts';
import { argmaxAt } from './logits.ts';
import { type Thresholds, thresholdArray } from './lower/choice.ts';
import { fixed } from './lower/static.ts';
import type { Model } from './model.ts';
import { decisionsOf, type Net } from './traced.ts';
import { traceWay, type Way, waysOf } from './ways.ts';

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

/** More options than these, multiplied, are not even counted as ways. */
const MOST_PRODUCTS = 4096;

/** The ways through a net that only selects, where they are no more than `most`. */
export function fewWays(net: Net, most: number): readonly Way[] | undefined {
  const decisions = decisionsOf(net);
  const products = decisions.reduce((product, d) => (d.kind === 'select' ? product * d.options.length : Infinity), 1);
  if (products > MOST_PRODUCTS) return undefined;
  const ways = waysOf(net);
  return ways.length <= most ? ways : undefined;
}

/** A way as it is run: its answer, and the scores that lead there, by the names of outputs. */
interface Run {
  readonly answer: string;
  readonly met: readonly { readonly decision: SelectDecision; readonly option: number; readonly score: string }[];
  readonly alone: number;
  readonly together: number;
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
  const count = options.length;
  let best = 0;
  let most = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < count; k++) {
    const value = Math.fround(scores[row * count + k]! - thresholds[k]!);
    if (value > most) [best, most] = [k, value];
  }
  return best;
}

/**
 * What a net answers at each of some settings, from one run of each way through it: where there are fewer ways than settings,
 * as between a few gates.
 */
export async function runWays(
  { net, weights, classes }: Model,
  data: Dataset,
  settings: readonly Thresholds[],
  ways: readonly Way[],
  { batch = 256, session, onProgress }: RunSettingsOptions = {},
): Promise<SettingsRun> {
  const { runs, outputs } = traced(net, ways);
  const thresholds = settings.map(
    (setting) =>
      new Map(decisionsOf(net).map((d) => [d.name, thresholdArray(d, setting[d.name]).data as Float32Array] as const)),
  );
  const runner = await compileInWorker(encodeModel(toOnnx(outputs, { weights })), session);
  const answers = new Int32Array(data.length * settings.length);
  const macs = settings.map(() => 0);
  const batched = settings.map(() => 0);
  try {
    for (let start = 0; start < data.length; start += batch) {
      const count = Math.min(batch, data.length - start);
      const { x } = takeBatch(
        data,
        Int32Array.from({ length: count }, (_, i) => start + i),
      );
      const out = await runner.run({ input: x });
      const values = (name: string): Float32Array => out[name]!.data as Float32Array;
      for (const [j, own] of thresholds.entries())
        for (let i = 0; i < count; i++) {
          const way = runs.find(({ met }) =>
            met.every(
              ({ decision, option, score }) => optionOf(decision, values(score), i, own.get(decision.name)!) === option,
            ),
          )!;
          answers[(start + i) * settings.length + j] = argmaxAt(values(way.answer), i * classes.length, classes.length);
          macs[j]! += way.alone;
          batched[j]! += way.together;
        }
      onProgress?.(start + count);
    }
  } finally {
    await runner.close();
  }
  const mean = (sum: number): number => sum / data.length;
  return { answers, macs: macs.map(mean), batched: batched.map(mean) };
}

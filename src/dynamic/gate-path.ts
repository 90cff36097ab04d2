import type { Dataset } from '../data/index.ts';
import { DynaError } from '../errors.ts';
import { encodeModel, type NDArray, stripDefaults, toOnnx } from '../graph/index.ts';
import { compileInWorker } from '../runtime/index.ts';
import { type Candidates, type CertifyModelOptions, DELTA } from './candidates.ts';
import { losses, type OperatingPoint, reachOf } from './certify/index.ts';
import { type Aim, chainOf, settingsOfChain } from './chain.ts';
import { fullThresholds } from './forced.ts';
import { settingsOnPath } from './ladders.ts';
import { argmaxAt } from './logits.ts';
import { type Thresholds, thresholdArray, thresholdName } from './lower/choice.ts';
import { sparse } from './lower/sparse.ts';
import type { Model } from './model.ts';
import { checkFits, inOrder, observations } from './observations.ts';
import { fewWays, type RunSettingsOptions, runWays, type SettingsRun, seeWays, settle } from './run-ways.ts';
import { decodeTrace, type TraceKey, traceKey } from './trace.ts';
import { decisionsOf } from './traced.ts';

/**
 * What a net answers at each of some settings of its thresholds, over a whole split. Where it has few ways, each is run once;
 * else the form for batches is run at each setting. The form for one input chooses alike.
 */
export function runSettings(
  model: Model,
  data: Dataset,
  settings: readonly Thresholds[],
  options: RunSettingsOptions = {},
): Promise<SettingsRun> {
  const ways = fewWays(model.net, settings.length);
  return ways ? runWays(model, data, settings, ways, options) : runEach(model, data, settings, options);
}

/** Runs the form for batches at each setting. */
export async function runEach(
  { net, weights, classes }: Model,
  data: Dataset,
  settings: readonly Thresholds[],
  { batch, session, onProgress }: RunSettingsOptions = {},
): Promise<SettingsRun> {
  checkFits({ net, classes }, data);
  const decisions = decisionsOf(net);
  const { output, trace } = sparse(net);
  const bytes = encodeModel(toOnnx({ logits: output, trace: trace! }, { weights }));
  const runner = await compileInWorker(stripDefaults(bytes, decisions.map(thresholdName)), session);
  const [alone, together] = [traceKey(net, 'branch'), traceKey(net)];
  const answers = new Int32Array(data.length * settings.length);
  const macs = settings.map(() => 0);
  const batched = settings.map(() => 0);
  const total = (trace: NDArray, key: TraceKey): number => decodeTrace(trace, key).reduce((sum, t) => sum + t.macs, 0);
  try {
    for (const { start, count, x } of inOrder(data, batch)) {
      for (const [j, setting] of settings.entries()) {
        const feeds: Record<string, NDArray> = { input: { ...x, data: x.data.slice() } };
        for (const d of decisions) feeds[thresholdName(d)] = thresholdArray(d, setting[d.name]);
        const out = await runner.run(feeds);
        const logits = out.logits!.data as Float32Array;
        for (let i = 0; i < count; i++)
          answers[(start + i) * settings.length + j] = argmaxAt(logits, i * classes.length, classes.length);
        macs[j]! += total(out.trace!, alone);
        batched[j]! += total(out.trace!, together);
      }
      onProgress?.(start + count);
    }
  } finally {
    await runner.close();
  }
  const mean = (sum: number): number => sum / data.length;
  return { answers, macs: macs.map(mean), batched: batched.map(mean) };
}

/** Settings of a net's decisions that are steps on a path, and what they did on the tune split. */
export interface GateSettings extends SettingsRun {
  /**
   * Dearest first, each cheaper than the one before; the last one is the full path, where every decision takes its first
   * option and all units are kept.
   */
  readonly settings: readonly Thresholds[];
}

type GateOptions = Omit<CertifyModelOptions, 'tune' | 'data' | 'epsilon' | 'onProgress'> &
  Aim & { readonly onProgress?: (done: number, total: number) => void };

/** All settings of the path, the full one last, and what they do. */
async function tried(model: Model, tune: Dataset, options: GateOptions): Promise<GateSettings> {
  const { onProgress } = options;
  const decisions = decisionsOf(model.net);
  const chain = chainOf(model.net);
  if (chain) {
    const seen = await seeWays(model, tune, chain.ways, {
      ...options,
      onProgress: (d) => onProgress?.(d, tune.length),
    });
    const settings = [...settingsOfChain(chain, seen, tune, options), fullThresholds(decisions)];
    return { settings, ...settle(seen, settings) };
  }
  const seen = await observations(model, tune, { ...options, onProgress: (d, t) => onProgress?.(d, 2 * t) });
  const settings = [...settingsOnPath(decisions, seen), fullThresholds(decisions)];
  const ran = await runSettings(model, tune, settings, {
    ...options,
    onProgress: (d) => onProgress?.(tune.length + d, 2 * tune.length),
  });
  return { settings, ...ran };
}

/**
 * Settings that a net's decisions pass through from cautious to bold. Gates in a chain have each a threshold of its own (see
 * `settingsOfChain`); else all gates and all decisions about units move together (see `settingsOnPath`).
 */
export async function gateSettings(model: Model, tune: Dataset, options: GateOptions = {}): Promise<GateSettings> {
  const { settings, answers, macs, batched } = await tried(model, tune, options);
  const width = settings.length;
  // A setting that saves nothing against the one before it is no step on the path.
  let last = macs.at(-1)!;
  const kept = settings.flatMap((_, j) => {
    if (j < width - 1 && !(macs[j]! < last)) return [];
    if (j < width - 1) last = macs[j]!;
    return [j];
  });
  return {
    settings: kept.map((j) => settings[j]!),
    macs: kept.map((j) => macs[j]!),
    batched: kept.map((j) => batched[j]!),
    answers: Int32Array.from(
      { length: tune.length * kept.length },
      (_, i) => answers[Math.floor(i / kept.length) * width + kept[i % kept.length]!]!,
    ),
  };
}

/** The answers of one setting. */
export const settingAnswers = ({ answers, macs }: Pick<SettingsRun, 'answers' | 'macs'>, setting: number): Int32Array =>
  Int32Array.from({ length: answers.length / macs.length }, (_, i) => answers[i * macs.length + setting]!);

/** Thresholds under which everybody takes one setting, as if it were an exit: of `width` settings the last needs none. */
const settingTaken = (setting: number, width: number): number[] =>
  Array.from({ length: width - 1 }, (_, k) => (k === setting ? -1 : Number.POSITIVE_INFINITY));

const meanOf = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0) / values.length;

/**
 * The settings as points of a path, in an order, each as if it were an exit that everybody takes.
 *
 * @param columns how many there are to be taken; the last needs no threshold
 * @param lost the loss of each input, given its answers
 */
export const settingPoints = (
  settings: Pick<SettingsRun, 'answers' | 'macs'>,
  order: readonly number[],
  columns: number,
  lost: (answers: Int32Array) => ArrayLike<number>,
): OperatingPoint[] =>
  order.map((setting) => {
    const losses = lost(settingAnswers(settings, setting));
    return {
      thresholds: settingTaken(setting, columns),
      cost: settings.macs[setting]!,
      risk: meanOf(losses),
      changed: meanOf(Array.from(losses, Math.abs)),
      shares: Array.from({ length: columns }, (_, k) => (k === setting ? 1 : 0)),
    };
  });

/** The dearest setting, which comes last, before all others. */
export const fullFirst = (width: number): number[] => [width - 1, ...Array.from({ length: width - 1 }, (_, j) => j)];

/**
 * Candidates for a net without exits, by the settings that its decisions pass through. Each setting stands as if it were an exit that
 * everybody takes, so that the certificate needs no second form.
 */
export async function gatePath(model: Model, options: CertifyModelOptions): Promise<Candidates> {
  const { risk = 'harm', epsilon, delta = DELTA, tune, data, onProgress } = options;
  const tuned = await gateSettings(model, tune, {
    ...options,
    reach: reachOf(risk, data.length, { epsilon, delta }),
    onProgress: (d, t) => onProgress?.('tune', d, t),
  });
  const width = tuned.settings.length;
  if (width === 1)
    throw new DynaError(
      'certificate',
      "no setting of this net's decisions costs less than its full path, so there is nothing to certify",
      {
        fix: 'put exits or gates in it, or keep units before layers that multiply; dropped weights alone save nothing',
      },
    );
  const full = settingAnswers(tuned, width - 1);
  const held = await runSettings(model, data, tuned.settings, {
    ...options,
    onProgress: (d) => onProgress?.('certify', d, data.length),
  });
  const taken = (thresholds: readonly number[]): number => {
    const e = thresholds.findIndex((t) => t < 0);
    return e < 0 ? width - 1 : e;
  };
  return {
    model,
    path: settingPoints(tuned, fullFirst(width), width, (answers) => losses(risk, answers, full, tune.labels)),
    scores: new Float32Array(data.length * (width - 1)),
    answers: held.answers,
    costs: held.macs,
    thresholdsOf: ({ thresholds }) => tuned.settings[taken(thresholds)]!,
    macsOf: ({ thresholds }, form) => (form === 'branch' ? held.macs : held.batched)[taken(thresholds)]!,
    sharesOf: () => [1],
  };
}

import { type Dataset, takeBatch } from '../data/index.ts';
import { encodeModel, type NDArray, stripDefaults, toOnnx } from '../graph/index.ts';
import { compileInWorker } from '../runtime/index.ts';
import type { Candidates, CertifyModelOptions } from './calibrate.ts';
import { losses, type OperatingPoint } from './certify/index.ts';
import { type Decision, neverThresholds } from './decision.ts';
import { argmaxAt } from './logits.ts';
import { type Thresholds, thresholdArray, thresholdName } from './lower/choice.ts';
import { sparse } from './lower/sparse.ts';
import type { Model } from './model.ts';
import { type Observations, observations } from './observations.ts';
import { decodeTrace, traceKey } from './trace.ts';
import { decisionsOf } from './traced.ts';

/** Settings between "always the first option" and "hardly ever". */
const SETTINGS = 12;

/** How far each gate is from its first option, for each input: what one offset has to overcome. */
function margins({ gates, n }: Observations): Float32Array {
  const all: number[] = [];
  for (const scores of gates.values()) {
    const k = scores.length / n;
    for (let i = 0; i < n; i++) {
      const own = scores.subarray(i * k, (i + 1) * k);
      all.push(k === 1 ? own[0]! : Math.max(...own.subarray(1)) - own[0]!);
    }
  }
  return Float32Array.from(all).sort();
}

/**
 * All gates moved by one offset: those that leave their first option are more by more than `offset` for it. Decisions about
 * units stay as they were traced.
 */
const moved = (decisions: readonly Decision[], offset: number): Thresholds =>
  Object.fromEntries(
    decisions.map((d) => [
      d.name,
      d.kind !== 'select'
        ? d.own
        : d.rule === 'threshold'
          ? offset
          : [-offset, ...new Array<number>(d.options.length - 1).fill(0)],
    ]),
  );

/** Offsets midway between neighbouring margins, at even quantiles, and 0 (the gates' own choice); falling. */
function offsets(sorted: Float32Array): number[] {
  const at = (q: number): number => {
    const i = Math.min(sorted.length - 2, Math.max(0, Math.floor(q * (sorted.length - 1))));
    return (sorted[i]! + sorted[i + 1]!) / 2;
  };
  const wanted = Array.from({ length: SETTINGS }, (_, i) => at(1 - (i + 1) / (SETTINGS + 1)));
  return [...new Set([...wanted, 0].filter(Number.isFinite))].sort((a, b) => b - a);
}

/** What a net answers at each of some settings. */
export interface SettingsRun {
  /** [n, settings]: the class of each answer. */
  readonly answers: Int32Array;
  /** Mean MACs of each setting. */
  readonly macs: readonly number[];
}

type RunSettingsOptions = Pick<CertifyModelOptions, 'batch' | 'session'> & {
  readonly onProgress?: (done: number) => void;
};

/** Runs the shipped form over a whole split at each setting of its thresholds. */
export async function runSettings(
  { net, weights, classes }: Model,
  data: Dataset,
  settings: readonly Thresholds[],
  { batch = 256, session, onProgress }: RunSettingsOptions = {},
): Promise<SettingsRun> {
  const decisions = decisionsOf(net);
  const { output, trace } = sparse(net);
  const bytes = encodeModel(toOnnx({ logits: output, trace: trace! }, { weights }));
  const runner = await compileInWorker(stripDefaults(bytes, decisions.map(thresholdName)), session);
  const key = traceKey(net);
  const answers = new Int32Array(data.length * settings.length);
  const macs = settings.map(() => 0);
  try {
    for (let start = 0; start < data.length; start += batch) {
      const count = Math.min(batch, data.length - start);
      const { x } = takeBatch(
        data,
        Int32Array.from({ length: count }, (_, i) => start + i),
      );
      for (const [j, setting] of settings.entries()) {
        const feeds: Record<string, NDArray> = { input: { ...x, data: x.data.slice() } };
        for (const d of decisions) feeds[thresholdName(d)] = thresholdArray(d, setting[d.name]);
        const out = await runner.run(feeds);
        const logits = out.logits!.data as Float32Array;
        for (let i = 0; i < count; i++)
          answers[(start + i) * settings.length + j] = argmaxAt(logits, i * classes.length, classes.length);
        for (const t of decodeTrace(out.trace!, key)) macs[j]! += t.macs / data.length;
      }
      onProgress?.(start + count);
    }
  } finally {
    await runner.close();
  }
  return { answers, macs };
}

/** Settings of a net's gates that are steps on a path, and what they did on the tune split. */
export interface GateSettings extends SettingsRun {
  /** Dearest first, each cheaper than the one before; the last one is the full path, where every decision takes its first option. */
  readonly settings: readonly Thresholds[];
}

/** Settings that one offset, which moves all gates, passes through. */
export async function gateSettings(
  model: Model,
  tune: Dataset,
  options: Omit<CertifyModelOptions, 'tune' | 'data' | 'epsilon' | 'onProgress'> & {
    readonly onProgress?: (done: number, total: number) => void;
  } = {},
): Promise<GateSettings> {
  const { onProgress } = options;
  const decisions = decisionsOf(model.net);
  const seen = await observations(model, tune, { ...options, onProgress: (d, t) => onProgress?.(d, 2 * t) });
  const all = offsets(margins(seen)).map((o) => moved(decisions, o));
  const full = { ...moved(decisions, Number.POSITIVE_INFINITY), ...neverThresholds(decisions) };
  const settings = [...all, full];
  const { answers, macs } = await runSettings(model, tune, settings, {
    ...options,
    onProgress: (d) => onProgress?.(tune.length + d, 2 * tune.length),
  });
  // A setting that saves nothing against the one before it is no step on the path.
  let last = macs.at(-1)!;
  const kept = settings.flatMap((_, j) => {
    if (j < all.length && !(macs[j]! < last)) return [];
    if (j < all.length) last = macs[j]!;
    return [j];
  });
  const width = settings.length;
  return {
    settings: kept.map((j) => settings[j]!),
    macs: kept.map((j) => macs[j]!),
    answers: Int32Array.from(
      { length: tune.length * kept.length },
      (_, i) => answers[Math.floor(i / kept.length) * width + kept[i % kept.length]!]!,
    ),
  };
}

/** The answers of one setting. */
export const settingAnswers = ({ answers, macs }: SettingsRun, setting: number): Int32Array =>
  Int32Array.from({ length: answers.length / macs.length }, (_, i) => answers[i * macs.length + setting]!);

/** Thresholds under which everybody takes one setting, as if it were an exit: of `width` settings the last needs none. */
export const settingTaken = (setting: number, width: number): number[] =>
  Array.from({ length: width - 1 }, (_, k) => (k === setting ? -1 : Number.POSITIVE_INFINITY));

/**
 * Candidates for a net without exits: one offset moves all gates. Each setting stands as if it were an exit that everybody
 * takes, so that the certificate needs no second form.
 */
export async function gatePath(model: Model, options: CertifyModelOptions): Promise<Candidates> {
  const { risk = 'harm', tune, data, onProgress } = options;
  const tuned = await gateSettings(model, tune, { ...options, onProgress: (d, t) => onProgress?.('tune', d, t) });
  const width = tuned.settings.length;
  const full = settingAnswers(tuned, width - 1);
  const shares = (e: number) => Array.from({ length: width }, (_, k) => (k === e ? 1 : 0));
  const path = Array.from({ length: width - 1 }, (_, e): OperatingPoint => {
    const lost = losses(risk, settingAnswers(tuned, e), full, tune.labels);
    return {
      thresholds: settingTaken(e, width),
      cost: tuned.macs[e]!,
      risk: lost.reduce((sum, v) => sum + v, 0) / lost.length,
      changed: lost.reduce((sum, v) => sum + Math.abs(v), 0) / lost.length,
      shares: shares(e),
    };
  });
  const first: OperatingPoint = {
    ...{ thresholds: settingTaken(width - 1, width), cost: tuned.macs.at(-1)!, risk: 0, changed: 0 },
    shares: shares(width - 1),
  };
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
    path: [first, ...path],
    scores: new Float32Array(data.length * (width - 1)),
    answers: held.answers,
    costs: held.macs,
    thresholdsOf: ({ thresholds }) => tuned.settings[taken(thresholds)]!,
    macsOf: ({ thresholds }) => held.macs[taken(thresholds)]!,
    sharesOf: () => [1],
  };
}

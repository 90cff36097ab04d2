import {
  type Candidates,
  decisionsOf,
  exitCosts,
  fullFirst,
  gateSettings,
  lastTaken,
  type Model,
  type OperatingPoint,
  observations,
  pathAgainst,
  runSettings,
  type SparseForm,
  settingPoints,
} from '../../dynamic/index.ts';
import type { Calibrated } from './calibrated.ts';
import { answerLosses, type Goal, lossAt, type Referred, type RunOptions } from './claim.ts';

/** What a model does on some images: one column for each way that everybody could take, the last answer among them. */
export interface Columns {
  /** [n, width]: an image takes the first column whose score lies above a point's threshold. */
  readonly scores: ArrayLike<number>;
  /** [n, width] */
  readonly answers: ArrayLike<number>;
  /** MACs of each column, in files of a form. */
  costs(form: SparseForm): readonly number[];
}

/** A model on the tune split: what may be certified of it. */
export interface Assessed extends Pick<Candidates, 'model' | 'path' | 'thresholdsOf' | 'sharesOf'> {
  /** What it does on other images. */
  on(images: Referred['images'], options: RunOptions): Promise<Columns>;
}

/** Points that can be certified in all likelihood. */
export const promising = (path: readonly OperatingPoint[], { reach }: Goal): readonly OperatingPoint[] =>
  path.filter((p) => p.risk <= reach);

/**
 * Fits an ordered path of thresholds to what a model did on the tune split; the path's risks are those against the original.
 * The last answer of an adapted model is no reference, it may have been trained too: it stands as one more exit that everybody
 * takes, and behind it, never reached, the original.
 */
export function assess(given: Model, { seen, temperatures }: Calibrated, tune: Referred, goal: Goal): Assessed {
  const exits = seen.decisions.length;
  const model = {
    ...given,
    weights: new Map([...given.weights].map(([name, w]) => [name, temperatures.get(name) ?? w])),
  };
  const path = pathAgainst({
    scores: seen.scores,
    losses: answerLosses(seen, tune, goal),
    costs: exitCosts(model.net),
    ...{ epsilon: goal.epsilon, reach: goal.reach },
  });
  return {
    model,
    path: lastTaken(path),
    async on(images, options) {
      const held = await observations(model, images, options);
      return {
        scores: lastScored(held.scores, exits),
        answers: held.answers,
        costs: (form) => exitCosts(model.net, form),
      };
    },
    thresholdsOf: ({ thresholds }) =>
      Object.fromEntries(decisionsOf(model.net).map((d, i) => [d.name, thresholds[i]!])),
    sharesOf: (columns) => columns,
  };
}

/** Scores [n, exits] with those of a last column, which lie above the threshold of all who come so far. */
function lastScored(scores: ArrayLike<number>, exits: number): Float32Array {
  const width = exits + 1;
  return Float32Array.from({ length: (scores.length / exits) * width }, (_, i) =>
    i % width === exits ? 0 : scores[Math.floor(i / width) * exits + (i % width)]!,
  );
}

/** The same for a model with gates instead of exits: a column for each setting of all gates. */
export async function assessGates(
  model: Model,
  tune: Referred,
  goal: Goal,
  options: RunOptions = {},
): Promise<Assessed> {
  const { risk, epsilon, reach } = goal;
  const tuned = await gateSettings(model, tune.images, { ...options, risk, epsilon, reach, reference: tune.reference });
  const { settings } = tuned;
  const width = settings.length;
  const lost = (answers: Int32Array) => answers.map((a, i) => lossAt(tune, goal, i, a));
  return {
    model,
    path: settingPoints(tuned, fullFirst(width), width + 1, lost).map((p) => ({
      ...p,
      shares: p.shares.slice(0, width),
    })),
    async on(held, { onProgress, ...engine }) {
      const { answers, macs, batched } = await runSettings(model, held, settings, {
        ...engine,
        ...(onProgress ? { onProgress: (done) => onProgress(done, held.length) } : {}),
      });
      return {
        scores: new Float32Array(answers.length),
        answers,
        costs: (form) => (form === 'branch' ? macs : batched),
      };
    },
    thresholdsOf: ({ thresholds }) =>
      settings[
        Math.max(
          0,
          thresholds.findIndex((t) => t < 0),
        )
      ]!,
    sharesOf: () => [1],
  };
}

import type { Dataset } from '../data/index.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import { type Candidates, type CertifyModelOptions, DELTA } from './candidates.ts';
import {
  exitLosses,
  exitsTaken,
  fitTemperature,
  type OperatingPoint,
  operatingPath,
  pathAgainst,
  reachOf,
} from './certify/index.ts';
import { ownThresholds } from './decision.ts';
import { exitCosts } from './exit-costs.ts';
import { fullThresholds } from './forced.ts';
import { runSettings } from './gate-path.ts';
import type { SparseForm } from './lower/form.ts';
import type { Model } from './model.ts';
import { labelled, macsIn, type Observations, observations } from './observations.ts';
import { decisionsOf } from './traced.ts';

const NEVER = Number.POSITIVE_INFINITY;
/** Under the scores of an exit that everybody takes. */
const TAKEN = -1;

/** The temperature of each exit that has one, fitted on the tune split (Guo et al. 2017), by the name of its weight. */
export function fittedTemperatures(
  { weights, classes }: Pick<Model, 'weights' | 'classes'>,
  { decisions, logits }: Pick<Observations, 'decisions' | 'logits'>,
  labels: ArrayLike<number>,
): ReadonlyMap<string, NDArray> {
  const found = new Map<string, NDArray>();
  for (const [e, decision] of decisions.entries()) {
    const name = `${decision}/temperature`;
    if (!weights.has(name)) continue;
    const { temperature } = fitTemperature(logits[e]!, labels, classes.length);
    found.set(name, ndarray('float32', [], [temperature]));
  }
  return found;
}

/** A split as exits are certified on it: one column for each exit and for the last answer, the full path's last. */
interface Columns {
  readonly n: number;
  /** Columns that a threshold decides about. */
  readonly exits: number;
  readonly scores: Float32Array;
  readonly answers: Int32Array;
  /** MACs of each input, [n, exits + 1]. */
  macs(form: SparseForm): Float64Array;
}

/** [n, width] with one more column. */
const widened = (values: ArrayLike<number>, width: number, last: (row: number) => number): Float64Array =>
  Float64Array.from({ length: (values.length / width) * (width + 1) }, (_, i) => {
    const [row, column] = [Math.floor(i / (width + 1)), i % (width + 1)];
    return column < width ? values[row * width + column]! : last(row);
  });

/**
 * Where decisions beside the exits stay where they were traced, the last answer is not yet the full path's: it stands as one
 * more exit, which everybody takes, and the path on which nothing is left out comes after it.
 */
async function columnsOf(
  model: Model,
  seen: Observations,
  data: Dataset,
  options: CertifyModelOptions,
): Promise<Columns> {
  const { net } = model;
  const [exits, width] = [seen.decisions.length, seen.decisions.length + 1];
  const known = { n: seen.n, exits, scores: seen.scores, answers: seen.answers };
  if (seen.choices.size === 0) return { ...known, macs: (form) => macsIn(net, seen, form) };
  const { batch, session } = options;
  const full = await runSettings(model, data, [fullThresholds(decisionsOf(net))], {
    ...(batch ? { batch } : {}),
    ...(session ? { session } : {}),
  });
  return {
    n: seen.n,
    exits: width,
    scores: Float32Array.from(widened(seen.scores, exits, () => 0)),
    answers: Int32Array.from(widened(seen.answers, width, (row) => full.answers[row]!)),
    macs: (form) => widened(macsIn(net, seen, form), width, () => exitCosts(net, form).at(-1)!),
  };
}

const meansOf = (values: ArrayLike<number>, width: number): number[] => {
  const sums = new Array<number>(width).fill(0);
  for (let i = 0; i < values.length; i++) sums[i % width]! += values[i]!;
  return sums.map((s) => (s * width) / values.length);
};

/** Thresholds of exits, fitted to their scores; other decisions stay where they were traced. */
export async function exitPath(model: Model, options: CertifyModelOptions): Promise<Candidates> {
  const { risk = 'harm', epsilon, delta = DELTA, tune, data, onProgress } = options;
  const fits = labelled(tune);
  let seen = await observations(model, tune, {
    ...options,
    onProgress: (d, t) => onProgress?.('tune', d, fits ? 2 * t : t),
  });
  let fitted = model;
  if (fits) {
    fitted = { ...model, weights: new Map([...model.weights, ...fittedTemperatures(model, seen, seen.labels)]) };
    seen = await observations(fitted, tune, { ...options, onProgress: (d, t) => onProgress?.('tune', t + d, 2 * t) });
  }
  const names = seen.decisions;
  const tuned = await columnsOf(fitted, seen, tune, options);
  const lost = exitLosses(risk, tuned.answers, tuned.exits, fits ? seen.labels : undefined);
  const beside = tuned.exits > names.length;
  const path = pathOf(seen, tuned, lost, { epsilon, reach: reachOf(risk, data.length, { epsilon, delta }) });
  const held = await columnsOf(
    fitted,
    await observations(fitted, data, { ...options, onProgress: (d, t) => onProgress?.('certify', d, t) }),
    data,
    options,
  );
  const decisions = decisionsOf(model.net);
  const macs = { branch: held.macs('branch'), rows: held.macs('rows') };
  const width = held.exits + 1;
  return {
    model: fitted,
    path,
    scores: held.scores,
    answers: held.answers,
    costs: meansOf(macs.branch, width),
    thresholdsOf: ({ thresholds }) =>
      beside && thresholds.at(-1) === NEVER
        ? fullThresholds(decisions)
        : { ...ownThresholds(decisions), ...Object.fromEntries(names.map((n, i) => [n, thresholds[i]!])) },
    macsOf({ thresholds }, form) {
      const taken = exitsTaken(held.scores, thresholds);
      return taken.reduce((sum, e, i) => sum + macs[form][i * width + e]!, 0) / held.n;
    },
    sharesOf: (shares) => [
      ...shares.slice(0, names.length),
      shares.slice(names.length).reduce((sum, share) => sum + share, 0),
    ],
  };
}

/** A path of exits, and behind them a last answer that everybody takes who leaves nowhere, as if it were an exit too. */
export const lastTaken = (path: readonly OperatingPoint[]): OperatingPoint[] =>
  path.map((p) => ({ ...p, thresholds: [...p.thresholds, TAKEN] }));

/** The ordered path on the tune split; `lost` [n, exits] are the losses of its columns. */
function pathOf(
  { decisions, scores }: Observations,
  { exits, macs }: Columns,
  lost: ArrayLike<number>,
  aim: { readonly epsilon: number; readonly reach: number },
): OperatingPoint[] {
  const costs = meansOf(macs('branch'), exits + 1);
  if (exits === decisions.length) return operatingPath({ scores, losses: lost, costs, ...aim });
  const full: OperatingPoint = {
    thresholds: new Array<number>(exits).fill(NEVER),
    ...{ cost: costs.at(-1)!, risk: 0, changed: 0 },
    shares: [...new Array<number>(exits).fill(0), 1],
  };
  const before = lastTaken(pathAgainst({ scores, losses: lost, costs: costs.slice(0, exits), ...aim }));
  return [full, ...before.map((p) => ({ ...p, shares: [...p.shares, 0] }))];
}

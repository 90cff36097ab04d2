import type { Dataset } from '../data/index.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import type { Candidates, CertifyModelOptions } from './calibrate.ts';
import { exitLosses, exitsTaken, fitTemperature, type OperatingPoint, operatingPath } from './certify/index.ts';
import { isExit, ownThresholds } from './decision.ts';
import { fullThresholds } from './forced.ts';
import { runSettings } from './gate-path.ts';
import type { SparseForm } from './lower/form.ts';
import type { Model } from './model.ts';
import { labelled, macsIn, type Observations, observations, pathMacs } from './observations.ts';
import { decisionsOf, type Net } from './traced.ts';

const NEVER = Number.POSITIVE_INFINITY;
/** Under the scores of an exit that everybody takes. */
const TAKEN = -1;

/**
 * MACs up to each exit, the full path last, in the order of the decisions; decisions beside the exits take option 0
 * and keep all units.
 *
 * @param form of the file that they are counted in: for batches by default
 */
export function exitCosts(net: Net, form?: SparseForm): readonly number[] {
  const decisions = decisionsOf(net);
  const rest = decisions.filter((d) => !isExit(d));
  return pathMacs(
    net,
    decisions.filter(isExit).map((d) => d.name),
    form,
  )(new Map(rest.map((d) => [d.name, d.kind === 'keep' ? d.units : 0])));
}

/** The temperature of each exit that has one, fitted on the tune split (Guo et al. 2017). */
function temperatures(model: Model, seen: Observations): Map<string, NDArray> {
  const weights = new Map(model.weights);
  for (const [e, decision] of seen.decisions.entries()) {
    const name = `${decision}/temperature`;
    if (!weights.has(name)) continue;
    const { temperature } = fitTemperature(seen.logits[e]!, seen.labels, model.classes.length);
    weights.set(name, ndarray('float32', [], [temperature]));
  }
  return weights;
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
  const { risk = 'harm', epsilon, tune, data, onProgress } = options;
  const fits = labelled(tune);
  let seen = await observations(model, tune, {
    ...options,
    onProgress: (d, t) => onProgress?.('tune', d, fits ? 2 * t : t),
  });
  let fitted = model;
  if (fits) {
    fitted = { ...model, weights: temperatures(model, seen) };
    seen = await observations(fitted, tune, { ...options, onProgress: (d, t) => onProgress?.('tune', t + d, 2 * t) });
  }
  const names = seen.decisions;
  const tuned = await columnsOf(fitted, seen, tune, options);
  const lost = exitLosses(risk, tuned.answers, tuned.exits, fits ? seen.labels : undefined);
  const beside = tuned.exits > names.length;
  const path = pathOf(seen, tuned, lost, epsilon);
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

/** The ordered path on the tune split; `lost` [n, exits] are the losses of its columns. */
function pathOf(seen: Observations, tuned: Columns, lost: ArrayLike<number>, epsilon: number): OperatingPoint[] {
  const { n, exits } = tuned;
  const own = seen.decisions.length;
  const costs = meansOf(tuned.macs('branch'), exits + 1);
  // What the last answer loses against the full path, whoever exits before it.
  const resting = Float64Array.from({ length: n }, (_, i) => (exits > own ? lost[i * exits + own]! : 0));
  const base = meansOf(resting, 1)[0]!;
  const path = operatingPath({
    scores: seen.scores,
    losses: Float64Array.from(
      { length: n * own },
      (_, k) => lost[Math.floor(k / own) * exits + (k % own)]! - resting[Math.floor(k / own)]!,
    ),
    costs: costs.slice(0, own + 1),
    epsilon: Math.max(epsilon - base, epsilon / 10),
  });
  if (exits === own) return path;
  const full: OperatingPoint = {
    thresholds: new Array<number>(exits).fill(NEVER),
    ...{ cost: costs.at(-1)!, risk: 0, changed: 0 },
    shares: [...new Array<number>(exits).fill(0), 1],
  };
  return [
    full,
    ...path.map((p): OperatingPoint => {
      const thresholds = [...p.thresholds, TAKEN];
      const losses = exitsTaken(tuned.scores, thresholds).map((e, i) => lost[i * exits + e]!);
      return {
        ...{ ...p, thresholds, shares: [...p.shares, 0] },
        risk: meansOf(losses, 1)[0]!,
        changed: meansOf(losses.map(Math.abs), 1)[0]!,
      };
    }),
  ];
}

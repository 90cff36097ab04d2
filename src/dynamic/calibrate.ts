import type { Dataset } from '../data/index.ts';
import { DynaError } from '../errors.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import {
  certifyPoints,
  exitLosses,
  exitsTaken,
  fitTemperature,
  type OperatingPoint,
  operatingPath,
  type Risk,
} from './certify/index.ts';
import { isExit, ownThresholds } from './decision.ts';
import { gatePath } from './gate-path.ts';
import type { Thresholds } from './lower/choice.ts';
import { bindingHash, type CertifiedModel, type Model, type Point } from './model.ts';
import { type Observations, type ObserveOptions, observations, pathMacs } from './observations.ts';
import { decisionsOf, type Net } from './traced.ts';

export interface CertifyModelOptions extends Omit<ObserveOptions, 'onProgress'> {
  /** Temperatures and the path of operating points are fitted on this split. */
  readonly tune: Dataset;
  /** The bound is proven on this split, which nothing else may have seen. */
  readonly data: Dataset;
  /** `harm`: wrong where the full model is right; `loss`: signed; `disagreement`: answers differ, needs no labels. */
  readonly risk?: Risk;
  /** The largest risk that is acceptable, as a share of inputs. */
  readonly epsilon: number;
  /** Probability that the statement is wrong. */
  readonly delta?: number;
  readonly onProgress?: (stage: 'tune' | 'certify', done: number, total: number) => void;
}

/** MACs up to each exit, the full path last, in the order of the decisions; decisions beside the exits take option 0
 * and keep all units. */
export function exitCosts(net: Net): readonly number[] {
  const decisions = decisionsOf(net);
  const rest = decisions.filter((d) => !isExit(d));
  return pathMacs(
    net,
    decisions.filter(isExit).map((d) => d.name),
  )(new Map(rest.map((d) => [d.name, d.kind === 'keep' ? d.units : 0])));
}

const labelled = ({ labels }: Pick<Dataset, 'labels'>): boolean => labels.length > 0 && labels[0]! >= 0;

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

/** What a certificate stands on: an ordered path, and what each of its points does on the certify split. */
export interface Candidates {
  readonly model: Model;
  readonly path: readonly OperatingPoint[];
  /** The certify split, as `certifyPoints` takes it. */
  readonly scores: ArrayLike<number>;
  readonly answers: ArrayLike<number>;
  readonly costs: readonly number[];
  /** A point's thresholds by decision. */
  thresholdsOf(point: Pick<OperatingPoint, 'thresholds'>): Thresholds;
  /** Mean MACs of a point, on the certify split. */
  macsOf(point: Pick<OperatingPoint, 'thresholds'>): number;
  /** Shares of the exits, the last answer's last. */
  sharesOf(shares: readonly number[]): readonly number[];
}

const mean = (values: ArrayLike<number>, width: number, column: number): number => {
  let sum = 0;
  for (let i = column; i < values.length; i += width) sum += values[i]!;
  return (sum * width) / values.length;
};

/** Thresholds of exits, fitted to their scores; other decisions stay where trained gates part. */
async function exitPath(model: Model, options: CertifyModelOptions): Promise<Candidates> {
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
  const width = names.length + 1;
  const path = operatingPath({
    scores: seen.scores,
    losses: exitLosses(risk, seen.answers, names.length, fits ? seen.labels : undefined),
    costs: Array.from({ length: width }, (_, e) => mean(seen.macs, width, e)),
    epsilon,
  });
  const held = await observations(fitted, data, { ...options, onProgress: (d, t) => onProgress?.('certify', d, t) });
  const own = ownThresholds(decisionsOf(model.net));
  return {
    model: fitted,
    path,
    scores: held.scores,
    answers: held.answers,
    costs: Array.from({ length: width }, (_, e) => mean(held.macs, width, e)),
    thresholdsOf: ({ thresholds }) => ({ ...own, ...Object.fromEntries(names.map((n, i) => [n, thresholds[i]!])) }),
    macsOf({ thresholds }) {
      const taken = exitsTaken(held.scores, thresholds);
      return taken.reduce((sum, e, i) => sum + held.macs[i * width + e]!, 0) / held.n;
    },
    sharesOf: (shares) => shares,
  };
}

/**
 * Chooses thresholds for a net's decisions and proves a bound on what they can do to its answers. Where there are exits,
 * their thresholds are chosen and other decisions stay where trained gates part; else one offset moves all gates.
 *
 * @throws DynaError 'certificate' where there are too few inputs, with the numbers that it would take
 * @example
 * const certified = await certify(trained, { tune, data: heldBack, risk: 'harm', epsilon: 0.005, delta: 0.1 })
 */
export async function certify(model: Model, options: CertifyModelOptions): Promise<CertifiedModel> {
  const { risk = 'harm', epsilon, delta = 0.1, data } = options;
  const decisions = decisionsOf(model.net);
  if (decisions.length === 0)
    throw new DynaError('certificate', 'this net has no decisions, so there is nothing to certify; put exits in it');
  const found = await (decisions.some(isExit) ? exitPath : gatePath)(model, options);
  const { path, scores, answers, costs } = found;
  const certificate = certifyPoints({
    ...{ risk, epsilon, delta, points: path, scores, answers, costs },
    ...(labelled(data) ? { labels: data.labels } : {}),
  });
  const full = exitCosts(model.net).at(-1)!;
  const point = (
    p: { thresholds: readonly number[]; risk: number },
    shares: readonly number[],
    certified: boolean,
  ) => ({
    thresholds: found.thresholdsOf(p),
    budget: found.macsOf(p) / full,
    risk: p.risk,
    shares: found.sharesOf(shares),
    certified,
  });
  const proven = certificate.points.map(
    (p): Point =>
      point(
        p,
        p.counts.map((c) => c / certificate.n),
        true,
      ),
  );
  const beyond = path.slice(certificate.points.length).map((p): Point => point(p, p.shares, false));
  return {
    ...found.model,
    points: [...proven, ...beyond],
    chosen: proven[certificate.points.indexOf(certificate.chosen)]!,
    certificate,
    hash: bindingHash(found.model.weights, model.preprocessing, proven),
    path,
  };
}

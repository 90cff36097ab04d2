import type { Dataset } from '../data/index.ts';
import { DynaError } from '../errors.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import {
  certifyPoints,
  exitLosses,
  fitTemperature,
  type OperatingPoint,
  operatingPath,
  type Risk,
} from './certify/index.ts';
import { costTable, pathCost } from './cost.ts';
import { bindingHash, type CertifiedModel, type Model, type Point } from './model.ts';
import { decisionsOf, type Net } from './net.ts';
import { type Observations, type ObserveOptions, observations } from './observations.ts';

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

/** MACs up to each exit, the full path last, in the order of the decisions. */
export function exitCosts(net: Net): number[] {
  const table = costTable(net);
  const names = decisionsOf(net).map((d) => d.name);
  const leavingAt = (e: number) => (name: string) => {
    const at = names.indexOf(name);
    return at < e ? 0 : at === e ? 1 : undefined;
  };
  return [...names, ''].map((_, e) => pathCost(table, leavingAt(e)).macs);
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

/**
 * Chooses thresholds for a net's exits and proves a bound on what they can do to its answers.
 *
 * @throws DynaError 'certificate' where there are too few inputs, with the numbers that it would take
 * @example
 * const certified = await certify(trained, { tune, data: heldBack, risk: 'harm', epsilon: 0.005, delta: 0.1 })
 */
export async function certify(model: Model, options: CertifyModelOptions): Promise<CertifiedModel> {
  const { risk = 'harm', epsilon, delta = 0.1, tune, data, onProgress } = options;
  const names = decisionsOf(model.net).map((d) => d.name);
  if (names.length === 0)
    throw new DynaError('certificate', 'this net has no decisions, so there is nothing to certify; put exits in it');
  const labelled = tune.labels.length > 0 && tune.labels[0]! >= 0;

  let seen = await observations(model, tune, {
    ...options,
    onProgress: (d, t) => onProgress?.('tune', d, labelled ? 2 * t : t),
  });
  let weights = model.weights;
  if (labelled) {
    weights = temperatures(model, seen);
    seen = await observations({ ...model, weights }, tune, {
      ...options,
      onProgress: (d, t) => onProgress?.('tune', t + d, 2 * t),
    });
  }
  const fitted: Model = { ...model, weights };
  const costs = exitCosts(model.net);
  const path = operatingPath({
    scores: seen.scores,
    losses: exitLosses(risk, seen.answers, names.length, labelled ? seen.labels : undefined),
    costs,
    epsilon,
  });

  const held = await observations(fitted, data, { ...options, onProgress: (d, t) => onProgress?.('certify', d, t) });
  const certificate = certifyPoints({
    risk,
    epsilon,
    delta,
    points: path,
    scores: held.scores,
    answers: held.answers,
    ...(held.labels.length > 0 && held.labels[0]! >= 0 ? { labels: held.labels } : {}),
    costs,
  });
  const full = costs.at(-1)!;
  const named = (thresholds: readonly number[]) => Object.fromEntries(names.map((n, i) => [n, thresholds[i]!]));
  const proven = certificate.points.map(
    (p): Point => ({
      thresholds: named(p.thresholds),
      budget: p.cost / full,
      risk: p.risk,
      shares: p.counts.map((c) => c / certificate.n),
      certified: true,
    }),
  );
  const beyond = path.slice(certificate.points.length).map(
    (p: OperatingPoint): Point => ({
      thresholds: named(p.thresholds),
      budget: p.cost / full,
      risk: p.risk,
      shares: p.shares,
      certified: false,
    }),
  );
  return {
    ...fitted,
    points: [...proven, ...beyond],
    chosen: proven[certificate.points.indexOf(certificate.chosen)]!,
    certificate,
    hash: bindingHash(weights, model.preprocessing, proven),
    path,
  };
}

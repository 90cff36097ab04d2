import type { Dataset } from '../../data/index.ts';
import {
  bindingHash,
  type Certificate,
  type CertifiedModel,
  certifyPoints,
  confidenceAt,
  costTable,
  decisionsOf,
  exitCosts,
  extremeMacs,
  fitTemperature,
  lossOf,
  type Model,
  type Observations,
  type OperatingPoint,
  observations,
  operatingPath,
  type Point,
} from '../../dynamic/index.ts';
import { ndarray } from '../../graph/index.ts';
import type { SessionOptions } from '../../runtime/index.ts';

/** What an adapted model is held to. */
export interface Claim {
  /** `harm`: wrong where the original is right, on labelled images; `disagreement`: another answer than the original's. */
  readonly risk: 'harm' | 'disagreement';
  readonly epsilon: number;
  readonly delta: number;
}

/** Images with the original's answers to them, [n]. */
export interface Referred {
  readonly images: Dataset;
  readonly reference: Int32Array;
}

interface Options {
  readonly session?: SessionOptions;
  readonly onProgress?: (done: number, total: number) => void;
}

/** A model on the tune split. */
export interface Assessed {
  /** With fitted temperatures, where there are labels. */
  readonly model: Model;
  /** From "nobody exits" to bold. */
  readonly path: readonly OperatingPoint[];
  /** Mean MACs that it may be certified at; the original's where nothing faster is in sight. */
  readonly expectedMacs: number;
}

/**
 * The last answer of an adapted model is no reference: it may have been trained too. It stands as one more exit that
 * everybody takes, and behind it, never reached, the original.
 */
const TAKEN = -1;
const SCORE = 0;
/** Share of epsilon that a point shows on the tune split when it can be certified on some thousand images. */
const REACHED = 0.7;

const answersAt = ({ answers, names }: Observations, column: number): Int32Array =>
  Int32Array.from({ length: answers.length / names.length }, (_, i) => answers[i * names.length + column]!);

const meanOf = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0) / values.length;

const lossesAt = (seen: Observations, column: number, { images, reference }: Referred, { risk }: Claim): Int8Array =>
  Int8Array.from(answersAt(seen, column), (a, i) => lossOf(risk, a, reference[i]!, images.labels[i]!));

/**
 * Fits temperatures (where there are labels) and an ordered path of thresholds to what a model did on the tune split; the
 * path's risks are those against the original.
 *
 * @param costs MACs up to each answer
 */
export function assess(
  given: Model,
  seen: Observations,
  costs: readonly number[],
  tune: Referred,
  claim: Claim,
  originalMacs: number,
): Assessed {
  const { epsilon, risk } = claim;
  const exits = seen.decisions.length;
  const last = lossesAt(seen, exits, tune, claim);
  const losses = new Int8Array(seen.n * exits);
  for (let e = 0; e < exits; e++)
    for (const [i, loss] of lossesAt(seen, e, tune, claim).entries()) losses[i * exits + e] = loss - last[i]!;
  const base = meanOf(last);
  const heated =
    risk === 'harm' ? withTemperatures(given, seen, tune.images.labels) : { model: given, scores: seen.scores };
  const path = operatingPath({
    scores: heated.scores,
    losses,
    costs,
    epsilon: Math.max(epsilon - base, epsilon / 10),
  }).map((p) => ({ ...p, risk: p.risk + base }));
  const reachable = path.filter((p) => p.risk <= REACHED * epsilon).map((p) => p.cost);
  return { model: heated.model, path, expectedMacs: Math.min(originalMacs, ...reachable) };
}

/** A model with fitted temperatures, and the scores that its exits have then, up to rounding. */
function withTemperatures(
  model: Model,
  { decisions, logits, scores, n }: Observations,
  labels: Int32Array,
): { model: Model; scores: Float32Array } {
  const weights = new Map(model.weights);
  const heated = scores.slice();
  const classes = model.classes.length;
  for (const [e, decision] of decisions.entries()) {
    const name = `${decision}/temperature`;
    if (!weights.has(name)) continue;
    const { temperature } = fitTemperature(logits[e]!, labels, classes);
    weights.set(name, ndarray('float32', [], [temperature]));
    for (let i = 0; i < n; i++)
      heated[i * decisions.length + e] = Math.log(confidenceAt(logits[e]!, i * classes, classes, temperature));
  }
  return { model: { ...model, weights }, scores: heated };
}

/** What was proven on the certify split. */
export interface Proven {
  readonly certificate: Certificate;
  /** Undefined where nothing faster than the original could be certified. */
  readonly model: CertifiedModel | undefined;
  /** Of the chosen point, the original's where that is kept. */
  readonly meanMacs: number;
}

/**
 * Proves the path's points on the certify split, against the original's answers.
 *
 * @param budget mean MACs, as a share of the original's, that are wanted: the safest certified point that keeps them is
 *   chosen, else (and without it) the fastest
 * @throws DynaError 'certificate' where there are too few images
 */
export async function prove(
  { model, path }: Assessed,
  certify: Referred,
  claim: Claim,
  originalMacs: number,
  { budget, ...options }: Options & { readonly budget?: number } = {},
): Promise<Proven> {
  const seen = await observations(model, certify.images, options);
  const { n, names, decisions } = seen;
  const exits = decisions.length;
  const scores = Float32Array.from({ length: n * (exits + 1) }, (_, i) => {
    const e = i % (exits + 1);
    return e === exits ? SCORE : seen.scores[Math.floor(i / (exits + 1)) * exits + e]!;
  });
  const answers = Int32Array.from({ length: n * (exits + 2) }, (_, i) => {
    const row = Math.floor(i / (exits + 2));
    const e = i % (exits + 2);
    return e > exits ? certify.reference[row]! : seen.answers[row * names.length + e]!;
  });
  const found = certifyPoints({
    ...claim,
    points: path.map((p) => ({ ...p, thresholds: [...p.thresholds, TAKEN], shares: [...p.shares, 0] })),
    scores,
    answers,
    costs: [...exitCosts(model.net), originalMacs],
    ...(claim.risk === 'harm' ? { labels: certify.images.labels } : {}),
  });
  const message = found.message.replace('of the full model', "of the original's MACs");
  if (found.fullModelKept) return { certificate: { ...found, message }, model: undefined, meanMacs: originalMacs };
  const inFile = (p: Certificate['chosen']) => ({
    ...p,
    thresholds: p.thresholds.slice(0, -1),
    counts: p.counts.slice(0, -1),
  });
  const tested = found.points.filter((p) => p.thresholds.at(-1) === TAKEN);
  const within = budget === undefined ? undefined : tested.find((p) => p.cost <= budget * originalMacs);
  const wanted = tested.indexOf(within ?? found.chosen);
  const own = tested.map(inFile);
  const certificate: Certificate = { ...found, message, points: own, chosen: own[wanted]! };
  return { certificate, model: certifiedOf(model, path, certificate), meanMacs: own[wanted]!.cost };
}

function certifiedOf(model: Model, path: readonly OperatingPoint[], certificate: Certificate): CertifiedModel {
  const decisions = decisionsOf(model.net);
  const full = extremeMacs({ decisions, regions: costTable(model.net) }, Math.max);
  const point = (p: Pick<OperatingPoint, 'thresholds' | 'risk' | 'cost' | 'shares'>, certified: boolean): Point => ({
    thresholds: Object.fromEntries(decisions.map((d, i) => [d.name, p.thresholds[i]!])),
    budget: Math.min(1, p.cost / full),
    risk: p.risk,
    shares: p.shares,
    certified,
  });
  const proven = certificate.points.map((p) => point({ ...p, shares: p.counts.map((c) => c / certificate.n) }, true));
  const beyond = path.slice(proven.length).map((p) => point(p, false));
  return {
    ...model,
    points: [...proven, ...beyond],
    chosen: proven[certificate.points.indexOf(certificate.chosen)]!,
    certificate,
    hash: bindingHash(model.weights, model.preprocessing, proven),
    path,
  };
}

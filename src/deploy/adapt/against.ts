import type { Dataset } from '../../data/index.ts';
import {
  bindingHash,
  type Certificate,
  type CertifiedModel,
  certifiedText,
  certifyPoints,
  costTable,
  decisionsOf,
  exitCosts,
  extremeMacs,
  gateSettings,
  lossOf,
  type Model,
  needsLabels,
  type Observations,
  type OperatingPoint,
  observations,
  operatingPath,
  type Point,
  type Risk,
  runSettings,
  settingAnswers,
  type TestedPoint,
  type Thresholds,
} from '../../dynamic/index.ts';
import type { SessionOptions } from '../../runtime/index.ts';
import type { Heated } from './heat.ts';

/** What an adapted model is held to. */
export interface Claim {
  /**
   * `disagreement`: another answer than the original's. On labelled images `harm`: wrong where the original is right; `loss`: the
   * same less what is right where the original is wrong.
   */
  readonly risk: Risk;
  readonly epsilon: number;
  readonly delta: number;
}

/** Images with the original's answers to them, [n]. */
export interface Referred {
  readonly images: Dataset;
  readonly reference: Int32Array;
}

interface Options {
  /** Images in one run; 256 by default. */
  readonly batch?: number;
  readonly session?: SessionOptions;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What a model does on some images: one column for each way that everybody could take. */
interface Columns {
  /** [n, width]: an image takes the first column whose score lies above a point's threshold. */
  readonly scores: ArrayLike<number>;
  /** [n, width] */
  readonly answers: ArrayLike<number>;
  /** MACs of each. */
  readonly costs: readonly number[];
}

/** A model on the tune split. */
export interface Assessed {
  /** With fitted temperatures, where there are labels. */
  readonly model: Model;
  /** From safe to bold, with a threshold for each column. */
  readonly path: readonly OperatingPoint[];
  /** Mean MACs that it may be certified at; the original's where nothing faster is in sight. */
  readonly expectedMacs: number;
  /** What it does on other images. */
  on(images: Dataset, options: Options): Promise<Columns>;
  /** The thresholds of its decisions at a point. */
  thresholdsOf(point: Pick<OperatingPoint, 'thresholds'>): Thresholds;
  /** Of shares or counts by column, those of its exits and of its last answer. */
  exitsOf(columns: readonly number[]): readonly number[];
}

/**
 * The last answer of an adapted model is no reference: it may have been trained too. It stands as one more exit that
 * everybody takes, and behind it, never reached, the original.
 */
const TAKEN = -1;
const NOT_TAKEN = Number.POSITIVE_INFINITY;
const SCORE = 0;
/** Share of epsilon that a point shows on the tune split when it can be certified on some thousand images. */
const REACHED = 0.7;

const answersAt = ({ answers, names }: Observations, column: number): Int32Array =>
  Int32Array.from({ length: answers.length / names.length }, (_, i) => answers[i * names.length + column]!);

const meanOf = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0) / values.length;

const lossesAt = (seen: Observations, column: number, { images, reference }: Referred, { risk }: Claim): Int8Array =>
  Int8Array.from(answersAt(seen, column), (a, i) => lossOf(risk, a, reference[i]!, images.labels[i]!));

/**
 * Fits an ordered path of thresholds to what a model did on the tune split; the path's risks are those against the original.
 *
 * @param costs MACs up to each answer
 */
export function assess(
  given: Model,
  { seen, temperatures }: Heated,
  costs: readonly number[],
  tune: Referred,
  claim: Claim,
  originalMacs: number,
): Assessed {
  const { epsilon } = claim;
  const exits = seen.decisions.length;
  const last = lossesAt(seen, exits, tune, claim);
  const losses = new Int8Array(seen.n * exits);
  for (let e = 0; e < exits; e++)
    for (const [i, loss] of lossesAt(seen, e, tune, claim).entries()) losses[i * exits + e] = loss - last[i]!;
  const base = meanOf(last);
  const path = operatingPath({
    scores: seen.scores,
    losses,
    costs,
    epsilon: Math.max(epsilon - base, epsilon / 10),
  }).map((p) => ({ ...p, risk: p.risk + base, thresholds: [...p.thresholds, TAKEN] }));
  const model = {
    ...given,
    weights: new Map([...given.weights].map(([name, w]) => [name, temperatures.get(name) ?? w])),
  };
  return {
    model,
    path,
    expectedMacs: expected(path, epsilon, originalMacs),
    async on(images, options) {
      const held = await observations(model, images, options);
      const at = (i: number) => [Math.floor(i / (exits + 1)), i % (exits + 1)] as const;
      const scores = Float32Array.from({ length: held.n * (exits + 1) }, (_, i) => {
        const [row, e] = at(i);
        return e === exits ? SCORE : held.scores[row * exits + e]!;
      });
      return { scores, answers: held.answers, costs: exitCosts(model.net) };
    },
    thresholdsOf: ({ thresholds }) =>
      Object.fromEntries(decisionsOf(model.net).map((d, i) => [d.name, thresholds[i]!])),
    exitsOf: (columns) => columns,
  };
}

/** Points that can probably be certified. */
export const promising = (path: readonly OperatingPoint[], epsilon: number): readonly OperatingPoint[] =>
  path.filter((p) => p.risk <= REACHED * epsilon);

const expected = (path: readonly OperatingPoint[], epsilon: number, originalMacs: number): number =>
  Math.min(originalMacs, ...promising(path, epsilon).map((p) => p.cost));

/** The same for a model with gates instead of exits: a column for each setting of all gates, the dearest first. */
export async function assessGates(
  model: Model,
  { images, reference }: Referred,
  { risk, epsilon }: Claim,
  originalMacs: number,
  options: Options = {},
): Promise<Assessed> {
  const tuned = await gateSettings(model, images, { ...options, risk, epsilon, reference });
  const width = tuned.settings.length;
  const falling = [width - 1, ...Array.from({ length: width - 1 }, (_, j) => j)];
  const path = falling.map((setting, at): OperatingPoint => {
    const answers = settingAnswers(tuned, setting);
    const lost = answers.map((a, i) => lossOf(risk, a, reference[i]!, images.labels[i]!));
    return {
      thresholds: falling.map((_, k) => (k === at ? TAKEN : NOT_TAKEN)),
      cost: tuned.macs[setting]!,
      risk: meanOf(lost),
      changed: meanOf(lost.map(Math.abs)),
      shares: falling.map((_, k) => (k === at ? 1 : 0)),
    };
  });
  const settings = falling.map((j) => tuned.settings[j]!);
  return {
    model,
    path,
    expectedMacs: expected(path, epsilon, originalMacs),
    async on(held, { onProgress, ...engine }) {
      const { answers, macs } = await runSettings(model, held, settings, {
        ...engine,
        ...(onProgress ? { onProgress: (done) => onProgress(done, held.length) } : {}),
      });
      return { scores: new Float32Array(answers.length).fill(SCORE), answers, costs: macs };
    },
    thresholdsOf: ({ thresholds }) => settings[Math.max(0, thresholds.indexOf(TAKEN))]!,
    exitsOf: () => [1],
  };
}

/** What was proven on the certify split. */
export interface Proven {
  readonly certificate: Certificate;
  /** Undefined where nothing faster than the original could be certified. */
  readonly model: CertifiedModel | undefined;
  /** Of the chosen point, the original's where that is kept. */
  readonly meanMacs: number;
  /** Shares of the images that took each column at the chosen point; absent where the original is kept. */
  readonly shares?: readonly number[];
}

interface ProveOptions extends Options {
  readonly budget?: number;
  /** What a point takes, where that is not its mean MACs. */
  readonly price?: (point: Taken) => number;
  /** Whether a point is worth having at all; all are by default. */
  readonly pays?: (point: Taken) => boolean;
}

/** Mean MACs of a point, and the shares of images that took each column. */
interface Taken {
  readonly cost: number;
  readonly shares: readonly number[];
}

/**
 * Proves the path's points on the certify split, against the original's answers.
 *
 * @param budget mean MACs, as a share of the original's, that are wanted: the safest certified point that keeps them and
 *   pays is chosen, else (and without it) the one of the least price
 * @throws DynaError 'certificate' where there are too few images
 */
export async function prove(
  assessed: Assessed,
  certify: Referred,
  claim: Claim,
  originalMacs: number,
  { budget, price = ({ cost }) => cost, pays = () => true, ...options }: ProveOptions = {},
): Promise<Proven> {
  const { path } = assessed;
  const { scores, answers: own, costs } = await assessed.on(certify.images, options);
  const width = costs.length;
  const answers = Int32Array.from({ length: certify.images.length * (width + 1) }, (_, i) => {
    const row = Math.floor(i / (width + 1));
    const column = i % (width + 1);
    return column === width ? certify.reference[row]! : own[row * width + column]!;
  });
  const found = certifyPoints({
    ...claim,
    points: path.map((p) => ({ ...p, shares: [...p.shares, 0] })),
    scores,
    answers,
    costs: [...costs, originalMacs],
    ...(needsLabels(claim.risk) ? { labels: certify.images.labels } : {}),
  });
  if (found.fullModelKept) return { certificate: found, model: undefined, meanMacs: originalMacs };
  const tested = found.points
    .filter((p) => p.thresholds.some((t) => t !== NOT_TAKEN))
    .map((p) => ({ ...p, counts: p.counts.slice(0, -1) }));
  const shares = ({ counts }: TestedPoint): number[] => counts.map((c) => c / found.n);
  const takenBy = (p: TestedPoint): Taken => ({ cost: p.cost, shares: shares(p) });
  const within =
    budget === undefined ? undefined : tested.find((p) => p.cost <= budget * originalMacs && pays(takenBy(p)));
  const priced = tested.map((p) => ({ p, price: price(takenBy(p)) }));
  const chosen = within ?? priced.reduce((a, b) => (b.price < a.price ? b : a)).p;
  const least = Math.min(...tested.map((p) => p.cost));
  const cost = `${Number(((100 * least) / originalMacs).toPrecision(3))} % of the original's MACs`;
  const certificate: Certificate = {
    ...found,
    message: certifiedText(found, tested.length, cost),
    points: tested,
    chosen,
  };
  const model = certifiedOf(assessed, certificate);
  return { certificate, model, meanMacs: chosen.cost, shares: shares(chosen) };
}

function certifiedOf({ model, path, thresholdsOf, exitsOf }: Assessed, certificate: Certificate): CertifiedModel {
  const full = extremeMacs({ decisions: decisionsOf(model.net), regions: costTable(model.net) }, Math.max);
  const point = (
    p: Pick<OperatingPoint, 'thresholds' | 'risk' | 'cost'>,
    shares: readonly number[],
    certified: boolean,
  ): Point => ({
    thresholds: thresholdsOf(p),
    budget: Math.min(1, p.cost / full),
    risk: p.risk,
    shares: exitsOf(shares),
    certified,
  });
  const { n, points } = certificate;
  const proven = points.map((p) =>
    point(
      p,
      p.counts.map((c) => c / n),
      true,
    ),
  );
  const beyond = path.slice(proven.length).map((p) => point(p, p.shares, false));
  return {
    ...model,
    points: [...proven, ...beyond],
    chosen: proven[points.indexOf(certificate.chosen)]!,
    certificate,
    hash: bindingHash(model.weights, model.preprocessing, proven),
    path,
  };
}

import { DynaError } from '../../errors.ts';
import { exitCounts, exitsTaken, meanCost, rows } from './exits.ts';
import { checkLevel, fixedSequence, type Level, riskPValue } from './ltt.ts';
import type { OperatingPoint } from './path.ts';
import { exitLosses, isSigned, type Risk } from './risks.ts';
import {
  bettingSampleSize,
  binomialSampleSize,
  type SampleSizes,
  zeroLossSampleSize,
  zeroSignedLossSampleSize,
} from './sample-size.ts';

export interface CertifyOptions extends Level {
  readonly risk: Risk;
  /** From safest to boldest, chosen without the data below (see `operatingPath`). */
  readonly points: readonly OperatingPoint[];
  /** The certify split's scores, [n, exits], row by row; higher is surer. */
  readonly scores: ArrayLike<number>;
  /** The answer at each exit, the full path's last: [n, exits + 1], row by row. */
  readonly answers: ArrayLike<number>;
  /** The true classes, [n]; not needed for the risk "disagreement". */
  readonly labels?: ArrayLike<number>;
  /** The cost of leaving at each exit, the full path last: [exits + 1]. */
  readonly costs: ArrayLike<number>;
}

/** An operating point with what it did on the certify split. */
export interface TestedPoint {
  /** Its place on the path that was given. */
  readonly index: number;
  readonly thresholds: readonly number[];
  /** Mean loss of an input. */
  readonly risk: number;
  /** For H0: risk >= epsilon; 0 for the full model, which cannot harm itself. */
  readonly pValue: number;
  readonly cost: number;
  /** Inputs that left at each exit: what a drift check compares with. [exits + 1] */
  readonly counts: readonly number[];
}

export interface Certificate extends Level {
  readonly risk: Risk;
  /** Exact binomial p-values, or betting ones for a signed loss; both with fixed-sequence Learn then Test. */
  readonly method: 'binomial' | 'betting';
  readonly n: number;
  /** All these hold at once with confidence 1 - delta. The first is the full model. */
  readonly points: readonly TestedPoint[];
  /** The cheapest of them. */
  readonly chosen: TestedPoint;
  /** True if no faster point could be certified, so that only the full model stands. */
  readonly fullModelKept: boolean;
  /** The first point that failed its test, if one did. */
  readonly stoppedAt?: TestedPoint;
  /** What would have been needed; the observed rate is the tune split's at a point with half of epsilon or less. */
  readonly needs: SampleSizes & { readonly observedRate: number };
  /** One sentence with the figures. */
  readonly message: string;
}

/**
 * Certifies operating points on data that nothing has seen: with confidence 1 - delta, the risk of every certified point lies
 * under epsilon, for inputs like these. Points are tested in order, each at level delta, until the first that fails
 * (fixed-sequence Learn then Test).
 *
 * @throws DynaError('certificate') if there are too few inputs to certify anything, with the numbers that it would take
 * @throws DynaError('data') for missing labels, DynaError('shape') for arrays that do not fit together
 * @example
 * const certificate = certifyPoints({ risk: 'harm', epsilon: 0.005, delta: 0.1, points, scores, answers, labels, costs })
 * certificate.chosen.thresholds
 */
export function certifyPoints(options: CertifyOptions): Certificate {
  const { risk, epsilon, delta, points, scores, answers, labels, costs } = options;
  checkLevel(options);
  const exits = costs.length - 1;
  const n = rows(scores, exits);
  if (answers.length !== n * (exits + 1)) {
    throw new DynaError('shape', `expected answers of shape [${n}, ${exits + 1}], got ${answers.length} values`);
  }
  if (Array.prototype.some.call(scores, Number.isNaN))
    throw new DynaError(
      'data',
      'a score on the certify split is not a number, so no threshold can be compared with it',
      {
        fix: 'the net overflows on one of these inputs: look at its weights',
      },
    );
  const wrong = points.find((p) => p.thresholds.length !== exits);
  if (wrong) throw new DynaError('shape', `expected ${exits} thresholds a point, got ${wrong.thresholds.length}`);
  const atExit = exitLosses(risk, answers, exits, labels);

  const signed = isSigned(risk);
  const needs = sampleSizes(points, signed, options);
  const claim = claimText(options);
  const what = risk === 'disagreement' ? 'disagrees' : risk === 'harm' ? 'shows harm' : 'shows a loss';
  const figures = ({ power80, observedRate }: Pick<Certificate['needs'], 'power80' | 'observedRate'>): string =>
    `at least ${whole(needs.zeroLoss)} inputs if none ${what}, and ${Number.isFinite(power80) ? `about ${whole(power80)} to succeed in 80 % of cases` : 'no number would do'} at the observed rate of ${percent(observedRate)}`;
  if (n < needs.zeroLoss) {
    throw new DynaError('certificate', `a certificate for ${claim} needs ${figures(needs)}; got ${whole(n)}`, {
      fix: 'hold back more data, or accept a larger risk',
    });
  }

  const full = testPoint(new Array<number>(exits).fill(Infinity), -1);
  const tested: TestedPoint[] = [];
  const certified = fixedSequence(
    points.length,
    (i) => tested[tested.push(testPoint(points[i].thresholds, i)) - 1].pValue,
    delta,
  );
  const passed = tested.slice(0, certified);
  if (!passed.some(isFull)) passed.unshift(full);
  const chosen = passed.reduce((best, p) => (p.cost < best.cost ? p : best));
  const fullModelKept = isFull(chosen);
  return {
    risk,
    method: signed ? 'betting' : 'binomial',
    epsilon,
    delta,
    n,
    points: passed,
    chosen,
    fullModelKept,
    ...(certified < points.length && { stoppedAt: tested[certified] }),
    needs,
    message: fullModelKept
      ? `full model kept: no faster point could be certified for ${claim} with ${whole(n)} inputs; that takes ${figures(seenNeeds())}`
      : certifiedText({ ...options, n }, passed.length, `${percent(chosen.cost / costs[exits])} of the full model`),
  };

  /** What the tune split promised; where these inputs showed more, what that takes. */
  function seenNeeds(): Pick<Certificate['needs'], 'power80' | 'observedRate'> {
    const observedRate = tested[certified]?.risk ?? 0;
    if (signed || observedRate <= needs.observedRate) return needs;
    return { observedRate, power80: binomialSampleSize(observedRate, options) };
  }

  function testPoint(thresholds: readonly number[], index: number): TestedPoint {
    const taken = exitsTaken(scores, thresholds);
    const losses = Int8Array.from(taken, (e, i) => (e < exits ? atExit[i * exits + e] : 0));
    const counts = exitCounts(taken, exits);
    const pValue = thresholds.every((t) => t === Infinity) ? 0 : riskPValue(losses, signed, options);
    const total = losses.reduce((sum, x) => sum + x, 0);
    return { index, thresholds, risk: total / n, pValue, cost: meanCost(counts, costs), counts };
  }
}

const claimText = ({ risk, epsilon, delta }: Level & { readonly risk: Risk }): string =>
  `${risk} <= ${percent(epsilon)} at delta ${delta}`;

/**
 * What a certificate says.
 *
 * @param points that hold at once
 * @param cost of the fastest, in words
 */
export const certifiedText = (
  claim: Pick<Certificate, 'risk' | 'epsilon' | 'delta' | 'n'>,
  points: number,
  cost: string,
): string =>
  `${claimText(claim)} certified with ${whole(claim.n)} inputs for ${points === 1 ? '1 operating point' : `${points} operating points at once`}, for inputs like these; the fastest costs ${cost}`;

const isFull = (point: TestedPoint): boolean => point.thresholds.every((t) => t === Infinity);

/** Both figures, the second at the boldest point whose risk on tune is at most half of epsilon. */
function sampleSizes(points: readonly OperatingPoint[], signed: boolean, level: Level): Certificate['needs'] {
  const fast = points.filter((p) => p.thresholds.some((t) => t !== Infinity));
  const wanted = fast.filter((p) => p.risk <= level.epsilon / 2).at(-1) ?? fast[0];
  const { risk: observedRate, changed } = wanted ?? { risk: 0, changed: 0 };
  return {
    zeroLoss: signed ? zeroSignedLossSampleSize(level) : zeroLossSampleSize(level),
    power80: signed
      ? bettingSampleSize((changed + observedRate) / 2, (changed - observedRate) / 2, level)
      : binomialSampleSize(observedRate, level),
    observedRate,
  };
}

const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;
const whole = (n: number): string => n.toLocaleString('en-US');

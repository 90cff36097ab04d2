import type { Dataset } from '../data/index.ts';
import { DynaError } from '../errors.ts';
import { certifyPoints, type OperatingPoint, type Risk } from './certify/index.ts';
import { isExit } from './decision.ts';
import { exitCosts, exitPath } from './exit-path.ts';
import { gatePath } from './gate-path.ts';
import type { Thresholds } from './lower/choice.ts';
import type { SparseForm } from './lower/form.ts';
import { bindingHash, type CertifiedModel, type Model, type Point } from './model.ts';
import { labelled, type ObserveOptions } from './observations.ts';
import { decisionsOf } from './traced.ts';

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
  /** Mean MACs of a point, on the certify split, in a file of one form. */
  macsOf(point: Pick<OperatingPoint, 'thresholds'>, form: SparseForm): number;
  /** Shares of the exits, the last answer's last. */
  sharesOf(shares: readonly number[]): readonly number[];
}

/**
 * Chooses thresholds for a net's decisions and proves a bound on what they can do to its answers. Where there are exits,
 * their thresholds are chosen and other decisions stay where they were traced. Gates one inside the other have each a threshold
 * of its own too; other gates share one offset, and the decisions about units move along with it.
 *
 * The full model that answers are compared with is always the plain path: nobody exits, every gate takes its first option, all
 * units and weights are kept. MACs are counted for one input at a time, as a file of the form `branch` runs them. A file for
 * batches computes some units that it drops (see `Point.batched`); its answers are the same.
 *
 * @throws DynaError 'certificate' where there are too few inputs, with the numbers that it would take, and where no decision
 *   saves anything
 * @example
 * const certified = await certify(trained, { tune, data: heldBack, risk: 'harm', epsilon: 0.005, delta: 0.1 })
 */
export async function certify(model: Model, options: CertifyModelOptions): Promise<CertifiedModel> {
  const { risk = 'harm', epsilon, delta = 0.1, data } = options;
  const decisions = decisionsOf(model.net);
  if (decisions.length === 0)
    throw new DynaError('certificate', 'this net has no decisions, so there is nothing to certify; put exits in it');
  if (risk !== 'disagreement')
    for (const set of [options.tune, data])
      if (!labelled(set))
        throw new DynaError('data', `${risk} is counted on labels, and ${set.name} has none`, {
          fix: "give labels, or bound the risk 'disagreement'",
        });
  const found = await (decisions.some(isExit) ? exitPath : gatePath)(model, options);
  const { path, scores, answers, costs } = found;
  const certificate = certifyPoints({
    ...{ risk, epsilon, delta, points: path, scores, answers, costs },
    ...(labelled(data) ? { labels: data.labels } : {}),
  });
  const share = (p: Pick<OperatingPoint, 'thresholds'>, form: SparseForm): number =>
    found.macsOf(p, form) / exitCosts(model.net, form).at(-1)!;
  const point = (
    p: Pick<OperatingPoint, 'thresholds' | 'risk'>,
    shares: readonly number[],
    certified: boolean,
  ): Point => {
    const [budget, batched] = [share(p, 'branch'), share(p, 'rows')];
    return {
      thresholds: found.thresholdsOf(p),
      budget,
      ...(batched === budget ? {} : { batched }),
      risk: p.risk,
      shares: found.sharesOf(shares),
      certified,
    };
  };
  const proven = certificate.points.map((p) =>
    point(
      p,
      p.counts.map((c) => c / certificate.n),
      true,
    ),
  );
  const beyond = path.slice(certificate.points.length).map((p) => point(p, p.shares, false));
  const chosen = proven[certificate.points.indexOf(certificate.chosen)]!;
  return {
    ...found.model,
    points: [...proven, ...beyond],
    chosen,
    certificate: { ...certificate, message: certificate.message + inBatches(chosen) },
    hash: bindingHash(found.model.weights, model.preprocessing, proven),
    path,
  };
}

/** What a certificate's sentence has to add where files for batches save less, or more. */
const inBatches = ({ batched }: Point): string =>
  batched === undefined ? '' : ` for one input at a time, ${Number((100 * batched).toPrecision(3))} % in batches`;

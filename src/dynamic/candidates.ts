import type { Dataset } from '../data/index.ts';
import type { Certificate, OperatingPoint, Risk } from './certify/index.ts';
import { costTable } from './cost.ts';
import type { Thresholds } from './lower/choice.ts';
import type { SparseForm } from './lower/form.ts';
import { bindingHash, type CertifiedModel, type Model, type Point } from './model.ts';
import type { ObserveOptions } from './observations.ts';
import { extremeMacs } from './paths.ts';
import { decisionsOf, type Net } from './traced.ts';

/** Probability that a statement is wrong, where nothing else is said. */
export const DELTA = 0.1;

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

const dearest = (net: Pick<Net, 'output'>, form: SparseForm): number =>
  extremeMacs({ decisions: decisionsOf(net), regions: costTable(net, form) }, Math.max);

/** The model at the points that were proven, those beyond them behind; it runs at the chosen one. */
export function certifiedModel(
  { model, path, thresholdsOf, macsOf, sharesOf }: Omit<Candidates, 'scores' | 'answers' | 'costs'>,
  certificate: Certificate,
): CertifiedModel {
  const share = (p: Pick<OperatingPoint, 'thresholds'>, form: SparseForm): number =>
    macsOf(p, form) / dearest(model.net, form);
  const point = (
    p: Pick<OperatingPoint, 'thresholds' | 'risk'>,
    shares: readonly number[],
    certified: boolean,
  ): Point => {
    const [budget, batched] = [share(p, 'branch'), share(p, 'rows')];
    return {
      thresholds: thresholdsOf(p),
      budget,
      ...(batched === budget ? {} : { batched }),
      risk: p.risk,
      shares: sharesOf(shares),
      certified,
    };
  };
  const { n, points, chosen } = certificate;
  const proven = points.map((p) =>
    point(
      p,
      p.counts.map((c) => c / n),
      true,
    ),
  );
  const beyond = path.slice(points.length).map((p) => point(p, p.shares, false));
  return {
    ...model,
    points: [...proven, ...beyond],
    chosen: proven[points.indexOf(chosen)]!,
    certificate,
    hash: bindingHash(model.weights, model.preprocessing, proven),
    path,
  };
}

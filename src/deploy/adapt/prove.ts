import {
  type Certificate,
  type CertifiedModel,
  certifiedModel,
  certifiedText,
  certifyPoints,
  exitsTaken,
  needsLabels,
  type TestedPoint,
} from '../../dynamic/index.ts';
import type { Assessed } from './assess.ts';
import type { Claim, Referred, RunOptions } from './claim.ts';

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

interface ProveOptions extends RunOptions {
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
  { images, reference }: Referred,
  claim: Claim,
  originalMacs: number,
  { budget, price = ({ cost }) => cost, pays = () => true, ...options }: ProveOptions = {},
): Promise<Proven> {
  const columns = await assessed.on(images, options);
  const { scores } = columns;
  const costs = columns.costs('branch');
  const width = costs.length;
  const found = certifyPoints({
    ...claim,
    points: assessed.path.map((p) => ({ ...p, shares: [...p.shares, 0] })),
    scores,
    answers: withReference(columns.answers, width, reference),
    costs: [...costs, originalMacs],
    ...(needsLabels(claim.risk) ? { labels: images.labels } : {}),
  });
  if (found.fullModelKept) return { certificate: found, model: undefined, meanMacs: originalMacs };
  // The original is behind all columns: a file of this model has no setting for it.
  const tested = found.points
    .filter((p) => p.thresholds.some((t) => t !== Number.POSITIVE_INFINITY))
    .map((p) => ({ ...p, counts: p.counts.slice(0, -1) }));
  const takenBy = ({ cost, counts }: TestedPoint): Taken => ({ cost, shares: counts.map((c) => c / found.n) });
  const within =
    budget === undefined ? undefined : tested.find((p) => p.cost <= budget * originalMacs && pays(takenBy(p)));
  const priced = tested.map((p) => ({ p, price: price(takenBy(p)) }));
  const chosen = within ?? priced.reduce((a, b) => (b.price < a.price ? b : a)).p;
  const least = Math.min(...tested.map((p) => p.cost));
  const cost = `${Number(((100 * least) / originalMacs).toPrecision(3))} % of the original's MACs`;
  const message = certifiedText(found, tested.length, cost);
  const certificate: Certificate = { ...found, message, points: tested, chosen };
  const macs = { branch: costs, rows: columns.costs('rows') };
  const model = certifiedModel(
    {
      ...assessed,
      macsOf: ({ thresholds }, form) =>
        exitsTaken(scores, thresholds).reduce((sum, column) => sum + macs[form][column]!, 0) / found.n,
    },
    certificate,
  );
  return { certificate, model, meanMacs: chosen.cost, shares: takenBy(chosen).shares };
}

/** Answers [n, width] with the original's behind them. */
const withReference = (answers: ArrayLike<number>, width: number, reference: ArrayLike<number>): Int32Array =>
  Int32Array.from({ length: reference.length * (width + 1) }, (_, i) => {
    const [row, column] = [Math.floor(i / (width + 1)), i % (width + 1)];
    return column === width ? reference[row]! : answers[row * width + column]!;
  });

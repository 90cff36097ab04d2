import { DynaError } from '../errors.ts';
import { type CertifyModelOptions, certifiedModel, DELTA } from './candidates.ts';
import { certifyPoints } from './certify/index.ts';
import { isExit } from './decision.ts';
import { exitPath } from './exit-path.ts';
import { gatePath } from './gate-path.ts';
import type { CertifiedModel, Model, Point } from './model.ts';
import { labelled } from './observations.ts';
import { decisionsOf } from './traced.ts';

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
  const { risk = 'harm', epsilon, delta = DELTA, data } = options;
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
  const certified = certifiedModel(found, certificate);
  const message = certificate.message + inBatches(certified.chosen);
  return { ...certified, certificate: { ...certificate, message } };
}

/** What a certificate's sentence has to add where files for batches save less, or more. */
const inBatches = ({ batched }: Point): string =>
  batched === undefined ? '' : ` for one input at a time, ${Number((100 * batched).toPrecision(3))} % in batches`;

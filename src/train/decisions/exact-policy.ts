import { DynaError } from '../../errors.ts';
import { add, meanAll, mul } from '../../graph/index.ts';
import type { DecisionTraining } from './types.ts';

export interface ExactPolicyOptions {
  /** Weight of the policy's loss; 1 by default. */
  readonly weight?: number;
}

/**
 * The policy gradient without draws: where all paths are computed for their own losses anyway, the loss that each input is
 * expected to have under the policy is a plain sum over them, and so is its gradient (REINFORCE, Williams 1992, estimates
 * it from one path). For nets with few paths. What compute costs is added by `cost`.
 *
 * @throws DynaError 'usage' for a weight that is not above 0, and where no `paths` are given
 * @example await train(gated, { data, epochs: 3, paths: everyWay(gated), decisions: exactPolicy(), cost: macPrice(0.3) })
 */
export function exactPolicy({ weight = 1 }: ExactPolicyOptions = {}): DecisionTraining {
  if (!(weight > 0 && Number.isFinite(weight)))
    throw new DynaError('usage', `exactPolicy: weight is a finite number above 0, got ${weight}`);
  return {
    name: 'exact policy',
    weigh() {
      throw new DynaError('usage', 'exactPolicy looks at whole paths, and none were given', {
        fix: 'give all ways as paths: everyWay(net)',
      });
    },
    overPaths: (paths) =>
      mul(
        meanAll(paths.map(({ losses, probability }) => mul(probability, losses)).reduce((a, b) => add(a, b))),
        weight,
      ),
  };
}

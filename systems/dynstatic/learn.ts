import type { Trained } from 'dynaneural';
import type { Context } from '../shared/context.ts';
import type { Splits } from '../shared/data.ts';
import { trainOnce } from '../shared/fit.ts';
import { fromEveryWay, gatesAlone } from '../shared/gates.ts';
import { gently, quickly, shapeOf, startOf } from '../shared/static.ts';
import { ownWeights } from '../shared/trial.ts';
import { modes, switchNet } from './nets.ts';

/** What the mean image may take, as a share of the full MACs; the cheapest mode takes 0.54. */
export const AIM = 0.7;

/** Of the look's loss, beside those of the modes. */
const LOOK = 0.3;
/** Every mode has a loss of its own, and is taught by the static net. */
const every = { epochs: 3, look: LOOK };
const teacher = { weight: 1, temperature: 3 };
const policy = { epochs: 1, macs: AIM };

/** First the modes, from the trained net on; then the gates alone, from the losses of all modes at once. */
export async function trainModes(cx: Context, { train }: Splits, plain: Trained, seed: number): Promise<Trained> {
  const learning = switchNet(train, shapeOf(cx), true);
  const paths = Object.values(modes);
  const slim = await trainOnce(
    cx,
    `dynstatic-modes-${seed}`,
    learning,
    { ...quickly(cx, { ...gently, epochs: every.epochs }), seed, more: { every, modes } },
    {
      data: train,
      start: startOf(learning, plain.weights),
      teacher: { model: plain, ...teacher },
      // The look's answer is each path's: its loss counts once in all.
      options: { paths, weights: paths.flatMap(() => [LOOK / paths.length, 1]) },
    },
  );
  const made = switchNet(train, shapeOf(cx));
  const settled = ownWeights(made, slim.weights);
  const options = fromEveryWay(made, policy.macs);
  return gatesAlone(
    cx,
    `dynstatic-gates-${seed}`,
    made,
    settled,
    { train },
    { ...policy, seed, more: policy, options },
  );
}

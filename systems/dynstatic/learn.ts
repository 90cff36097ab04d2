import { exactPolicy, macTarget, type Trained, waysOf } from 'dynaneural';
import type { Context } from '../shared/context.ts';
import type { Splits } from '../shared/data.ts';
import { trainOnce } from '../shared/fit.ts';
import { gently, quickly, shapeOf, startOf, tuning } from '../shared/static.ts';
import { ownWeights } from '../shared/trial.ts';
import { modes, switchNet } from './nets.ts';

/** What the mean image may take, as a share of the full MACs. */
export const AIM = 0.5;

/** Of the look's loss, beside those of the modes. */
const LOOK = 0.3;
/** Every mode has a loss of its own, taught by the full one (sandwich rule). */
const sandwich = { epochs: 3, look: LOOK, distill: { weight: 1, temperature: 1 } };
const policy = { epochs: 1, macs: AIM };

/** First the modes, from the trained net on; then the gates alone, from the losses of all modes at once. */
export async function trainModes(cx: Context, { train }: Splits, plain: Trained, seed: number): Promise<Trained> {
  const learning = switchNet(train, shapeOf(cx), true);
  const paths = Object.values(modes);
  const slim = await trainOnce(
    cx,
    `dynstatic-modes-${seed}`,
    learning,
    { ...quickly(cx, { ...gently, epochs: sandwich.epochs }), seed, more: { sandwich, modes } },
    {
      data: train,
      start: startOf(learning, plain.weights),
      // The look's answer is each path's: its loss counts once in all.
      options: { paths, distill: sandwich.distill, weights: paths.flatMap(() => [LOOK / paths.length, 1]) },
    },
  );
  const made = switchNet(train, shapeOf(cx));
  return trainOnce(
    cx,
    `dynstatic-gates-${seed}`,
    made,
    { ...quickly(cx, { ...tuning, decay: 0, epochs: policy.epochs }), seed, more: policy },
    {
      data: train,
      start: ownWeights(made, slim.weights),
      options: {
        paths: waysOf(made)
          .map((w) => w.choices)
          .reverse(),
        decisions: exactPolicy(),
        cost: macTarget(policy.macs),
      },
    },
  );
}

import { gumbel } from 'dynaneural';
import { add, meanAll, mul, slice, sub } from 'dynaneural/graph';
import type { Schedule } from 'dynaneural/nn';
import type { DecisionTraining, LossTerm } from 'dynaneural/train';

export interface SharpenOptions {
  readonly temperature: Schedule;
  /** What logits are multiplied by at each step; rising, so that samples come to be the hard choice. */
  readonly sharpness: Schedule;
}

/**
 * Gumbel-Softmax whose noise fades: logits grow against it while the net learns. At the end training sees the choices that the
 * shipped net makes, and a gate that is to save compute has to close, not only to be open less often.
 *
 * @example train(net, { data, epochs: 3, decisions: sharpening({ temperature: exponential(5, 1), sharpness: exponential(1, 6) }) })
 */
export function sharpening({ temperature, sharpness }: SharpenOptions): DecisionTraining {
  const sampled = gumbel({ temperature });
  return {
    ...sampled,
    name: 'sharpening gumbel',
    scalars: { ...sampled.scalars, sharpness },
    weigh: (meeting) => sampled.weigh({ ...meeting, logits: mul(meeting.logits, meeting.scalar('sharpness')) }),
    keep: (meeting) => sampled.keep!({ ...meeting, score: mul(meeting.score, meeting.scalar('sharpness')) }),
  };
}

/**
 * The decisions of a family should run or keep this share, on the mean over all of them and the batch: weight x (mean - share)^2
 * (AdaViT has such a target for blocks, heads and patches each, Meng et al. 2022, arXiv:2111.15668). Which decision and which
 * image falls below is left to training.
 *
 * @example train(net, { data, epochs: 3, cost: [macTarget(0.55), usage('heads', 0.75)] })
 */
export const usage = (family: string, share: number, weight = 10): LossTerm => ({
  name: `usage of ${family}`,
  of({ decisions }) {
    const own = decisions.filter((d) => d.decision.family === family);
    // The first column is what runs, or the share that is kept.
    const rates = own.map((d) => meanAll(slice(d.weights, [{ axis: 1, start: 0, end: 1 }])));
    const off = sub(
      mul(
        rates.reduce((a, b) => add(a, b)),
        1 / own.length,
      ),
      share,
    );
    return mul(mul(off, off), weight);
  },
});

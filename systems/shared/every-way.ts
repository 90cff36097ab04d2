import { exactPolicy, macTarget, waysOf } from 'dynaneural';
import type { Net } from 'dynaneural/dynamic';
import type { TrainOptions } from 'dynaneural/train';

export interface EveryWay {
  /** Of each way's loss but the full one's, which is to stay as good as it was: 1. */
  readonly weight: number;
  readonly distill: { readonly weight: number; readonly temperature: number };
  /** What the policy is held to, as a share of the full MACs. */
  readonly macs: number;
}

/** Every way through a net learns to answer, taught by the full one, and its decisions learn from all of them at once. */
export function overEveryWay(made: Net, { weight, distill, macs }: EveryWay): Partial<TrainOptions> {
  const ways = waysOf(made);
  return {
    paths: ways.map((w) => w.choices).reverse(),
    // Answers stand the other way round: the full way's is the last.
    weights: ways.map((_, i) => (i === ways.length - 1 ? 1 : weight)),
    distill,
    decisions: exactPolicy(),
    cost: macTarget(macs),
  };
}

import { classify, conv, gate, type Tensor } from 'dynaneural';
import { confidence } from 'dynaneural/dynamic';
import { add, mul, param, reshape, sub } from 'dynaneural/graph';
import { stopGradient } from 'dynaneural/nn';

/** How much of what a look saw goes into later answers (BoostNet, Yu et al. 2022, arXiv:2211.16726). */
const CARRIED = 0.5;

/** An answer that stands on what was seen before it. */
export const upon = (logits: Tensor, seen?: Tensor): Tensor =>
  seen ? add(logits, mul(stopGradient(seen), CARRIED)) : logits;

/**
 * A look: a small classifier whose confidence tells gates which images are hard; features alone, pooled, did not. It learns as an
 * exit. Early features see little of the image: a first look goes further.
 */
export const look = (x: Tensor, first: boolean): Tensor => {
  const norm = { norm: 'batch', activation: 'relu' } as const;
  return classify(first ? conv(x, 128, { stride: 2, ...norm }) : conv(x, 64, { kernel: 1, ...norm }));
};

/** What a logarithm of a probability weighs at first: noise of training is about as large as it then is. */
const UNSURE = 4;

/** How much more compute is wanted, [N, 1]: by the features, and the more the less sure the look was. Neither learns by it. */
export function wanted(x: Tensor, seen: Tensor): Tensor {
  const sure = reshape(confidence({ logits: stopGradient(seen), previous: [] }), [0, 1]);
  return sub(gate(stopGradient(x)), mul(sure, param('unsure', [1], { kind: 'constant', value: UNSURE })));
}

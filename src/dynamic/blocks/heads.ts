import type { Tensor } from '../../graph/index.ts';
import { gate, multiHeadAttention, takeToken } from '../../nn/index.ts';
import { type KeepRule, keep } from '../units.ts';
import { policyIn } from './parts.ts';

export type KeepHeadsOptions = KeepRule & {
  /** Must divide the width of the tokens. */
  readonly heads: number;
  /** How much each head is worth to an input, [N, heads]; by default `gate` on the tokens. */
  readonly score?: ((tokens: Tensor) => Tensor) | Tensor;
  /** Which tokens earlier layers kept, [N, T]. */
  readonly mask?: Tensor;
  readonly name?: string;
};

/**
 * A decision: multi-head attention in which each input keeps some of the heads (Voita et al. 2019, arXiv:1905.09418; chosen for
 * each input as in AdaViT, Meng et al. 2022, arXiv:2111.15668).
 *
 * Files for one input compute queries, keys, values and the last map for kept heads only; files for batches put the results
 * of dropped heads to zero.
 *
 * @param tokens [N, T, D]
 * @returns [N, T, D]
 * @throws DynaError 'shape' where heads do not divide the width, 'usage' for counts outside of 1 to heads
 * @example t = add(t, keepHeads(layerNorm(t), { heads: 4, threshold: 0 }))
 */
export function keepHeads(tokens: Tensor, options: KeepHeadsOptions): Tensor {
  const { heads, score: _, mask, name, ...rule } = options;
  // Dropped tokens must not speak for the others: the class token does.
  const seen = mask ? takeToken(tokens) : tokens;
  const worth = () => gate(seen, { outputs: heads, bias: new Array<number>(heads).fill(1) });
  const kept = keep({
    ...{ family: 'heads', rule: rule as KeepRule },
    ...(name === undefined ? {} : { name }),
    score: () => policyIn(options, 'score', tokens, worth),
  });
  return multiHeadAttention(tokens, { heads, headGate: kept.mask, ...(mask ? { mask } : {}) });
}

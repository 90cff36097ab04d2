import { DynaError } from '../../errors.ts';
import {
  div,
  exp,
  formatShape,
  greater,
  matMul,
  matrixTranspose,
  max,
  min,
  mul,
  reduceMax,
  reduceSum,
  reshape,
  softmax,
  split,
  sub,
  type Tensor,
  transpose,
  unsqueeze,
  where,
} from '../../graph/index.ts';
import { xavierUniform } from '../init.ts';
import { stopGradient } from '../stop-gradient.ts';
import { checkCount, type LayerOptions, layer } from './layer.ts';
import { linear } from './linear.ts';
import { widthOfTokens } from './tokens.ts';

export interface AttentionOptions extends LayerOptions {
  /** Must divide the width of the tokens. */
  readonly heads: number;
  /** [N, T] float: 1 kept, 0 dropped. Nobody attends to a dropped token; a share between weighs it. */
  readonly mask?: Tensor;
  /** [N, heads] float: multiplies each head's result before the last linear map. */
  readonly headGate?: Tensor;
}

/** Keys that are dropped count no more than this many e-folds over the best kept one, so that nothing overflows. */
const HIGHEST = 30;
/** Less than any sum that holds a kept key, whose largest term is its own mask. */
const NOTHING = 1e-20;

/**
 * mask_j exp(s_j) / sum_k mask_k exp(s_k) over the last axis. At 0 the mask still has a slope, so that a policy which
 * dropped a token can learn to keep it (Rao et al. 2021, DynamicViT, arXiv:2106.02034). No key kept gives zeros.
 */
function maskedSoftmax(scores: Tensor, mask: Tensor): Tensor {
  const keys = unsqueeze(mask, [1, 2]);
  const best = stopGradient(reduceMax(where(greater(keys, 0), scores, -1e30), [3], true));
  const terms = mul(exp(min(sub(scores, best), HIGHEST)), keys);
  return div(terms, max(reduceSum(terms, [3], true), NOTHING));
}

function checkGate(gate: Tensor, wanted: readonly [string | number, string | number], what: string): void {
  if (gate.rank !== 2 || gate.shape[0] !== wanted[0] || gate.shape[1] !== wanted[1])
    throw new DynaError('shape', `${what} should be ${formatShape(wanted)}, got ${formatShape(gate.shape)}`);
}

/**
 * softmax(q k^T / sqrt(d)) v in each of `heads` subspaces of width d = D / heads, then a linear map of all of them
 * (Vaswani et al. 2017, arXiv:1706.03762).
 *
 * With a mask, the rows of kept tokens are what attention over the kept tokens alone would give; rows of dropped ones
 * mean nothing. The number of tokens may be known by name only.
 *
 * Parameters: qkv/weight [3 D, D], qkv/bias [3 D] (queries, keys, values), project/weight [D, D], project/bias [D].
 *
 * @param tokens [N, T, D]
 * @returns [N, T, D]
 * @throws DynaError 'shape' where heads do not divide the width, or a mask or gate does not fit
 * @example tokens = add(tokens, multiHeadAttention(layerNorm(tokens), { heads: 4, mask: kept }))
 */
export const multiHeadAttention = (tokens: Tensor, options: AttentionOptions): Tensor =>
  layer('multiHeadAttention', options, () => {
    const { heads, mask, headGate } = options;
    checkCount(heads, 'heads');
    const dim = widthOfTokens(tokens);
    if (dim % heads !== 0)
      throw new DynaError('shape', `${heads} heads do not divide a width of ${dim}`, {
        fix: 'choose a width that is a multiple of the heads',
      });
    const [rows, count] = tokens.shape as readonly [string | number, string | number];
    if (mask) checkGate(mask, [rows, count], 'mask');
    if (headGate) checkGate(headGate, [rows, heads], 'headGate');
    const width = dim / heads;
    const all = linear(tokens, 3 * dim, { init: xavierUniform, name: 'qkv' });
    // 0 keeps rows and tokens whatever their number is.
    const apart = transpose(reshape(all, [0, 0, 3 * heads, width]), [0, 2, 1, 3]);
    const [q, k, v] = split(apart, [heads, heads, heads], 1) as [Tensor, Tensor, Tensor];
    const scores = matMul(mul(q, width ** -0.5), matrixTranspose(k));
    const attention = mask ? maskedSoftmax(scores, mask) : softmax(scores, -1);
    let result = matMul(attention, v);
    if (headGate) result = mul(result, unsqueeze(headGate, [2, 3]));
    return linear(reshape(transpose(result, [0, 2, 1, 3]), [0, 0, dim]), dim, { name: 'project' });
  });

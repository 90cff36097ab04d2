import { DynaError } from '../../errors.ts';
import { add, type Tensor } from '../../graph/index.ts';
import { xavierUniform } from '../init.ts';
import type { Activation } from './activation.ts';
import { type AttentionOptions, multiHeadAttention } from './attention.ts';
import { type LayerOptions, layer } from './layer.ts';
import { linear } from './linear.ts';
import { layerNorm } from './norm.ts';
import { widthOfTokens } from './tokens.ts';

export interface MlpOptions extends LayerOptions {
  /** Hidden width as a multiple of the tokens' width; 4 by default. */
  readonly ratio?: number;
  /** 'gelu' by default. */
  readonly activation?: Activation;
}

/**
 * Two linear maps of every token alone, with an activation between (Vaswani et al. 2017, arXiv:1706.03762).
 *
 * Parameters: expand/weight [ratio D, D], expand/bias, contract/weight [D, ratio D], contract/bias.
 *
 * @param tokens [N, T, D]
 * @returns [N, T, D]
 * @example tokens = add(tokens, mlp(layerNorm(tokens), { ratio: 2 }))
 */
export const mlp = (tokens: Tensor, options: MlpOptions = {}): Tensor =>
  layer('mlp', options, () => {
    const { ratio = 4, activation = 'gelu' } = options;
    const dim = widthOfTokens(tokens);
    const hidden = ratio * dim;
    if (!Number.isInteger(hidden) || hidden < 1)
      throw new DynaError(
        'usage',
        `a ratio of ${ratio} makes ${hidden} hidden features of ${dim}; a whole number is expected`,
      );
    const wide = linear(tokens, hidden, { activation, init: xavierUniform, name: 'expand' });
    return linear(wide, dim, { name: 'contract' });
  });

export interface TransformerLayerOptions extends AttentionOptions, Omit<MlpOptions, 'name'> {}

/**
 * x + attention(norm(x)), then y + mlp(norm(y)): a transformer layer whose normalisations come first, so that the
 * shortcut stays clear (Xiong et al. 2020, arXiv:2002.04745; Dosovitskiy et al. 2020, arXiv:2010.11929).
 *
 * Parameters: attention/..., mlp/..., norm1/..., norm2/... (scale and bias [D]).
 *
 * @param tokens [N, T, D]; T may be known by name only
 * @returns [N, T, D]
 * @throws DynaError 'shape' where heads do not divide the width, or a mask or gate does not fit
 * @example for (let i = 0; i < 6; i++) tokens = transformerLayer(tokens, { heads: 4 })
 */
export const transformerLayer = (tokens: Tensor, options: TransformerLayerOptions): Tensor =>
  layer('transformerLayer', options, () => {
    const { name: _, ratio, activation, ...attention } = options;
    const mixed = multiHeadAttention(layerNorm(tokens, { name: 'norm1' }), { ...attention, name: 'attention' });
    const x = add(tokens, mixed);
    const own = { name: 'mlp', ...(ratio === undefined ? {} : { ratio }), ...(activation ? { activation } : {}) };
    return add(x, mlp(layerNorm(x, { name: 'norm2' }), own));
  });

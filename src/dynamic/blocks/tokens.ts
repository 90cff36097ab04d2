import { DynaError } from '../../errors.ts';
import { formatShape, reshape, type Tensor } from '../../graph/index.ts';
import { layerNorm, linear } from '../../nn/index.ts';
import { type KeepRule, keep } from '../units.ts';
import { policyIn } from './parts.ts';

export type KeepTokensOptions = KeepRule & {
  /** How much each token is worth, [N, T] or [N, T, 1]; by default a linear map of the normalised tokens. */
  readonly score?: ((tokens: Tensor) => Tensor) | Tensor;
  /** The mask of an earlier stage: tokens that it dropped stay dropped. */
  readonly mask?: Tensor;
  /** So many tokens at the front are always kept; 1 by default: the class token. 0 where there is none. */
  readonly always?: number;
  readonly name?: string;
};

/** Scores [N, T] from [N, T] or [N, T, 1]. */
function flat(score: Tensor): Tensor {
  if (score.rank === 2) return score;
  const count = score.shape[1];
  if (score.rank === 3 && score.shape[2] === 1 && typeof count === 'number') return reshape(score, [0, count]);
  throw new DynaError(
    'shape',
    `tokens are scored by one number each, [N, T] or [N, T, 1], got ${formatShape(score.shape)}`,
  );
}

const worth = (tokens: Tensor): Tensor => linear(layerNorm(tokens, { name: 'norm' }), 1, { name: 'score' });

/**
 * A decision: keep some tokens, drop the others for all layers that follow (DynamicViT, Rao et al. 2021, arXiv:2106.02034;
 * EViT, Liang et al. 2022, arXiv:2202.07800). Hand the mask to attention, and to the next stage.
 *
 * With a `count` or `share` every input keeps as many, and batches really run on fewer tokens; by `threshold` each input
 * keeps as many as score above it, which files for one input skip and files for batches only mask.
 *
 * @param tokens [N, T, D]; T is the full number also behind an earlier stage, whose `mask` then must be given
 * @returns the tokens, dropped ones put to zero, and the mask [N, T] (1 kept, 0 dropped)
 * @throws DynaError 'usage' for a share outside of (0, 1], counts outside of 1 to T; 'shape' where the score does not fit
 * @example
 * let { tokens: t, mask } = keepTokens(tokens, { share: 0.7 })
 * t = transformerLayer(t, { heads: 4, mask })
 */
export function keepTokens(
  tokens: Tensor,
  options: KeepTokensOptions,
): { readonly tokens: Tensor; readonly mask: Tensor } {
  if (tokens.rank !== 3)
    throw new DynaError('shape', `tokens [N, T, D] are expected, got ${formatShape(tokens.shape)}`);
  const { score: _, mask, always = 1, name, ...rule } = options;
  const kept = keep({
    ...{ family: 'tokens', rule: rule as KeepRule, always },
    ...(name === undefined ? {} : { name }),
    ...(mask ? { mask } : {}),
    score: () => flat(policyIn(options, 'score', tokens, worth)),
    values: [{ x: tokens, axis: 1 }],
  });
  return { tokens: kept.values[0]!, mask: kept.mask };
}

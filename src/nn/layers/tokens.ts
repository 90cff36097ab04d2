import { DynaError } from '../../errors.ts';
import {
  add,
  concat,
  constant,
  formatShape,
  gather,
  ndarray,
  param,
  reshape,
  type Tensor,
  transpose,
  where,
} from '../../graph/index.ts';
import type { Initializer } from '../init.ts';
import { stopGradient } from '../stop-gradient.ts';
import { conv } from './conv.ts';
import { checkCount, type LayerOptions, layer, sizeOfAxis } from './layer.ts';

/** Refuses what is not [N, T, D]; the width D. */
export function widthOfTokens(tokens: Tensor): number {
  if (tokens.rank !== 3)
    throw new DynaError('shape', `tokens [N, T, D] are expected, got ${formatShape(tokens.shape)}`, {
      fix: 'make them of an image with patchEmbed(x, dim)',
    });
  return sizeOfAxis(tokens, 2, 'the width of the tokens (axis 2)');
}

/** Learned tokens begin small, so that what the image says counts from the first step (Dosovitskiy et al. 2020). */
const small = { kind: 'normal', std: 0.02 } as const;

export interface PatchEmbedOptions extends LayerOptions {
  /** Side of a square patch, in pixels; 4 by default. Height and width of the image must divide by it. */
  readonly patch?: number;
  /** On by default. */
  readonly bias?: boolean;
  readonly init?: Initializer;
}

/**
 * An image as tokens: each patch of pixels through one linear map, row by row (Dosovitskiy et al. 2020, arXiv:2010.11929).
 *
 * Parameters: patches/weight [dim, C, patch, patch], patches/bias [dim].
 *
 * @param x [N, C, H, W]
 * @param dim width of a token
 * @returns [N, H / patch * W / patch, dim]
 * @throws DynaError 'shape' where the image does not divide into patches
 * @example let tokens = patchEmbed(x, 128, { patch: 4 })
 */
export const patchEmbed = (x: Tensor, dim: number, options: PatchEmbedOptions = {}): Tensor =>
  layer('patchEmbed', options, () => {
    const { patch = 4, bias = true, init } = options;
    checkCount(dim, 'dim');
    checkCount(patch, 'patch');
    const [height, width] = x.shape.slice(2);
    if (x.rank !== 4 || typeof height !== 'number' || typeof width !== 'number')
      throw new DynaError('shape', `an image [N, C, H, W] of known size is expected, got ${formatShape(x.shape)}`);
    if (height % patch !== 0 || width % patch !== 0)
      throw new DynaError('shape', `${height} x ${width} pixels do not divide into patches of ${patch} x ${patch}`);
    const how = { kernel: patch, stride: patch, padding: 'valid', bias, name: 'patches' } as const;
    const features = conv(x, dim, init ? { ...how, init } : how);
    // The number of patches is written out: an inferred size would fail on no rows.
    const count = (height / patch) * (width / patch);
    return transpose(reshape(features, [0, dim, count]), [0, 2, 1]);
  });

/**
 * Puts one learned token in front, which gathers what the classifier needs (Devlin et al. 2018; Dosovitskiy et al. 2020).
 *
 * Parameters: token [1, 1, D].
 *
 * @param tokens [N, T, D], T from 1 on; T may be known by name only
 * @returns [N, 1 + T, D]
 * @example tokens = classToken(patchEmbed(x, 128))
 */
export const classToken = (tokens: Tensor, options: LayerOptions = {}): Tensor =>
  layer('classToken', options, () => {
    const token = param('token', [1, 1, widthOfTokens(tokens)], small, 'bias');
    // One token for each row: Where repeats it without asking for shapes, which rows of a region must not.
    const place = stopGradient(gather(tokens, constant(ndarray('int64', [1], [0])), 1));
    const always = constant(ndarray('bool', [1, 1, 1], [1]));
    return concat([where(always, token, place), tokens], 1);
  });

/**
 * One token of each row.
 *
 * @param tokens [N, T, D]
 * @param at its place; 0 by default, where `classToken` puts its own
 * @returns [N, D]
 * @example return classify(takeToken(layerNorm(tokens)))
 */
export function takeToken(tokens: Tensor, at = 0): Tensor {
  widthOfTokens(tokens);
  return gather(tokens, constant(ndarray('int64', [], [at])), 1);
}

/**
 * Adds a learned vector to each place (Dosovitskiy et al. 2020, arXiv:2010.11929).
 *
 * Parameters: position [T, D].
 *
 * @param tokens [N, T, D]; T must be known: add positions before tokens are dropped
 * @returns [N, T, D]
 * @throws DynaError 'shape' where T is known by name only
 * @example tokens = positionEmbedding(classToken(patchEmbed(x, 128)))
 */
export const positionEmbedding = (tokens: Tensor, options: LayerOptions = {}): Tensor =>
  layer('positionEmbedding', options, () => {
    const width = widthOfTokens(tokens);
    const count = sizeOfAxis(tokens, 1, 'the number of tokens (axis 1)');
    return add(tokens, param('position', [count, width], small, 'bias'));
  });

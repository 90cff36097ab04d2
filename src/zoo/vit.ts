import { type Net, net } from '../dynamic/index.ts';
import {
  classify,
  classToken,
  layerNorm,
  patchEmbed,
  positionEmbedding,
  takeToken,
  transformerLayer,
} from '../nn/index.ts';
import type { Task } from './multi-exit.ts';

export interface VitOptions {
  /** Side of a patch in pixels; 4 by default: 64 tokens of an image of 32 x 32. */
  readonly patch?: number;
  /** Width of a token; 128 by default. */
  readonly dim?: number;
  /** Transformer layers; 6 by default. */
  readonly depth?: number;
  /** Attention heads of each; 4 by default. */
  readonly heads?: number;
  /** Hidden width of the layers' perceptrons, as a multiple of `dim`; 2 by default, enough for small images. */
  readonly ratio?: number;
}

/**
 * A vision transformer for small images (Dosovitskiy et al. 2020, arXiv:2010.11929): patches as tokens, learned positions,
 * layers that normalise first, and an answer read from the class token.
 *
 * @throws DynaError 'shape' where the image does not divide into patches, or `dim` into heads
 * @example const net = vit({ input: [3, 32, 32], classes: 10 }, { depth: 8 })
 */
export const vit = (
  { input, classes }: Task,
  { patch = 4, dim = 128, depth = 6, heads = 4, ratio = 2 }: VitOptions = {},
): Net =>
  net({ input, classes, name: 'vit' }, (x) => {
    let tokens = positionEmbedding(classToken(patchEmbed(x, dim, { patch })));
    for (let i = 0; i < depth; i++) tokens = transformerLayer(tokens, { heads, ratio });
    // Every token is its own for LayerNorm: the answer's alone needs it.
    return classify(layerNorm(takeToken(tokens)));
  });

import { DynaError } from '../../errors.ts';
import { flatten, formatShape, globalAveragePool, type Tensor } from '../../graph/index.ts';
import { currentClasses } from '../context.ts';
import type { Initializer } from '../init.ts';
import { type LayerOptions, layer } from './layer.ts';
import { affine } from './linear.ts';

export interface ClassifyOptions extends LayerOptions {
  /** By default the number of classes of the net that is being traced. */
  readonly classes?: number;
  /** How the weight starts; `xavierUniform` by default. */
  readonly init?: Initializer;
}

/**
 * A classifier's head: the mean over all positions of an image, then a linear map to one logit for each class.
 *
 * Parameters: weight [classes, C], bias [classes].
 *
 * @param x [N, C, H, W] or [N, C]
 * @returns logits [N, classes]
 * @throws DynaError 'shape' for another rank; 'usage' outside of a net when `classes` is not given
 * @example const logits = classify(x, { classes: 10 })
 */
export const classify = (x: Tensor, options: ClassifyOptions = {}): Tensor =>
  layer('classify', options, () => {
    if (x.rank !== 2 && x.rank !== 4)
      throw new DynaError('shape', `features [N, C] or [N, C, H, W] are expected, got ${formatShape(x.shape)}`, {
        fix: 'pool or flatten them first',
      });
    const features = x.rank === 4 ? flatten(globalAveragePool(x)) : x;
    const { classes = currentClasses(), init } = options;
    return affine(features, classes, init ? { init } : {});
  });

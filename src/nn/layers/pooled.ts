import { DynaError } from '../../errors.ts';
import { flatten, formatShape, globalAveragePool, reduceMean, type Tensor } from '../../graph/index.ts';

/**
 * What one input says on the whole, as a vector: the mean over the positions of an image, over tokens, or the vector
 * itself.
 *
 * @param x [N, C, H, W], [N, T, D] or [N, F]
 * @returns [N, features]
 * @throws DynaError 'shape' for another rank
 */
export function pooled(x: Tensor): Tensor {
  if (x.rank === 4) return flatten(globalAveragePool(x));
  if (x.rank === 3) return reduceMean(x, [1]);
  if (x.rank === 2) return x;
  throw new DynaError(
    'shape',
    `features [N, C, H, W], tokens [N, T, D] or vectors [N, F] are expected, got ${formatShape(x.shape)}`,
  );
}

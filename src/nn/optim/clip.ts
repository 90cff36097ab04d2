import { DynaError } from '../../errors.ts';
import { add, div, dot, min, mul, sqrt, type Tensor } from '../../graph/index.ts';

/**
 * g min(1, max / (|g| + 1e-6)), with |g| the Euclidean norm over all elements (Pascanu et al. 2012, arXiv:1211.5063;
 * the 1e-6 is PyTorch's).
 *
 * @param gradient any shape
 * @param max the largest norm that passes, above 0
 * @returns the clipped gradient, and the norm before (a scalar) for the log
 * @throws DynaError 'usage' when `max` is not above 0
 * @example const { gradient, norm } = clipByGlobalNorm(flatGradient, 1)
 */
export function clipByGlobalNorm(gradient: Tensor, max: number): { gradient: Tensor; norm: Tensor } {
  if (!(max > 0)) throw new DynaError('usage', `clipByGlobalNorm: a norm above 0 is expected, got ${max}`);
  const norm = sqrt(dot(gradient, gradient));
  return { gradient: mul(gradient, min(div(max, add(norm, 1e-6)), 1)), norm };
}

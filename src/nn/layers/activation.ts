import { DynaError } from '../../errors.ts';
import {
  apply,
  Elu,
  gelu,
  hardSwish,
  identity,
  leakyRelu,
  relu,
  sigmoid,
  silu,
  softplus,
  type Tensor,
  tanh,
} from '../../graph/index.ts';

/**
 * x where x > 0, alpha (exp(x) - 1) elsewhere (Clevert et al. 2015, arXiv:1511.07289).
 *
 * @example x = elu(linear(x, 64))
 */
export const elu = (x: Tensor, alpha = 1): Tensor => apply(Elu, [x], { alpha });

const activations = { relu, leakyRelu, elu, gelu, silu, hardSwish, sigmoid, tanh, softplus, identity } as const;

/** An activation by its name in the field, or any function of a tensor. */
export type Activation = keyof typeof activations | ((x: Tensor) => Tensor);

/** Applies an activation; `false` leaves `x` as it is. */
export function activate(x: Tensor, activation: Activation | false): Tensor {
  if (activation === false) return x;
  if (typeof activation === 'function') return activation(x);
  const known = activations[activation];
  if (!known)
    throw new DynaError('usage', `there is no activation "${activation}"`, {
      fix: `use one of ${Object.keys(activations).join(', ')}, or a function of a tensor`,
    });
  return known(x);
}

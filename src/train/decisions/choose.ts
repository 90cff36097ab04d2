import {
  add,
  argMax,
  cast,
  clip,
  constant,
  equal,
  log,
  mul,
  ndarray,
  neg,
  sub,
  type Tensor,
  unsqueeze,
} from '../../graph/index.ts';
import { stopGradient } from '../../nn/index.ts';

/** 1 where a row's largest value stands, 0 elsewhere, [N, K]; the first of equals. */
export function hardChoice(scores: Tensor): Tensor {
  const k = Number(scores.shape[1]);
  const numbers = constant(
    ndarray(
      'int64',
      [k],
      Array.from({ length: k }, (_, i) => i),
    ),
  );
  return cast(equal(unsqueeze(argMax(scores, 1), [1]), numbers), 'float32');
}

/** Standard Gumbel noise from uniform numbers in [0, 1): -log(-log u). */
export const gumbelNoise = (uniform: Tensor): Tensor =>
  neg(log(neg(log(add(mul(clip(uniform, 0, 1), 1 - 2e-6), 1e-6)))));

/** log-probabilities plus Gumbel noise: the largest is a sample (Gumbel 1954; Maddison et al. 2014). */
export const perturbed = (logits: Tensor, uniform: Tensor): Tensor => add(logits, gumbelNoise(uniform));

/** `hard` forwards, the gradient of `soft` backwards (Bengio et al. 2013, arXiv:1308.3432). */
export const straightThrough = (hard: Tensor, soft: Tensor): Tensor => add(stopGradient(sub(hard, soft)), soft);

import { add, cast, div, mul, pow, scalar, sqrt, sub, type Tensor } from '../../graph/index.ts';
import { checkSetting, type Optimizer } from './optimizer.ts';

export interface AdamWOptions {
  /** Memory of the mean gradient; 0.9 by default. */
  readonly beta1?: number;
  /** Memory of its square; 0.999 by default. */
  readonly beta2?: number;
  /** Added to the root; 1e-8 by default. */
  readonly epsilon?: number;
  /** Decoupled: takes lr weightDecay of each weight, past the moments; 0.01 by default. */
  readonly weightDecay?: number;
}

// In double precision: 1 - beta^step loses half its digits in float32 at the first steps.
const correction = (beta: number, step: Tensor): Tensor => sub(1, pow(scalar(beta, 'float64'), cast(step, 'float64')));

const blend = (old: Tensor, fresh: Tensor, beta: number): Tensor => add(mul(old, beta), mul(fresh, 1 - beta));

/**
 * Adam with decoupled weight decay, with PyTorch's conventions:
 * m' = beta1 m + (1 - beta1) g; v' = beta2 v + (1 - beta2) g^2;
 * p' = p - lr weightDecay decay p - lr (m' / (1 - beta1^t)) / (sqrt(v' / (1 - beta2^t)) + epsilon)
 * (Kingma & Ba 2014, arXiv:1412.6980; Loshchilov & Hutter 2017, arXiv:1711.05101).
 *
 * @throws DynaError 'usage' for settings outside their range
 * @example const optimizer = adamW({ weightDecay: 0.05 })
 */
export function adamW(options: AdamWOptions = {}): Optimizer {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 } = options;
  checkSetting('beta1', beta1, 0, 1);
  checkSetting('beta2', beta2, 0, 1);
  checkSetting('epsilon', epsilon, 0, Number.POSITIVE_INFINITY);
  checkSetting('weightDecay', weightDecay, 0, Number.POSITIVE_INFINITY);
  return {
    name: 'adamW',
    lr: 1e-3,
    slots: ['firstMoment', 'secondMoment'],
    update({ param, gradient, slots, lr, step, decay }) {
      const first = blend(slots[0]!, gradient, beta1);
      const second = blend(slots[1]!, mul(gradient, gradient), beta2);
      // lr m^ / (sqrt(v^) + e) = rate m' / (sqrt(v') + e root): the corrections stay scalars.
      const root = sqrt(correction(beta2, step));
      const rate = cast(div(mul(cast(lr, 'float64'), root), correction(beta1, step)), param.dtype);
      const size = add(sqrt(second), cast(mul(root, epsilon), param.dtype));
      const kept = weightDecay > 0 ? sub(param, mul(mul(decay, mul(lr, weightDecay)), param)) : param;
      return { param: sub(kept, mul(div(first, size), rate)), slots: [first, second] };
    },
  };
}

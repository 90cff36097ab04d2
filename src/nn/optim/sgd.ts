import { DynaError } from '../../errors.ts';
import { add, mul, sub } from '../../graph/index.ts';
import { checkSetting, type Optimizer } from './optimizer.ts';

export interface SgdOptions {
  /** 0.9 by default; 0 needs no slot. */
  readonly momentum?: number;
  /** Looks one step ahead; off by default. */
  readonly nesterov?: boolean;
  /** L2 penalty, coupled: its gradient joins the loss's; 0 by default. */
  readonly weightDecay?: number;
}

/**
 * Stochastic gradient descent, with PyTorch's conventions:
 * d = g + weightDecay decay p; v' = momentum v + d; p' = p - lr v', or with Nesterov p' = p - lr (d + momentum v')
 * (Polyak 1964; Sutskever et al. 2013).
 *
 * @throws DynaError 'usage' for settings outside their range
 * @example const optimizer = sgd({ momentum: 0.9, nesterov: true, weightDecay: 5e-4 })
 */
export function sgd(options: SgdOptions = {}): Optimizer {
  const { momentum = 0.9, nesterov = false, weightDecay = 0 } = options;
  checkSetting('momentum', momentum, 0, 1);
  checkSetting('weightDecay', weightDecay, 0, Number.POSITIVE_INFINITY);
  if (nesterov && momentum === 0) throw new DynaError('usage', 'nesterov needs a momentum above 0');
  return {
    name: 'sgd',
    lr: 0.05,
    slots: momentum > 0 ? ['momentum'] : [],
    update({ param, gradient, slots, lr, decay }) {
      const d = weightDecay > 0 ? add(gradient, mul(mul(decay, weightDecay), param)) : gradient;
      if (momentum === 0) return { param: sub(param, mul(d, lr)), slots: [] };
      const velocity = add(mul(slots[0]!, momentum), d);
      const direction = nesterov ? add(d, mul(velocity, momentum)) : velocity;
      return { param: sub(param, mul(direction, lr)), slots: [velocity] };
    },
  };
}

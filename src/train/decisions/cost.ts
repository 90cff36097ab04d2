import { DynaError } from '../../errors.ts';
import { add, meanAll, mul, reduceMean, slice, sub, sumAll, type Tensor } from '../../graph/index.ts';
import { type Schedule, stopGradient } from '../../nn/index.ts';
import type { LossTerm } from './types.ts';

function checkShare(what: string, value: number): void {
  if (!(value > 0 && value <= 1))
    throw new DynaError('usage', `${what} is a share above 0 and at most 1, got ${value}`);
}

const squared = (x: Tensor): Tensor => mul(x, x);

export interface RateOptions {
  /** 2 by default. */
  readonly weight?: number;
}

/**
 * Each decision's first option should be taken by this share of inputs: weight x mean over decisions of
 * (rate - target)^2, with the rate of the *batch*, never of one input, so that inputs may differ
 * (ConvNet-AIG, Veit & Belongie 2018, arXiv:1711.11503).
 *
 * @param rate one share for all decisions, or by the decision's name (others are left free)
 * @throws DynaError 'usage' for rates outside (0, 1]
 * @example train(gated, { data, epochs: 10, decisions: gumbel(), cost: rateTarget(0.6) })
 */
export function rateTarget(
  rate: number | Readonly<Record<string, number>>,
  { weight = 2 }: RateOptions = {},
): LossTerm {
  for (const value of typeof rate === 'number' ? [rate] : Object.values(rate)) checkShare('a rate', value);
  return {
    name: 'rate',
    of({ decisions }) {
      const terms = decisions.flatMap(({ decision, weights }) => {
        const target = typeof rate === 'number' ? rate : rate[decision.name];
        if (target === undefined) return [];
        const first = slice(weights, [{ axis: 1, start: 0, end: 1 }]);
        return [squared(sub(meanAll(first), target))];
      });
      if (terms.length === 0)
        throw new DynaError(
          'usage',
          `the rates name none of the decisions ${decisions.map((d) => d.decision.name).join(', ')}`,
        );
      return mul(
        terms.reduce((a, b) => add(a, b)),
        weight / terms.length,
      );
    },
  };
}

export interface MacTargetOptions {
  /** 10 by default (LAUDNet). */
  readonly weight?: number;
  /** The target falls from 1 to its value over this share of the training; 1/3 by default. */
  readonly tighten?: number;
}

/**
 * The batch's expected MACs should be this share of the full ones: weight x (mean cost - share)^2
 * (LAUDNet, Han et al. 2023, arXiv:2308.15949). Which decision saves them is left to training.
 *
 * @throws DynaError 'usage' for a share outside (0, 1]
 * @example train(gated, { data, epochs: 10, decisions: gumbel(), cost: macTarget(0.5) })
 */
export function macTarget(share: number, { weight = 10, tighten = 1 / 3 }: MacTargetOptions = {}): LossTerm {
  checkShare('a share of the MACs', share);
  const target: Schedule = (step, total) => share + (1 - share) * Math.max(0, 1 - step / Math.max(1, tighten * total));
  return {
    name: 'macs',
    scalars: { target },
    of: ({ cost, scalar }) => mul(squared(sub(reduceMean(cost, [0]), scalar('target'))), weight),
  };
}

/**
 * What compute costs: price x mean expected MACs (as a share of the full ones), in units of the task's loss.
 *
 * @throws DynaError 'usage' for a price below 0
 * @example train(gated, { data, epochs: 10, decisions: gumbel(), cost: macPrice(0.3) })
 */
export function macPrice(price: number): LossTerm {
  if (!(price >= 0 && Number.isFinite(price)))
    throw new DynaError('usage', `a price is a finite number of at least 0, got ${price}`);
  return { name: 'price', of: ({ cost }) => mul(reduceMean(cost, [0]), price) };
}

/**
 * Keeps experts equally busy: weight x K sum over experts of (share of inputs sent there) x (mean probability), summed over
 * all decisions of the family (Switch, Fedus et al. 2021, arXiv:2101.03961, eq. 4). 1 x weight where all are equal.
 *
 * @throws DynaError 'usage' for a weight below 0, or where the net has no such decision
 * @example train(net, { data, epochs: 10, decisions: gumbel(), cost: loadBalance(0.01) })
 */
export function loadBalance(weight = 0.01, family = 'experts'): LossTerm {
  if (!(weight >= 0 && Number.isFinite(weight)))
    throw new DynaError('usage', `a weight is a finite number of at least 0, got ${weight}`);
  return {
    name: 'balance',
    of({ decisions }) {
      const own = decisions.filter((d) => d.decision.family === family);
      if (own.length === 0)
        throw new DynaError('usage', `the net has no decision of the family "${family}" to balance`);
      const terms = own.map(({ decision, weights, probabilities }) =>
        mul(
          sumAll(mul(stopGradient(reduceMean(weights, [0])), reduceMean(probabilities, [0]))),
          weight * decision.options.length,
        ),
      );
      return terms.reduce((a, b) => add(a, b));
    },
  };
}

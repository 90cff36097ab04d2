import { DynaError } from '../../errors.ts';
import {
  add,
  concat,
  div,
  meanAll,
  mul,
  reduceMean,
  reduceSum,
  slice,
  softmax,
  sub,
  sumAll,
  type Tensor,
} from '../../graph/index.ts';
import { type Schedule, stopGradient } from '../../nn/index.ts';
import type { Decided, LossTerm } from './types.ts';

function checkShare(what: string, value: number): void {
  if (!(value > 0 && value <= 1))
    throw new DynaError('usage', `${what} is a share above 0 and at most 1, got ${value}`);
}

const squared = (x: Tensor): Tensor => mul(x, x);

export function checkWeight(weight: number): void {
  if (!(weight >= 0 && Number.isFinite(weight)))
    throw new DynaError('usage', `the weight of a term is a finite number of at least 0, got ${weight}`);
}

/**
 * The decisions that a target is for: all that can move, or those that are named.
 *
 * @throws DynaError 'usage' for a name that there is not, and where nothing can move
 */
export function targeted(
  what: string,
  decisions: readonly Decided[],
  target: number | Readonly<Record<string, number>>,
): readonly { readonly decided: Decided; readonly target: number }[] {
  const names = decisions.map((d) => d.decision.name);
  const list = names.join(', ') || 'none';
  if (typeof target !== 'number') {
    const unknown = Object.keys(target).find((name) => !names.includes(name));
    if (unknown !== undefined)
      throw new DynaError('usage', `${what} names "${unknown}", but the decisions that it could be for are ${list}`);
  }
  const wanted = decisions.flatMap((decided) => {
    const value = typeof target === 'number' ? target : target[decided.decision.name];
    return value === undefined ? [] : [{ decided, target: value }];
  });
  const moving = wanted.filter((w) => !w.decided.fixed);
  const stuck = wanted.find((w) => w.decided.fixed);
  if (stuck && (typeof target !== 'number' || moving.length === 0))
    throw new DynaError(
      'usage',
      `${what} cannot move "${stuck.decided.decision.name}": how much it takes is part of the net`,
      {
        fix: 'give its block another count, share or number of experts',
      },
    );
  if (moving.length === 0) throw new DynaError('usage', `${what} has no decision to be for; the net has ${list}`);
  return moving;
}

/** @throws DynaError 'usage' where all decisions take what the net says, so that its cost is one number */
function checkMoves(what: string, decisions: readonly Decided[]): void {
  if (decisions.length > 0 && decisions.every((d) => d.fixed)) targeted(what, decisions, 1);
}

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
  checkWeight(weight);
  return {
    name: 'rate',
    of({ decisions }) {
      const terms = targeted('a target rate', decisions, rate).map(({ decided: { weights }, target }) => {
        const first = slice(weights, [{ axis: 1, start: 0, end: 1 }]);
        return squared(sub(meanAll(first), target));
      });
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
  checkWeight(weight);
  if (!(tighten >= 0 && tighten <= 1))
    throw new DynaError('usage', `the part of the training in which a target falls is from 0 to 1, got ${tighten}`);
  const target: Schedule = (step, total) => share + (1 - share) * Math.max(0, 1 - step / Math.max(1, tighten * total));
  return {
    name: 'macs',
    scalars: { target },
    of: ({ cost, decisions, scalar }) => {
      checkMoves('a MAC target', decisions);
      return mul(squared(sub(reduceMean(cost, [0]), scalar('target'))), weight);
    },
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
  return {
    name: 'price',
    of: ({ cost, decisions }) => {
      checkMoves('a price of MACs', decisions);
      return mul(reduceMean(cost, [0]), price);
    },
  };
}

/**
 * Keeps experts equally busy: weight x K sum over experts of (share of the answers that are theirs) x (mean probability), summed
 * over all choices of the family (Switch, Fedus et al. 2021, arXiv:2101.03961, eq. 4). 1 x weight where all are equal. The best
 * two of K are one choice.
 *
 * @throws DynaError 'usage' for a weight below 0, or where the net has no such decision
 * @example train(net, { data, epochs: 10, decisions: gumbel(), cost: loadBalance(0.01) })
 */
export function loadBalance(weight = 0.01, family = 'experts'): LossTerm {
  checkWeight(weight);
  return {
    name: 'balance',
    of({ decisions }) {
      const own = decisions.filter((d) => d.decision.family === family);
      if (own.length === 0)
        throw new DynaError('usage', `the net has no decision of the family "${family}" to balance`);
      const alone = own.filter((d) => groupOf(d) === undefined);
      const groups = new Set(own.map(groupOf).filter((g) => g !== undefined));
      const terms = [
        ...alone.map(({ weights, probabilities }) => balance(weights, probabilities)),
        ...[...groups].map((group) => ofGroup(own.filter((d) => groupOf(d) === group))),
      ];
      return mul(
        terms.reduce((a, b) => add(a, b)),
        weight,
      );
    },
  };
}

const groupOf = ({ decision }: Decided): string | undefined =>
  decision.kind === 'select' ? decision.among?.group : undefined;

/** K sum over k of (mean answers) x (mean probability), of [N, K] each. */
const balance = (answers: Tensor, probabilities: Tensor): Tensor =>
  mul(
    sumAll(mul(stopGradient(reduceMean(answers, [0])), reduceMean(probabilities, [0]))),
    Number(probabilities.shape[1]),
  );

/** Several decisions to run or not: what speaks for each against not running it differs as the router's logits do. */
function ofGroup(members: readonly Decided[]): Tensor {
  const first = (t: Tensor): Tensor => slice(t, [{ axis: 1, start: 0, end: 1 }]);
  const second = (t: Tensor): Tensor => slice(t, [{ axis: 1, start: 1, end: 2 }]);
  const run = concat(
    members.map((d) => first(d.weights)),
    1,
  );
  const logits = concat(
    members.map((d) => sub(first(d.logits!), second(d.logits!))),
    1,
  );
  return balance(div(run, reduceSum(run, [1], true)), softmax(logits, 1));
}

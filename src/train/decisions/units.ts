import { hardMask } from '../../dynamic/index.ts';
import { DynaError } from '../../errors.ts';
import {
  add,
  cast,
  clip,
  constant,
  div,
  greater,
  log,
  meanAll,
  mul,
  ndarray,
  sigmoid,
  slice,
  sub,
  type Tensor,
} from '../../graph/index.ts';
import { stopGradient } from '../../nn/index.ts';
import { straightThrough } from './choose.ts';
import { checkWeight, targeted } from './cost.ts';
import type { LossTerm, UnitsMeeting } from './types.ts';

/** A unit's logit: how far its score is above the threshold; the highest scores have no threshold but their own. */
const logit = ({ decision, score }: Pick<UnitsMeeting, 'decision' | 'score'>): Tensor =>
  decision.rule === 'threshold' ? sub(score, decision.own) : score;

/** The mask that the shipped net will use, and the slope of a sigmoid behind it (Bengio et al. 2013, arXiv:1308.3432). */
export const straightUnits = (meeting: UnitsMeeting): Tensor => {
  const hard = hardMask(meeting.decision, stopGradient(meeting.score), 'sampled');
  return straightThrough(hard, sigmoid(logit(meeting)));
};

/** Each unit in part: sigmoid(score / temperature). Those that are always kept are. */
export const softUnits = (meeting: UnitsMeeting): Tensor =>
  withSure(sigmoid(div(logit(meeting), meeting.scalar('temperature'))), meeting.decision.always);

/** log u - log(1 - u): logistic noise, the difference of two Gumbels. */
const logistic = (uniform: Tensor): Tensor => {
  const u = add(mul(clip(uniform, 0, 1), 1 - 2e-6), 1e-6);
  return sub(log(u), log(sub(1, u)));
};

/**
 * Each unit is drawn for itself, with sigmoid(score) as its chance (Maddison et al. 2016, arXiv:1611.00712, as DynamicViT
 * draws tokens, Rao et al. 2021, arXiv:2106.02034). Units that are always kept are.
 */
export function sampledUnits(meeting: UnitsMeeting, hard: boolean): Tensor {
  const { decision, score, uniform, scalar } = meeting;
  const noisy = add(logit(meeting), logistic(uniform(score.shape as number[])));
  const soft = sigmoid(div(noisy, scalar('temperature')));
  const drawn = hard ? straightThrough(cast(greater(noisy, 0), 'float32'), soft) : soft;
  return withSure(drawn, decision.always);
}

/** 1 for the first of n units, 0 for the others. */
const constantMask = (units: number, count: number): Tensor =>
  constant(
    ndarray(
      'float32',
      [units],
      Array.from({ length: units }, (_, i) => (i < count ? 1 : 0)),
    ),
  );

/** 1 for the first units. */
function withSure(mask: Tensor, always: number): Tensor {
  if (always === 0) return mask;
  const units = Number(mask.shape[1]);
  const sure = constantMask(units, always);
  return add(mul(mask, sub(1, sure)), sure);
}

export interface KeepTargetOptions {
  /** 2 by default (DynamicViT). */
  readonly weight?: number;
}

/**
 * Decisions about units should keep this share of them, on the mean of a batch: weight x mean over decisions of
 * (share - target)^2 (the ratio loss of DynamicViT, Rao et al. 2021, arXiv:2106.02034, eq. 11).
 *
 * @param share one for all such decisions, or by the decision's name (others are left free)
 * @throws DynaError 'usage' for shares outside (0, 1], or where the net has no such decision
 * @example train(vit, { data, epochs: 10, decisions: gumbel(), cost: keepTarget({ tokens1: 0.7, tokens2: 0.5 }) })
 */
export function keepTarget(
  share: number | Readonly<Record<string, number>>,
  { weight = 2 }: KeepTargetOptions = {},
): LossTerm {
  for (const value of typeof share === 'number' ? [share] : Object.values(share))
    if (!(value > 0 && value <= 1))
      throw new DynaError('usage', `the share of units to keep is above 0 and at most 1, got ${value}`);
  checkWeight(weight);
  return {
    name: 'keep',
    of({ decisions }) {
      const units = decisions.filter((d) => d.decision.kind === 'keep');
      const terms = targeted('a target of kept units', units, share).map(({ decided: { weights }, target }) => {
        const off = sub(meanAll(slice(weights, [{ axis: 1, start: 0, end: 1 }])), target);
        return mul(off, off);
      });
      return mul(
        terms.reduce((a, b) => add(a, b)),
        weight / terms.length,
      );
    },
  };
}

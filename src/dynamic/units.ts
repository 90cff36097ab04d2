import { DynaError } from '../errors.ts';
import { apply, applyAll, formatShape, layerScope, scoped, type Tensor } from '../graph/index.ts';
import type { KeepDecision, Option } from './decision.ts';
import { isKeep, Keep, type KeepAttrs, seen, Weigh } from './keep.ts';
import { leastKept } from './lower/kept.ts';

const exact = (name: string): Option => ({ name, exactness: 'exact' });

/** How many units are kept: a number of them, a share (rounded up), or those that score above a threshold. */
export type KeepRule = { readonly count: number } | { readonly share: number } | { readonly threshold: number };

/** A tensor, and the axis that holds its units. */
export interface KeptValue {
  readonly x: Tensor;
  readonly axis: number;
}

export interface KeepOptions {
  /** [N, units]: a function is called first, and its parameters are named inside the decision. */
  readonly score: Tensor | (() => Tensor);
  /** Tensors with the units on an axis each; a function is called after that of the score, inside the decision. */
  readonly values?: readonly KeptValue[] | (() => readonly KeptValue[]);
  readonly rule: KeepRule;
  /** So many units at the front are always kept: a class token. */
  readonly always?: number;
  /** The mask of an earlier decision about the same units: what that dropped stays dropped. */
  readonly mask?: Tensor;
  /** `winners`: scores multiply the values, and learn through those that are kept; `sampled` (default): units are drawn. */
  readonly learns?: KeepAttrs['learns'];
  readonly family?: string;
  readonly name?: string;
}

/** What was kept. */
export interface KeptUnits {
  /** [N, units]: 1 kept, 0 dropped. */
  readonly mask: Tensor;
  /** The values, dropped units put to zero. */
  readonly values: readonly Tensor[];
}

function ruleOf(rule: KeepRule, units: number, always: number): Pick<KeepDecision, 'rule' | 'own'> {
  if ('threshold' in rule) {
    if (typeof rule.threshold !== 'number' || Number.isNaN(rule.threshold))
      throw new DynaError('usage', `the threshold that scores should be above is a number, got ${rule.threshold}`);
    return { rule: 'threshold', own: rule.threshold };
  }
  if ('share' in rule && !(rule.share > 0 && rule.share <= 1))
    throw new DynaError('usage', `the share of units to keep is above 0 and at most 1, got ${rule.share}`);
  const own = 'share' in rule ? Math.max(Math.ceil(rule.share * units - 1e-9), leastKept({ always })) : rule.count;
  if (!Number.isInteger(own) || own < leastKept({ always }))
    throw new DynaError(
      'usage',
      `the number of units to keep is a whole number from ${leastKept({ always })} on, got ${own}`,
    );
  if (own > units) throw new DynaError('usage', `${own} of ${units} units cannot be kept; keep at most ${units}`);
  return { rule: 'top', own };
}

/**
 * The general decision about units: each input keeps some of n, and drops the others, whose values are put to zero. Where the
 * lowered form allows it, dropped units are not computed: before the decision as far as only kept units are asked for, and
 * behind it until a layer sums over them.
 *
 * @throws DynaError 'shape' where score, mask and values do not fit, 'usage' for counts outside of 1 to n and shares outside
 *   of (0, 1]
 * @example
 * const { mask, values } = keep({ score: linear(pooled(x), 64), values: [{ x: conv(x, 64), axis: 1 }], rule: { share: 0.5 } })
 */
export function keep(options: KeepOptions): KeptUnits {
  const {
    score: given,
    values: held = [],
    rule,
    always = 0,
    mask,
    learns = 'sampled',
    family = 'keep',
    name,
  } = options;
  return layerScope(family, name, () => {
    const score = seen(typeof given === 'function' ? given() : given);
    const units = score.shape[1];
    if (score.rank !== 2 || typeof units !== 'number')
      throw new DynaError(
        'shape',
        `a decision about units needs a score for each, [N, units], got ${formatShape(score.shape)}`,
      );
    if (!Number.isInteger(always) || always < 0 || always > units)
      throw new DynaError('usage', `of ${units} units 0 to ${units} can always be kept, got ${always}`);
    const before = mask && isKeep(mask.node) ? mask.node.attrs.decision : undefined;
    if (before && always > before.always)
      throw new DynaError(
        'usage',
        `the first ${always} units are always kept here, but "${before.name}" may have dropped them: it keeps ${before.always}`,
        { fix: `give both the same "always"` },
      );
    const decision: KeepDecision = {
      ...{ name: scoped(), kind: 'keep', family, options: [exact('keep'), exact('drop')], units, always },
      ...ruleOf(rule, units, always),
    };
    if (before?.rule === 'top' && decision.rule === 'top' && decision.own >= before.own)
      throw new DynaError(
        'usage',
        `"${decision.name}" would keep ${decision.own} of all ${units} units, but "${before.name}" has left ${before.own}: nothing would be dropped`,
        { fix: 'counts and shares are of all units, also behind an earlier stage: give a smaller one' },
      );
    const values = typeof held === 'function' ? held() : held;
    const inputs = [score, ...(mask ? [mask] : []), ...values.map((v) => v.x)];
    const axes = values.map((v) => v.axis);
    const [kept, ...shortened] = applyAll(Keep, inputs, { decision, axes, within: mask !== undefined, learns });
    return { mask: kept!, values: shortened };
  });
}

export interface WeighOptions {
  /** Weights up to this are dropped; none by default. */
  readonly threshold?: number;
  readonly family?: string;
  readonly name?: string;
}

/**
 * The general decision by weights: each input weighs n units for itself, and drops those whose weight is not above the
 * threshold. All are used in training.
 *
 * @param weights [N, n], or a function that gives them, whose parameters are named inside the decision
 * @returns the weights, 0 for dropped units
 * @throws DynaError 'shape' for weights of another form
 * @example const weights = weigh(() => routing(x, 4), { threshold: 0.05 })
 */
export function weigh(weights: Tensor | (() => Tensor), options: WeighOptions = {}): Tensor {
  const { threshold = Number.NEGATIVE_INFINITY, family = 'weigh', name } = options;
  if (Number.isNaN(threshold)) throw new DynaError('usage', 'the threshold of weights should be a number, got NaN');
  return layerScope(family, name, () => {
    const given = seen(typeof weights === 'function' ? weights() : weights);
    const units = given.shape[1];
    if (given.rank !== 2 || typeof units !== 'number')
      throw new DynaError('shape', `weights are [N, units], got ${formatShape(given.shape)}`);
    const options = Array.from({ length: units }, (_, k) => exact(`unit${k + 1}`));
    return apply(Weigh, [given], {
      decision: { name: scoped(), kind: 'weigh', family, options, rule: 'threshold', units, own: threshold },
    });
  });
}

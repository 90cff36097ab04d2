import { DynaError } from '../errors.ts';
import {
  constant,
  formatShape,
  mul,
  type Node,
  noMacs,
  type Operator,
  refuse,
  sameShape,
  scoped,
  Tensor,
  unsqueeze,
} from '../graph/index.ts';
import { isSelect, type Join, type KeepDecision, type WeighDecision } from './decision.ts';
import { thresholdArray } from './lower/choice.ts';
import { keptMask, keptWeights } from './lower/kept.ts';

export interface KeepAttrs {
  readonly decision: KeepDecision;
  /** The axis of each value along which its units lie. */
  readonly axes: readonly number[];
  /** Whether input 1 is the mask of an earlier decision about the same units: what that dropped stays dropped. */
  readonly within: boolean;
  /**
   * How it learns: through the units that win (their scores multiply what they give: FBS), or by sampling each unit for
   * itself, with the score as its logit (DynamicViT).
   */
  readonly learns: 'winners' | 'sampled';
}

/** A mask [N, units] as it broadcasts against a value whose units lie along `axis`. */
export function alongAxis(mask: Tensor, rank: number, axis: number): Tensor {
  const others = Array.from({ length: rank }, (_, i) => i).filter((i) => i !== 0 && i !== axis);
  return others.length > 0 ? unsqueeze(mask, others) : mask;
}

/** What Keep gives for a mask [N, units], 1 kept and 0 dropped: the mask, and each value with dropped units put to zero. */
export const underMask = (mask: Tensor, values: readonly Tensor[], axes: readonly number[]): readonly Tensor[] => [
  mask,
  ...values.map((x, i) => mul(x, alongAxis(mask, x.rank, axes[i]!))),
];

/**
 * Keeps some of n units for each input: inputs are the score [N, n] and any number of values with those units on an axis;
 * outputs the mask [N, n] (1 kept, 0 dropped) and the values with dropped units put to zero.
 */
export const Keep: Operator<KeepAttrs> = {
  name: 'Keep',
  domain: 'dynaneural',
  arity: [1, Number.POSITIVE_INFINITY],
  infer: (inputs, { decision: { name, units }, axes, within }) => {
    const [score, ...rest] = inputs;
    const values = within ? rest.slice(1) : rest;
    if (within && !sameShape(rest[0]!.shape, score!.shape))
      throw new DynaError(
        'shape',
        `decision "${name}": the mask of the earlier decision should be ${formatShape(score!.shape)}, got ${formatShape(rest[0]!.shape)}`,
      );
    if (score!.rank !== 2 || score!.shape[1] !== units)
      throw new DynaError(
        'shape',
        `decision "${name}": its score must be [N, ${units}], one number for each unit, got ${formatShape(score!.shape)}`,
      );
    for (const [i, x] of values.entries())
      if (x.shape[0] !== score!.shape[0] || x.shape[axes[i]!] !== units)
        throw new DynaError(
          'shape',
          `decision "${name}": axis ${axes[i]} of a value should hold its ${units} units for each of ${score!.shape[0]} inputs, got ${formatShape(x.shape)}`,
        );
    return [{ dtype: 'float32', shape: score!.shape }, ...values.map(({ dtype, shape }) => ({ dtype, shape }))];
  },
  // d kept = g where kept. What is kept hangs on the score in steps.
  gradient: (input) =>
    input === 0
      ? null
      : ({ gs, y, attrs: { axes, within } }) => {
          const k = within ? input - 2 : input - 1;
          const g = gs[k + 1];
          return g && mul(g, alongAxis(y[0]!, g.rank, axes[k]!));
        },
  macs: noMacs,
  expand: (inputs, attrs) => {
    const { score, previous, values } = partsOfKeep(inputs, attrs);
    const { decision, axes } = attrs;
    const mask = keptMask(decision, score, constant(thresholdArray(decision, decision.own)), previous);
    return underMask(mask, values, axes);
  },
};

/** The inputs of a Keep by what they are. */
export function partsOfKeep(
  [score, ...rest]: readonly (Tensor | undefined)[],
  { within }: KeepAttrs,
): { readonly score: Tensor; readonly previous: Tensor | undefined; readonly values: readonly Tensor[] } {
  const previous = within ? rest[0] : undefined;
  return { score: score!, previous, values: (within ? rest.slice(1) : rest) as Tensor[] };
}

export interface WeighAttrs {
  readonly decision: WeighDecision;
}

/** Weighs n units for each input: weights [N, n] in, and out without those that are not above the threshold. */
export const Weigh: Operator<WeighAttrs> = {
  name: 'Weigh',
  domain: 'dynaneural',
  arity: [1, 1],
  infer: ([weights], { decision: { name, units } }) => {
    if (weights!.rank !== 2 || weights!.shape[1] !== units)
      throw new DynaError(
        'shape',
        `decision "${name}": its weights must be [N, ${units}], got ${formatShape(weights!.shape)}`,
      );
    return [{ dtype: weights!.dtype, shape: weights!.shape }];
  },
  gradient: [refuse('dropping weights; train with all of them')],
  macs: noMacs,
  expand: ([weights], { decision }) => [keptWeights(weights!, constant(thresholdArray(decision, decision.own)))],
};

/** A Keep in a traced net. */
export type KeepNode = Node & { readonly attrs: KeepAttrs };
/** A Weigh in a traced net. */
export type WeighNode = Node & { readonly attrs: WeighAttrs };
/** A node that decides. */
export type DecidingNode = Join | KeepNode | WeighNode;

export const isKeep = (node: Node): node is KeepNode => node.op === (Keep as unknown as Operator);
export const isWeigh = (node: Node): node is WeighNode => node.op === (Weigh as unknown as Operator);
export const decides = (node: Node): node is DecidingNode => isSelect(node) || isKeep(node) || isWeigh(node);

/** What a policy gave, where it is a tensor. */
export function seen(score: Tensor): Tensor {
  if (score instanceof Tensor) return score;
  throw new DynaError(
    'usage',
    `decision "${scoped()}": its policy gave ${String(score)}, not a tensor; a policy sees only what is computed before its decision`,
  );
}

import { DynaError } from '../../errors.ts';
import { sameShape } from '../shape.ts';
import { applyAll, noMacs, type Operator, refuse, type Tensor } from '../tensor.ts';

interface IfAttrs {
  /** How many results; inputs are the condition, then the results of one branch, then those of the other. */
  readonly results: number;
}

/**
 * Runs one of two branches. Which nodes belong to a branch follows from use: whatever only a branch's results need is
 * evaluated inside it (see `blocks`).
 */
export const If: Operator<IfAttrs> = {
  name: 'If',
  internal: ['results'],
  domain: '',
  arity: [3, Number.POSITIVE_INFINITY],
  infer: (x, { results }) => {
    if (x[0]!.dtype !== 'bool') throw new DynaError('dtype', `If: the condition must be bool, got ${x[0]!.dtype}`);
    return Array.from({ length: results }, (_, i) => {
      const [a, b] = [x[1 + i]!, x[1 + results + i]!];
      if (a.dtype !== b.dtype || !sameShape(a.shape, b.shape))
        throw new DynaError('shape', `If: result ${i} is ${a} in one branch and ${b} in the other`);
      return { dtype: a.dtype, shape: a.shape };
    });
  },
  gradient: () => refuse('If is made by a lowering; differentiate the net before it is lowered'),
  macs: noMacs,
  block: ({ attrs }, input) => (input === 0 ? undefined : input <= attrs.results ? 'then' : 'else'),
};

/** `condition` is a bool scalar or [1]; both branches give tensors of the same types. */
export const branch = (condition: Tensor, then: readonly Tensor[], otherwise: readonly Tensor[]): readonly Tensor[] =>
  applyAll(If, [condition, ...then, ...otherwise], { results: then.length });

import { DynaError } from '../../errors.ts';
import type { DType, NDArray } from '../array.ts';
import { intercepted } from '../intercept.ts';
import { scoped } from '../scope.ts';
import { isConcrete, type Shape } from '../shape.ts';
import { apply, noMacs, type Operator, Tensor } from '../tensor.ts';
import { fill } from './evaluate.ts';

/** How a parameter starts. Distributions are seeded by the parameter's name, so that inserting a layer moves no other. */
export type Init =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'normal'; readonly std: number }
  | { readonly kind: 'uniform'; readonly bound: number }
  | { readonly kind: 'value'; readonly value: NDArray };

export interface ParamAttrs {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly init: Init;
  /** `weight` is trained (and decayed), `bias` is trained (not decayed), `statistic` is measured, not trained. */
  readonly role: 'weight' | 'bias' | 'statistic';
}

interface InputAttrs {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** A default that the file carries and a caller may override (thresholds). */
  readonly fallback?: NDArray;
}

const leaf = <A extends { dtype: DType; shape: Shape }>(name: string, kind: Operator['leaf']): Operator<A> => ({
  name,
  domain: 'dynaneural',
  arity: [0, 0],
  infer: (_, { dtype, shape }) => [{ dtype, shape }],
  gradient: [],
  macs: noMacs,
  leaf: kind,
});

export const Input = leaf<InputAttrs>('Input', 'input');
export const Param = leaf<ParamAttrs>('Param', 'param');

export const Constant: Operator<{ value: NDArray; dtype: DType; shape: Shape }> = {
  ...leaf<{ value: NDArray; dtype: DType; shape: Shape }>('Constant', 'constant'),
  evaluate: (_, { value }) => [value],
};

/** An input of the graph. @example input('image', ['N', 1, 28, 28]) */
export const input = (name: string, shape: Shape, dtype: DType = 'float32', fallback?: NDArray): Tensor =>
  apply(Input, [], { name, dtype, shape, ...(fallback ? { fallback } : {}) });

/** A parameter named in the present scope. @example param('weight', [64, 3, 3, 3], { kind: 'normal', std: 0.05 }) */
export const param = (
  name: string,
  shape: readonly number[],
  init: Init,
  role: ParamAttrs['role'] = 'weight',
): Tensor => {
  if (!isConcrete(shape) || shape.some((d) => !Number.isInteger(d) || d < 0))
    throw new DynaError(
      'shape',
      `parameter "${scoped(name)}" needs a shape of whole numbers, got [${(shape as Shape).join(', ')}]`,
    );
  const attrs: ParamAttrs = { name: scoped(name), dtype: 'float32', shape, init, role };
  return intercepted(attrs, () => apply<ParamAttrs>(Param, [], attrs));
};

/** A constant tensor. */
export const constant = (value: NDArray): Tensor =>
  apply(Constant, [], { value, dtype: value.dtype, shape: value.dims });

/** A scalar constant of `like`'s dtype. */
export const scalar = (value: number, dtype: DType = 'float32'): Tensor =>
  constant({ dtype, dims: [], data: fill(dtype, 1, () => value) });

/** A 1-D int64 constant: axes, shapes, pads. */
export const ints = (values: readonly number[]): Tensor =>
  constant({ dtype: 'int64', dims: [values.length], data: fill('int64', values.length, (i) => values[i]!) });

/** What operators accept where a number is meant too. */
export type Operand = Tensor | number;

/** Two operands as tensors; a number takes the other's dtype. */
export function operands(a: Operand, b: Operand): [Tensor, Tensor] {
  const like = a instanceof Tensor ? a : b instanceof Tensor ? b : undefined;
  const lift = (v: Operand): Tensor => (v instanceof Tensor ? v : scalar(v, like?.dtype));
  return [lift(a), lift(b)];
}

/** The value of a constant tensor, or undefined. */
export const constantOf = (t: Tensor | undefined): NDArray | undefined =>
  t?.node.op.leaf === 'constant' ? (t.node.attrs.value as NDArray) : undefined;

/** The numbers of a constant tensor that an operator needs to know (axes, shapes), or a refusal that names it. */
export function knownInts(t: Tensor | undefined, what: string): number[] {
  const value = constantOf(t);
  if (!value) throw new DynaError('graph', `${what} must be a constant; fold the graph's constants first`);
  return Array.from(value.data as ArrayLike<number | bigint>, Number);
}

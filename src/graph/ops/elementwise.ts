import { DynaError } from '../../errors.ts';
import type { DType } from '../array.ts';
import { broadcastShapes } from '../shape.ts';
import { apply, noMacs, type Operator, type Rule, refuse, type Tensor } from '../tensor.ts';
import { chooseBy, mapBroadcast, numberAt } from './evaluate.ts';
import { constantOf, type Operand, operands, scalar } from './leaf.ts';

type None = Record<never, never>;

/** The one element type of all inputs, or a refusal that names them. */
export const sameDtype = (name: string, x: readonly Tensor[]): DType => {
  const dtype = x[0]!.dtype;
  for (const t of x)
    if (t && t.dtype !== dtype)
      throw new DynaError(
        'dtype',
        `${name}: inputs have different types, ${x
          .filter(Boolean)
          .map((t) => t.dtype)
          .join(' and ')}; cast one of them`,
      );
  return dtype;
};

const broadcastAll = (name: string, x: readonly Tensor[]) =>
  x.map((t) => t.shape).reduce((a, b) => broadcastShapes(a, b, name));

/** An operator on one tensor, element by element. */
const unary = <A extends object = None>(
  name: string,
  f: (v: number, a: A) => number,
  rule: Rule<A>,
  floats: string[] = [],
): Operator<A> => ({
  name,
  domain: '',
  arity: [1, 1],
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  gradient: [rule],
  macs: noMacs,
  pointwise: true,
  evaluate: (x, attrs, types) => mapBroadcast((v) => f(v, attrs))(x, attrs, types),
  floats,
});

/** An operator on two tensors with broadcasting; `result` overrides the result's type (comparisons). */
const binary = (
  name: string,
  f: (a: number, b: number) => number,
  rules: [Rule, Rule],
  result?: DType,
): Operator<None> => ({
  name,
  domain: '',
  arity: [2, 2],
  infer: (x) => {
    const dtype = sameDtype(name, x);
    return [{ dtype: result ?? dtype, shape: broadcastAll(name, x) }];
  },
  gradient: rules,
  macs: noMacs,
  pointwise: true,
  evaluate: mapBroadcast(f),
});

const flat: [Rule, Rule] = [null, null];

/** A binary operator on bool tensors only. */
const logical = (name: string, f: (a: number, b: number) => number): Operator<None> => {
  const op = binary(name, f, flat, 'bool');
  return { ...op, infer: (x, attrs) => op.infer(onlyBool(name, x), attrs) };
};

function onlyBool(name: string, x: readonly Tensor[]): readonly Tensor[] {
  for (const t of x) if (t.dtype !== 'bool') throw new DynaError('dtype', `${name} expects bool, got ${t.dtype}`);
  return x;
}

// The walk sums cotangents over broadcast axes, so each rule may ignore broadcasting.

export const Add = binary('Add', (a, b) => a + b, [({ g }) => g, ({ g }) => g]);
export const Sub = binary('Sub', (a, b) => a - b, [({ g }) => g, ({ g }) => neg(g)]);
// d(ab) = b da + a db
export const Mul = binary('Mul', (a, b) => a * b, [({ g, x }) => mul(g, x[1]!), ({ g, x }) => mul(g, x[0]!)]);
// d(a/b) = da / b - (a/b) db / b
export const Div = binary('Div', (a, b) => a / b, [
  ({ g, x }) => div(g, x[1]!),
  ({ g, x, y }) => neg(div(mul(g, y[0]!), x[1]!)),
]);
// d(a^b) = b a^(b-1) da + a^b ln(a) db, without 0 * infinity at b = 0 and at a = 0
export const Pow: Operator<None> = {
  ...binary('Pow', (a, b) => a ** b, [
    ({ g, x: [a, b] }) => {
      const known = constantNumber(b);
      if (known === 0) return undefined;
      if (known !== undefined) return mul(g, mul(pow(a!, known - 1), known));
      const e = cast(b!, g.dtype);
      return mul(g, mul(e, pow(a!, where(equal(e, 0), 1, sub(e, 1)))));
    },
    ({ g, x: [a], y }) => mul(g, mul(y[0]!, log(where(equal(a!, 0), scalar(1, g.dtype), a!)))),
  ]),
  infer: (x) => [{ dtype: x[0]!.dtype, shape: broadcastAll('Pow', x) }],
};
// Ties send the whole cotangent to the first input.
export const Min = binary('Min', Math.min, [
  ({ g, x }) => mul(g, cast(lessOrEqual(x[0]!, x[1]!), g.dtype)),
  ({ g, x }) => mul(g, cast(greater(x[0]!, x[1]!), g.dtype)),
]);
export const Max = binary('Max', Math.max, [
  ({ g, x }) => mul(g, cast(greaterOrEqual(x[0]!, x[1]!), g.dtype)),
  ({ g, x }) => mul(g, cast(less(x[0]!, x[1]!), g.dtype)),
]);

export const Greater = binary('Greater', (a, b) => +(a > b), flat, 'bool');
export const GreaterOrEqual = binary('GreaterOrEqual', (a, b) => +(a >= b), flat, 'bool');
export const Less = binary('Less', (a, b) => +(a < b), flat, 'bool');
export const LessOrEqual = binary('LessOrEqual', (a, b) => +(a <= b), flat, 'bool');
export const Equal = binary('Equal', (a, b) => +(a === b), flat, 'bool');
export const And = logical('And', (a, b) => +(a !== 0 && b !== 0));
export const Or = logical('Or', (a, b) => +(a !== 0 || b !== 0));
const opposite = unary('Not', (v) => +(v === 0), null);
export const Not: Operator<None> = {
  ...opposite,
  infer: (x, attrs) => opposite.infer(onlyBool('Not', x), attrs),
};

export const Neg = unary(
  'Neg',
  (v) => -v,
  ({ g }) => neg(g),
);
// d|x| = sign(x) dx
export const Abs = unary('Abs', Math.abs, ({ g, x }) => mul(g, sign(x[0]!)));
export const Sign = unary('Sign', Math.sign, null);
export const Floor = unary('Floor', Math.floor, null);
export const Ceil = unary('Ceil', Math.ceil, null);
export const Round = unary('Round', (v) => (Math.abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v)), null);
export const Exp = unary('Exp', Math.exp, ({ g, y }) => mul(g, y[0]!));
export const Log = unary('Log', Math.log, ({ g, x }) => div(g, x[0]!));
// d sqrt(x) = dx / (2 sqrt(x))
export const Sqrt = unary('Sqrt', Math.sqrt, ({ g, y }) => div(g, mul(y[0]!, 2)));
export const Reciprocal = unary(
  'Reciprocal',
  (v) => 1 / v,
  ({ g, y }) => neg(mul(g, mul(y[0]!, y[0]!))),
);
export const Sin = unary('Sin', Math.sin, ({ g, x }) => mul(g, cos(x[0]!)));
export const Cos = unary('Cos', Math.cos, ({ g, x }) => neg(mul(g, sin(x[0]!))));
// d erf(x) = 2/sqrt(pi) exp(-x^2) dx
export const Erf: Operator<None> = {
  ...unary(
    'Erf',
    () => Number.NaN,
    ({ g, x }) => mul(g, mul(exp(neg(mul(x[0]!, x[0]!))), 2 / Math.sqrt(Math.PI))),
  ),
  evaluate: undefined,
};
// d tanh(x) = (1 - tanh(x)^2) dx
export const Tanh = unary('Tanh', Math.tanh, ({ g, y }) => mul(g, sub(1, mul(y[0]!, y[0]!))));
// d s(x) = s (1 - s) dx
export const Sigmoid = unary(
  'Sigmoid',
  (v) => 1 / (1 + Math.exp(-v)),
  ({ g, y }) => mul(g, mul(y[0]!, sub(1, y[0]!))),
);
// d softplus(x) = sigmoid(x) dx
export const Softplus = unary(
  'Softplus',
  (v) => Math.log1p(Math.exp(-Math.abs(v))) + Math.max(v, 0),
  ({ g, x }) => mul(g, sigmoid(x[0]!)),
);
// relu(x) > 0 exactly where x > 0, and the output is the smaller thing to keep
export const Relu = unary(
  'Relu',
  (v) => Math.max(v, 0),
  ({ g, y }) => mul(g, isPositive(y[0]!)),
);
export const LeakyRelu = unary<{ alpha: number }>(
  'LeakyRelu',
  (v, { alpha }) => (v < 0 ? alpha * v : v),
  ({ g, x, attrs }) => where(less(x[0]!, 0), mul(g, attrs.alpha), g),
  ['alpha'],
);
export const Elu = unary<{ alpha: number }>(
  'Elu',
  (v, { alpha }) => (v < 0 ? alpha * Math.expm1(v) : v),
  ({ g, x, y, attrs }) => where(less(x[0]!, 0), mul(g, add(y[0]!, attrs.alpha)), g),
  ['alpha'],
);
export const HardSigmoid = unary<{ alpha: number; beta: number }>(
  'HardSigmoid',
  (v, { alpha, beta }) => Math.min(1, Math.max(0, alpha * v + beta)),
  ({ g, y, attrs }) => mul(g, mul(cast(and(greater(y[0]!, 0), less(y[0]!, 1)), g.dtype), attrs.alpha)),
  ['alpha', 'beta'],
);
/**
 * 1 where x > 0, else 0, as a number. In float32 by a HardSigmoid so steep that only denormal numbers lie on its slope: one
 * pass over memory, where a comparison and its casts are two or three.
 */
const isPositive = (x: Tensor): Tensor =>
  x.dtype === 'float32' ? apply(HardSigmoid, [x], { alpha: 3e38, beta: 0 }) : cast(greater(x, 0), x.dtype);
// x * max(0, min(1, x/6 + 1/2)); slope 1 above 3, 0 under -3, x/3 + 1/2 between
export const HardSwish = unary(
  'HardSwish',
  (v) => v * Math.min(1, Math.max(0, v / 6 + 0.5)),
  ({ g, x }) => {
    const v = x[0]!;
    const between = add(div(v, 3), 0.5);
    return mul(
      g,
      where(greaterOrEqual(v, 3), scalar(1, v.dtype), where(lessOrEqual(v, -3), scalar(0, v.dtype), between)),
    );
  },
);
export const Identity = unary(
  'Identity',
  (v) => v,
  ({ g }) => g,
);

/** Limits as inputs 1 and 2, either may be absent (opset 11 on). */
export const Clip: Operator<None> = {
  name: 'Clip',
  domain: '',
  arity: [1, 3],
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  gradient: [
    ({ g, x }) => {
      let inside: Tensor | undefined;
      if (x[1]) inside = greaterOrEqual(x[0]!, x[1]);
      if (x[2]) inside = inside ? and(inside, lessOrEqual(x[0]!, x[2])) : lessOrEqual(x[0]!, x[2]);
      return inside ? mul(g, cast(inside, g.dtype)) : g;
    },
    refuse('Clip with a learned lower limit'),
    refuse('Clip with a learned upper limit'),
  ],
  macs: noMacs,
  evaluate: (x, attrs, types) =>
    mapBroadcast((v) =>
      Math.min(
        x[2] ? numberAt(x[2], 0) : Number.POSITIVE_INFINITY,
        Math.max(x[1] ? numberAt(x[1], 0) : Number.NEGATIVE_INFINITY, v),
      ),
    )([x[0]!], attrs, types),
};

export const Cast: Operator<{ to: DType }> = {
  name: 'Cast',
  domain: '',
  arity: [1, 1],
  infer: ([x], { to }) => [{ dtype: to, shape: x!.shape }],
  gradient: [({ g, x, attrs }) => (isFloat(x[0]!.dtype) && isFloat(attrs.to) ? cast(g, x[0]!.dtype) : undefined)],
  macs: noMacs,
  evaluate: (x, attrs, types) =>
    mapBroadcast((v) => (attrs.to === 'bool' ? +(v !== 0) : isFloat(attrs.to) ? v : Math.trunc(v)))(x, attrs, types),
};

export const Where: Operator<None> = {
  name: 'Where',
  domain: '',
  arity: [3, 3],
  infer: (x) => {
    if (x[0]!.dtype !== 'bool') throw new DynaError('dtype', `Where: the condition must be bool, got ${x[0]!.dtype}`);
    return [{ dtype: sameDtype('Where', x.slice(1)), shape: broadcastAll('Where', x) }];
  },
  // Where keeps 0 * inf out of the branch that was not taken, which a product with a mask would not.
  gradient: [
    null,
    ({ g, x }) => where(x[0]!, g, scalar(0, g.dtype)),
    ({ g, x }) => where(x[0]!, scalar(0, g.dtype), g),
  ],
  macs: noMacs,
  evaluate: chooseBy((c) => (c ? 1 : 2)),
};

/** Whether a dtype holds fractions. */
export const isFloat = (dtype: DType): boolean => dtype === 'float32' || dtype === 'float64' || dtype === 'float16';

const call2 = (op: Operator<None>) => (a: Operand, b: Operand) => apply(op, operands(a, b), {});
const call1 = (op: Operator<None>) => (x: Tensor) => apply(op, [x], {});

/** a + b; shapes broadcast as in numpy, and one operand may be a plain number. So for all operators of two operands here. */
export const add = call2(Add);
/** a - b. */
export const sub = call2(Sub);
/** a b, element by element. */
export const mul = call2(Mul);
/** a / b; whole numbers are cut towards zero. */
export const div = call2(Div);
/** a to the power of b. */
export const pow = call2(Pow);
/** The smaller of a and b. */
export const min = call2(Min);
/** The larger of a and b. */
export const max = call2(Max);
/** a > b, as bool. */
export const greater = call2(Greater);
/** a >= b, as bool. */
export const greaterOrEqual = call2(GreaterOrEqual);
/** a < b, as bool. */
export const less = call2(Less);
/** a <= b, as bool. */
export const lessOrEqual = call2(LessOrEqual);
/** a = b, as bool. */
export const equal = call2(Equal);
/** Both; of bools. */
export const and = call2(And);
/** One or both; of bools. */
export const or = call2(Or);
/** The opposite; of bools. */
export const not = call1(Not);
/** -x. */
export const neg = call1(Neg);
/** |x|; its gradient at 0 is 0. */
export const abs = call1(Abs);
/** -1, 0 or 1; no gradient flows. */
export const sign = call1(Sign);
/** The largest whole number that is not above x; no gradient flows. */
export const floor = call1(Floor);
/** e^x. */
export const exp = call1(Exp);
/** Natural logarithm. */
export const log = call1(Log);
/** Square root. */
export const sqrt = call1(Sqrt);
/** Sine, of radians. */
export const sin = call1(Sin);
/** Cosine, of radians. */
export const cos = call1(Cos);
/** Error function. */
export const erf = call1(Erf);
/** Hyperbolic tangent. */
export const tanh = call1(Tanh);
/** 1 / (1 + e^-x). */
export const sigmoid = call1(Sigmoid);
/** ln(1 + e^x). */
export const softplus = call1(Softplus);
/** max(x, 0); its gradient at 0 is 0. */
export const relu = call1(Relu);
/** x itself, as a node of its own. */
export const identity = call1(Identity);
/** x where it is positive, alpha x elsewhere. */
export const leakyRelu = (x: Tensor, alpha = 0.01): Tensor => apply(LeakyRelu, [x], { alpha });
/** x min(max(x / 6 + 1/2, 0), 1) (Howard et al. 2019). */
export const hardSwish = call1(HardSwish);
/** x sigmoid(x) (Elfwing 2017; "swish"). */
export const silu = (x: Tensor): Tensor => mul(x, sigmoid(x));
/** x Phi(x), exact by the error function (Hendrycks & Gimpel 2016). */
export const gelu = (x: Tensor): Tensor => mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1));
/** x, kept between `low` and `high`; a bound that is left out does not hold. */
export const clip = (x: Tensor, low?: number, high?: number): Tensor =>
  apply(
    Clip,
    [x, low === undefined ? undefined : scalar(low, x.dtype), high === undefined ? undefined : scalar(high, x.dtype)],
    {},
  );
/** x in another dtype. */
export const cast = (x: Tensor, to: DType): Tensor => (x.dtype === to ? x : apply(Cast, [x], { to }));
/** a where the condition (bool) holds, b elsewhere; all three broadcast. */
export const where = (condition: Tensor, a: Operand, b: Operand): Tensor =>
  apply(Where, [condition, ...operands(a, b)], {});
/** The number of a constant scalar, or undefined. */
export const constantNumber = (t: Tensor | undefined): number | undefined => {
  const value = constantOf(t);
  return value && value.data.length === 1 ? numberAt(value, 0) : undefined;
};

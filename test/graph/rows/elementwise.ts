import {
  abs,
  add,
  and,
  apply,
  Cast,
  Ceil,
  Clip,
  cast,
  clip,
  constant,
  cos,
  div,
  Elu,
  Equal,
  equal,
  erf,
  exp,
  floor,
  gelu,
  greater,
  greaterOrEqual,
  HardSigmoid,
  hardSwish,
  identity,
  leakyRelu,
  less,
  lessOrEqual,
  log,
  max,
  min,
  mul,
  ndarray,
  neg,
  not,
  or,
  pow,
  Reciprocal,
  Round,
  relu,
  type Shape,
  sigmoid,
  sign,
  silu,
  sin,
  softplus,
  sqrt,
  sub,
  type Tensor,
  tanh,
  where,
} from '../../../src/graph/index.ts';
import type * as room from '../../../src/graph/ops/elementwise.ts';
import type { Case, Spec } from '../check.ts';
import { each } from '../dense.ts';
import type { RowsOf } from './rows.ts';

const positive = (i: number): number => 0.3 + 0.17 * ((i * 7) % 11);
const bits = (i: number): number => ((i * 5) % 7 < 3 ? 1 : 0);

/** A batch of any size (none too), a scalar, and zero rows of known size. */
const one = (f: (v: number) => number, call: (x: Tensor) => Tensor, spec: Omit<Spec, 'shape'> = {}): Case[] => [
  {
    name: 'batch',
    inputs: [{ shape: ['N', 2, 3], ...spec }],
    N: [3, 1, 0],
    build: ([x]) => call(x!),
    reference: ([x]) => each(f, x!),
  },
  {
    name: 'scalar',
    inputs: [{ shape: [], ...spec }],
    build: ([x]) => call(x!),
    reference: ([x]) => each(f, x!),
  },
];

/** Equal shapes, both ways of broadcasting, a scalar, a named batch, no rows. */
const two = (
  f: (a: number, b: number) => number,
  call: (a: Tensor, b: Tensor) => Tensor,
  spec: Omit<Spec, 'shape'> = {},
): Case[] => {
  const pair = (name: string, a: Shape, b: Shape, N?: number[]): Case => ({
    name,
    inputs: [
      { shape: a, ...spec },
      { shape: b, ...spec },
    ],
    ...(N ? { N } : {}),
    build: ([p, q]) => call(p!, q!),
    reference: ([p, q]) => each(f as (...v: number[]) => number, p!, q!),
  });
  return [
    pair('batch', ['N', 3], ['N', 3], [4, 1, 0]),
    pair('row under batch', ['N', 2, 3], [3], [2, 1, 0]),
    pair('both broadcast', [2, 1, 3], [4, 1]),
    pair('column and batch', [3, 1], ['N', 1, 4], [2, 0]),
    pair('scalar first', [], [2, 3]),
    pair('no rows', [0, 3], [1, 3]),
  ];
};

const compare = (f: (a: number, b: number) => number, call: (a: Tensor, b: Tensor) => Tensor): Case[] => {
  const ints: Case = {
    name: 'integers with ties',
    inputs: [
      { shape: [5], dtype: 'int64', value: (i) => i },
      { shape: [5], dtype: 'int64', value: (i) => 4 - i },
    ],
    build: ([a, b]) => call(a!, b!),
    reference: ([a, b]) => each(f as (...v: number[]) => number, a!, b!),
  };
  return [...two(f, call), ints];
};

/** Lanczos is not needed: the series of erf converges fast for the small arguments here. */
const erfSeries = (x: number): number => {
  let term = x;
  let total = x;
  for (let n = 1; n < 80; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
};

const halves = (i: number): number => (i - 3) / 2;
const toEven = (v: number): number => {
  const low = Math.floor(v);
  if (v - low !== 0.5) return Math.floor(v + 0.5);
  return low % 2 === 0 ? low : low + 1;
};
const wide = (i: number): number => (i - 2.5) * 1.73;

export const elementwiseRows: RowsOf<typeof room> = {
  Add: two((a, b) => a + b, add),
  Sub: two((a, b) => a - b, sub),
  Mul: two((a, b) => a * b, mul),
  Div: two((a, b) => a / b, div, { value: (i) => positive(i) * (i % 2 ? 1 : -1) }),
  Pow: [
    ...two((a, b) => a ** b, pow, { value: positive }),
    ...[-2, -1, 0, 1, 2, 3, 0.5].map(
      (e): Case => ({
        name: `to the constant ${e}`,
        inputs: [{ shape: [2, 3], value: e === 0.5 ? positive : (i) => positive(i) * (i % 2 ? 1 : -1) }],
        build: ([x]) => pow(x!, e),
        reference: ([x]) => each((v) => v ** e, x!),
      }),
    ),
    {
      name: 'an integer exponent',
      inputs: [{ shape: [4] }],
      build: ([x]) => pow(x!, constant(ndarray('int64', [4], [0, 1, 2, 3]))),
      reference: ([x]) => each((v, e) => v ** e, x!, { dims: [4], data: [0, 1, 2, 3] }),
    },
  ],
  Min: two(Math.min, min),
  Max: two(Math.max, max),
  Greater: compare((a, b) => +(a > b), greater),
  GreaterOrEqual: compare((a, b) => +(a >= b), greaterOrEqual),
  Less: compare((a, b) => +(a < b), less),
  LessOrEqual: compare((a, b) => +(a <= b), lessOrEqual),
  Equal: [
    ...compare((a, b) => +(a === b), equal),
    ...two(
      (a, b) => +(a === b),
      (a, b) => apply(Equal, [a, b], {}),
      { dtype: 'bool', value: bits },
    ),
  ],
  And: two((a, b) => a & b, and, { dtype: 'bool', value: bits }),
  Or: two((a, b) => a | b, or, { dtype: 'bool', value: bits }),
  Not: one((v) => 1 - v, not, { dtype: 'bool', value: bits }),
  Neg: one((v) => -v, neg),
  Abs: one((v) => (v < 0 ? -v : v), abs),
  Sign: one((v) => (v < 0 ? -1 : v > 0 ? 1 : 0), sign),
  Floor: one(Math.floor, floor),
  Ceil: one(Math.ceil, (x) => apply(Ceil, [x], {})),
  Round: [
    ...one(toEven, (x) => apply(Round, [x], {})),
    {
      name: 'halves go to the even neighbour',
      inputs: [{ shape: [8], value: halves }],
      build: ([x]) => apply(Round, [x!], {}),
      reference: ([x]) => each(toEven, x!),
      wrt: [],
    },
  ],
  Exp: one(Math.exp, exp),
  Log: one(Math.log, log, { value: positive }),
  Sqrt: one(Math.sqrt, sqrt, { value: positive }),
  Reciprocal: one(
    (v) => 1 / v,
    (x) => apply(Reciprocal, [x], {}),
    { value: (i) => positive(i) * (i % 2 ? 1 : -1) },
  ),
  Sin: one(Math.sin, sin, { value: wide }),
  Cos: one(Math.cos, cos, { value: wide }),
  Erf: [...one(erfSeries, erf), ...one((v) => 0.5 * v * (1 + erfSeries(v / Math.SQRT2)), gelu)],
  Tanh: one(Math.tanh, tanh),
  Sigmoid: [...one((v) => 1 / (1 + Math.exp(-v)), sigmoid), ...one((v) => v / (1 + Math.exp(-v)), silu)],
  Softplus: one((v) => Math.log(1 + Math.exp(v)), softplus, { value: wide }),
  Relu: one((v) => Math.max(0, v), relu),
  LeakyRelu: one(
    (v) => (v > 0 ? v : 0.2 * v),
    (x) => leakyRelu(x, 0.2),
  ),
  Elu: one(
    (v) => (v > 0 ? v : 1.5 * (Math.exp(v) - 1)),
    (x) => apply(Elu, [x], { alpha: 1.5 }),
  ),
  HardSigmoid: one(
    (v) => Math.min(1, Math.max(0, 0.25 * v + 0.4)),
    (x) => apply(HardSigmoid, [x], { alpha: 0.25, beta: 0.4 }),
    { value: wide },
  ),
  HardSwish: one((v) => (v * Math.min(6, Math.max(0, v + 3))) / 6, hardSwish, { value: wide }),
  Identity: one((v) => v, identity),
  Clip: [
    ...one(
      (v) => Math.min(1, Math.max(-1, v)),
      (x) => clip(x, -1, 1),
      { value: wide },
    ),
    ...one(
      (v) => Math.max(-1, v),
      (x) => clip(x, -1),
      { value: wide },
    ),
    ...one(
      (v) => Math.min(1, v),
      (x) => clip(x, undefined, 1),
      { value: wide },
    ),
    ...one(
      (v) => v,
      (x) => apply(Clip, [x], {}),
    ),
  ],
  Cast: [
    ...one(
      (v) => v,
      (x) => apply(Cast, [x], { to: 'float32' }),
    ),
    ...one(Math.trunc, (x) => cast(x, 'int64'), { value: wide }),
    ...one(Math.trunc, (x) => cast(cast(x, 'int32'), 'float32'), { value: wide }),
    ...one(
      (v) => +(v !== 0),
      (x) => cast(x, 'bool'),
      { value: (i) => i % 3 },
    ),
    ...one(
      (v) => v,
      (x) => cast(x, 'float32'),
      { dtype: 'bool', value: bits },
    ),
    ...one(
      (v) => v,
      (x) => cast(cast(x, 'float64'), 'float32'),
    ),
    ...one(
      (v) => v,
      (x) => cast(cast(x, 'float16'), 'float32'),
      { value: (i) => (i - 3) / 4 },
    ).map((c) => ({
      ...c,
      wrt: [], // its cotangents are rounded to halves too
    })),
  ],
  Where: [
    {
      name: 'batch',
      inputs: [{ shape: ['N', 1], dtype: 'bool', value: bits }, { shape: ['N', 3] }, { shape: [3] }],
      N: [4, 1, 0],
      build: ([c, a, b]) => where(c!, a!, b!),
      reference: (x) => each((c, a, b) => (c ? a! : b!), ...x),
    },
    {
      name: 'all broadcast',
      inputs: [{ shape: [2, 1, 1], dtype: 'bool', value: bits }, { shape: [3, 1] }, { shape: [] }],
      build: ([c, a, b]) => where(c!, a!, b!),
      reference: (x) => each((c, a, b) => (c ? a! : b!), ...x),
    },
  ],
};

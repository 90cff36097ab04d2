// Random small programs over matrices, run twice: once as graph, once on plain arrays.
import fc from 'fast-check';
import {
  add,
  branch,
  concat,
  constant,
  matMul,
  mul,
  type NDArray,
  ndarray,
  param,
  reduceMean,
  reduceSum,
  reshape,
  sigmoid,
  sin,
  slice,
  softmax,
  softplus,
  sub,
  type Tensor,
  tanh,
  transpose,
} from '../../src/graph/index.ts';
import { seeded } from '../support/random.ts';
import type { Dense } from './dense.ts';
import * as naive from './dense.ts';
import * as products from './windows.ts';

/** What a program needs to know how to do. */
export interface Algebra<T> {
  dims(t: T): readonly number[];
  unary(k: number, t: T): T;
  binary(k: number, a: T, b: T): T;
  matMul(a: T, b: T): T;
  reduce(k: number, t: T, axis: number): T;
  softmax(t: T, axis: number): T;
  transpose(t: T): T;
  concat(a: T, b: T, axis: number): T;
  first(t: T, axis: number): T;
  reshape(t: T, dims: readonly number[]): T;
  /** A matrix of numbers that the program brings along: a constant, or a parameter. */
  brought(name: string, dims: readonly number[], trained: boolean): T;
  choose(condition: number, a: T, b: T): T;
}

export interface Step {
  readonly kind: number;
  readonly a: number;
  readonly b: number;
  readonly k: number;
}
export type Program = readonly Step[];

const KINDS = 11;
/** Programs of at most `longest` steps; `choices` lets them branch. */
export const programs = (longest: number, choices: boolean): fc.Arbitrary<Program> =>
  fc.array(fc.record({ kind: fc.nat(choices ? KINDS : KINDS - 1), a: fc.nat(99), b: fc.nat(99), k: fc.nat(99) }), {
    minLength: 1,
    maxLength: longest,
  });

/** All values in the order in which they are made; the inputs come first. */
export function run<T>(program: Program, inputs: readonly T[], on: Algebra<T>): T[] {
  const values = [...inputs];
  for (const [i, { kind, a: p, b: q, k }] of program.entries()) {
    const [a, b] = [values[p % values.length]!, values[q % values.length]!];
    const [m, n] = [on.dims(a), on.dims(b)] as [readonly number[], readonly number[]];
    const axis = k % 2;
    const fits = m.every((d, j) => d === n[j] || d === 1 || n[j] === 1);
    const same = m.every((d, j) => d === n[j]);
    const make = (): T => {
      if (kind === 1 && fits) return on.binary(k % 3, a, b);
      if (kind === 2) return on.unary(0, m[1] === n[0] ? on.matMul(a, b) : on.matMul(a, on.transpose(a)));
      if (kind === 3) return on.reduce(axis, a, (k >> 1) % 2);
      if (kind === 4) return on.softmax(a, axis);
      if (kind === 5) return on.transpose(a);
      if (kind === 6 && m[1 - axis] === n[1 - axis] && m[axis]! + n[axis]! <= 4) return on.concat(a, b, axis);
      if (kind === 7) return on.first(a, axis);
      if (kind === 8) return on.reshape(a, [m[1]!, m[0]!]);
      if (kind === 9) return on.binary(k % 3, on.brought(`w${i}`, m, true), a);
      if (kind === 10)
        return on.unary(k % 4, on.binary(k % 3, on.brought(`c${i}`, m, false), on.brought(`k${i}`, m, false)));
      if (kind === 11 && same) return on.choose(k % 2, a, b);
      return on.unary(k % 4, a);
    };
    values.push(make());
  }
  return values;
}

/** The numbers of something that a program brings along. */
export function numbersOf(name: string, dims: readonly number[]): Dense {
  const random = seeded([...name].reduce((h, c) => h * 31 + c.charCodeAt(0), 7));
  return naive.dense(dims, () => Math.fround(random() * 2 - 1));
}

const units = [
  [tanh, Math.tanh],
  [sigmoid, (v: number) => 1 / (1 + Math.exp(-v))],
  [sin, Math.sin],
  [softplus, (v: number) => Math.log1p(Math.exp(v))],
] as const;
const pairs = [
  [add, (v: number, w: number) => v + w],
  [sub, (v: number, w: number) => v - w],
  [(v: Tensor, w: Tensor) => tanh(mul(v, w)), (v: number, w: number) => Math.tanh(v * w)],
] as const;

/** Graphs; parameters go to `weights`. */
export const onGraphs = (conditions: readonly Tensor[], weights: Map<string, NDArray>): Algebra<Tensor> => ({
  dims: (t) => t.shape as readonly number[],
  unary: (k, t) => units[k]![0](t),
  binary: (k, a, b) => pairs[k]![0](a, b),
  matMul,
  reduce: (k, t, axis) => (k ? reduceMean : reduceSum)(t, [axis], true),
  softmax,
  transpose: (t) => transpose(t, [1, 0]),
  concat: (a, b, axis) => concat([a, b], axis),
  first: (t, axis) => slice(t, [{ axis, start: 0, end: 1 }]),
  reshape,
  brought: (name, dims, trained) => {
    const { data } = numbersOf(name, dims);
    const value = ndarray('float32', dims, [...data]);
    if (!trained) return constant(value);
    weights.set(name, value);
    return param(name, dims, { kind: 'value', value });
  },
  choose: (c, a, b) => branch(conditions[c]!, [a], [b])[0]!,
});

/** Plain arrays. */
export const onArrays = (conditions: readonly boolean[]): Algebra<Dense> => ({
  dims: (t) => t.dims,
  unary: (k, t) => naive.each((v) => units[k]![1](v!), t),
  binary: (k, a, b) => naive.each((v, w) => pairs[k]![1](v!, w!), a, b),
  matMul: (a, b) => products.matMul(a, b),
  reduce: (k, t, axis) => naive.reduce(t, [axis], true, k ? naive.mean : naive.sum),
  softmax: (t, axis) =>
    naive.along(t, axis, (v) => {
      const e = v.map(Math.exp);
      return e.map((x) => x / naive.sum(e));
    }),
  transpose: (t) => naive.transpose(t, [1, 0]),
  concat: (a, b, axis) => naive.concat([a, b], axis),
  first: (t, axis) => naive.pick(t, { [axis]: [0] }),
  reshape: naive.reshape,
  brought: (name, dims) => numbersOf(name, dims),
  choose: (c, a, b) => (conditions[c] ? a : b),
});

import { DynaError } from '../../errors.ts';
import { broadcastShapes, type Dim, formatShape, itemSize, sameShape } from '../shape.ts';
import { apply, type Operator, type Tensor } from '../tensor.ts';
import { mul, neg, sameDtype } from './elementwise.ts';
import { sumAll } from './reduce.ts';
import { transpose } from './reshape.ts';

const last2 = (rank: number): number[] => {
  const perm = Array.from({ length: rank }, (_, i) => i);
  perm.push(...perm.splice(rank - 2, 2).reverse());
  return perm;
};

/** Swaps the last two axes. */
export const matrixTranspose = (x: Tensor): Tensor => transpose(x, last2(x.rank));

const product = (name: string, a: Tensor, b: Tensor, transA: boolean, transB: boolean): Dim[] => {
  sameDtype(name, [a, b]);
  if (a.rank < 2 || b.rank < 2)
    throw new DynaError(
      'shape',
      `${name} expects matrices, got ${formatShape(a.shape)} and ${formatShape(b.shape)}; reshape vectors to matrices first`,
    );
  const [m, k] = transA ? [a.shape.at(-1)!, a.shape.at(-2)!] : [a.shape.at(-2)!, a.shape.at(-1)!];
  const [k2, n] = transB ? [b.shape.at(-1)!, b.shape.at(-2)!] : [b.shape.at(-2)!, b.shape.at(-1)!];
  if (k !== k2)
    throw new DynaError(
      'shape',
      `${name}: inner sizes ${k} and ${k2} of ${formatShape(a.shape)} and ${formatShape(b.shape)} differ`,
    );
  return [...broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2), name), m, n];
};

const inner = (t: Tensor, trans: boolean): number => {
  const k = t.shape.at(trans ? -2 : -1)!;
  return typeof k === 'number' ? k : 1;
};

/** Y = A B on the last two axes, broadcasting the others. */
export const MatMul: Operator<Record<never, never>> = {
  name: 'MatMul',
  domain: '',
  arity: [2, 2],
  infer: ([a, b]) => [{ dtype: a!.dtype, shape: product('MatMul', a!, b!, false, false) }],
  // dA = g B^T, dB = A^T g
  gradient: [({ g, x }) => fusedMatMul(g, x[1]!, { transB: 1 }), ({ g, x }) => fusedMatMul(x[0]!, g, { transA: 1 })],
  macs: ({ inputs: [a], outputs: [y] }) => itemSize(y!.shape) * inner(a!, false),
};

interface FusedAttrs {
  readonly transA: 0 | 1;
  readonly transB: 0 | 1;
  readonly alpha: number;
}

/** alpha op(A) op(B), com.microsoft: the transposes cost nothing. Only training graphs use it. */
export const FusedMatMul: Operator<FusedAttrs> = {
  name: 'FusedMatMul',
  domain: 'com.microsoft',
  arity: [2, 2],
  floats: ['alpha'],
  infer: ([a, b], { transA, transB }) => [
    { dtype: a!.dtype, shape: product('FusedMatMul', a!, b!, !!transA, !!transB) },
  ],
  gradient: [
    ({ g, x, attrs: { transA, transB, alpha } }) =>
      transA
        ? fusedMatMul(x[1]!, g, { transA: transB, transB: 1, alpha })
        : fusedMatMul(g, x[1]!, { transA: 0, transB: transB ? 0 : 1, alpha }),
    ({ g, x, attrs: { transA, transB, alpha } }) =>
      transB
        ? fusedMatMul(g, x[0]!, { transA: 1, transB: transA, alpha })
        : fusedMatMul(x[0]!, g, { transA: transA ? 0 : 1, transB: 0, alpha }),
  ],
  macs: ({ inputs: [a], outputs: [y], attrs }) => itemSize(y!.shape) * inner(a!, !!attrs.transA),
};

interface GemmAttrs {
  readonly alpha: number;
  readonly beta: number;
  readonly transA: 0 | 1;
  readonly transB: 0 | 1;
}

/** alpha op(A) op(B) + beta C, on matrices. */
export const Gemm: Operator<GemmAttrs> = {
  name: 'Gemm',
  domain: '',
  arity: [2, 3],
  floats: ['alpha', 'beta'],
  infer: ([a, b, c], { transA, transB }) => {
    if (a!.rank !== 2 || b!.rank !== 2)
      throw new DynaError(
        'shape',
        `Gemm expects matrices, got ${formatShape(a!.shape)} and ${formatShape(b!.shape)}; flatten first`,
      );
    const shape = product('Gemm', a!, b!, !!transA, !!transB);
    if (c) sameDtype('Gemm', [a!, c]);
    if (c && !sameShape(broadcastShapes(shape, c.shape, 'Gemm bias'), shape))
      throw new DynaError(
        'shape',
        `Gemm: a bias ${formatShape(c.shape)} does not broadcast to the product ${formatShape(shape)}`,
      );
    return [{ dtype: a!.dtype, shape }];
  },
  gradient: [
    ({ g, x, attrs: { transA, transB, alpha } }) => {
      const d = transA
        ? gemm(x[1]!, g, undefined, { transA: transB, transB: 1 })
        : gemm(g, x[1]!, undefined, { transB: transB ? 0 : 1 });
      return scaled(d, alpha);
    },
    ({ g, x, attrs: { transA, transB, alpha } }) => {
      const d = transB
        ? gemm(g, x[0]!, undefined, { transA: 1, transB: transA })
        : gemm(x[0]!, g, undefined, { transA: transA ? 0 : 1 });
      return scaled(d, alpha);
    },
    ({ g, attrs }) => scaled(g, attrs.beta),
  ],
  macs: ({ inputs: [a], outputs: [y], attrs }) => itemSize(y!.shape) * inner(a!, !!attrs.transA),
};

const scaled = (x: Tensor, by: number): Tensor => (by === 1 ? x : by === -1 ? neg(x) : mul(x, by));

/** Matrix product of the last two axes; those before broadcast. */
export const matMul = (a: Tensor, b: Tensor): Tensor => apply(MatMul, [a, b], {});
/** alpha a b with either transposed on the fly; ONNX Runtime's own operator, for training graphs. */
export const fusedMatMul = (a: Tensor, b: Tensor, attrs: Partial<FusedAttrs> = {}): Tensor =>
  apply(FusedMatMul, [a, b], { transA: 0, transB: 0, alpha: 1, ...attrs });
/** alpha a b + beta c of matrices, a and b perhaps transposed; c broadcasts. */
export const gemm = (a: Tensor, b: Tensor, c?: Tensor, attrs: Partial<GemmAttrs> = {}): Tensor =>
  apply(Gemm, c ? [a, b, c] : [a, b], { alpha: 1, beta: 1, transA: 0, transB: 0, ...attrs });
/** Sum of products of all elements. */
export const dot = (a: Tensor, b: Tensor): Tensor => sumAll(mul(a, b));

// Random valid calls of operators, for comparing inferred shapes with those that ONNX Runtime returns.
import fc from 'fast-check';
import {
  AveragePool,
  add,
  apply,
  applyAll,
  argMax,
  ConvTranspose,
  concat,
  constant,
  convAttrs,
  convolve,
  dilate,
  Expand,
  flatten,
  GatherND,
  gather,
  gatherElements,
  gemm,
  globalAveragePool,
  ints,
  MaxPool,
  matMul,
  ndarray,
  oneHot,
  pad,
  reduceMax,
  reduceMean,
  reduceSum,
  reshape,
  slice,
  softmax,
  split,
  squeeze,
  type Tensor,
  transpose,
  unsqueeze,
  where,
} from '../../src/graph/index.ts';
import { count } from './dense.ts';

export interface Call {
  readonly name: string;
  readonly make: () => readonly Tensor[];
}

const zeros = (dims: readonly number[]): Tensor => constant(ndarray('float32', dims, new Float32Array(count(dims))));
const indices = (dims: readonly number[], below: number): Tensor =>
  constant(
    ndarray(
      'int64',
      dims,
      Array.from({ length: count(dims) }, (_, i) => i % below),
    ),
  );

const size = fc.nat(3);
const some = fc.integer({ min: 1, max: 4 });
const dims = (min = 0, max = 4, of = size) => fc.array(of, { minLength: min, maxLength: max });
const call = <T>(name: string, arbitrary: fc.Arbitrary<T>, make: (v: T) => Tensor | readonly Tensor[]) =>
  arbitrary.map(
    (v): Call => ({
      name: `${name} ${JSON.stringify(v)}`,
      make: () => {
        const made = make(v);
        return Array.isArray(made) ? made : [made as Tensor];
      },
    }),
  );

/** Shapes that broadcast: cut from one shape, with some axes 1 and some leading ones gone. */
const broadcasting = (n: number, base = dims()) =>
  base.chain((full) =>
    fc.tuple(
      ...Array.from({ length: n }, () =>
        fc
          .tuple(fc.nat(full.length), fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }))
          .map(([cut, ones]) => full.map((d, i) => (ones[i] ? 1 : d)).slice(cut)),
      ),
    ),
  );

const window = fc
  .record({
    rank: fc.integer({ min: 1, max: 2 }),
    k: fc.tuple(some, some),
    s: fc.tuple(some, some),
    d: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    p: fc.tuple(size, size, size, size),
    more: fc.tuple(fc.nat(6), fc.nat(6)),
    n: size,
    channels: fc.integer({ min: 1, max: 2 }),
    group: fc.integer({ min: 1, max: 2 }),
    flag: fc.boolean(),
  })
  .map(({ rank, k, s, d, p, more, ...rest }) => ({
    ...rest,
    rank,
    k: k.slice(0, rank),
    s: s.slice(0, rank),
    d: d.slice(0, rank),
    p,
    more,
  }));
type Window = typeof window extends fc.Arbitrary<infer T> ? T : never;

const padsOf = ({ rank, p }: Window, limit: (i: number) => number): number[] =>
  p.slice(0, 2 * rank).map((v, i) => Math.min(v, limit(i % rank)));
/** Spatial sizes into which the window fits. */
const spatial = (w: Window, pads: number[], d: readonly number[]): number[] =>
  w.k.map((k, i) => Math.max(1, d[i]! * (k - 1) + 1 - pads[i]! - pads[i + w.rank]!) + w.more[i]!);

const convolution = (w: Window): Tensor => {
  const pads = padsOf(w, () => 3);
  const x = zeros([w.n, w.channels * w.group, ...spatial(w, pads, w.d)]);
  const weight = zeros([2 * w.group, w.channels, ...w.k]);
  return convolve(x, weight, undefined, { stride: w.s, padding: pads, dilation: w.d, groups: w.group });
};
const transposedConvolution = (w: Window): Tensor => {
  const attrs = convAttrs(w.k, { stride: w.s, dilation: w.d, groups: w.group });
  const x = zeros([w.n, w.channels * w.group, ...w.more.slice(0, w.rank).map((v) => v + 1)]);
  return apply(ConvTranspose, [x, zeros([w.channels * w.group, 2, ...w.k])], {
    ...attrs,
    output_padding: w.s.map((s) => s - 1),
  });
};
const pooling = (w: Window): Tensor[] => {
  const pads = padsOf(w, (i) => w.k[i]! - 1);
  const { group, ...attrs } = convAttrs(w.k, { stride: w.s, padding: pads, dilation: w.d });
  const flat = { ...attrs, dilations: w.d.map(() => 1), ceil_mode: w.flag ? 1 : 0 } as const;
  return [
    applyAll(MaxPool, [zeros([w.n, w.channels, ...spatial(w, pads, w.d)])], {
      ...attrs,
      ceil_mode: w.flag ? 1 : 0,
    })[0]!,
    apply(AveragePool, [zeros([w.n, w.channels, ...spatial(w, pads, flat.dilations)])], {
      ...flat,
      count_include_pad: 0,
    }),
  ];
};

const withAxis = (min: number, of = size) =>
  dims(min, 4, of).chain((shape) =>
    fc.tuple(fc.constant(shape), fc.integer({ min: -shape.length, max: shape.length - 1 })),
  );

export const calls: fc.Arbitrary<Call> = fc.oneof(
  call('Add', broadcasting(2), ([a, b]) => add(zeros(a!), zeros(b!))),
  call('Where', broadcasting(3), ([c, a, b]) =>
    where(constant(ndarray('bool', c!, new Uint8Array(count(c!)))), zeros(a!), zeros(b!)),
  ),
  call('MatMul', fc.tuple(broadcasting(2, dims(0, 2, some)), size, some, some), ([[a, b], m, k, n]) =>
    matMul(zeros([...a!, m, k]), zeros([...b!, k, n])),
  ),
  call('Gemm', fc.tuple(size, some, some, fc.nat(1), fc.nat(1)), ([m, k, n, transA, transB]) =>
    gemm(zeros(transA ? [k, m] : [m, k]), zeros(transB ? [n, k] : [k, n]), zeros([n]), {
      transA: transA as 0 | 1,
      transB: transB as 0 | 1,
    }),
  ),
  call('Conv', window, convolution),
  call('ConvTranspose', window, transposedConvolution),
  call('pools', window, pooling),
  call('GlobalAveragePool', fc.tuple(size, some, some, some), (s) => globalAveragePool(zeros(s))),
  call('Softmax', withAxis(1), ([s, axis]) => softmax(zeros(s), axis)),
  call('reductions', fc.tuple(dims(1, 4, some), fc.nat(15), fc.boolean()), ([s, bits, keep]) => {
    const axes = s.flatMap((_, i) => ((bits >> i) & 1 ? [i] : []));
    return [reduceSum, reduceMean, reduceMax].map((f) => f(zeros(s), axes.length > 0 ? axes : [0], keep));
  }),
  call('ArgMax', fc.tuple(withAxis(1, some), fc.boolean()), ([[s, axis], keep]) => argMax(zeros(s), axis, keep)),
  call('Reshape', fc.tuple(dims(1, 4, some), fc.nat(3), fc.boolean()), ([s, place, infer]) => {
    const at = place % s.length;
    const target = [...s.slice(0, at).map(() => 0), infer ? -1 : count(s.slice(at))];
    return reshape(zeros(s), target);
  }),
  call('Flatten', withAxis(1), ([s, axis]) => flatten(zeros(s), axis)),
  call(
    'Transpose',
    dims().chain((s) =>
      fc.tuple(
        fc.constant(s),
        fc.shuffledSubarray(
          s.map((_, i) => i),
          { minLength: s.length },
        ),
      ),
    ),
    ([s, perm]) => transpose(zeros(s), perm),
  ),
  call('Unsqueeze and Squeeze', withAxis(1), ([s, axis]) => {
    const x = unsqueeze(zeros(s), [axis]);
    return [x, squeeze(x, [axis])];
  }),
  call('Expand', broadcasting(2), ([a, b]) => apply(Expand, [zeros(a!), ints(b!)], {})),
  call('Split', fc.tuple(fc.array(size, { minLength: 1, maxLength: 3 }), size), ([sizes, rows]) =>
    split(zeros([rows, sizes.reduce((a, b) => a + b, 0)]), sizes, -1),
  ),
  call('Concat', fc.tuple(withAxis(1), fc.array(size, { minLength: 1, maxLength: 3 })), ([[s, axis], list]) =>
    concat(
      list.map((d) => zeros(s.with(axis, d))),
      axis,
    ),
  ),
  call(
    'Slice',
    fc.tuple(
      some,
      size,
      fc.integer({ min: -6, max: 6 }),
      fc.integer({ min: -6, max: 6 }),
      fc.constantFrom(-3, -2, -1, 1, 2, 3),
    ),
    ([d, other, start, end, step]) => slice(zeros([other, d]), [{ axis: 1, start, end, step }]),
  ),
  call(
    'Pad',
    fc.tuple(some, some, fc.tuple(...Array.from({ length: 4 }, () => fc.integer({ min: -1, max: 2 })))),
    ([m, n, p]) => pad(zeros([m + 1, n + 1]), p),
  ),
  call('dilate', fc.tuple(withAxis(1), some), ([[s, axis], by]) =>
    dilate(zeros(s), axis < 0 ? axis + s.length : axis, by),
  ),
  call('Gather', fc.tuple(withAxis(1, some), dims(0, 2)), ([[s, axis], i]) =>
    gather(zeros(s), indices(i, s.at(axis)!), axis),
  ),
  call('GatherElements', fc.tuple(withAxis(1, some), size), ([[s, axis], n]) =>
    gatherElements(zeros(s), indices(s.with(axis, n), s.at(axis)!), axis),
  ),
  call('GatherND', fc.tuple(dims(1, 4, some), dims(0, 2), fc.nat(3)), ([s, lead, k]) =>
    apply(GatherND, [zeros(s), indices([...lead, 1 + (k % s.length)], 1)], {}),
  ),
  call('OneHot', fc.tuple(dims(1, 2), some), ([s, classes]) => oneHot(indices(s, classes), classes)),
);

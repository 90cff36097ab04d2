import {
  type Choices,
  cut,
  decisionsOf,
  dense,
  exit,
  experts,
  keepChannels,
  keepHeads,
  keepTokens,
  mixture,
  type Net,
  net,
  plainOption,
  type SparseForm,
  skip,
  type Trace,
  widths,
} from '../../src/dynamic/index.ts';
import {
  add,
  constant,
  gather,
  matMul,
  matrixTranspose,
  mul,
  ndarray,
  reshape,
  softmax,
  split,
  type Tensor,
  transpose,
} from '../../src/graph/index.ts';
import {
  classify,
  classToken,
  conv,
  deformableConv,
  layerNorm,
  linear,
  mlp,
  multiHeadAttention,
  patchEmbed,
  positionEmbedding,
  residual,
  takeToken,
  transformerLayer,
} from '../../src/nn/index.ts';

/** One decision on a block of some size. */
export interface Case {
  readonly name: string;
  readonly kind: 'select' | 'keep' | 'weigh' | 'operator';
  /** What `size` is. */
  readonly unit: string;
  readonly sizes: readonly number[];
  /** The form of the file for one input. */
  readonly form: SparseForm;
  /** How views of shared weights are stored. */
  readonly views?: 'copies' | 'slices';
  make(size: number): Net;
  /** The gate-free net that computes what a row with this trace computes. */
  ideal(made: Net, size: number, trace: Trace | undefined): Net;
  /** The gate-free net without the mechanism: what break-even is against. */
  plain(made: Net, size: number): Net;
  /** Why a realisation of 0.95 may be out of reach; the figures beside it say how far. */
  readonly why?: string;
}

const image = { input: [3, 32, 32], classes: 10, onWarning() {} };
const both = { norm: 'batch', activation: 'relu' } as const;
const stem = (x: Tensor, width: number, stride = 2): Tensor => conv(x, width, { stride, ...both });

/** The options that a trace took, as choices of a static cut-out. */
const taken = (made: Net, trace: Trace | undefined): Net => {
  const options = new Map(decisionsOf(made).map((d) => [d.name, d.options.map((o) => o.name)]));
  const choices: Record<string, string> = {};
  for (const { decision, value } of trace?.rows ?? [])
    if (typeof value === 'number') choices[decision] = options.get(decision)![value]!;
  return cut(made, choices satisfies Choices);
};

/** As much arithmetic as each choice among peers takes, without choosing. */
const firstPeers = (made: Net): Net =>
  cut(made, Object.fromEntries(decisionsOf(made).map((d) => [d.name, d.options[plainOption(d)]!.name])));

const select = (rest: Pick<Case, 'name' | 'unit' | 'sizes' | 'make'> & Partial<Case>): Case => ({
  ...{ kind: 'select', form: 'rows', ideal: (made, _, trace) => taken(made, trace), plain: (made) => cut(made) },
  ...rest,
});

const body = (t: Tensor, width: number): Tensor => residual(residual(t, width), width);
const inner = (width: number) => (t: Tensor, share: number) => conv(conv(t, width * share, both), width, both);
const slim = (size: number): Net =>
  net(image, (x) => classify(widths(stem(x, size), [1, 0.5, 0.25], (t, s) => inner(size)(inner(size)(t, s), s))));

const tokensOf = (x: Tensor, dim: number): Tensor => positionEmbedding(classToken(patchEmbed(x, dim, { patch: 4 })));
const answer = (t: Tensor): Tensor => classify(layerNorm(takeToken(t)));
const layers = (t: Tensor, count: number, mask?: Tensor): Tensor => {
  for (let i = 0; i < count; i++) t = transformerLayer(t, { heads: 4, ratio: 2, ...(mask ? { mask } : {}) });
  return t;
};
const firstTokens = (t: Tensor, count: number): Tensor =>
  gather(
    t,
    constant(
      ndarray(
        'int64',
        [count],
        Array.from({ length: count }, (_, i) => i),
      ),
    ),
    1,
  );

/** Attention with `heads` heads of a width, whatever the tokens' width is. */
function narrow(t: Tensor, heads: number, width: number): Tensor {
  const all = linear(t, 3 * heads * width);
  const apart = transpose(reshape(all, [0, 0, 3 * heads, width]), [0, 2, 1, 3]);
  const [q, k, v] = split(apart, [heads, heads, heads], 1) as [Tensor, Tensor, Tensor];
  const result = matMul(softmax(matMul(mul(q, width ** -0.5), matrixTranspose(k)), -1), v);
  return linear(reshape(transpose(result, [0, 2, 1, 3]), [0, 0, heads * width]), Number(t.shape[2]));
}

const HEADS = 8;
const attended = (size: number, attention: (t: Tensor) => Tensor): Net =>
  net(image, (x) => {
    let t = tokensOf(x, size);
    for (let i = 0; i < 3; i++) t = add(t, attention(layerNorm(t)));
    return answer(t);
  });

const gated = (size: number, layer: (t: Tensor, width: number) => Tensor): Net =>
  net(image, (x) => {
    let t = stem(x, size);
    for (let i = 0; i < 3; i++) t = layer(t, size);
    return classify(t);
  });

const packed =
  'weights that are chosen while running cannot be packed for the blocked convolutions beforehand, and are gathered anew for each input';

/** Every decision of the field, on a block that is worth it. */
export const cases: readonly Case[] = [
  select({
    ...{ name: 'exit', unit: 'channels', sizes: [32, 64, 128, 192, 256] },
    make: (size) => net(image, (x) => classify(body(exit(body(stem(x, size), size), { head: classify }), size))),
  }),
  select({
    ...{ name: 'skip', unit: 'channels', sizes: [16, 32, 64, 128, 192, 256] },
    make: (size) => net(image, (x) => classify(skip(stem(x, size), (t) => body(t, size)))),
  }),
  select({
    ...{ name: 'layer skip', unit: 'token width', sizes: [64, 128, 192, 256, 384] },
    make: (size) => net(image, (x) => answer(skip(tokensOf(x, size), (t) => layers(t, 2)))),
  }),
  select({ ...{ name: 'width, copies', unit: 'channels', sizes: [64, 128, 192, 256], views: 'copies' }, make: slim }),
  select({ ...{ name: 'width, slices', unit: 'channels', sizes: [64, 128, 192], views: 'slices' }, make: slim }),
  select({
    ...{ name: 'experts, best of 4', unit: 'channels', sizes: [64, 128, 192, 256], plain: firstPeers },
    make: (size) =>
      net(image, (x) =>
        classify(
          experts(
            stem(x, size),
            [1, 2, 3, 4].map(() => (t: Tensor) => body(t, size)),
          ),
        ),
      ),
  }),
  select({
    ...{ name: 'experts, best two of 4', unit: 'channels', sizes: [64, 128, 192, 256], plain: firstPeers },
    make: (size) =>
      net(image, (x) =>
        classify(
          experts(
            stem(x, size),
            [1, 2, 3, 4].map(() => (t: Tensor) => body(t, size)),
            { top: 2 },
          ),
        ),
      ),
  }),
  select({
    ...{ name: 'dense edges', unit: 'channels', sizes: [64, 128, 192, 256] },
    make: (size) =>
      net(image, (x) => {
        const sources = [stem(x, size)];
        for (let i = 0; i < 2; i++) sources.push(conv(sources.at(-1)!, size, both));
        return classify(dense(sources, (t) => conv(t, size, both), { threshold: 0.5 }));
      }),
  }),
  {
    ...{ name: 'channels', kind: 'keep', unit: 'channels', sizes: [64, 128, 256], form: 'branch', why: packed },
    make: (size) => gated(size, (t, w) => keepChannels(t, w, { keep: 0.5, ...both })),
    ideal: (_, size) =>
      net(image, (x) => {
        let t = stem(x, size);
        for (let i = 0; i < 3; i++) t = conv(t, size / 2, both);
        return classify(t);
      }),
    plain: (_, size) => gated(size, (t, w) => conv(t, w, both)),
  },
  {
    ...{ name: 'tokens, half of 65', kind: 'keep', unit: 'token width', sizes: [64, 128, 192, 256], form: 'rows' },
    make: (size) =>
      net(image, (x) => {
        const kept = keepTokens(layers(tokensOf(x, size), 1), { count: 33 });
        return answer(layers(kept.tokens, 4, kept.mask));
      }),
    ideal: (_, size) => net(image, (x) => answer(layers(firstTokens(layers(tokensOf(x, size), 1), 33), 4))),
    plain: (_, size) => net(image, (x) => answer(layers(tokensOf(x, size), 5))),
  },
  {
    ...{
      name: 'heads, half of 8',
      kind: 'keep',
      unit: 'token width',
      sizes: [128, 256, 512],
      form: 'branch',
      why: packed,
    },
    make: (size) => attended(size, (t) => keepHeads(t, { heads: HEADS, count: HEADS / 2 })),
    ideal: (_, size) => attended(size, (t) => narrow(t, HEADS / 2, size / HEADS)),
    plain: (_, size) => attended(size, (t) => multiHeadAttention(t, { heads: HEADS })),
  },
  {
    ...{ name: 'mixture of 4 kernels', kind: 'weigh', unit: 'channels', sizes: [32, 64, 128], form: 'branch' },
    why: `for one input ${packed}; in batches all kernels are computed, four times the arithmetic`,
    make: (size) => gated(size, (t, w) => mixture(t, w, { kernels: 4, ...both })),
    ideal: (_, size) => gated(size, (t, w) => conv(t, w, both)),
    // What the mixture competes with: one convolution of four times the arithmetic.
    plain: (_, size) => gated(2 * size, (t, w) => conv(t, w, both)),
  },
  {
    ...{ name: 'deformable convolution', kind: 'operator', unit: 'channels', sizes: [32, 64, 128], form: 'rows' },
    why: 'plain operators read each bilinear corner with a gather of its own, at the speed of memory, not of arithmetic',
    make: (size) => gated(size, (t, w) => deformableConv(t, w, both)),
    ideal: (_, size) => gated(size, (t, w) => add(conv(t, w, both), mul(classifyOffsets(t), 0))),
    plain: (_, size) => gated(size, (t, w) => conv(t, w, both)),
  },
  {
    ...{
      name: 'transformer feed-forward skip',
      kind: 'select',
      unit: 'token width',
      sizes: [128, 192, 256, 384],
      form: 'rows',
    },
    make: (size) => net(image, (x) => answer(skip(tokensOf(x, size), (t) => add(t, mlp(layerNorm(t), { ratio: 4 }))))),
    ideal: (made, _, trace) => taken(made, trace),
    plain: (made) => cut(made),
  },
];

/** The convolution that gives offsets, for the same arithmetic: its mean, which broadcasts. */
function classifyOffsets(t: Tensor): Tensor {
  const offsets = conv(t, 27, { bias: true });
  return gather(offsets, constant(ndarray('int64', [1], [0])), 1);
}

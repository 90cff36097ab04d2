import { describe, expect, it } from 'vitest';
import { randomInput, randomWeights } from '../../test/support/build-net.ts';
import { largestDifference } from '../../test/support/difference.ts';
import { outputsOf, runAll } from '../../test/support/run.ts';
import { violations } from '../../test/support/schema.ts';
import { add, mul, ndarray, reduceMean, reshape, slice, type Tensor, toNumbers } from '../graph/index.ts';
import {
  batchNorm,
  classify,
  classToken,
  conv,
  gate,
  layerNorm,
  linear,
  mlp,
  patchEmbed,
  pooled,
  positionEmbedding,
  routing,
  takeToken,
  transformerLayer,
} from '../nn/index.ts';
import { dense, experts, keepChannels, keepHeads, keepTokens, mixture, skip, widths } from './blocks/index.ts';
import { costTable, pathCost } from './cost.ts';
import { masked } from './lower/masked.ts';
import { sparse } from './lower/sparse.ts';
import { cut } from './lower/static.ts';
import { net, select } from './net.ts';
import { extremeMacs } from './paths.ts';
import { plan } from './plan.ts';
import { decodeTrace, traceKey, traceSchema } from './trace.ts';
import { decisionsOf, type Net } from './traced.ts';
import { keep, weigh } from './units.ts';

const quiet = { onWarning() {} };
const image = { input: [3, 8, 8], classes: 3, ...quiet };
const flat = { input: [6], classes: 3, ...quiet };
const embedded = (x: Tensor): Tensor => positionEmbedding(classToken(patchEmbed(x, 8, { patch: 4 })));
const head = (t: Tensor): Tensor => classify(layerNorm(takeToken(t)));

/** A layer of 6 hidden features of which 2 are kept, then the answer. */
const small = (): Net =>
  net(flat, (x) => {
    const y = linear(x, 6, { activation: 'relu' });
    return classify(keep({ score: () => linear(x, 6), values: [{ x: y, axis: 1 }], rule: { count: 2 } }).values[0]!);
  });

describe('what is kept', () => {
  it('are the units of the highest scores, whatever a batch holds; ties go to the first', async () => {
    const made = net(
      { input: [5], ...quiet },
      (x) => keep({ score: x, values: [{ x: add(x, 10), axis: 1 }], rule: { count: 2 }, name: 'k' }).values[0]!,
    );
    const x = ndarray('float32', [4, 5], [1, 5, 2, 4, 3, 0, 0, 0, 0, 0, -1, -2, -3, -4, -5, 9, 1, 9, 1, 9]);
    for (const lowered of [masked(made, { k: 2 }), sparse(made, { k: 2 })]) {
      const [ran] = await runAll(outputsOf(lowered), new Map(), [x]);
      expect(decodeTrace(ran!.trace!, traceKey(made)).map((t) => t.rows[0]!.value)).toEqual([
        [1, 3],
        [0, 1],
        [0, 1],
        [0, 2],
      ]);
      expect(toNumbers(ran!.output!).slice(0, 5)).toEqual([0, 15, 0, 14, 0]);
    }
  });

  it('are never none: above a threshold that nobody reaches, the best one', async () => {
    const made = net(
      { input: [3], ...quiet },
      (x) => keep({ score: x, values: [{ x, axis: 1 }], rule: { threshold: 100 }, name: 'k' }).values[0]!,
    );
    const x = ndarray('float32', [3, 3], [1, 3, 2, Number.NaN, 1, 0, 200, 0, 300]);
    const [ran] = await runAll(outputsOf(masked(made, { k: 100 })), new Map(), [x]);
    const kept = decodeTrace(ran!.trace!, traceKey(made)).map((t) => t.rows[0]!.value as number[]);
    expect(kept[0]).toEqual([1]);
    expect(kept[1]).toHaveLength(1);
    expect(kept[2]).toEqual([0, 2]);
  });

  it('stays within what an earlier decision kept, and the first units may always be kept', async () => {
    const made = net({ input: [4], ...quiet }, (x) => {
      const first = keep({ score: x, rule: { count: 3 }, always: 1, name: 'first' });
      const second = keep({ score: mul(x, -1), rule: { count: 2 }, mask: first.mask, name: 'second' });
      return add(first.mask, second.mask);
    });
    const x = ndarray('float32', [2, 4], [-5, 1, 2, 3, 9, 3, 2, 1]);
    const [ran] = await runAll(outputsOf(masked(made, { first: 2, second: 3 })), new Map(), [x]);
    expect(decodeTrace(ran!.trace!, traceKey(made)).map((t) => t.rows.map((r) => r.value))).toEqual([
      [
        [0, 3],
        [0, 3],
      ],
      [
        [0, 1],
        [0, 1],
      ],
    ]);
  });

  it('may be fixed: all, or a set, as a static net', async () => {
    const made = small();
    const weights = randomWeights(made, 1);
    const x = randomInput(made, 5, 1);
    const run = async (output: Tensor) => (await runAll({ output }, weights, [x]))[0]!.output!;
    const all = await run(cut(made).output);
    const never = await run(masked(made, { keep1: Number.POSITIVE_INFINITY }).output);
    expect(largestDifference(all.data, never.data)).toBeLessThan(1e-6);
    const [ran] = await runAll(outputsOf(masked(made, { keep1: 2 })), weights, [x]);
    const traces = decodeTrace(ran!.trace!, traceKey(made));
    for (const [i, t] of traces.entries()) {
      const fixed = await run(cut(made, { keep1: t.rows[0]!.value as number[] }).output);
      expect(
        largestDifference(fixed.data.slice(3 * i, 3 * i + 3), ran!.output!.data.slice(3 * i, 3 * i + 3)),
      ).toBeLessThan(1e-5);
    }
    expect(decisionsOf(cut(made, { keep1: [0] }))).toEqual([]);
    for (const set of [[], [6], [-1], [0.5]])
      expect(() => cut(made, { keep1: set })).toThrow(/keeps a set of units, numbers from 0 to 5/);
    expect(() => cut(made, { keep1: 'keep' })).toThrow(/keeps a set of units/);
  });
});

describe('what it costs', () => {
  it('channels cost in x out, for one input; tokens are quadratic in attention', () => {
    const made = net(image, (x) => {
      for (const width of [8, 6]) x = keepChannels(x, width, { keep: 0.5 });
      return classify(x);
    });
    const of = (a: number, b: number) =>
      pathCost(costTable(made, 'branch'), (name) => (name === 'channels1' ? a : b)).macs;
    const saliency = (a: number) => 3 * 8 + a * 6;
    const count = (a: number, b: number) => 64 * 9 * (3 * a + a * b) + b * 3 + saliency(a);
    for (const [a, b] of [
      [8, 6],
      [4, 3],
      [1, 5],
    ] as const)
      expect(of(a, b)).toBe(count(a, b));
    const rows = costTable(made);
    expect(rows.every((r) => r.units === undefined)).toBe(true);
    expect(pathCost(rows, () => 1).macs).toBe(count(8, 6));
    const paths = { decisions: decisionsOf(made), regions: costTable(made, 'branch') };
    expect(extremeMacs(paths, Math.max)).toBe(count(8, 6));
    expect(extremeMacs(paths, Math.min)).toBe(count(1, 1));
    expect(extremeMacs(paths, Math.max, { channels1: 4 })).toBe(count(4, 6));

    const tokens = net(image, (x) => {
      const kept = keepTokens(embedded(x), { count: 3 });
      return head(transformerLayer(kept.tokens, { heads: 2, ratio: 2, mask: kept.mask }));
    });
    const before = 4 * 8 * 3 * 16 + 5 * 8 + 8 * 3;
    for (const form of ['rows', 'branch'] as const)
      for (const k of [5, 3, 1])
        expect(pathCost(costTable(tokens, form), () => k).macs).toBe(before + k * (4 * 64 + 4 * 64) + 2 * k * k * 8);
  });

  it('the planner speaks of what it saves for one input', () => {
    const made = net(image, (x) => classify(keepChannels(x, 8, { keep: 0.5 })));
    const [own] = plan(made);
    expect(own!.guardedMacs).toBe(7 * (64 * 27 + 3));
    expect(own!.warning).toMatch(/channels "channels1" guards about/);
  });
});

it('weights are told as they are, and dropped under a threshold', async () => {
  const made = net(image, (x) => classify(mixture(x, 4, { kernels: 3, threshold: 0.3, temperature: 0.2 })));
  expect(decisionsOf(made)[0]).toMatchObject({ kind: 'weigh', family: 'kernels', units: 3, own: 0.3 });
  const weights = randomWeights(made, 1);
  const [ran] = await runAll(outputsOf(sparse(made, { 'mixture1/kernels': 0.3 })), weights, [randomInput(made, 6, 1)]);
  const traces = decodeTrace(ran!.trace!, traceKey(made));
  for (const t of traces) {
    expect(t.rows[0]!.kind).toBe('weights');
    const values = t.rows[0]!.value as number[];
    expect(values).toHaveLength(3);
    expect(values.every((v) => v === 0 || v > 0.3)).toBe(true);
    expect(violations(JSON.parse(JSON.stringify(t)), traceSchema)).toEqual([]);
  }
});

describe('decisions about units inside options', () => {
  it('tell nothing where they are not reached', async () => {
    const made = net(image, (x) => {
      const stem = conv(x, 4);
      return classify(
        skip(stem, (t) => conv(keepChannels(mixture(t, 4, { kernels: 2 }), 6, { keep: 0.5 }), 4), {
          gate: (t) => gate(t, { bias: [0] }),
          name: 's',
        }),
      );
    });
    const weights = randomWeights(made, 1);
    const x = randomInput(made, 3, 1);
    const [none] = await runAll(outputsOf(sparse(made, { s: Number.NEGATIVE_INFINITY })), weights, [x]);
    for (const t of decodeTrace(none!.trace!, traceKey(made)))
      expect(t.rows.map((r) => [r.decision, r.kind, r.value, r.reached])).toEqual([
        ['s', 'index', 1, true],
        ['s/run/mixture1/kernels', 'weights', null, false],
        ['s/run/channels1', 'bitset', null, false],
      ]);
  });
});

describe('refused while tracing', () => {
  it.each<[string, () => unknown, RegExp]>([
    [
      'a share of 0',
      () => keepTokens(tokens(), { share: 0 }),
      /share of units to keep is above 0 and at most 1, got 0/,
    ],
    ['a share above 1', () => keepTokens(tokens(), { share: 1.2 }), /above 0 and at most 1, got 1.2/],
    ['more than there are', () => keepTokens(tokens(), { count: 6 }), /6 of 5 units cannot be kept; keep at most 5/],
    ['no tokens', () => keepTokens(tokens(), { count: 0 }), /whole number from 1 on, got 0/],
    ['half a token', () => keepTokens(tokens(), { count: 1.5 }), /whole number from 1 on, got 1.5/],
    ['fewer than are always kept', () => keepTokens(tokens(), { count: 1, always: 2 }), /from 2 on, got 1/],
    ['always more than there are', () => keepTokens(tokens(), { count: 5, always: 6 }), /of 5 units 0 to 5 can always/],
    [
      'more at the front than an earlier decision kept there',
      () => {
        const { tokens: kept, mask } = keepTokens(tokens(), { count: 3, always: 0, name: 'first' });
        return keepTokens(kept, { count: 2, always: 1, mask });
      },
      /first 1 units are always kept here, but "first" may have dropped them: it keeps 0; give both the same "always"/,
    ],
    ['a threshold that is none', () => keepTokens(tokens(), { threshold: Number.NaN }), /is a number, got NaN/],
    ['tokens without an axis for them', () => keepTokens(conv(source, 4), { count: 2 }), /tokens \[N, T, D\]/],
    ['a score of each feature', () => keepTokens(tokens(), { count: 2, score: (t) => t }), /one number each/],
    [
      'a score of other tokens',
      () => keepTokens(tokens(), { count: 2, score: () => linear(pooled(source), 4) }),
      /axis 1 of a value should hold its 4 units.*got \[N, 5, 8\]/,
    ],
    [
      'the mask of other units',
      () => keepTokens(tokens(), { count: 2, mask: linear(pooled(source), 4) }),
      /the mask of the earlier decision should be \[N, 5\], got \[N, 4\]/,
    ],
    [
      'heads that do not divide',
      () => keepHeads(tokens(), { heads: 3, share: 0.5 }),
      /3 heads do not divide a width of 8/,
    ],
    ['more heads than there are', () => keepHeads(tokens(), { heads: 2, count: 3 }), /3 of 2 units cannot be kept/],
    ['a share of channels above 1', () => keepChannels(source, 4, { keep: 2 }), /above 0 and at most 1, got 2/],
    [
      'a saliency of other channels',
      () => keepChannels(source, 4, { saliency: (t) => linear(pooled(t), 5) }),
      /saliency should be \[N, 4\].*got \[N, 5\]/,
    ],
    [
      'a second stage that keeps as many as the first has left',
      () => {
        const first = keepTokens(tokens(), { share: 0.7, name: 'one' });
        keepTokens(first.tokens, { share: 0.7, mask: first.mask, name: 'two' });
      },
      /"two" would keep 4 of all 5 units, but "one" has left 4: nothing would be dropped; counts and shares are of all/,
    ],
    [
      'edges of other signatures',
      () => dense([source, source], (t, k) => conv(t, 4 + k)),
      /edge 1 returns float32\[N, 4, .* but edge 2 returns float32\[N, 5, .*; all must return the same signature/,
    ],
    [
      'experts of other signatures, which a sum would broadcast',
      () => experts(source, [(t) => reduceMean(t, [2, 3], true), (t) => t, (t) => t], { top: 2 }),
      /expert 1 returns .*1, 1\] but expert 2 returns/,
    ],
    ['a threshold of kernels above all', () => mixture(source, 4, { kernels: 2, threshold: 2 }), /below 1, got 2/],
    ['weights of rank 3', () => weigh(tokens()), /weights are \[N, units\], got \[N, 5, 8\]/],
    ['a weight that is none', () => weigh(pooled(source), { threshold: Number.NaN }), /got NaN/],
    ['one source', () => dense([source], (t) => conv(t, 4)), /at least two sources, got 1/],
    [
      'a threshold of 1',
      () => dense([source, source], (t) => conv(t, 4), { threshold: 1 }),
      /from 0 to below 1, got 1/,
    ],
    [
      'weights of other edges',
      () => dense([source, source], (t) => conv(t, 4), { weights: () => linear(pooled(source), 3) }),
      /weights of edges should be \[N, 2\], got \[N, 3\]/,
    ],
    [
      'a score without units',
      () => keep({ score: reshape(linear(pooled(source), 1), [0]), rule: { count: 1 } }),
      /\[N, units\], got \[N\]/,
    ],
  ])('%s', (_, build, message) => {
    expect(() =>
      net(image, (x) => {
        source = x;
        build();
        return classify(x);
      }),
    ).toThrow(message);
  });
  let source: Tensor;
  const tokens = (): Tensor => embedded(source);

  it('a decision that would see what is computed after it', () => {
    let later: Tensor | undefined;
    const score = () => later!;
    const [gate] = [] as Tensor[];
    const same = (t: Tensor): Tensor => t;
    for (const decide of [
      () => keep({ score, rule: { count: 1 } }),
      () => weigh(score),
      () => select({ score, options: { a: () => source, b: () => source } }),
      () => skip(source, same, { gate: score }),
      () => skip(source, same, { gate: gate! }),
      () => widths(source, [1, 0.5], same, { gate: gate! }),
      () => experts(source, [same, same], { router: score }),
      () => experts(source, [same, same, same], { router: gate!, top: 2 }),
      () => dense([source, source], same, { weights: score }),
      () => keepTokens(tokens(), { count: 2, score }),
      () => keepHeads(tokens(), { heads: 2, count: 1, score: gate! }),
      () => keepChannels(source, 4, { saliency: score }),
      () => mixture(source, 4, { kernels: 2, weights: gate! }),
    ])
      expect(() =>
        net(image, (x) => {
          source = x;
          decide();
          later = linear(pooled(x), 4);
          return classify(x);
        }),
      ).toThrow(/its policy gave undefined, not a tensor; a policy sees only what is computed before its decision/);
  });
});

describe('refused when a file is made, with what to do', () => {
  const bad = (build: (tokens: Tensor, mask: Tensor) => Tensor): Net =>
    net(image, (x) => {
      const kept = keepTokens(embedded(x), { count: 3, name: 'k' });
      return build(transformerLayer(kept.tokens, { heads: 2, ratio: 1, mask: kept.mask }), kept.mask);
    });
  it.each<[string, Net, RegExp]>([
    [
      'a mean over dropped tokens',
      bad((t) => classify(pooled(t))),
      /decision "k" cannot be lowered in the form "rows": ReduceMean.* would mix kept units with dropped ones/,
    ],
    [
      'attention without the mask',
      bad((t) => head(transformerLayer(t, { heads: 2, ratio: 1 }))),
      /would mix kept units with dropped ones.*use the mask/,
    ],
    [
      'another stage without the mask',
      bad((t) => head(keepTokens(t, { count: 2 }).tokens)),
      /kept by "k" before; hand it that decision's mask|hand the later decision the mask/,
    ],
    [
      'tokens that are dropped in one option only',
      net(image, (x) =>
        head(
          skip(
            embedded(x),
            (t) => {
              const kept = keepTokens(t, { count: 3, name: 'k' });
              return transformerLayer(kept.tokens, { heads: 2, ratio: 1, mask: kept.mask });
            },
            { gate: (t) => gate(takeToken(t)) },
          ),
        ),
      ),
      /kept inside one option of "skip1" only, but reach its join/,
    ],
  ])('%s', (_, made, message) => {
    expect(() => sparse(made)).toThrow(message);
    expect(() => masked(made)).not.toThrow();
    // It is said while the net is traced, not after it was trained.
    expect(
      plan(made)
        .map((p) => p.refused ?? '')
        .join(),
    ).toMatch(message);
  });

  it('what the mask says is no sum over dropped tokens', async () => {
    const mean = (t: Tensor, mask: Tensor): Tensor => {
      const kept = mul(t, reshape(mask, [0, 5, 1]));
      return classify(reduceMean(slice(kept, [{ axis: 1, start: 0, end: 5 }]), [1]));
    };
    const made = bad(mean);
    const weights = randomWeights(made, 1);
    const x = randomInput(made, 4, 1);
    const [want] = await runAll(outputsOf(masked(made, { k: 3 })), weights, [x]);
    const [got] = await runAll(outputsOf(sparse(made, { k: 3 })), weights, [x]);
    expect(largestDifference(want!.output!.data, got!.output!.data)).toBeLessThan(1e-5);
  });

  it('a normalisation after dropped channels sees zeros: they are put back for it', async () => {
    const made = net(image, (x) => classify(conv(batchNorm(keepChannels(x, 6, { keep: 0.5 })), 4)));
    const weights = randomWeights(made, 1);
    const x = randomInput(made, 1, 1);
    const [want] = await runAll(outputsOf(masked(made, { channels1: 3 })), weights, [x]);
    const [got] = await runAll(outputsOf(sparse(made, { channels1: 3 }, { form: 'branch' })), weights, [x]);
    expect(largestDifference(want!.output!.data, got!.output!.data)).toBeLessThan(1e-5);
  });
});

it('a select may choose among layers that keep the tokens of an earlier decision', async () => {
  const made = net(image, (x) => {
    const kept = keepTokens(embedded(x), { count: 3, name: 'k' });
    const { tokens: t, mask } = kept;
    const options = {
      attend: () => transformerLayer(t, { heads: 2, ratio: 1, mask }),
      think: () => add(t, mlp(layerNorm(t), { ratio: 1 })),
      rest: () => t,
    };
    return head(select({ score: routing(takeToken(t), 3, { temperature: 0.05 }), options, name: 's' }));
  });
  const weights = randomWeights(made, 1);
  const x = randomInput(made, 9, 1);
  const thresholds = { k: 3, s: [0, 0, 0] };
  const [want] = await runAll(outputsOf(masked(made, thresholds)), weights, [x]);
  const [got] = await runAll(outputsOf(sparse(made, thresholds)), weights, [x]);
  expect(largestDifference(want!.output!.data, got!.output!.data)).toBeLessThan(1e-5);
  expect(got!.trace).toEqual(want!.trace);
});

import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  decisionsOf,
  decodeTrace,
  exit,
  keepHeads,
  keepTokens,
  masked,
  type Net,
  net,
  skip,
  sparse,
  traceKey,
} from '../src/dynamic/index.ts';
import { add, type Tensor } from '../src/graph/index.ts';
import {
  classify,
  classToken,
  gate,
  layerNorm,
  mlp,
  patchEmbed,
  positionEmbedding,
  takeToken,
  transformerLayer,
} from '../src/nn/index.ts';
import { randomInput, randomWeights } from './support/build-net.ts';
import { holdLaw, nothingSeen } from './support/hold-law.ts';
import { runs } from './support/random-nets.ts';
import { expectedOf } from './support/reference.ts';
import { bytesOf, executed, executedMacs, outputsOf, row, runAll } from './support/run.ts';

/** What a transformer is made of: each stage keeps among the tokens that the one before kept. */
type Piece =
  | { readonly kind: 'layer' | 'skip' | 'exit' }
  | { readonly kind: 'tokens'; readonly count: number | undefined; readonly always: 0 | 1 }
  | { readonly kind: 'heads'; readonly heads: 2 | 4; readonly top: boolean };

const piece: fc.Arbitrary<Piece> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('layer' as const, 'skip' as const, 'exit' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('tokens' as const),
      count: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constant(undefined)),
      always: fc.constant(1 as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('heads' as const),
      heads: fc.constantFrom(2 as const, 4 as const),
      top: fc.boolean(),
    }),
  },
);

const head = (t: Tensor): Tensor => classify(layerNorm(takeToken(t)));

function transformer(pieces: readonly Piece[]): Net {
  return net({ input: [3, 8, 8], classes: 3, onWarning() {} }, (x) => {
    let t = positionEmbedding(classToken(patchEmbed(x, 8, { patch: 4 })));
    let mask: Tensor | undefined;
    for (const p of pieces) {
      const under = mask ? { mask } : {};
      if (p.kind === 'layer') t = transformerLayer(t, { heads: 2, ratio: 2, ...under });
      if (p.kind === 'skip')
        t = skip(t, (u) => transformerLayer(u, { heads: 2, ratio: 1, ...under }), {
          gate: (u) => gate(takeToken(u), { bias: [0] }),
        });
      if (p.kind === 'exit') t = exit(t, { head });
      if (p.kind === 'heads') {
        const rule = p.top ? { share: 0.5 } : { threshold: 0.9 };
        t = add(t, keepHeads(layerNorm(t), { heads: p.heads, ...rule, ...under }));
        t = add(t, mlp(layerNorm(t), { ratio: 1 }));
      }
      if (p.kind === 'tokens') {
        const rule = p.count === undefined ? { threshold: 0 } : { count: p.count };
        const kept = keepTokens(t, { ...rule, ...under, always: p.always });
        [t, mask] = [kept.tokens, kept.mask];
        t = transformerLayer(t, { heads: 2, ratio: 2, mask });
      }
    }
    return head(t);
  });
}

/** Gates that say something. */
function restless(made: Net, seed: number): ReturnType<typeof randomWeights> {
  const weights = randomWeights(made, seed);
  for (const [name, { data }] of weights)
    if (/gate\d\/weight$/.test(name))
      for (let i = 0; i < data.length; i++) (data as Float32Array)[i] = Math.sin(12.9898 * (i + seed + 1));
  return weights;
}

const pieces = fc.array(piece, { minLength: 1, maxLength: 5 }).filter((list) => list.some((p) => p.kind !== 'layer'));
const seen = nothingSeen();
const shortened = { fewer: 0, all: 0 };
const seed = process.env.DYNANEURAL_SEED ? { seed: Number(process.env.DYNANEURAL_SEED) } : {};

describe('transformers that keep tokens and heads', () => {
  it('answer alike in every form', async () => {
    const cases = fc.record({
      pieces,
      seed: fc.nat({ max: 10_000 }),
      batch: fc.constantFrom(1, 2, 7),
      picks: fc.array(fc.nat({ max: 999 }), { minLength: 4, maxLength: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(cases, async (one) => {
        const made = transformer(one.pieces);
        const x = randomInput(made, one.batch, one.seed);
        await holdLaw({ net: made, weights: restless(made, one.seed), x, picks: one.picks }, seen);
      }),
      { numRuns: runs(16), ...seed },
    );
  }, 3_600_000);

  it('multiply as often as their traces tell', async () => {
    const cases = fc.record({
      pieces,
      seed: fc.nat({ max: 10_000 }),
      picks: fc.array(fc.nat({ max: 999 }), { minLength: 4, maxLength: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(cases, async (one) => {
        const made = transformer(one.pieces);
        const weights = restless(made, one.seed);
        const x = randomInput(made, 3, one.seed);
        const { thresholds } = await expectedOf(made, weights, x, one.picks);
        const batch = outputsOf(sparse(made, thresholds));
        const [ran] = await runAll(batch, weights, [x], 'disabled');
        if (!ran!.trace) return;
        const told = decodeTrace(ran!.trace, traceKey(made)).reduce((sum, t) => sum + t.macs, 0);
        expect(executedMacs(await executed(bytesOf(batch, weights), x)), 'three rows').toBe(told);
        const single = outputsOf(sparse(made, thresholds, { form: 'branch' }));
        const [own] = await runAll(single, weights, [row(x, 1)], 'disabled');
        const [trace] = decodeTrace(own!.trace!, traceKey(made, 'branch'));
        expect(executedMacs(await executed(bytesOf(single, weights), row(x, 1))), 'one row').toBe(trace!.macs);
        const [everything] = decodeTrace(own!.trace!, traceKey(made));
        shortened[trace!.macs < everything!.macs ? 'fewer' : 'all']++;
      }),
      { numRuns: runs(14), ...seed },
    );
  }, 3_600_000);

  it('run on no rows', async () => {
    const made = transformer([
      { kind: 'tokens', count: 3, always: 1 },
      { kind: 'exit' },
      { kind: 'heads', heads: 2, top: true },
      { kind: 'tokens', count: 2, always: 1 },
      { kind: 'skip' },
    ]);
    const weights = restless(made, 1);
    const own = Object.fromEntries(
      decisionsOf(made).map((d) => [d.name, d.kind === 'select' ? Number.NEGATIVE_INFINITY : d.own]),
    );
    for (const level of ['all', 'disabled'] as const)
      for (const lowered of [masked(made, own), sparse(made, own), sparse(made)]) {
        const [ran] = await runAll(outputsOf(lowered), weights, [randomInput(made, 0, 1)], level);
        expect(ran!.output!.dims).toEqual([0, 3]);
        expect(decodeTrace(ran!.trace!, traceKey(made))).toEqual([]);
      }
  });

  it('many of them: which tokens were kept, in several columns of bits, or how many', async () => {
    for (const [side, kind, columns] of [
      [24, 'bitset', 2],
      [40, 'count', 1],
    ] as const) {
      const made = net({ input: [1, side, side], classes: 3, onWarning() {} }, (x) => {
        const t = positionEmbedding(classToken(patchEmbed(x, 4, { patch: 4 })));
        const kept = keepTokens(t, { count: 30 });
        return head(transformerLayer(kept.tokens, { heads: 1, ratio: 1, mask: kept.mask }));
      });
      const key = traceKey(made);
      expect(key.columns.map((c) => c.kind)).toEqual(new Array(columns).fill(kind));
      const weights = restless(made, 2);
      const x = randomInput(made, 2, 3);
      const own = { tokens1: 30 };
      const [want] = await runAll(outputsOf(masked(made, own)), weights, [x]);
      const [got] = await runAll(outputsOf(sparse(made, own)), weights, [x]);
      expect(got!.trace).toEqual(want!.trace);
      for (const { rows } of decodeTrace(got!.trace!, key)) {
        expect(rows[0]!.kind).toBe(kind);
        if (kind === 'count') expect(rows[0]!.value).toBe(30);
        else expect(new Set(rows[0]!.value as number[]).size).toBe(30);
      }
    }
  });

  afterAll(() => {
    expect(seen.clear, JSON.stringify(seen)).toBeGreaterThan(0.8 * seen.rows);
    expect(seen.other, JSON.stringify(seen)).toBeGreaterThan(0);
    expect(shortened.fewer, JSON.stringify(shortened)).toBeGreaterThan(0);
  });
});

import { describe, expect, it } from 'vitest';
import { randomInput, randomWeights } from '../../test/support/build-net.ts';
import { type Decision, keepChannels, keepTokens, type Model, mixture, net } from '../dynamic/index.ts';
import { add, type Tensor } from '../graph/index.ts';
import {
  classify,
  classToken,
  layerNorm,
  patchEmbed,
  pooled,
  positionEmbedding,
  takeToken,
  transformerLayer,
} from '../nn/index.ts';
import { readCardJson } from './card-json.ts';
import { load } from './load.ts';
import { readCard } from './read-card.ts';
import { toBytes } from './save.ts';

/** Channels, kernels and tokens in one net. */
const made = net({ input: [3, 8, 8], classes: 3, onWarning() {} }, (x) => {
  const y = keepChannels(mixture(x, 4, { kernels: 2 }), 6, { keep: 0.5 });
  let t: Tensor = positionEmbedding(classToken(patchEmbed(x, 6, { patch: 2 })));
  const kept = keepTokens(t, { count: 9 });
  t = transformerLayer(kept.tokens, { heads: 2, ratio: 1, mask: kept.mask });
  return classify(add(takeToken(layerNorm(t)), pooled(y)));
});
const model: Model = {
  ...{ net: made, weights: randomWeights(made, 1), classes: ['a', 'b', 'c'] },
  preprocessing: { shape: [3, 8, 8], scale: 1, mean: [0], std: [1] },
};

describe('a file with decisions about units', () => {
  it.each(['rows', 'branch'] as const)('%s: keeps what it was traced with, and tells what that costs', async (form) => {
    const bytes = toBytes(model, { form });
    const card = readCard(bytes)!;
    const kinds = Object.fromEntries(card.decisions.map((d) => [d.name, d.kind]));
    expect(kinds).toEqual({ 'mixture1/kernels': 'weigh', channels1: 'keep', tokens1: 'keep' });
    expect(card.points[card.chosen]!.thresholds).toMatchObject({ channels1: 3, tokens1: 9 });
    const loaded = await load(bytes);
    try {
      const x = randomInput(made, 1, 1);
      const one = await loaded.run(x);
      const [{ rows, macs }] = one.trace as [(typeof one.trace)[number]];
      const value = (name: string) => rows.find((r) => r.decision === name)!.value as number[];
      expect(value('tokens1')).toHaveLength(9);
      expect(value('tokens1')[0]).toBe(0);
      expect(value('channels1')).toHaveLength(3);
      expect(value('mixture1/kernels')[0]! + value('mixture1/kernels')[1]!).toBeCloseTo(1, 5);
      expect(macs).toBeLessThan(card.fullMacs);
      const all = await loaded.run(x, { thresholds: { channels1: 6, tokens1: Number.POSITIVE_INFINITY } });
      expect(all.trace[0]!.macs).toBe(card.fullMacs);
      expect(all.trace[0]!.rows.find((r) => r.decision === 'tokens1')!.value).toHaveLength(17);
      const few = await loaded.run(x, { thresholds: { tokens1: 1 } });
      expect(few.trace[0]!.macs).toBeLessThan(macs);
      await expect(loaded.run(x, { thresholds: { tokens1: [1, 2] } })).rejects.toThrow(/tokens1.*should be one number/);
    } finally {
      await loaded.close();
    }
  });

  it('a file for one input skips channels, one for batches puts them to zero', () => {
    const terms = (form: 'rows' | 'branch') =>
      readCard(toBytes(model, { form }))!.regions.flatMap((r) =>
        (r.units ?? []).flatMap((u) => u.units.map((v) => v.decision)),
      );
    expect(new Set(terms('branch'))).toEqual(new Set(['channels1', 'tokens1']));
    expect(new Set(terms('rows'))).toEqual(new Set(['tokens1']));
  });

  it.each<[string, (card: Record<string, unknown>) => void, RegExp]>([
    ['a kind that is none', (c) => decision(c, 'tokens1', { kind: 'guess' }), /kind should be "select"/],
    ['no units', (c) => decision(c, 'tokens1', { units: 0 }), /units should be a whole number from 1 on/],
    [
      'a rule of another kind',
      (c) => decision(c, 'tokens1', { rule: 'argmax' }),
      /rule should be "top" or "threshold"/,
    ],
    ['columns of other units', (c) => decision(c, 'tokens1', { units: 16 }), /columns should be each decision once/],
    [
      'a price of units that are not there',
      (c) => {
        (c.regions as { units?: unknown }[])[0]!.units = [
          { units: [{ decision: 'tokens1', of: 3, power: 1 }], macs: 1 },
        ];
      },
      /a region should be priced by known units/,
    ],
  ])('%s is a damaged card', (_, spoil, message) => {
    const card = JSON.parse(JSON.stringify(readCard(toBytes(model))!)) as Record<string, unknown>;
    for (const p of card.points as { thresholds: Record<string, unknown> }[])
      for (const [name, t] of Object.entries(p.thresholds)) if (t === null) p.thresholds[name] = '-Infinity';
    for (const d of card.decisions as { own?: unknown }[]) if (d.own === null) d.own = '-Infinity';
    expect(() => readCardJson(JSON.stringify(card))).not.toThrow();
    spoil(card);
    expect(() => readCardJson(JSON.stringify(card))).toThrow(message);
  });
});

function decision(
  card: Record<string, unknown>,
  name: string,
  change: Partial<Record<keyof Decision | 'units', unknown>>,
): void {
  const list = card.decisions as Record<string, unknown>[];
  Object.assign(list.find((d) => d.name === name)!, change);
}

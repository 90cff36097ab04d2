import { describe, expect, it } from 'vitest';
import { randomWeights } from '../../test/support/build-net.ts';
import { dataset, Random } from '../data/index.ts';
import type { Tensor } from '../graph/index.ts';
import { classify, conv, gate } from '../nn/index.ts';
import { keepChannels, skip, widths } from './blocks/index.ts';
import { certify } from './calibrate.ts';
import { chainOf } from './chain.ts';
import { gateSettings } from './gate-path.ts';
import type { Model } from './model.ts';
import { net } from './net.ts';
import { runWays, seeWays, settle } from './run-ways.ts';
import type { Net } from './traced.ts';

const image = { input: [3, 8, 8], classes: 3, onWarning() {} };
const block = (x: Tensor): Tensor => conv(x, 4, { activation: 'relu' });
const open = (x: Tensor): Tensor => gate(x, { bias: [0] });

/** Three blocks, of which the first ones run. */
const chained = net(image, (x) =>
  classify(
    skip(
      block(x),
      (a) => skip(block(a), (b) => skip(block(b), block, { gate: open, name: 'c' }), { gate: open, name: 'b' }),
      { gate: open, name: 'a' },
    ),
  ),
);

const modelOf = (made: Net): Model => ({
  ...{ net: made, weights: randomWeights(made, 5), classes: ['a', 'b', 'c'] },
  preprocessing: { shape: made.spec.input, scale: 1, mean: [0], std: [1] },
});

const ROWS = 300;
/** Inputs of many brightnesses and colours: else a drawn net says the same of all. */
const inputs = (seed: number) => {
  const random = new Random(seed, 9);
  return Float32Array.from({ length: ROWS * 3 }, () => 3 * random.normal()).reduce(
    (all, level, at) => {
      for (let i = 0; i < 64; i++) all[64 * at + i] = level + random.normal();
      return all;
    },
    new Float32Array(ROWS * 192),
  );
};
const unlabelled = (seed: number) => dataset({ inputs: inputs(seed), shape: [3, 8, 8], classes: ['a', 'b', 'c'] });

describe('a chain of gates', () => {
  it('is found, from the outermost on, with the way that leaves at each', () => {
    const chain = chainOf(chained)!;
    expect(chain.gates.map((g) => g.name)).toEqual(['a', 'a/run/b', 'a/run/b/run/c']);
    expect(chain.ways.map((w) => Object.values(w.choices).join())).toEqual([
      'skip',
      'run,skip',
      'run,run,skip',
      'run,run,run',
    ]);
  });

  it.each<[string, (x: Tensor) => Tensor]>([
    ['gates one after the other', (x) => skip(skip(block(x), block), block)],
    ['a gate in the option that skips', (x) => skip(block(x), block, { shortcut: (t) => skip(t, block) })],
    ['gates in both options', (x) => skip(block(x), (t) => skip(t, block), { shortcut: (t) => skip(t, block) })],
    ['widths', (x) => widths(block(x), [1, 0.5], (t, share) => conv(conv(t, 8 * share), 4))],
    ['units', (x) => keepChannels(block(x), 8, { keep: 0.5 })],
    ['no decision', block],
  ])('is not found in a net of %s', (_, layers) => {
    expect(chainOf(net(image, (x) => classify(layers(x))))).toBeUndefined();
  });

  it('has settings with a threshold for each gate, cheaper step by step, and none is beaten by thresholds that stand alike', async () => {
    const model = modelOf(chained);
    const tune = unlabelled(1);
    const { settings, macs, answers } = await gateSettings(model, tune, { epsilon: 0.05 });
    for (const [j, m] of macs.slice(1, -1).entries()) expect(m).toBeLessThan(macs[j]!);
    const width = settings.length;
    const changed = (all: ArrayLike<number>, j: number, w: number, full: ArrayLike<number>) =>
      Array.from({ length: ROWS }, (_, i) => Number(all[i * w + j] !== full[i])).reduce((a, b) => a + b) / ROWS;
    const full = Array.from({ length: ROWS }, (_, i) => answers[i * width + width - 1]!);
    const apart = settings.some((s) => new Set(Object.values(s)).size > 1);
    expect(apart).toBe(true);
    // Every gate at the same quantile of its scores.
    const chain = chainOf(chained)!;
    const seen = await seeWays(model, tune, chain.ways);
    const alike = Array.from({ length: 11 }, (_, q) =>
      Object.fromEntries(
        seen.ways.at(-1)!.met.map(({ decision, scores }) => {
          const sorted = [...scores].sort((a, b) => b - a);
          return [decision.name, q === 0 ? Number.POSITIVE_INFINITY : sorted[Math.min(ROWS - 1, q * 30)]!];
        }),
      ),
    );
    const ran = settle(seen, alike);
    for (const [q, m] of ran.macs.entries()) {
      const risk = changed(ran.answers, q, alike.length, full);
      const best = Math.min(
        ...macs.flatMap((own, j) => (changed(answers, j, width, full) <= Math.max(risk, 0.05) ? [own] : [])),
      );
      if (risk <= 0.05) expect(best).toBeLessThanOrEqual(m * (1 + 1e-9));
    }
  });

  it('is certified, and the certified point does what was certified', async () => {
    const model = modelOf(chained);
    const claim = { risk: 'disagreement', epsilon: 0.3, delta: 0.1 } as const;
    const certified = await certify(model, { ...claim, tune: unlabelled(1), data: unlabelled(2) });
    const { ways } = chainOf(chained)!;
    const ran = await runWays(
      model,
      unlabelled(2),
      certified.points.map((p) => p.thresholds),
      ways,
    );
    for (const [j, p] of certified.points.entries()) expect(ran.macs[j]! / ways.at(-1)!.macs).toBeCloseTo(p.budget, 6);
    expect(certified.points.filter((p) => p.certified).length).toBeGreaterThan(1);
  });
});

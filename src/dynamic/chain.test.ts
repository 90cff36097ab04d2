import { describe, expect, it } from 'vitest';
import { randomWeights } from '../../test/support/build-net.ts';
import { dataset, Random } from '../data/index.ts';
import { reshape, type Tensor } from '../graph/index.ts';
import { classify, conv, gate } from '../nn/index.ts';
import { keepChannels, skip, widths } from './blocks/index.ts';
import { certify } from './calibrate.ts';
import { chainOf, settingsOfChain } from './chain.ts';
import { fullThresholds } from './forced.ts';
import { gateSettings, runEach } from './gate-path.ts';
import type { Model } from './model.ts';
import { net, select } from './net.ts';
import { seeWays, settle } from './run-ways.ts';
import { decisionsOf, type Net } from './traced.ts';

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

/** Weights under which all ways answer differently. */
const modelOf = (made: Net): Model => ({
  ...{ net: made, weights: randomWeights(made, 6), classes: ['a', 'b', 'c'] },
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

  it('is found however long', () => {
    const long = (t: Tensor, left: number): Tensor =>
      left === 0 ? t : skip(t, (u) => long(block(u), left - 1), { gate: open, name: 'g' });
    const found = chainOf(net(image, (x) => classify(long(block(x), 16))))!;
    expect(found.gates.map((g) => g.name.split('/').length)).toEqual(Array.from({ length: 16 }, (_, i) => 2 * i + 1));
  });

  it('no peers are in it: they have no full way', () => {
    const peers = net(image, (x) => {
      const t = block(x);
      const options = { one: () => block(t), other: () => block(t) };
      return classify(select({ score: reshape(open(t), [0]), options, peers: true }));
    });
    expect(chainOf(peers)).toBeUndefined();
  });

  it('has settings with a threshold for each gate, cheaper step by step, and gates at like quantiles are no better', async () => {
    const model = modelOf(chained);
    const tune = unlabelled(1);
    const { settings, macs, answers } = await gateSettings(model, tune, { epsilon: 0.05 });
    for (const [j, m] of macs.slice(1, -1).entries()) expect(m).toBeLessThan(macs[j]!);
    const width = settings.length;
    const full = Array.from({ length: ROWS }, (_, i) => answers[i * width + width - 1]!);
    const changed = (all: ArrayLike<number>, j: number, w: number) =>
      full.filter((answer, i) => all[i * w + j] !== answer).length / ROWS;
    expect(settings.some((s) => new Set(Object.values(s)).size > 1)).toBe(true);
    const seen = await seeWays(model, tune, chainOf(chained)!.ways);
    const alike = Array.from({ length: 10 }, (_, q) =>
      Object.fromEntries(
        seen.ways.at(-1)!.met.map(({ decision, scores }) => {
          const sorted = [...scores].sort((a, b) => b - a);
          return [decision.name, sorted[4 * (q + 1)]!];
        }),
      ),
    );
    const ran = settle(seen, alike);
    let compared = 0;
    for (const [q, m] of ran.macs.entries()) {
      const risk = changed(ran.answers, q, alike.length);
      // The path tolerates steps of a twentieth of epsilon there.
      const found = macs.filter((_, j) => changed(answers, j, width) <= risk + 0.05 / 20);
      if (risk > 0.05) continue;
      compared++;
      expect(Math.min(...found)).toBeLessThanOrEqual(m * (1 + 1e-9));
    }
    expect(compared).toBeGreaterThan(0);
  });

  it('counts risks against other answers where they are given', async () => {
    const model = modelOf(chained);
    const tune = unlabelled(1);
    const { ways } = chainOf(chained)!;
    const { answers } = await seeWays(model, tune, ways);
    const column = (w: number) => Array.from({ length: ROWS }, (_, i) => answers[i * ways.length + w]!);
    // Whoever is to answer as the shortest way does can leave at once, against the full way not.
    const settings = (reference: readonly number[]) => gateSettings(model, tune, { epsilon: 0.01, reference });
    const cheapest = async (reference: readonly number[]) => {
      const found = await settings(reference);
      const width = found.settings.length;
      const risk = (j: number) => reference.filter((a, i) => found.answers[i * width + j] !== a).length / ROWS;
      return Math.min(...found.macs.filter((_, j) => risk(j) === 0));
    };
    expect(await cheapest(column(0))).toBe(ways[0]!.macs);
    expect(await cheapest(column(3))).toBeGreaterThan(ways[0]!.macs);
  });

  it('is certified, and the certified points do in the file what was certified', async () => {
    const model = modelOf(chained);
    const claim = { risk: 'disagreement', epsilon: 0.3, delta: 0.1 } as const;
    const held = unlabelled(2);
    const certified = await certify(model, { ...claim, tune: unlabelled(1), data: held });
    const { ways } = chainOf(chained)!;
    const thresholds = certified.points.map((p) => p.thresholds);
    const ran = await runEach(model, held, [...thresholds, fullThresholds(decisionsOf(chained))]);
    const width = thresholds.length + 1;
    for (const [j, p] of certified.points.entries()) {
      expect(ran.macs[j]! / ways.at(-1)!.macs).toBeCloseTo(p.budget, 6);
      const differ = Array.from({ length: ROWS }, (_, i) =>
        Number(ran.answers[i * width + j] !== ran.answers[i * width + width - 1]),
      );
      if (p.certified) expect(differ.reduce((a, b) => a + b) / ROWS).toBeCloseTo(p.risk, 6);
    }
    expect(certified.points.filter((p) => p.certified).length).toBeGreaterThan(1);
  });

  it('refuses data of another kind, and a gate that scores NaN', async () => {
    const model = modelOf(chained);
    const labels = new Int32Array(ROWS);
    const other = dataset({ inputs: inputs(1), shape: [3, 8, 8], labels, classes: ['a', 'b', 'c', 'd'] });
    await expect(gateSettings(model, other)).rejects.toThrow('the net answers with 3 classes');
    const seen = await seeWays(model, unlabelled(1), chainOf(chained)!.ways);
    seen.ways.at(-1)!.met.find((m) => m.decision.name === 'a')!.scores[7] = Number.NaN;
    expect(() => settingsOfChain(chainOf(chained)!, seen, unlabelled(1), {})).toThrow(
      'the score of gate "a" is NaN for input 7',
    );
  });
});

import { beforeAll, describe, expect, it } from 'vitest';
import { randomInput, randomWeights } from '../../test/support/build-net.ts';
import { largestDifference } from '../../test/support/difference.ts';
import { row, runAll } from '../../test/support/run.ts';
import { dataset } from '../data/index.ts';
import { type CertifiedModel, certify, keepChannels, keepTokens, masked, type Net, net } from '../dynamic/index.ts';
import type { Tensor } from '../graph/index.ts';
import {
  classify,
  classToken,
  layerNorm,
  patchEmbed,
  positionEmbedding,
  takeToken,
  transformerLayer,
} from '../nn/index.ts';
import { load } from './load.ts';
import { readCard } from './read-card.ts';
import { toBytes } from './save.ts';

const image = { input: [3, 8, 8], classes: 3, onWarning() {} };
const tokens = net(image, (x) => {
  const all: Tensor = positionEmbedding(classToken(patchEmbed(x, 6, { patch: 2 })));
  const kept = keepTokens(all, { count: 9 });
  return classify(layerNorm(takeToken(transformerLayer(kept.tokens, { heads: 2, ratio: 1, mask: kept.mask }))));
});
const channels = net(image, (x) => {
  for (const width of [8, 6]) x = keepChannels(x, width, { keep: 0.5 });
  return classify(x);
});

function certifiedOn(made: Net): Promise<CertifiedModel> {
  const drawn = (seed: number) =>
    dataset({
      inputs: randomInput(made, 200, seed).data as Float32Array,
      shape: image.input,
      classes: ['a', 'b', 'c'],
    });
  return certify(
    {
      ...{ net: made, weights: randomWeights(made, 1), classes: ['a', 'b', 'c'] },
      preprocessing: { shape: image.input, scale: 1, mean: [0], std: [1] },
    },
    { tune: drawn(1), data: drawn(2), risk: 'disagreement', epsilon: 0.3 },
  );
}

describe.each([
  ['tokens', tokens],
  ['channels', channels],
] as const)('points of a net that keeps %s', (name, made) => {
  let certified: CertifiedModel;
  beforeAll(async () => {
    certified = await certifiedOn(made);
  });
  const x = randomInput(made, 4, 3);
  const wanted = async (point: CertifiedModel['chosen'], input = x) =>
    (await runAll({ output: masked(made, point.thresholds).output }, certified.weights, [input]))[0]!.output!.data;

  it('one input: a budget picks a point, whose thresholds and savings are those that were certified', async () => {
    const bytes = toBytes(certified, { form: 'branch' });
    const card = readCard(bytes);
    expect(card.points.map((p) => p.thresholds)).toEqual(certified.points.map((p) => p.thresholds));
    expect(card.points.map((p) => p.budget)).toEqual(certified.points.map((p) => p.budget));
    const one = row(x, 0);
    const loaded = await load(bytes);
    try {
      const macs: number[] = [];
      for (const point of certified.points.filter((p) => p.certified)) {
        const ran = await loaded.run(one, { budget: point.budget });
        expect(ran.point).toEqual({ budget: point.budget, certified: true });
        expect(largestDifference(ran.output.data, await wanted(point, one))).toBeLessThan(1e-4);
        macs.push(ran.trace[0]!.macs);
      }
      expect(macs[0]).toBe(card.fullMacs);
      for (const [i, m] of macs.entries()) if (i > 0) expect(m).toBeLessThan(macs[i - 1]!);
      const standing = await loaded.run(one);
      expect(standing.point.budget).toBe(certified.chosen.budget);
      expect(standing.trace[0]!.macs).toBe(Math.min(...macs));
    } finally {
      await loaded.close();
    }
  });

  it('a stock caller, who feeds the image only, gets the chosen point', async () => {
    const { InferenceSession, Tensor: OrtTensor } = await import('onnxruntime-node');
    const session = await InferenceSession.create(toBytes(certified));
    const out = await session.run({ input: new OrtTensor('float32', x.data as Float32Array, [...x.dims]) });
    await session.release();
    expect(largestDifference(out.logits!.data as Float32Array, await wanted(certified.chosen))).toBeLessThan(1e-4);
  });

  it('a batch: answers are the same, and budgets say what this file saves', async () => {
    const bytes = toBytes(certified);
    const { points, fullMacs } = readCard(bytes);
    expect(points.map((p) => p.budget)).toEqual(certified.points.map((p) => p.batched ?? p.budget));
    const loaded = await load(bytes);
    try {
      const standing = await loaded.run(x);
      expect(largestDifference(standing.output.data, await wanted(certified.chosen))).toBeLessThan(1e-4);
      const full = await loaded.run(x, { budget: 1 });
      expect(largestDifference(full.output.data, await wanted(certified.points[0]!))).toBeLessThan(1e-4);
      for (const t of full.trace) expect(t.macs).toBe(fullMacs);
      if (name === 'channels') {
        for (const t of standing.trace) expect(t.macs).toBe(fullMacs);
        await expect(loaded.run(x, { budget: 0.5 })).rejects.toThrow(/below the cheapest path.*takes 100 %/);
        return;
      }
      const bold = certified.chosen.batched ?? certified.chosen.budget;
      const ran = await loaded.run(x, { budget: bold });
      expect(ran.point).toEqual({ budget: bold, certified: true });
      expect(ran.output).toEqual(standing.output);
      for (const t of ran.trace) expect(t.macs / fullMacs).toBeCloseTo(bold, 9);
    } finally {
      await loaded.close();
    }
  });

  it('the certificate is bound to the counts that are kept', async () => {
    const [[decision, count]] = Object.entries(certified.chosen.thresholds) as [[string, number]];
    const moved = { ...certified.chosen, thresholds: { ...certified.chosen.thresholds, [decision]: count + 1 } };
    const points = certified.points.map((p) => (p === certified.chosen ? moved : p));
    expect(() => toBytes({ ...certified, points, chosen: moved })).toThrow(/are not those that were certified/);
    const bytes = Buffer.from(toBytes(certified)).toString('latin1');
    const [text] = bytes.match(/"risk":[^,]*,"shares":\[1\],"certified":true/)!;
    const spoilt = Buffer.from(
      bytes.replace(
        text!,
        text!.replace(/\d(?=,"shares)/, (d) => `${(Number(d) + 1) % 10}`),
      ),
      'latin1',
    );
    expect(() => readCard(new Uint8Array(spoilt))).toThrow(/certificate does not fit the file/);
  });
});

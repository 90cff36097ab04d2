import type { Dataset, Trained } from 'dynaneural';
import { dataset } from 'dynaneural/data';
import { cut, decisionsOf, everyWidth, masked, ownThresholds, parametersOf, sparse } from 'dynaneural/dynamic';
import { encodeModel, type NDArray, ndarray, type Tensor, toOnnx } from 'dynaneural/graph';
import { materialize, paramsOf } from 'dynaneural/nn';
import { compile } from 'dynaneural/runtime';
import { describe, expect, it } from 'vitest';
import { macsOf, startOf } from '../shared/static.ts';
import { atLeast, FULL, gatedMacs, gatedNet, narrowed, plainNet, QUICK, slimNet } from './nets.ts';
import { startGated } from './saliency.ts';

const data = { shape: [3, 32, 32], classes: [...'abcdefghij'] };
const images: Dataset = dataset({
  ...data,
  name: 'waves',
  inputs: Float32Array.from({ length: 64 * 3072 }, (_, i) => Math.sin(i * (1 + (i % 3072) / 900))),
  labels: new Int32Array(64),
  mean: [0, 0, 0],
  std: [1, 1, 1],
});
const few = (n: number): NDArray =>
  ndarray('float32', [n, 3, 32, 32], (images.inputs as Float32Array).subarray(0, n * 3072));

async function run(output: Tensor, weights: ReadonlyMap<string, NDArray>, input: NDArray): Promise<number[]> {
  const runner = await compile(encodeModel(toOnnx({ output }, { weights })));
  try {
    return Array.from((await runner.run({ input })).output!.data as Float32Array);
  } finally {
    await runner.close();
  }
}

describe('costs', () => {
  const full = macsOf(plainNet(data, FULL));

  it('are what the page says, seven tenths where inputs choose', () => {
    expect(full / 1e6).toBeCloseTo(72, 0);
    const last = FULL.slice(3).reduce(
      (sum, { channels }, i) => sum + 9 * (i < 4 ? 64 : 16) * channels * FULL[i + 2]!.channels,
      0,
    );
    expect(last / full).toBeCloseTo(0.72, 2);
  });

  it('go with the square of what is kept; a pruned net at the same MACs is no narrower than the gated one', () => {
    for (const share of [0.33, 0.46, 0.7]) {
      const first = narrowed(FULL, share, ['weights']);
      const gated = gatedNet(data, first, share);
      const both = macsOf(plainNet(data, narrowed(first, share, ['input'])));
      const macs = gatedMacs(gated);
      expect(macs).toBeGreaterThan(both);
      expect(macs).toBeLessThan(both * 1.02);
      expect(gatedMacs(gatedNet(data, first, share, true))).toBe(macs);
      expect(gatedMacs(gated, () => undefined)).toBeGreaterThan(macs);
      const rival = macsOf(plainNet(data, atLeast(data, first, macs)));
      expect(rival).toBeGreaterThanOrEqual(macs);
      expect(rival).toBeLessThan(macs * 1.05);
      if (share === 0.46) expect(1 - macs / full).toBeGreaterThan(0.73);
    }
  });
});

describe('a gated net', () => {
  const plain = plainNet(data, QUICK);
  const weights = new Map(materialize(paramsOf([plain.output]), 5));
  const model = { net: plain, weights, classes: data.classes } as unknown as Trained;

  it('has the plain one inside: where gains are 1 and all is kept, it answers alike but for what is usual', async () => {
    const gated = gatedNet(data, QUICK, 0.5);
    const start = await startGated(model, QUICK, images);
    const own = new Map([...materialize(paramsOf([gated.output]), 1), ...start]);
    for (const [name, { dims, data: values }] of own) {
      if (/(saliency\/weight|usual)$/.test(name))
        own.set(name, ndarray('float32', dims, new Float32Array(values.length)));
      if (name.endsWith('saliency/bias'))
        own.set(name, ndarray('float32', dims, new Float32Array(values.length).fill(1)));
    }
    const [a, b] = [await run(plain.output, weights, few(4)), await run(cut(gated).output, own, few(4))];
    for (const [i, v] of a.entries()) expect(b[i]).toBeCloseTo(v, 4);
  });

  it('foretells channels: gains are 1 on average, and rise with what a channel says', async () => {
    const start = await startGated(model, QUICK, images);
    const known = new Set(parametersOf(gatedNet(data, QUICK, 0.5)).map((p) => p.name));
    for (const name of start.keys()) expect(known).toContain(name);
    const bias = start.get('conv3/saliency/bias')!.data as Float32Array;
    const level = Array.from(start.get('conv3/level')!.data as Float32Array);
    // A channel that is silent on these images is worth nothing, whatever its gain.
    const speaking = level.filter((l) => l > 1e-4).length;
    expect(speaking).toBeGreaterThan(level.length / 2);
    expect(bias.filter((b, c) => level[c]! > 1e-4 && Math.abs(b - 1) < 0.05)).toHaveLength(speaking);
    expect(level.reduce((x, y) => x + y) / level.length).toBeCloseTo(1, 4);
    expect(Math.min(...level)).toBeGreaterThanOrEqual(0);
  });

  it('gives the same in the file for one image as in the masked form, with the count of channels that is asked for', async () => {
    const gated = gatedNet(data, QUICK, 0.5);
    const own = new Map([...materialize(paramsOf([gated.output]), 1), ...(await startGated(model, QUICK, images))]);
    const thresholds = ownThresholds(decisionsOf(gated));
    expect(thresholds).toEqual({ conv3: 12, conv4: 12 });
    const all = await run(masked(gated, thresholds).output, own, few(6));
    const alone = sparse(gated, thresholds, { form: 'branch' }).output;
    for (let i = 0; i < 6; i++) {
      const one = ndarray(
        'float32',
        [1, 3, 32, 32],
        (images.inputs as Float32Array).subarray(i * 3072, (i + 1) * 3072),
      );
      for (const [k, v] of (await run(alone, own, one)).entries()) expect(v).toBeCloseTo(all[10 * i + k]!, 4);
    }
  });
});

it('a slimmable net is, at each width, the plain net of that width', async () => {
  const shares = [1, 0.5];
  const slim = slimNet(data, QUICK, shares);
  const weights = new Map(materialize(paramsOf([slim.output]), 6));
  for (const [k, choices] of everyWidth(slim).entries()) {
    const narrow = plainNet(data, narrowed(QUICK, shares[k]!, ['weights', 'input']));
    expect(macsOf(cut(slim, choices))).toBe(macsOf(narrow));
    expect([...startOf(slim, weights).keys()].length).toBeGreaterThan(0);
    const logits = await run(cut(slim, choices).output, weights, few(2));
    expect(logits).toHaveLength(20);
  }
});

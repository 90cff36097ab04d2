import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Dataset, Model } from 'dynaneural';
import { dataset } from 'dynaneural/data';
import { cut, everyWidth } from 'dynaneural/dynamic';
import { encodeModel, type NDArray, ndarray, type Tensor, toOnnx } from 'dynaneural/graph';
import { materialize, paramsOf } from 'dynaneural/nn';
import { compile } from 'dynaneural/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Context } from '../shared/context.ts';
import { runSparse } from '../shared/evaluate.ts';
import { macsOf } from '../shared/static.ts';
import { cascade, thresholdsFor, widthOf } from './cascade.ts';
import { narrowed, plainNet, QUICK, slimNet } from './nets.ts';

const shape = [3, 16, 16];
const classes = ['a', 'b', 'c', 'd'];
const images: Dataset = dataset({
  ...{ shape, classes, name: 'waves', labels: new Int32Array(60), mean: [0, 0, 0], std: [1, 1, 1] },
  inputs: Float32Array.from({ length: 60 * 768 }, (_, i) => Math.sin(i * (1 + (i % 768) / 300)) * (1 + (i % 5))),
});
const few: NDArray = ndarray('float32', [5, ...shape], (images.inputs as Float32Array).subarray(0, 5 * 768));
const shares = [1, 0.5];
const slim = slimNet(images, QUICK, shares);
const weights = new Map(materialize(paramsOf([slim.output]), 6));
for (const [name, { dims }] of weights)
  if (/norm\/(scale|mean)$/.test(name))
    weights.set(
      name,
      ndarray(
        'float32',
        dims,
        Float32Array.from({ length: dims[0]! }, (_, i) => 1 + Math.sin(i + name.length) / 3),
      ),
    );
const widths = shares.map((share) => widthOf({ net: slim, weights }, images, QUICK, share));
const like = { classes, preprocessing: { shape, scale: 1, mean: [0, 0, 0], std: [1, 1, 1] } } as unknown as Model;
const made = cascade(like, images, widths[1]!, widths[0]!);

let cx: Context;
beforeEach(async () => {
  const cache = await mkdtemp(join(tmpdir(), 'dyna-cascade-'));
  cx = { quick: true, seeds: [1], cache, progress: { start() {}, update() {}, stop() {} }, note() {} };
});
afterEach(() => rm(cx.cache, { recursive: true, force: true }));

async function logits(output: Tensor, own: ReadonlyMap<string, NDArray>): Promise<number[]> {
  const runner = await compile(encodeModel(toOnnx({ output }, { weights: own })));
  try {
    return Array.from((await runner.run({ input: few })).output!.data as Float32Array);
  } finally {
    await runner.close();
  }
}

it('each width of a slimmable net is a plain net of its own', async () => {
  for (const [k, choices] of everyWidth(slim).entries()) {
    const { net, weights: own } = widths[k]!;
    expect(macsOf(net)).toBe(macsOf(plainNet(images, narrowed(QUICK, shares[k]!, ['weights', 'input']))));
    const [a, b] = [await logits(cut(slim, choices).output, weights), await logits(net.output, own)];
    for (const [i, v] of a.entries()) expect(b[i]).toBeCloseTo(v, 4);
  }
});

it('a cascade answers as the narrow net where that is sure, else as the wide one', async () => {
  const [wide, narrow] = widths;
  const [a, b] = [await logits(cut(made.net).output, made.weights), await logits(wide!.net.output, wide!.weights)];
  for (const [i, v] of a.entries()) expect(b[i]).toBeCloseTo(v, 4);
  const at = await logits(cut(made.net, { narrow: 'exit' }).output, made.weights);
  for (const [i, v] of (await logits(narrow!.net.output, narrow!.weights)).entries()) expect(at[i]).toBeCloseTo(v, 4);
});

it('thresholds are set for mean MACs', async () => {
  const [most, least] = [macsOf(widths[0]!.net) + macsOf(widths[1]!.net), macsOf(widths[1]!.net)];
  const wanted = [0.3, 0.75].map((p) => least + p * (most - least));
  const found = await thresholdsFor(cx, 'a', made, images, [...wanted, 0, 2 * most]);
  expect(found.slice(2)).toEqual([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]);
  for (const [i, macs] of wanted.entries()) {
    const { traces } = await runSparse(cx, 'a', made, images, { narrow: found[i]! });
    expect(traces.reduce((sum, t) => sum + t.macs, 0) / traces.length / macs).toBeCloseTo(1, 3);
  }
});

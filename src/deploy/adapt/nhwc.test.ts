import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, dataset, takeBatch } from '../../data/index.ts';
import { argmaxAt, net } from '../../dynamic/index.ts';
import { decodeModel, type NDArray } from '../../graph/index.ts';
import { classify, conv, residual } from '../../nn/index.ts';
import { train } from '../../train/index.ts';
import { load } from '../load.ts';
import { readCard } from '../read-card.ts';
import { toBytes } from '../save.ts';
import { type Adapted, adapt } from './adapt.ts';
import { compareTimes } from './compare.ts';
import { exported, images as grey } from './fixtures/classifier.ts';
import { readForeign } from './foreign.ts';

const session = { intraOpNumThreads: 1 };
const shape = [3, 16, 16];

/** The grey images in three channels that differ, so that no order of axes can be taken for another. */
function images(n: number, seed: number): Dataset {
  const { inputs, labels, classes } = grey(n, seed);
  const colour = new Uint8Array(3 * inputs.length);
  for (let i = 0; i < inputs.length; i++) {
    const [image, p] = [Math.floor(i / 256), i % 256];
    const v = inputs[i]!;
    colour[768 * image + p] = v;
    colour[768 * image + 256 + p] = 255 - v;
    colour[768 * image + 512 + p] = v >> 2;
  }
  return dataset({
    name: 'colours',
    inputs: colour,
    shape,
    labels,
    classes,
    mean: [0.5, 0.4, 0.1],
    std: [0.25, 0.2, 0.1],
  });
}

const all = (ds: Dataset): NDArray =>
  takeBatch(
    ds,
    Int32Array.from({ length: ds.length }, (_, i) => i),
  ).x;

/** As a caller of the original feeds it: pixel by pixel, three values each. */
function channelsLast({ dims, data }: NDArray): OrtTensor {
  const n = dims[0]!;
  const turned = new Float32Array(n * 768);
  for (let i = 0; i < n; i++)
    for (let p = 0; p < 256; p++)
      for (let c = 0; c < 3; c++) turned[(i * 256 + p) * 3 + c] = data[i * 768 + c * 256 + p] as number;
  return new OrtTensor('float32', turned, [n, 16, 16, 3]);
}

/** Logits of a plain session that is fed as the original was. */
async function stock(bytes: Uint8Array, x: OrtTensor): Promise<Float32Array> {
  const plain = await InferenceSession.create(bytes, { logSeverityLevel: 4 });
  const { scores } = await plain.run({ 'input_1:0': x });
  await plain.release();
  return scores!.data as Float32Array;
}

let original: Uint8Array;
let result: Adapted;
let fresh: Dataset;
beforeAll(async () => {
  const made = net({ input: shape, classes: 4 }, (x) => {
    x = residual(conv(x, 8, { norm: 'batch', activation: 'relu' }), 8);
    return classify(residual(residual(x, 16, { stride: 2 }), 24, { stride: 2 }));
  });
  const trained = await train(made, { data: images(512, 1), epochs: 3, lr: 0.05, session });
  original = exported(trained, { channelsLast: true, input: 'input_1:0' });
  fresh = images(200, 6);
  result = await adapt(original, {
    data: images(600, 5),
    maxDisagreement: 0.1,
    epochs: 6,
    views: 1,
    selectBy: 'macs',
    session,
  });
});

const inputOf = (bytes: Uint8Array) => {
  const { graph } = decodeModel(bytes);
  return graph.inputs.find((v) => v.name === 'input_1:0')!.shape!.slice(1);
};

describe('a file that takes channels last', () => {
  it('becomes one that takes them last too, under the same name', () => {
    expect(result.summary.fullModelKept).toBe(false);
    expect([inputOf(original), inputOf(result.bytes)]).toEqual([
      [16, 16, 3],
      [16, 16, 3],
    ]);
    expect(readCard(result.bytes)).toMatchObject({ layout: 'NHWC', preprocessing: { shape } });
    // The one Transpose of the original is the one that is left.
    const turns = decodeModel(result.bytes).graph.nodes.filter(
      (n) => n.op === 'Transpose' && n.inputs[0] === 'input_1:0',
    );
    expect(turns).toHaveLength(1);
  });

  it('gives the same logits on the full path, by a stock runtime that feeds both alike', async () => {
    const x = channelsLast(all(fresh));
    const want = await stock(original, x);
    // Without a certificate the defaults of a file are "never".
    const { names, output, layout } = readForeign(original);
    const full = toBytes(result.candidate, { names, output, layout });
    const got = await stock(full, x);
    for (const [i, v] of want.entries()) expect(got[i]).toBeCloseTo(v, 4);
    const dynamic = await stock(result.bytes, x);
    const apart = Array.from({ length: 200 }, (_, i) => i).filter(
      (i) => argmaxAt(dynamic, 4 * i, 4) !== argmaxAt(want, 4 * i, 4),
    );
    expect(apart.length / 200).toBeLessThanOrEqual(0.1);
  });

  it('is fed by load with images as all others are: bytes and normalised, channels first', async () => {
    const want = await stock(result.bytes, channelsLast(all(fresh)));
    const model = await load(result.bytes, { session });
    for (const given of [fresh.inputs as Uint8Array, all(fresh)]) {
      const { output, answers } = await model.run(given);
      for (const [i, v] of want.entries()) expect(output.data[i]).toBeCloseTo(v, 5);
      expect(answers.some((a) => a.exit !== 'final')).toBe(true);
    }
    const one = await model.run(fresh.inputs.subarray(0, 768) as Uint8Array);
    expect(one.answers[0]!.index).toBe(argmaxAt(want, 0, 4));
    await model.close();
  });

  it('is timed against the original, each fed as it takes images', async () => {
    const times = await compareTimes(original, readForeign(original), result.bytes, fresh, { rounds: 5, session });
    expect(times.map((t) => t.batch)).toEqual([1, 64]);
  });
});

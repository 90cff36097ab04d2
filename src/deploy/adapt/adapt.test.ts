import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, takeBatch } from '../../data/index.ts';
import { argmaxAt } from '../../dynamic/index.ts';
import { decodeModel, type NDArray, sizeOf } from '../../graph/index.ts';
import { load } from '../load.ts';
import { readCard } from '../read-card.ts';
import { type Adapted, adapt as adaptBy } from './adapt.ts';
import { compareAnswers } from './compare.ts';
import { exported, images, shape, teacher } from './fixtures/classifier.ts';
import { readForeign } from './foreign.ts';
import type { AdaptOptions } from './options.ts';

/** These nets are so small that exits cost time; that is for the tests of selection. */
const adapt = (original: Uint8Array, options: AdaptOptions): Promise<Adapted> =>
  adaptBy(original, { selectBy: 'macs', ...options });

type Teacher = Awaited<ReturnType<typeof teacher>>;

/** Rows of an output, by a plain session that is fed with nothing but the original's input. */
async function answers(
  bytes: Uint8Array,
  input: string,
  output: string,
  x: NDArray,
  batch: number,
): Promise<number[][]> {
  const session = await InferenceSession.create(bytes);
  const size = sizeOf(shape);
  const rows: number[][] = [];
  for (let at = 0; at < x.dims[0]!; at += batch) {
    const n = Math.min(batch, x.dims[0]! - at);
    const part = (x.data as Float32Array).slice(at * size, (at + n) * size);
    const got = (await session.run({ [input]: new OrtTensor('float32', part, [n, ...shape]) }))[output]!;
    const width = got.dims[1]!;
    for (let i = 0; i < n; i++) rows.push(Array.from((got.data as Float32Array).slice(i * width, (i + 1) * width)));
  }
  await session.release();
  return rows;
}

const classOf = (row: readonly number[]): number => argmaxAt(row, 0, row.length);
const apart = (a: readonly number[][], b: readonly number[][]): number =>
  a.filter((row, i) => classOf(row) !== classOf(b[i]!)).length / a.length;
const all = (ds: Dataset): NDArray =>
  takeBatch(
    ds,
    Int32Array.from({ length: ds.length }, (_, i) => i),
  ).x;

let made: Teacher;
let data: Dataset;
let fresh: Dataset;
beforeAll(async () => {
  made = await teacher();
  data = images(900, 5);
  fresh = images(600, 6);
});

describe('an open batch of another name, an odd input name, a softmax at the end', () => {
  let original: Uint8Array;
  let result: Adapted;
  const stages = new Set<string>();
  beforeAll(async () => {
    const metadata = { class_names: '["down","right","up","left"]', origin: 'elsewhere' };
    original = exported(made, { input: 'pixels:0', output: 'probs', softmax: true, metadata });
    result = await adapt(original, {
      data,
      test: fresh,
      maxDisagreement: 0.05,
      epochs: 10,
      views: 2,
      onProgress: (stage) => stages.add(stage),
    });
  });

  it('gives the original answers within the bound, in a stock runtime that knows nothing of thresholds', async () => {
    expect(result.summary.fullModelKept).toBe(false);
    const x = all(fresh);
    const before = await answers(original, 'pixels:0', 'probs', x, 64);
    const after = await answers(result.bytes, 'pixels:0', 'probs', x, 64);
    expect(new Set(before.map(classOf)).size).toBe(4);
    expect(apart(before, after)).toBeLessThanOrEqual(0.05);
    for (const row of after) expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 4);
    const single = await answers(result.bytes, 'pixels:0', 'probs', x, 1);
    expect(apart(single, after)).toBe(0);
  });

  it('saves MACs: some inputs leave early, and what stays to the end is the original bit for bit in meaning', async () => {
    const { summary, plan } = result;
    expect(summary.exits.exit1).toBeGreaterThan(0.1);
    expect(summary.meanMacs).toBeLessThan(summary.originalMacs);
    expect(plan.exits.length).toBeGreaterThan(0);
    const model = await load(result.bytes);
    const x = all(fresh);
    const { answers: got, output } = await model.run(x);
    await model.close();
    const before = await answers(original, 'pixels:0', 'probs', x, 64);
    const finals = got.flatMap((a, i) => (a.exit === 'final' ? [i] : []));
    expect(finals.length).toBeGreaterThan(10);
    for (const i of finals)
      for (let k = 0; k < 4; k++) expect((output.data as Float32Array)[4 * i + k]).toBeCloseTo(before[i]![k]!, 4);
    for (const [i, a] of got.entries())
      expect(a.confidence).toBeCloseTo((output.data as Float32Array)[4 * i + a.index]!, 4);
    const early = got.filter((a) => a.exit !== 'final').length / got.length;
    expect(summary.test!.n).toBe(600);
    expect(summary.test!.exits.final).toBeCloseTo(1 - early, 6);
    const same = got.filter((a, i) => a.index === classOf(before[i]!)).length / got.length;
    expect(summary.test!.agreement).toBeCloseTo(same, 6);
  });

  it('keeps names, class order, metadata and weights, and says what the output means', () => {
    const card = readCard(result.bytes);
    expect(card).toMatchObject({ names: { input: 'pixels:0', output: 'probs' }, output: 'probabilities' });
    expect(card.classes).toEqual(['down', 'right', 'up', 'left']);
    expect(card.certificate).toMatchObject({ risk: 'disagreement', epsilon: 0.05, delta: 0.1, n: 270 });
    const file = decodeModel(result.bytes);
    expect(file.metadata.origin).toBe('elsewhere');
    expect(file.graph.outputs.map((o) => o.name)).toEqual(['probs', 'trace']);
    for (const [name, { data: kept }] of made.weights) expect(result.model!.weights.get(name)!.data).toEqual(kept);
  });

  it('tells of every stage, and learns from the model alone: labels play no part', async () => {
    expect([...stages]).toEqual(['features', 'heads', 'tune', 'certify', 'test']);
    const other = await adapt(original, {
      data: { ...data, labels: data.labels.map((l) => 3 - l) },
      maxDisagreement: 0.05,
      epochs: 10,
      views: 2,
    });
    expect(Buffer.from(other.bytes).equals(result.bytes)).toBe(true);
  });
});

it('opens an export for one image, which then takes one and many', async () => {
  const original = exported(made, { batch: 1, fixed: true, input: 'input', output: 'logits' });
  const { bytes, summary } = await adapt(original, { data, test: fresh, maxDisagreement: 0.05, epochs: 6 });
  const x = all(fresh);
  const before = await answers(original, 'input', 'logits', x, 1);
  const many = await answers(bytes, 'input', 'logits', x, 200);
  expect(apart(before, many)).toBeLessThanOrEqual(0.05);
  expect(apart(await answers(bytes, 'input', 'logits', x, 1), many)).toBe(0);
  expect(summary.test!.agreement).toBeCloseTo(1 - apart(before, many), 6);
});

it('keeps the full model where nothing faster can be certified', async () => {
  const original = exported(made);
  const { bytes, summary, model, certificate } = await adapt(original, {
    data: images(800, 9, 1), // all faint
    maxDisagreement: 0.01,
    views: 1,
    epochs: 1,
  });
  expect(summary).toMatchObject({ fullModelKept: true, exits: { final: 1 }, way: 'frozen' });
  expect(summary).not.toHaveProperty('seen');
  expect(model).toBeUndefined();
  expect(summary.message).toContain('full model kept');
  expect(summary.meanMacs).toBe(summary.originalMacs);
  expect(certificate).toMatchObject({ risk: 'disagreement', fullModelKept: true });
  expect(Buffer.from(bytes).equals(original)).toBe(true);
  const compared = await compareAnswers(original, readForeign(original), bytes, fresh);
  const x = all(fresh);
  const right = (await answers(original, 'image', 'scores', x, 64)).filter((r, i) => classOf(r) === fresh.labels[i]);
  const accuracy = right.length / fresh.length;
  expect(compared).toEqual({
    ...{ n: 600, agreement: 1, exits: { final: 1 }, agreementAt: { final: 1 }, differences: [], harm: 0 },
    ...{ meanMacs: summary.originalMacs, accuracy: { original: accuracy, adapted: accuracy } },
  });
});

it('bounds the accuracy that is lost, gains counted against it, where that is asked for', async () => {
  const original = exported(made);
  const { bytes, summary, certificate } = await adapt(original, {
    ...{ data, train: images(500, 7), test: fresh, maxLoss: 0.08, epochs: 10, views: 2 },
  });
  expect(summary.fullModelKept).toBe(false);
  expect(certificate).toMatchObject({ risk: 'loss', method: 'betting', epsilon: 0.08, n: 540 });
  expect(readCard(bytes).certificate).toMatchObject({ risk: 'loss', epsilon: 0.08 });
  const x = all(fresh);
  const right = async (file: Uint8Array) =>
    (await answers(file, 'image', 'scores', x, 64)).filter((row, i) => classOf(row) === fresh.labels[i]).length / 600;
  const [before, after] = [await right(original), await right(bytes)];
  expect(summary.test!.accuracy).toEqual({ original: before, adapted: after });
  expect(before - after).toBeLessThanOrEqual(0.08);
  await expect(adapt(original, { data, maxHarm: 0.1, maxLoss: 0.1 })).rejects.toThrow('give one of maxDisagreement');
  // A loss varies more than a count of harms: it takes more images to bound.
  await expect(adapt(original, { data, maxLoss: 0.005 })).rejects.toThrow(/none may show loss/);
});

describe('data that cannot serve', () => {
  it('too few images: tells how many it takes', async () => {
    await expect(adapt(exported(made), { data: images(300, 2), maxDisagreement: 0.005 })).rejects.toThrow(
      /at least 460 images to certify.*three tenths of 300 are 90; give at least 1532 images/,
    );
    await expect(
      adapt(exported(made), { data: images(300, 2), train: images(300, 3), maxHarm: 0.005 }),
    ).rejects.toThrow(/none may show harm; six tenths of 300 are 180; give at least 766 images/);
  });

  it('labels that are missing, all alike, or of other classes, where harm is asked for', async () => {
    const harm = (changed: Partial<Dataset>) => adapt(exported(made), { data: { ...data, ...changed }, maxHarm: 0.05 });
    await expect(harm({ classes: [], labels: new Int32Array(900).fill(-1) })).rejects.toThrow(
      'harm and loss are counted on labels, and gradients has none',
    );
    await expect(harm({ classes: ['a', 'b'] })).rejects.toThrow('has 2 classes, the model answers with 4');
    await expect(harm({ labels: new Int32Array(900).fill(2) })).rejects.toThrow(
      'all 900 images of gradients are of the class "up"',
    );
    // In another order, labels would mean other classes; the model's own names are then needed.
    const names = { metadata: { classes: JSON.stringify(['up', 'right', 'down', 'left']) } };
    await expect(adapt(exported(made, names), { data, maxHarm: 0.05 })).rejects.toThrow(
      /class 0 is "down" in gradients and "up" in the model; bring labels into the model's order/,
    );
    await expect(adapt(exported(made), { data })).rejects.toThrow('give one of maxDisagreement, maxHarm and maxLoss');
  });

  it('images of another size', async () => {
    const wide = { ...data, shape: [1, 8, 32] };
    await expect(adapt(exported(made), { data: wide, maxDisagreement: 0.05 })).rejects.toThrow(
      'takes images [1, 16, 16], those of gradients are [1, 8, 32]',
    );
  });

  it('images that the model answers all alike', async () => {
    // All different, but by less than the model minds.
    const size = sizeOf(shape);
    const grey = {
      ...data,
      inputs: new Uint8Array(data.inputs.length).map((_, i) => 9 + ((Math.floor(i / size) >> (i % size)) & 1)),
    };
    await expect(adapt(exported(made), { data: grey, maxDisagreement: 0.05, views: 1 })).rejects.toThrow(
      /answers all images with class "\d"/,
    );
  });

  it('an aborted signal ends it', async () => {
    await expect(
      adapt(exported(made), { data, maxDisagreement: 0.05, signal: AbortSignal.abort(new Error('enough')) }),
    ).rejects.toThrow('enough');
  });
});

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { largestDifference } from '../../test/support/difference.ts';
import { bindingHash, type CertifiedModel, net, parametersOf } from '../dynamic/index.ts';
import type { OnnxGraph } from '../graph/index.ts';
import {
  apply,
  decodeModel,
  forEachNode,
  type NDArray,
  ndarray,
  type Operator,
  Relu,
  subgraphsOf,
} from '../graph/index.ts';
import { classify } from '../nn/index.ts';
import { reference } from './fixtures/reference.ts';
import { certifiedShirts, gated, modelOf, normalised, pixels, shape, shirts } from './fixtures/shirts.ts';
import { readCard, save, toBytes } from './index.ts';

const quiet = { logSeverityLevel: 4 } as const;

/** Runs a file as someone would who has never heard of this library. */
async function stock(bytes: Uint8Array, x: NDArray) {
  const session = await InferenceSession.create(bytes, quiet); // default optimisation level: all
  const out = await session.run({ input: new Tensor('float32', x.data as Float32Array, x.dims) });
  const take = (name: string) => ({ dims: out[name]!.dims, data: out[name]!.data as Float32Array });
  const result = { logits: take('logits'), trace: take('trace') };
  await session.release();
  return result;
}

/** The model with its default thresholds replaced: what a certificate would have chosen. */
function withDefaults(certified: CertifiedModel, thresholds: Record<string, number>): CertifiedModel {
  const chosen = { ...certified.chosen, thresholds, certified: true };
  return {
    ...certified,
    points: [chosen],
    chosen,
    hash: bindingHash(certified.weights, certified.preprocessing, [chosen]),
  };
}

let certified: CertifiedModel;
beforeAll(async () => {
  certified = await certifiedShirts();
});

describe('a file in stock onnxruntime-node, fed with nothing but the image', () => {
  test('gives the answers and choices of the masked lowering, one image and many', async () => {
    const { thresholds } = certified.chosen;
    const bytes = toBytes(certified);
    for (const n of [1, 7, 64]) {
      const x = normalised(pixels(n, 20 + n));
      const want = await reference(certified, thresholds, x);
      const got = await stock(bytes, x);
      expect(got.logits.dims).toEqual([n, 3]);
      expect(Array.from(got.trace.data)).toEqual(Array.from(want.trace.data as Float32Array));
      expect(largestDifference(got.logits.data, want.logits.data)).toBeLessThan(1e-4);
    }
  });

  test('where the batch takes different ways', async () => {
    const x = normalised(pixels(64, 5));
    const { trace } = await stock(toBytes(certified), x);
    expect(new Set(trace.data).size).toBeGreaterThan(1); // else the test above compares one way only
  });

  test.each([
    ['nobody goes on', { exit1: Number.NEGATIVE_INFINITY, exit2: Number.NEGATIVE_INFINITY }, 0],
    ['all leave at the second exit', { exit1: Number.POSITIVE_INFINITY, exit2: Number.NEGATIVE_INFINITY }, 1],
    ['everybody goes on', { exit1: Number.POSITIVE_INFINITY, exit2: Number.POSITIVE_INFINITY }, 2],
  ])('%s', async (_, thresholds, passed) => {
    const model = withDefaults(certified, thresholds);
    for (const n of [1, 5]) {
      const x = normalised(pixels(n, 31));
      const got = await stock(toBytes(model), x);
      const want = await reference(model, thresholds, x);
      expect(Array.from(got.trace.data)).toEqual(new Array(n).fill(passed));
      expect(largestDifference(got.logits.data, want.logits.data)).toBeLessThan(1e-4);
    }
  });

  test('an uncertified model never leaves early', async () => {
    const { trace } = await stock(toBytes(modelOf(shirts())), normalised(pixels(9)));
    expect(Array.from(trace.data)).toEqual(new Array(9).fill(2));
  });

  test('the branch form gives what the rows form gives for one image', async () => {
    for (let seed = 0; seed < 8; seed++) {
      const x = normalised(pixels(1, seed));
      const rows = await stock(toBytes(certified), x);
      const single = await stock(toBytes(certified, { form: 'branch' }), x);
      expect(Array.from(single.trace.data)).toEqual(Array.from(rows.trace.data));
      expect(largestDifference(single.logits.data, rows.logits.data)).toBeLessThan(1e-4);
    }
  });

  test('a net with a gate that is no exit', async () => {
    const model = modelOf(gated());
    const x = normalised(pixels(12));
    const got = await stock(toBytes(model), x);
    const want = await reference(model, { select1: 0 }, x);
    expect(largestDifference(got.logits.data, want.logits.data)).toBeLessThan(1e-4);
  });
});

describe('what stands in a file', () => {
  const graphs = (graph: OnnxGraph): OnnxGraph[] => [graph, ...graph.nodes.flatMap(subgraphsOf).flatMap(graphs)];

  test.each(['rows', 'branch'] as const)(
    'every weight once, those of later stages inside their branches (%s)',
    (form) => {
      const { graph } = decodeModel(toBytes(certified, { form }));
      const stored = graphs(graph).flatMap((g) => g.initializers);
      for (const { name, shape: want } of parametersOf(certified.net)) {
        const found = stored.filter((t) => t.name === name);
        expect(found.map((t) => t.dims)).toEqual([want]);
        if (!name.endsWith('/weight')) continue; // these differ from each other, so a second copy would show
        const { data } = certified.weights.get(name)!;
        expect(stored.filter((t) => largestDifference(t.data, data) === 0)).toHaveLength(1);
      }
      const outer = new Set(graph.initializers.map((t) => t.name));
      expect([...outer].filter((n) => n.startsWith('residual'))).toEqual([]);
      expect(outer).toContain('exit1/threshold');
    },
  );

  test('plain ONNX of opset 17, IR 8; names that others can rely on', () => {
    const model = decodeModel(toBytes(certified));
    expect([model.irVersion, model.opsets]).toEqual([8, { '': 17 }]);
    forEachNode(model.graph, (node) => expect(node.domain).toBe(''));
    expect(model.graph.inputs.map((i) => i.name)).toEqual(
      expect.arrayContaining(['input', 'exit1/threshold', 'exit2/threshold']),
    );
    expect(model.graph.outputs.map((o) => o.name)).toEqual(['logits', 'trace']);
    expect(model.graph.inputs.find((i) => i.name === 'input')!.shape).toEqual(['N', ...shape]);
    expect(JSON.parse(model.metadata.classes!)).toEqual(['shirt', 'shoe', 'bag']);
    // What a foreign file said in its own way stays as it was.
    const foreign = decodeModel(toBytes(certified, { metadata: { classes: 'shirt,shoe,bag', author: 'x' } }));
    expect(foreign.metadata).toMatchObject({ classes: 'shirt,shoe,bag', author: 'x' });
    const single = decodeModel(toBytes(certified, { form: 'branch' }));
    expect(single.graph.inputs.find((i) => i.name === 'input')!.shape).toEqual([1, ...shape]);
  });

  test('is the same, byte for byte, for the same model', () => {
    expect(Buffer.compare(toBytes(certified), toBytes(certified))).toBe(0);
  });

  test('operators of other domains are refused', () => {
    const Foreign: Operator = { ...(Relu as unknown as Operator), name: 'QuickGelu', domain: 'com.microsoft' };
    const made = net({ input: shape, classes: 3 }, (x) => classify(apply(Foreign, [x], {})));
    expect(() => toBytes(modelOf(made))).toThrow(/com\.microsoft/);
  });
});

describe('a model that does not fit itself is refused', () => {
  test('weights that changed after the certificate', () => {
    const weights = new Map(certified.weights);
    const [name, value] = [...weights].find(([, v]) => v.data.length > 4)!;
    const data = (value.data as Float32Array).slice();
    data[0]! += 1e-3;
    weights.set(name, { ...value, data });
    expect(() => toBytes({ ...certified, weights })).toThrow(/are not those that were certified/);
  });

  test('thresholds and preprocessing that changed after the certificate', () => {
    const points = certified.points.map((p) => ({ ...p, thresholds: { ...p.thresholds, exit1: -0.5 } }));
    expect(() => toBytes({ ...certified, points, chosen: points[0]! })).toThrow(/are not those that were certified/);
    const preprocessing = { ...certified.preprocessing, std: [0.2, 0.5] };
    expect(() => toBytes({ ...certified, preprocessing })).toThrow(/are not those that were certified/);
  });

  test('weights, classes, preprocessing of other shapes; an unknown form', () => {
    const model = modelOf(shirts());
    const [name] = [...model.weights.keys()];
    const weights = new Map(model.weights).set(name!, ndarray('float32', [2], [1, 2]));
    expect(() => toBytes({ ...model, weights })).toThrow(`parameter "${name}" has shape`);
    expect(() => toBytes({ ...model, classes: ['a'] })).toThrow(/3 logits, but there are 1 class names/);
    const preprocessing = { ...model.preprocessing, shape: [2, 9, 8] };
    expect(() => toBytes({ ...model, preprocessing })).toThrow(/its preprocessing makes \[2, 9, 8\]/);
    expect(() => toBytes(model, { form: 'loop' as 'rows' })).toThrow(/"rows" or "branch", got "loop"/);
  });
});

describe('save', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dyna-save-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('writes one file and nothing else; the card comes back', async () => {
    const path = join(folder, 'shirts.onnx');
    await save(certified, path);
    expect(await readdir(folder)).toEqual(['shirts.onnx']);
    expect(Buffer.compare(await readFile(path), toBytes(certified))).toBe(0);
    const card = readCard(path);
    expect(card.points).toEqual(certified.points);
    expect(card.points[card.chosen]).toEqual(certified.chosen);
    expect(card.certificate).toMatchObject({ risk: 'disagreement', method: 'binomial', epsilon: 0.9, n: 150 });
    expect(card).toMatchObject({ name: 'shirts', classes: certified.classes, preprocessing: certified.preprocessing });
  });

  test('a model that is refused leaves the old file as it was', async () => {
    const path = join(folder, 'shirts.onnx');
    await save(certified, path);
    const before = await readFile(path);
    await expect(save({ ...certified, hash: 'other' }, path)).rejects.toMatchObject({ code: 'certificate' });
    expect(Buffer.compare(await readFile(path), before)).toBe(0);
  });
});

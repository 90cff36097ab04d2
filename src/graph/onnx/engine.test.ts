import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, test } from 'vitest';
import { ndarray } from '../array.ts';
import {
  decodeModel,
  encodeModel,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxNode,
  type OnnxTensor,
  stripDefaults,
} from './index.ts';

const node = (
  op: string,
  inputs: string[],
  output: string,
  attributes: Record<string, OnnxAttribute> = {},
): OnnxNode => ({
  op,
  domain: '',
  name: output,
  inputs,
  outputs: [output],
  attributes,
});
const weight = (name: string, dims: number[], values: number[]): OnnxTensor => ({
  name,
  ...ndarray('float32', dims, values),
});
const kernel = [0.5, -1, 2, 1, 0.25, -0.5, 1, 1, -2];

/** A branch that scales the pooled score by its own weight. */
const branch = (name: string, factor: number): OnnxGraph => ({
  name,
  nodes: [node('Mul', ['score', `${name}.factor`], `${name}.y`)],
  inputs: [],
  outputs: [{ name: `${name}.y`, dtype: 'float32', shape: ['N', 1] }],
  initializers: [weight(`${name}.factor`, [1], [factor])],
  values: [],
});

/** 3x3 convolution with ReLU, mean over the image; times 10 where the largest score is above the limit, else times -1. */
const bytes = encodeModel({
  irVersion: 8,
  opsets: { '': 17 },
  producer: 'test',
  producerVersion: '',
  docString: '',
  metadata: {},
  graph: {
    name: 'net',
    nodes: [
      node('Conv', ['x', 'conv.weight', 'conv.bias'], 'conv', {
        kernel_shape: { kind: 'ints', value: [3, 3] },
        pads: { kind: 'ints', value: [1, 1, 1, 1] },
      }),
      node('Relu', ['conv'], 'relu'),
      node('GlobalAveragePool', ['relu'], 'pool'),
      node('Flatten', ['pool'], 'score', { axis: { kind: 'int', value: 1 } }),
      node('ReduceMax', ['score'], 'best', { keepdims: { kind: 'int', value: 0 } }),
      node('Greater', ['best', 'limit'], 'sure'),
      node('If', ['sure'], 'y', {
        then_branch: { kind: 'graph', value: branch('then', 10) },
        else_branch: { kind: 'graph', value: branch('else', -1) },
      }),
    ],
    inputs: [
      { name: 'x', dtype: 'float32', shape: ['N', 1, 4, 4] },
      { name: 'limit', dtype: 'float32', shape: [] },
    ],
    outputs: [{ name: 'y', dtype: 'float32', shape: ['N', 1] }],
    initializers: [
      weight('conv.weight', [1, 1, 3, 3], kernel),
      weight('conv.bias', [1], [0.125]),
      weight('limit', [], [0.5]),
    ],
    values: [{ name: 'score', dtype: 'float32', shape: ['N', 1] }],
  },
});

/** The same by hand. */
function reference(image: number[], limit: number): number {
  const pixel = (r: number, c: number) => (r < 0 || c < 0 || r > 3 || c > 3 ? 0 : image[r * 4 + c]!);
  let sum = 0;
  for (let r = 0; r < 4; r++)
    for (let c = 0; c < 4; c++) {
      const at = kernel.reduce((total, k, i) => total + k * pixel(r + Math.floor(i / 3) - 1, c + (i % 3) - 1), 0.125);
      sum += Math.max(0, at);
    }
  const score = sum / 16;
  return score > limit ? score * 10 : -score;
}

const bright = Array.from({ length: 16 }, (_, i) => 1 + (i % 5) / 4);
const dark = bright.map((value) => value / 50);
const x = (image: number[]) => new Tensor('float32', Float32Array.from(image), [1, 1, 4, 4]);
const limit = (value: number) => new Tensor('float32', Float32Array.of(value), []);

const quiet = { logSeverityLevel: 3 } as const; // it warns of inputs with defaults, which are wanted here

describe('ONNX Runtime reads what we write', () => {
  let session: InferenceSession;
  beforeAll(async () => {
    session = await InferenceSession.create(encodeModel(decodeModel(bytes)), quiet);
  });

  test.each([
    ['then', bright],
    ['else', dark],
  ])('the branch "%s" is taken with the default limit', async (_, image) => {
    const { y } = await session.run({ x: x(image) });
    expect(Number(y!.data[0])).toBeCloseTo(reference(image, 0.5), 4);
  });

  test('a stripped default must be fed, and counts', async () => {
    const stripped = await InferenceSession.create(stripDefaults(bytes, ['limit']), quiet);
    for (const value of [0, 0.5, 100]) {
      const { y } = await stripped.run({ x: x(bright), limit: limit(value) });
      expect(Number(y!.data[0])).toBeCloseTo(reference(bright, value), 4);
    }
    await expect(stripped.run({ x: x(bright) })).rejects.toThrow('limit');
  });
});

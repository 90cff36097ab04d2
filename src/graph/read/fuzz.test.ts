import fc from 'fast-check';
import { expect, test } from 'vitest';
import { float, i64, model, node, value } from '../../../test/graph/models.ts';
import { mutationsOf } from '../../../test/graph/mutate.ts';
import { seeded } from '../../../test/support/random.ts';
import { DynaError } from '../../errors.ts';
import { decodeModel, encodeModel, type OnnxTensor } from '../onnx/index.ts';
import { halfBits } from '../ops/half.ts';
import { fromOnnx } from '../read.ts';
import { toOnnx } from '../write.ts';

const random = seeded(5);
const half = (name: string, dims: number[]): OnnxTensor => ({
  name,
  dtype: 'float16',
  dims,
  data: Uint16Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => halfBits(random() - 0.5)),
});

/** A small classifier in 16 bits, with the shape arithmetic and the casts that exporters put around it. */
const seed = encodeModel(
  model(
    [
      node('Cast', ['x'], 'x16', { to: 10 }),
      node('Conv', ['x16', 'w', 'b'], 'c', { pads: [1, 1, 1, 1], strides: [2, 2], kernel_shape: [3, 3] }),
      node('BatchNormalization', ['c', 'b', 'b', 'b', 'v'], 'n', { epsilon: float(1e-5) }),
      node('Relu', ['n'], 'r'),
      node('MaxPool', ['r'], 'p', { kernel_shape: [2, 2], strides: [2, 2] }),
      node('Shape', ['p'], 's'),
      node('Gather', ['s', 'zero'], 'rows', { axis: 0 }),
      node('Concat', ['rows', 'rest'], 'target', { axis: 0 }),
      node('Reshape', ['p', 'target'], 'f'),
      node('Split', ['f', 'sizes'], ['f1', 'f2'], { axis: 1 }),
      node('Add', ['f1', 'f2'], 'g'),
      node('Gemm', ['g', 'm'], 'logits16', { transB: 1, alpha: float(0.5) }),
      node('Cast', ['logits16'], 'logits', { to: 1 }),
      node('Softmax', ['logits'], 'y', { axis: -1 }),
    ],
    {
      inputs: [value('x', ['N', 2, 8, 8])],
      outputs: [value('y', ['N', 3])],
      stored: [
        ...[half('w', [4, 2, 3, 3]), half('b', [4]), half('v', [4]), half('m', [3, 8])],
        ...[i64('zero', [0]), i64('rest', [-1]), i64('sizes', [8, 8])],
      ],
      values: [value('c', ['N', 4, 4, 4], 'float16')],
    },
  ),
);

test('the undamaged file is read, in 16 bits and in 32', () => {
  expect([...fromOnnx(decodeModel(seed)).weights.values()].map((w) => w.dtype)).toContain('float16');
  const wide = fromOnnx(decodeModel(seed), { float32: true });
  expect(new Set([...wide.weights.values()].map((w) => w.dtype))).toEqual(new Set(['float32']));
  expect(wide.notes).toEqual(['4 tensors were converted from float16 to float32']);
});

test('damaged models are read or refused in a sentence; what is read can be written', () => {
  const outcomes = { read: 0, refused: 0 };
  fc.assert(
    fc.property(mutationsOf(seed, 2), fc.boolean(), (bytes, float32) => {
      try {
        const { outputs, weights } = fromOnnx(decodeModel(bytes), { float32 });
        encodeModel(toOnnx(outputs, { weights }));
        outcomes.read++;
      } catch (error) {
        if (!(error instanceof DynaError) || error.code !== 'model') throw error;
        expect(error.message).not.toContain('\n');
        outcomes.refused++;
      }
    }),
    { numRuns: 3000, seed: 6 },
  );
  expect(outcomes.read).toBeGreaterThan(200);
  expect(outcomes.refused).toBeGreaterThan(500);
});

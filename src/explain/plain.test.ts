import { expect, it } from 'vitest';
import { largestDifference } from '../../test/support/difference.ts';
import { normal, seeded } from '../../test/support/random.ts';
import { net, parametersOf } from '../dynamic/index.ts';
import {
  decodeModel,
  encodeModel,
  fusedMatMul,
  input,
  matMul,
  matrixTranspose,
  ndarray,
  reshape,
  sizeOf,
  tanh,
  toNumbers,
  toOnnx,
} from '../graph/index.ts';
import { classify, materialize } from '../nn/index.ts';
import { compile } from '../runtime/index.ts';
import { decisionGradient } from './gradient.ts';
import { plain } from './plain.ts';

const some = (dims: readonly number[], seed: number) => {
  const random = seeded(seed);
  return ndarray(
    'float32',
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => normal(random)),
  );
};

it.each([
  [0, 0, 1],
  [1, 0, 2],
  [0, 1, -1],
  [1, 1, 0.5],
] as const)('a fused product is the plain one: transposed %i %i, times %f', async (transA, transB, alpha) => {
  const [a, b] = [some([3, 2, ...(transA ? [4, 5] : [5, 4])], 1), some([2, ...(transB ? [6, 4] : [4, 6])], 2)];
  const fused = fusedMatMul(input('a', a.dims), input('b', b.dims), { transA, transB, alpha });
  const [written] = plain([fused]);
  const results = [];
  for (const y of [fused, written!]) {
    const model = toOnnx({ y });
    const runner = await compile(encodeModel(model));
    results.push(toNumbers((await runner.run({ a, b })).y!));
    await runner.close();
  }
  expect(Object.keys(toOnnx({ y: written! }).opsets)).toEqual(['']);
  expect(largestDifference(results[0]!, results[1]!)).toBeLessThan(1e-5);
});

it('a net with matrix products has a plain gradient graph, which agrees with finite differences', async () => {
  const attention = net({ input: [4, 6], classes: 3 }, (x) =>
    classify(reshape(matMul(matMul(x, matrixTranspose(tanh(x))), x), [0, 24])),
  );
  const weights = materialize(parametersOf(attention), 4);
  const { bytes } = decisionGradient({ net: attention, weights });
  expect(decodeModel(bytes).opsets).toEqual({ '': 17 });
  const runner = await compile(bytes);
  const x = some([1, 4, 6], 3);
  const at = await runner.run({ input: x });
  const h = 1e-2;
  for (const i of [0, 7, 23]) {
    const moved = async (by: number) => {
      const data = (x.data as Float32Array).slice();
      data[i]! += by;
      return toNumbers((await runner.run({ input: { ...x, data } }))['answer/final/value']!)[0]!;
    };
    expect(toNumbers(at['answer/final']!)[i]).toBeCloseTo(((await moved(h)) - (await moved(-h))) / (2 * h), 2);
  }
  await runner.close();
});

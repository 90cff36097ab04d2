import { encodeModel, type NDArray, ndarray, toOnnx } from 'dynaneural/graph';
import { materialize, paramsOf } from 'dynaneural/nn';
import { compile } from 'dynaneural/runtime';
import { expect, it } from 'vitest';
import { startOf } from '../shared/static.ts';
import { byNorm, norms, reordered } from './filters.ts';
import { nameOf, narrowed, plainNet, QUICK } from './nets.ts';

const data = { shape: [3, 8, 8], classes: [...'abcd'] };
const numbers = (a: NDArray): number[] => Array.from(a.data as Float32Array);
const x = ndarray(
  'float32',
  [3, 3, 8, 8],
  Float32Array.from({ length: 3 * 192 }, (_, i) => Math.sin(i)),
);

it('takes slices along an axis in another order', () => {
  const a = ndarray('float32', [2, 3, 2], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  expect(numbers(reordered(a, 1, [2, 0, 1]))).toEqual([4, 5, 0, 1, 2, 3, 10, 11, 6, 7, 8, 9]);
  expect(numbers(reordered(a, 0, [1, 0]))).toEqual([6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5]);
  expect(norms(ndarray('float32', [2, 2], [1, -2, 0.5, 0]))).toEqual([3, 0.5]);
});

it('sorts filters by norm without changing what the net answers; what is first is what pruning leaves', async () => {
  const made = plainNet(data, QUICK);
  const weights = new Map(materialize(paramsOf([made.output]), 4));
  for (const [name, { dims }] of weights)
    if (/norm\/(mean|bias)$/.test(name))
      weights.set(
        name,
        ndarray(
          'float32',
          dims,
          Float32Array.from({ length: dims[0]! }, (_, i) => Math.cos(i)),
        ),
      );
  const sorted = byNorm(weights, QUICK.length);
  const logits = async (own: ReadonlyMap<string, NDArray>) => {
    const runner = await compile(encodeModel(toOnnx({ logits: made.output }, { weights: own })));
    try {
      return numbers((await runner.run({ input: x })).logits!);
    } finally {
      await runner.close();
    }
  };
  const [a, b] = [await logits(weights), await logits(sorted)];
  for (const [i, v] of a.entries()) expect(b[i]).toBeCloseTo(v, 4);

  expect(numbers(sorted.get('stem/weight')!)).toEqual(numbers(weights.get('stem/weight')!));
  const before = norms(weights.get(`${nameOf(1)}/conv/weight`)!);
  const falling = [...before].sort((p, q) => q - p);
  const half = startOf(plainNet(data, narrowed(QUICK, 0.5, ['weights', 'input'])), sorted);
  const kept = norms(half.get(`${nameOf(1)}/conv/weight`)!);
  expect(kept).toHaveLength(8);
  for (const [i, v] of kept.entries()) expect(v).toBeCloseTo(falling[i]!, 4);
});

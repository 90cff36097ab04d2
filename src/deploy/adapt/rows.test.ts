import { expect, it } from 'vitest';
import {
  apply,
  applyAll,
  constant,
  Expand,
  encodeModel,
  gather,
  input,
  ints,
  matMul,
  ndarray,
  order,
  reduceMean,
  reshape,
  Split,
  slice,
  squeeze,
  type Tensor,
  Transpose,
  toOnnx,
  transpose,
} from '../../graph/index.ts';
import { compile } from '../../runtime/index.ts';
import type { Foreign } from './foreign.ts';
import { imagesInFront } from './rows.ts';

/** Queries, keys and values as exports of attention stack them, taken apart by Split or Slice and Squeeze, or by Gather. */
function attention(x: Tensor, by: 'split' | 'slice' | 'gather'): Tensor {
  const stacked = transpose(reshape(x, [0, 4, 3, 2, 5]), [2, 0, 3, 1, 4]); // [3, N, heads, tokens, features]
  const scalar = (i: number) => constant(ndarray('int64', [], [i]));
  const parts = {
    split: () => applyAll(Split, [stacked, ints([1, 1, 1])], { axis: 0 }).map((t) => squeeze(t, [0])),
    slice: () => [0, 1, 2].map((i) => squeeze(slice(stacked, [{ axis: -5, start: i, end: i + 1 }]), [0])),
    gather: () => [0, 1, 2].map((i) => gather(stacked, scalar(i), 0)),
  };
  const [q, k, v] = parts[by]();
  const mixed = matMul(matMul(q!, transpose(k!, [0, 1, 3, 2])), v!);
  return reduceMean(mixed, [1, 2]);
}

async function run(y: Tensor, data: Float32Array, n: number): Promise<number[]> {
  const runner = await compile(encodeModel(toOnnx({ y })));
  const out = await runner.run({ x: ndarray('float32', [n, 4, 30], data) });
  await runner.close();
  return [...(out.y!.data as Float32Array)];
}

it.each(['split', 'slice', 'gather'] as const)(
  'images stay in front of stacked attention, taken apart by %s',
  async (by) => {
    const x = input('x', ['N', 4, 30]);
    const logits = attention(x, by);
    const { logits: moved } = imagesInFront({ input: x, logits } as Foreign);
    const off = (t: Tensor) =>
      order([t]).filter((n) => (n.op as unknown) === Transpose && n.outputs[0]!.shape[0] !== 'N').length;
    expect([off(logits), off(moved)]).toEqual([1, 0]);
    const data = Float32Array.from({ length: 240 }, (_, i) => Math.sin(3 * i));
    const [before, after] = [await run(logits, data, 2), await run(moved, data, 2)];
    for (const [i, v] of before.entries()) expect(after[i]).toBeCloseTo(v, 5);
  },
);

it('what is repeated for each image fits a batch of a fixed size too', async () => {
  const x = input('x', ['N', 4, 30]);
  const token = constant(ndarray('float32', [1, 1, 2], [3, 7]));
  const rows = ints([2, 1, 2]);
  const repeated = apply(Expand, [token, rows], { to: ['N', 1, 2] });
  const logits = reduceMean(repeated, [1]);
  const { logits: moved } = imagesInFront({ input: x, logits } as Foreign);
  expect(order([moved]).some((n) => (n.op as unknown) === Expand)).toBe(false);
  expect(await run(moved, new Float32Array(240).fill(5), 2)).toEqual([3, 7, 3, 7]);
});

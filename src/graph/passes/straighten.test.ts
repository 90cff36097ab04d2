import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compile } from '../../runtime/index.ts';
import {
  encodeModel,
  gather,
  input,
  ints,
  ndarray,
  order,
  pad,
  reshape,
  sizeOf,
  type Tensor,
  toNumbers,
  toOnnx,
  transpose,
} from '../index.ts';
import { straighten } from './straighten.ts';

const numbers = async (x: Tensor, y: Tensor): Promise<number[]> => {
  const size = sizeOf(x.shape as number[]);
  const runner = await compile(encodeModel(toOnnx({ y })), { graphOptimizationLevel: 'disabled' });
  try {
    const feed = ndarray(
      'float32',
      x.shape as number[],
      Float32Array.from({ length: size }, (_, i) => i),
    );
    return toNumbers((await runner.run({ x: feed })).y!);
  } finally {
    await runner.close();
  }
};

const count = (t: Tensor, op: string): number => order([t]).filter((n) => n.op.name === op).length;

type Move = readonly [kind: 'transpose' | 'merge' | 'split' | 'flat' | 'gather' | 'pad', seed: number];

/** Any order of the axes that a number names. */
function shuffled(rank: number, seed: number): number[] {
  const left = Array.from({ length: rank }, (_, i) => i);
  const out: number[] = [];
  for (let s = seed; left.length > 0; s = Math.floor(s / left.length || seed + 1))
    out.push(...left.splice(s % left.length, 1));
  return out;
}

function moved(t: Tensor, [kind, seed]: Move): Tensor {
  const shape = t.shape as number[];
  const last = shape.at(-1)!;
  switch (kind) {
    case 'transpose':
      return transpose(t, shuffled(shape.length, seed));
    case 'merge':
      return shape.length < 2 ? t : reshape(t, [...shape.slice(0, -2), shape.at(-2)! * last]);
    case 'split': {
      const by = [2, 3].find((d) => last % d === 0 && last > d);
      return by && shape.length < 6 ? reshape(t, [...shape.slice(0, -1), last / by, by]) : t;
    }
    case 'flat':
      return reshape(reshape(t, [-1]), shape);
    case 'gather': {
      const axis = seed % shape.length;
      const size = shape[axis]!;
      return gather(t, ints([size - 1, seed % size, 0]), axis);
    }
    case 'pad':
      return sizeOf(shape) > 4000
        ? t
        : pad(t, shape.flatMap((_, i) => [i === seed % shape.length ? 1 : 0, 0]).slice(0, 2 * shape.length));
  }
}

test('any chain of changes of layout keeps its numbers', async () => {
  const move = fc.tuple(
    fc.constantFrom(
      'transpose' as const,
      'merge' as const,
      'split' as const,
      'flat' as const,
      'gather' as const,
      'pad' as const,
    ),
    fc.nat(1000),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(move, { minLength: 1, maxLength: 7 }), async (moves) => {
      const x = input('x', [4, 3, 6]);
      const y = moves.reduce(moved, x);
      const [short] = straighten([y]) as [Tensor];
      expect(short.shape).toEqual(y.shape);
      expect(count(short, 'Transpose')).toBeLessThanOrEqual(count(y, 'Transpose'));
      if (short === x) return; // it was no change at all
      expect(await numbers(x, short)).toEqual(await numbers(x, y));
    }),
    { numRuns: 150 },
  );
});

test('there and back is nothing, also through a shape in between', () => {
  const x = input('x', [2, 3, 4, 5]);
  const there = reshape(transpose(x, [1, 0, 2, 3]), [6, 20]);
  const [back] = straighten([transpose(reshape(there, [3, 2, 4, 5]), [1, 0, 2, 3])]);
  expect(back).toBe(x);
});

test('a selection of the innermost axis moves to where it copies long runs', () => {
  const x = input('x', [8, 9, 16]);
  const [y] = straighten([transpose(gather(transpose(x, [0, 2, 1]), ints([2, 0, 1]), 2), [0, 2, 1])]) as [Tensor];
  expect(y.node.op.name).toBe('Gather');
  expect(y.node.inputs[0]).toBe(x);
  expect(y.node.attrs).toMatchObject({ axis: 1 });
});

test('axes that are merged from afar stay apart', () => {
  const x = input('x', [2, 3, 4]);
  const y = reshape(transpose(x, [2, 0, 1]), [4, 6]); // neighbours in x: merged there
  const far = reshape(transpose(x, [1, 2, 0]), [3, 8]); // 2 and 0 are no neighbours in x
  expect(straighten([y])[0]!.node.op.name).toBe('Transpose');
  expect(straighten([far])[0]!.node.op.name).toBe('Reshape');
});

import {
  apply,
  Concat,
  ConstantOfShape,
  concat,
  Expand,
  expandLike,
  Flatten,
  flatten,
  fullLike,
  input,
  ints,
  mul,
  ndarray,
  reshape,
  reshapeLike,
  type Shape,
  ShapeOf,
  Squeeze,
  shapeOf,
  split,
  squeeze,
  type Tensor,
  transpose,
  unsqueeze,
} from '../../../src/graph/index.ts';
import type * as room from '../../../src/graph/ops/reshape.ts';
import type { Case } from '../check.ts';
import * as naive from '../dense.ts';
import type { RowsOf } from './rows.ts';

/** The same numbers under another shape; `dims` gets the batch size. */
const moves = (
  name: string,
  shape: Shape,
  call: (x: Tensor) => Tensor,
  dims: (n: number) => number[],
  N?: number[],
): Case => ({
  name,
  inputs: [{ shape }],
  ...(N ? { N } : {}),
  build: ([x]) => call(x!),
  reference: ([x]) => naive.reshape(x!, dims(x!.dims[0] ?? 0)),
});

const permuted = (name: string, shape: Shape, perm: number[], N?: number[]): Case => ({
  name,
  inputs: [{ shape }],
  ...(N ? { N } : {}),
  build: ([x]) => transpose(x!, perm),
  reference: ([x]) => naive.transpose(x!, perm),
});

const joined = (name: string, shapes: Shape[], axis: number, N?: number[]): Case => ({
  name,
  inputs: shapes.map((shape) => ({ shape })),
  ...(N ? { N } : {}),
  build: (x) => apply(Concat, x, { axis }),
  reference: (x) => naive.concat(x, axis < 0 ? axis + shapes[0]!.length : axis),
});

const range = (from: number, size: number): number[] => Array.from({ length: size }, (_, i) => from + i);
const parted = (name: string, shape: Shape, sizes: number[], axis: number, seen: number[], N?: number[]): Case => ({
  name,
  inputs: [{ shape }],
  ...(N ? { N } : {}),
  build: ([x]) => {
    const parts = split(x!, sizes, axis);
    return seen.map((i) => parts[i]!);
  },
  reference: ([x]) =>
    seen.map((i) => {
      const at = axis < 0 ? axis + shape.length : axis;
      return naive.pick(x!, { [at]: range(naive.sum(sizes.slice(0, i)), sizes[i]!) });
    }),
});

export const reshapeRows: RowsOf<typeof room> = {
  ShapeOf: [
    {
      name: 'of a batch',
      inputs: [{ shape: ['N', 3] }],
      N: [2, 0],
      build: ([x]) => apply(ShapeOf, [x], {}),
      reference: ([x]) => ({ dims: [2], data: x!.dims }),
    },
    {
      name: 'from and to',
      inputs: [{ shape: ['N', 3, 4] }],
      N: [2],
      build: ([x]) => [apply(ShapeOf, [x], { start: 1 }), apply(ShapeOf, [x], { start: -2, end: -1 }), shapeOf(x!)],
      reference: ([x]) => [
        { dims: [2], data: [3, 4] },
        { dims: [1], data: [3] },
        { dims: [3], data: x!.dims },
      ],
    },
  ],
  Reshape: [
    moves(
      'rows flattened',
      ['N', 2, 3],
      (x) => reshape(x, [0, 6]),
      (n) => [n, 6],
      [2, 1, 0],
    ),
    moves(
      'one size inferred',
      ['N', 4],
      (x) => reshape(x, [-1, 2, 2]),
      (n) => [n, 2, 2],
      [2, 0],
    ),
    moves(
      'batch merged',
      ['N', 2, 3],
      (x) => reshape(x, [-1, 3]),
      (n) => [2 * n, 3],
      [2, 0],
    ),
    moves(
      'everything flat',
      ['N', 2, 3],
      (x) => reshape(x, [-1]),
      (n) => [6 * n],
      [2, 0],
    ),
    moves(
      'known sizes',
      [2, 3],
      (x) => reshape(x, [3, -1]),
      () => [3, 2],
    ),
    moves(
      'to a scalar',
      [1, 1],
      (x) => reshape(x, []),
      () => [],
    ),
    moves(
      'no elements',
      [0, 3],
      (x) => reshape(x, [0, 1, 3]),
      () => [0, 1, 3],
    ),
    moves(
      'like another, none of its axes at the same place',
      [3, 0],
      (x) => reshapeLike(x, input('x1', [0, 2])),
      () => [0, 2],
    ),
    {
      name: 'like another at run time',
      inputs: [{ shape: ['N', 2] }, { shape: [1, 'N', 2] }],
      N: [3, 1, 0],
      build: ([x, like]) => mul(reshapeLike(x!, like!), like!),
      reference: ([x, like]) => naive.each((a, b) => a! * b!, naive.reshape(x!, like!.dims), like!),
    },
  ],
  Flatten: [
    moves('images', ['N', 2, 2, 2], flatten, (n) => [n, 8], [2, 1, 0]),
    moves(
      'at axis 2',
      ['N', 2, 3],
      (x) => flatten(x, 2),
      (n) => [2 * n, 3],
      [2, 0],
    ),
    moves(
      'at axis 0',
      ['N', 3],
      (x) => flatten(x, 0),
      (n) => [1, 3 * n],
      [2, 0],
    ),
    moves(
      'behind the last axis',
      [2, 3],
      (x) => apply(Flatten, [x], { axis: 2 }),
      () => [6, 1],
    ),
    moves(
      'counted from the end',
      [2, 3, 2],
      (x) => flatten(x, -1),
      () => [6, 2],
    ),
  ],
  Transpose: [
    permuted('images to channels last', ['N', 2, 3, 4], [0, 2, 3, 1], [2, 0]),
    permuted('a cycle', [2, 3, 4], [2, 0, 1]),
    permuted('matrix', ['N', 3], [1, 0], [2, 1, 0]),
    permuted('scalar', [], []),
  ],
  Squeeze: [
    moves(
      'named axes',
      ['N', 1, 3, 1],
      (x) => squeeze(x, [1, -1]),
      (n) => [n, 3],
      [2, 1, 0],
    ),
    moves(
      'every axis of 1',
      [1, 3, 1],
      (x) => apply(Squeeze, [x], {}),
      () => [3],
    ),
  ],
  Unsqueeze: [
    moves(
      'around a batch',
      ['N', 3],
      (x) => unsqueeze(x, [1, -1]),
      (n) => [n, 1, 3, 1],
      [2, 1, 0],
    ),
    moves(
      'a scalar',
      [],
      (x) => unsqueeze(x, [0]),
      () => [1],
    ),
  ],
  Expand: [
    {
      name: 'to known sizes',
      inputs: [{ shape: [2, 1] }],
      build: ([x]) => apply(Expand, [x, ints([3, 1, 4])], {}),
      reference: ([x]) => naive.expand(x!, [3, 2, 4]),
    },
    {
      name: 'like a batch',
      inputs: [{ shape: [1, 3] }, { shape: ['N', 3] }],
      N: [2, 1, 0],
      build: ([x, like]) => mul(expandLike(x!, like!), like!),
      reference: ([x, like]) => naive.each((a, b) => a! * b!, x!, like!),
    },
    {
      name: 'a scalar to nothing',
      inputs: [{ shape: [] }],
      build: ([x]) => apply(Expand, [x, ints([0, 2])], {}),
      reference: ([x]) => naive.expand(x!, [0, 2]),
    },
  ],
  Split: [
    parted('all parts', ['N', 5], [2, 1, 2], 1, [0, 1, 2], [2, 1, 0]),
    parted('loss on the middle part', ['N', 5], [2, 1, 2], -1, [1], [2]),
    parted('loss on the last part', [4, 2], [1, 3], 0, [1]),
    parted('an empty part', [2, 3], [0, 3], 1, [0, 1]),
  ],
  Concat: [
    joined(
      'features',
      [
        ['N', 2],
        ['N', 3],
        ['N', 1],
      ],
      1,
      [2, 1, 0],
    ),
    joined(
      'rows',
      [
        [2, 3],
        [1, 3],
      ],
      0,
    ),
    joined(
      'counted from the end',
      [
        [2, 1, 2],
        [2, 1, 3],
      ],
      -1,
    ),
    joined(
      'with nothing',
      [
        [2, 0],
        [2, 2],
      ],
      1,
    ),
    joined('one alone', [[2, 2]], 0),
    {
      name: 'the same tensor twice',
      inputs: [{ shape: [2, 2] }],
      build: ([x]) => concat([x!, x!], 1),
      reference: ([x]) => naive.concat([x!, x!], 1),
    },
    {
      ...joined(
        'along the named batch, forward',
        [
          ['N', 2],
          [1, 2],
        ],
        0,
        [2, 0],
      ),
      wrt: [],
    },
  ],
  ConstantOfShape: [
    {
      name: 'like a batch',
      inputs: [{ shape: ['N', 2] }],
      N: [2, 0],
      build: ([x]) => [fullLike(x!, 2.5), fullLike(x!, 7, 'int64'), mul(x!, fullLike(x!, 3))],
      reference: ([x]) => [naive.filled(x!.dims, 2.5), naive.filled(x!.dims, 7), naive.each((v) => 3 * v!, x!)],
    },
    {
      name: 'of a constant shape',
      inputs: [],
      build: () => apply(ConstantOfShape, [ints([2, 1])], { value: ndarray('float32', [1], [-1]) }),
      reference: () => naive.filled([2, 1], -1),
    },
  ],
};

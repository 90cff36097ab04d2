import {
  concat,
  constant,
  dilate,
  ndarray,
  pad,
  reverse,
  type Shape,
  type SliceRange,
  slice,
  type Tensor,
} from '../../../src/graph/index.ts';
import type * as room from '../../../src/graph/ops/slicing.ts';
import type { Case } from '../check.ts';
import { at, type Dense, dense, pad as padded, pick } from '../dense.ts';
import type { RowsOf } from './rows.ts';

/** What Python's slice takes of n places. */
function taken(n: number, { start, end, step = 1 }: SliceRange): number[] {
  const wrap = (v: number): number => (v < 0 ? v + n : v);
  const places: number[] = [];
  if (step > 0) for (let i = Math.max(0, wrap(start)); i < Math.min(n, wrap(end)); i += step) places.push(i);
  else {
    const last = end < -n ? -1 : wrap(end);
    for (let i = Math.min(n - 1, wrap(start)); i > last && i >= 0; i += step) places.push(i);
  }
  return places;
}

const cut = (name: string, shape: Shape, list: SliceRange[], N?: number[]): Case => ({
  name,
  inputs: [{ shape }],
  ...(N ? { N } : {}),
  build: ([x]) => slice(x!, list),
  reference: ([x]) => pick(x!, Object.fromEntries(list.map((r) => [r.axis, taken(x!.dims[r.axis]!, r)]))),
});

const FAR = 2 ** 62;
const framed = (name: string, shape: Shape, pads: number[], value?: number, N?: number[]): Case => ({
  name,
  inputs: [{ shape }],
  ...(N ? { N } : {}),
  build: ([x]) => pad(x!, pads, value),
  reference: ([x]) => padded(x!, pads, value),
});

const through = (
  name: string,
  call: (x: Tensor) => Tensor,
  f: (x: Dense) => Dense,
  shape: Shape,
  N?: number[],
): Case => ({
  name,
  inputs: [{ shape }],
  ...(N ? { N } : {}),
  build: ([x]) => call(x!),
  reference: ([x]) => f(x!),
});

const spread = (x: Dense, axis: number, by: number): Dense =>
  dense(x.dims.with(axis, (x.dims[axis]! - 1) * by + 1), (p) =>
    p[axis]! % by === 0 ? at(x, p.with(axis, p[axis]! / by))! : 0,
  );

export const slicingRows: RowsOf<typeof room> = {
  Slice: [
    cut('a middle part', ['N', 5], [{ axis: 1, start: 1, end: 4 }], [2, 1, 0]),
    cut(
      'two axes',
      [4, 5],
      [
        { axis: 0, start: 1, end: 3 },
        { axis: 1, start: 0, end: 2 },
      ],
    ),
    cut('steps of 2', ['N', 7], [{ axis: 1, start: 1, end: 7, step: 2 }], [2, 0]),
    cut('steps of 3 that end inside', [8], [{ axis: 0, start: 0, end: FAR, step: 3 }]),
    {
      ...cut('a sum of rows without the last', ['N', 2], [], [3, 0]),
      build: ([x]) =>
        slice(concat([x!, constant(ndarray('float32', [1, 2], [8, 9]))], 0), [{ axis: 0, start: 0, end: -1 }]),
      reference: ([x]) => x!,
      wrt: [],
    },
    cut('from the end', [6], [{ axis: 0, start: -4, end: -1 }]),
    cut('backwards', ['N', 4], [{ axis: 1, start: -1, end: -FAR, step: -1 }], [2, 0]),
    cut('backwards by 2', [7, 2], [{ axis: 0, start: 5, end: 0, step: -2 }]),
    cut(
      'both ways at once',
      [5, 6],
      [
        { axis: 0, start: 3, end: -FAR, step: -2 },
        { axis: 1, start: 1, end: FAR, step: 3 },
      ],
    ),
    cut('nothing', ['N', 3], [{ axis: 1, start: 2, end: 2 }], [2]),
    cut('beyond the ends', [3], [{ axis: 0, start: -9, end: 9 }]),
    through(
      'turned around',
      (x) => reverse(x, 0, 1),
      (x) => pick(x, { 0: [1, 0], 1: [2, 1, 0] }),
      [2, 3],
    ),
    through(
      'spread out',
      (x) => dilate(x, 1, 3),
      (x) => spread(x, 1, 3),
      ['N', 3, 2],
      [2, 0],
    ),
    through(
      'spread out before a named axis',
      (x) => dilate(x, 0, 2),
      (x) => spread(x, 0, 2),
      [3, 'N'],
      [2, 0],
    ),
    through(
      'spread out before an empty axis',
      (x) => dilate(x, 0, 2),
      (x) => spread(x, 0, 2),
      [3, 0],
    ),
  ],
  Pad: [
    framed('images', ['N', 1, 2, 3], [0, 0, 1, 0, 0, 0, 0, 2], undefined, [2, 0]),
    framed('with a value', [2, 2], [1, 0, 0, 1], 7),
    framed('cropped', [4, 3], [-1, 0, -2, 0]),
    framed('cropped and padded', [4, 3], [-1, 2, 0, -1]),
    framed('nothing to something', [0, 2], [2, 0, 1, 0], 3),
  ],
};

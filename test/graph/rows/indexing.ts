import {
  apply,
  Compress,
  cast,
  compress,
  GatherElements,
  GatherND,
  gather,
  gatherElements,
  greater,
  NonZero,
  oneHot,
  rowsWhere,
  ScatterND,
  type Shape,
  scalar,
  scatterElements,
  scatterNd,
} from '../../../src/graph/index.ts';
import type * as room from '../../../src/graph/ops/indexing.ts';
import type { Case, Spec } from '../check.ts';
import { at, count, type Dense, dense, pick, positions } from '../dense.ts';
import type { RowsOf } from './rows.ts';

const int = (shape: Shape, values: readonly number[]): Spec => ({
  shape,
  dtype: 'int64',
  value: (i) => values[i % values.length]!,
});
const wrap = (i: number, n: number): number => (i < 0 ? i + n : i);

const rowsOf = (name: string, shape: Shape, index: Spec, axis: number, more: Partial<Case> = {}): Case => ({
  name,
  inputs: [{ shape }, index],
  build: ([x, i]) => gather(x!, i!, axis),
  reference: ([x, i]) => {
    const a = wrap(axis, x!.dims.length);
    const [lead, tail] = [x!.dims.slice(0, a), x!.dims.slice(a + 1)];
    return dense([...lead, ...i!.dims, ...tail], (p) => {
      const which = at(i!, p.slice(a, a + i!.dims.length))!;
      return at(x!, [...p.slice(0, a), wrap(which, x!.dims[a]!), ...p.slice(a + i!.dims.length)])!;
    });
  },
  ...more,
});

/** Writes `updates` over, or adds them to, a copy of x at the places that `place` gives. */
function written(x: Dense, updates: Dense, adds: boolean, place: (p: number[]) => number[]): Dense {
  const data = [...x.data];
  positions(updates.dims).forEach((p, i) => {
    const flat = place(p).reduce((f, v, k) => f * x.dims[k]! + wrap(v, x.dims[k]!), 0);
    data[flat] = adds ? data[flat]! + updates.data[i]! : updates.data[i]!;
  });
  return { dims: x.dims, data };
}

const scattered = (
  name: string,
  shape: Shape,
  index: Spec,
  axis: number,
  reduction: 'none' | 'add',
  N?: number[],
): Case => ({
  name: `${name}, ${reduction}`,
  inputs: [{ shape }, index, { shape: index.shape }],
  ...(N ? { N } : {}),
  build: ([x, i, u]) => scatterElements(x!, i!, u!, axis, reduction),
  reference: ([x, i, u]) => written(x!, u!, reduction === 'add', (p) => p.with(axis, at(i!, p)!)),
});

const scatteredRows = (
  name: string,
  shape: Shape,
  index: Spec,
  updates: Shape,
  reduction: 'none' | 'add',
  N?: number[],
): Case => ({
  name: `${name}, ${reduction}`,
  inputs: [{ shape }, index, { shape: updates }],
  ...(N ? { N } : {}),
  build: (x) => (reduction === 'none' ? scatterNd(x[0]!, x[1]!, x[2]!) : apply(ScatterND, x, { reduction })),
  reference: ([x, i, u]) => {
    const lead = i!.dims.length - 1;
    const depth = i!.dims.at(-1)!;
    return written(x!, u!, reduction === 'add', (p) => [
      ...Array.from({ length: depth }, (_, k) => at(i!, [...p.slice(0, lead), k])!),
      ...p.slice(lead),
    ]);
  },
});

const pickedElements = (name: string, shape: Shape, index: Spec, axis: number, N?: number[]): Case => ({
  name,
  inputs: [{ shape }, index],
  ...(N ? { N } : {}),
  build: ([x, i]) => gatherElements(x!, i!, axis),
  reference: ([x, i]) => dense(i!.dims, (p) => at(x!, p.with(axis, wrap(at(i!, p)!, x!.dims[axis]!)))!),
});

const kept = (name: string, shape: Shape, mask: readonly number[], N?: number[]): Case => ({
  name,
  inputs: [{ shape }, { shape: [shape[0]!], dtype: 'bool', value: (i) => mask[i]! }],
  ...(N ? { N } : {}),
  build: ([x, m]) => compress(x!, m!, 'rows'),
  reference: ([x, m]) => pick(x!, { 0: m!.data.flatMap((v, i) => (v ? [i] : [])) }),
});

export const indexingRows: RowsOf<typeof room> = {
  Gather: [
    rowsOf('rows, some twice', [4, 3], int(['N'], [2, 0, 2, 3]), 0, { N: [4, 1, 0] }),
    rowsOf('a table of indices', [3, 2], int([2, 2], [0, 2, 1, 1]), 0),
    rowsOf('counted from the end', [4, 2], int([3], [-1, 0, -4]), 0),
    rowsOf('one row', [3, 2], int([], [1]), 0),
    rowsOf('32-bit indices', [3, 2], { ...int([2], [2, 2]), dtype: 'int32' }, 0),
    rowsOf('another axis', ['N', 4, 2], int([3], [3, 0, 3]), 1, { N: [2, 0] }),
    rowsOf('the last axis', [2, 3], int([2, 2], [0, 2, 1, 1]), -1),
    rowsOf('integers', [4], int([2], [3, 1]), 0, {
      inputs: [int([4], [5, 6, 7, 8]), int([2], [3, 1])],
    }),
  ],
  GatherElements: [
    pickedElements('one class each', ['N', 4], int(['N', 1], [2, 0, 3]), 1, [3, 1, 0]),
    pickedElements('repeated', [3, 2], int([4, 2], [0, 2, 1, 1, 0, 0, -1, 2]), 0),
    {
      ...pickedElements('32-bit indices', [2, 3], { ...int([2, 2], [0, 2, 1, 1]), dtype: 'int32' }, 1),
      build: ([x, i]) => apply(GatherElements, [x, i], { axis: -1 }),
    },
  ],
  ScatterElements: [
    scattered('one place a row', ['N', 4], int(['N', 1], [2, 0, 3]), 1, 'none', [3, 0]),
    scattered('one place a row', ['N', 4], int(['N', 1], [2, 0, 3]), 1, 'add', [3, 0]),
    scattered('places hit twice', [3, 2], int([4, 2], [0, 2, 1, 1, 0, 0, -1, 2]), 0, 'add'),
  ],
  ScatterND: [
    scatteredRows('rows', [4, 2], int([2, 1], [3, 1]), [2, 2], 'none'),
    scatteredRows('rows hit twice', [3, 2], int(['N', 1], [2, 0, 2, 2]), ['N', 2], 'add', [4, 1, 0]),
    scatteredRows('single elements', [2, 3], int([3, 2], [0, 1, 1, 2, 1, 0]), [3], 'none'),
    scatteredRows('counted from the end', [3, 2], int([2, 1], [-1, 0]), [2, 2], 'add'),
    scatteredRows('a table of rows', [4, 2], int([2, 1, 1], [3, 1]), [2, 1, 2], 'none'),
  ],
  GatherND: [
    ...(
      [
        ['rows', [4, 2], int(['N', 1], [3, 1, 3]), [3, 1, 0]],
        ['elements', [2, 3], int([3, 2], [0, 1, 1, 2, 0, 1]), undefined],
        ['counted from the end', [3, 2], int([2, 1], [-1, -3]), undefined],
      ] as const
    ).map(
      ([name, shape, index, N]): Case => ({
        name,
        inputs: [{ shape }, index],
        ...(N ? { N } : {}),
        build: ([x, i]) => apply(GatherND, [x, i], {}),
        reference: ([x, i]) => {
          const depth = i!.dims.at(-1)!;
          const lead = i!.dims.slice(0, -1);
          return dense([...lead, ...x!.dims.slice(depth)], (p) => {
            const own = Array.from({ length: depth }, (_, k) => at(i!, [...p.slice(0, lead.length), k])!);
            return at(x!, [...own.map((v, k) => wrap(v, x!.dims[k]!)), ...p.slice(lead.length)])!;
          });
        },
      }),
    ),
  ],
  Compress: [
    kept('some rows', ['N', 3], [1, 0, 1, 1], [4, 1, 0]),
    kept('no row', ['N', 2, 2], [0, 0, 0], [3]),
    kept('every row', [3], [1, 1, 1]),
    {
      ...kept('another axis, forward', [2, 3], [1, 0, 1]),
      inputs: [{ shape: [2, 3] }, { shape: [3], dtype: 'bool', value: (i) => [1, 0, 1][i]! }],
      build: ([x, m]) => apply(Compress, [x, m], { axis: 1, rows: 'columns' }),
      reference: ([x]) => pick(x!, { 1: [0, 2] }),
      wrt: [],
    },
  ],
  NonZero: [
    {
      name: 'places of the true ones',
      inputs: [{ shape: ['N'], dtype: 'bool', value: (i) => [0, 1, 1, 0][i]! }],
      N: [4, 1, 0],
      build: ([m]) => rowsWhere(m!, 'rows'),
      reference: ([m]) => {
        const rows = m!.data.flatMap((v, i) => (v ? [i] : []));
        return { dims: [rows.length, 1], data: rows };
      },
    },
    {
      name: 'of a matrix',
      inputs: [{ shape: [2, 3] }],
      build: ([x]) => apply(NonZero, [greater(x!, scalar(0))], { count: 'found' }),
      reference: ([x]) => {
        const found = positions(x!.dims).filter((p) => at(x!, p)! > 0);
        return { dims: [2, found.length], data: [0, 1].flatMap((k) => found.map((p) => p[k]!)) };
      },
    },
  ],
  OneHot: [
    {
      name: 'labels',
      inputs: [int(['N'], [2, 0, 3])],
      N: [3, 1, 0],
      build: ([l]) => oneHot(l!, 4),
      reference: ([l]) => dense([count(l!.dims), 4], ([i, k]) => +(l!.data[i!] === k)),
    },
    {
      name: 'a table of labels',
      inputs: [int([2, 2], [0, 1, 1, 2])],
      build: ([l]) => cast(oneHot(l!, 3), 'int64'),
      reference: ([l]) => dense([2, 2, 3], ([i, j, k]) => +(at(l!, [i!, j!]) === k)),
    },
  ],
};

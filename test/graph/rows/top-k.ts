import { type Shape, topK } from '../../../src/graph/index.ts';
import type * as room from '../../../src/graph/ops/top-k.ts';
import type { Case } from '../check.ts';
import { at, type Dense, dense } from '../dense.ts';
import type { RowsOf } from './rows.ts';

/** Places of one line in order of rank: a value's rank is how many come before it, by value, then by place. */
function ranked(x: Dense, p: readonly number[], axis: number, largest: boolean): number[] {
  const line = Array.from({ length: x.dims[axis]! }, (_, i) => at(x, p.toSpliced(axis, 1, i))!);
  const before = (i: number, j: number): boolean =>
    line[i] === line[j] ? i < j : largest ? line[i]! > line[j]! : line[i]! < line[j]!;
  const ranks = line.map((_, i) => line.filter((_, j) => before(j, i)).length);
  return ranks.map((_, rank) => ranks.indexOf(rank));
}

function taken(x: Dense, k: number, axis: number, largest: boolean): readonly [Dense, Dense] {
  const dims = x.dims.toSpliced(axis, 1, k);
  const place = (p: readonly number[]): number => ranked(x, p, axis, largest)[p[axis]!]!;
  return [dense(dims, (p) => at(x, p.toSpliced(axis, 1, place(p)))!), dense(dims, place)];
}

const top = (name: string, shape: Shape, k: number, axis: number, rest: Partial<Case> = {}, largest = true): Case => ({
  name,
  inputs: [{ shape }],
  build: ([x]) => {
    const { values, places } = topK(x!, k, { axis, largest });
    return [values, places];
  },
  reference: ([x]) => taken(x!, k, axis < 0 ? axis + x!.dims.length : axis, largest),
  ...rest,
});

export const topKRows: RowsOf<typeof room> = {
  TopK: [
    top('of each row', ['N', 5], 2, 1, { N: [4, 1, 0] }),
    top('of a middle axis', ['N', 4, 3], 3, 1, { N: [2, 0] }),
    top('of the first axis', [4, 2], 2, 0),
    top('all', [2, 3], 3, -1),
    top('none', [2, 3], 0, -1),
    top('the smallest', [3, 4], 2, -1, {}, false),
    top('of integers', [2, 4], 3, 1, {
      inputs: [{ shape: [2, 4], dtype: 'int64', value: (i) => [4, 9, -2, 9, 0, 0, 1, 0][i]! }],
    }),
    top('equals: the first of them first', [2, 4], 3, 1, {
      inputs: [{ shape: [2, 4], value: (i) => [1, 7, 7, 1, 5, 5, 5, 5][i]! }],
      wrt: [],
    }),
    {
      name: 'as many as an input says',
      inputs: [{ shape: ['N', 4] }, { shape: [1], dtype: 'int64', value: () => 3 }],
      N: [3, 0],
      build: ([x, k]) => {
        const { values, places } = topK(x!, k!, { count: 'many' });
        return [values, places];
      },
      reference: ([x, k]) => taken(x!, k!.data[0]!, 1, true),
    },
  ],
};

import { apply, FusedMatMul, fusedMatMul, gemm, MatMul, matMul, type Shape } from '../../../src/graph/index.ts';
import type * as room from '../../../src/graph/ops/linear.ts';
import type { Case } from '../check.ts';
import { each } from '../dense.ts';
import * as naive from '../windows.ts';
import type { RowsOf } from './rows.ts';

const product = (name: string, a: Shape, b: Shape, N?: number[]): Case => ({
  name,
  inputs: [{ shape: a }, { shape: b }],
  ...(N ? { N } : {}),
  build: ([p, q]) => matMul(p!, q!),
  reference: ([p, q]) => naive.matMul(p!, q!),
});

const bit = [0, 1] as const;
const transposes = bit.flatMap((a) => bit.map((b) => [a, b] as const));
const turned = (rows: number, columns: number, by: 0 | 1): number[] => (by ? [columns, rows] : [rows, columns]);

export const linearRows: RowsOf<typeof room> = {
  MatMul: [
    product('batch of rows', ['N', 3], [3, 4], [2, 1, 0]),
    product('no inner axis', [2, 0], [0, 3]),
    product('stacked', ['N', 2, 3], ['N', 3, 4], [2, 0]),
    product('one matrix for all on the right', ['N', 2, 3], [3, 2], [2, 0]),
    // No stack at all is a case that the engine's MatMul refuses here.
    product('one matrix for all on the left', [2, 3], ['N', 3, 2], [2, 1]),
    product('stacks broadcast', [2, 1, 2, 3], [3, 3, 2]),
    product('one column', [3, 2], [2, 1]),
    {
      name: 'double precision, forward',
      inputs: [
        { shape: [2, 3], dtype: 'float64' },
        { shape: [3, 2], dtype: 'float64' },
      ],
      build: ([a, b]) => apply(MatMul, [a, b], {}),
      reference: ([a, b]) => naive.matMul(a!, b!),
      wrt: [],
    },
  ],
  FusedMatMul: transposes.flatMap(([transA, transB]): Case[] =>
    (
      [
        ['plain', [], []],
        ['stacked', [2, 3], [2, 3]],
        ['stack times one', [2], []],
        ['one times stack', [], [2]],
        ['stacks broadcast', [2, 1], [3]],
      ] as const
    ).map(([kind, lead, tail]) => ({
      name: `${kind}, transposes ${transA} ${transB}`,
      inputs: [{ shape: [...lead, ...turned(2, 3, transA)] }, { shape: [...tail, ...turned(3, 4, transB)] }],
      build: ([a, b]) =>
        kind === 'plain'
          ? apply(FusedMatMul, [a, b], { transA, transB, alpha: -0.5 })
          : fusedMatMul(a!, b!, { transA, transB }),
      reference: ([a, b]) => each((v) => (kind === 'plain' ? -0.5 * v : v), naive.matMul(a!, b!, !!transA, !!transB)),
    })),
  ),
  Gemm: [
    ...transposes.flatMap(([transA, transB]): Case[] =>
      ([undefined, [4], [2, 4], [2, 1], [1, 1], []] as const).map((bias) => ({
        name: `transposes ${transA} ${transB}, bias ${bias ? `[${bias}]` : 'none'}`,
        inputs: [{ shape: turned(2, 3, transA) }, { shape: turned(3, 4, transB) }, ...(bias ? [{ shape: bias }] : [])],
        build: ([a, b, c]) => gemm(a!, b!, c, { transA, transB, alpha: 1.5, beta: -2 }),
        reference: ([a, b, c]) => {
          const y = each((v) => 1.5 * v, naive.matMul(a!, b!, !!transA, !!transB));
          return c ? each((v, w) => v! - 2 * w!, y, c) : y;
        },
      })),
    ),
    {
      name: 'a linear layer',
      inputs: [{ shape: ['N', 3] }, { shape: [4, 3] }, { shape: [4] }],
      N: [3, 1, 0],
      build: ([a, b, c]) => gemm(a!, b!, c, { transB: 1 }),
      reference: ([a, b, c]) => each((v, w) => v! + w!, naive.matMul(a!, b!, false, true), c!),
    },
  ],
};

import {
  apply,
  constant,
  ndarray,
  prelu,
  Resize,
  type ResizeAttrs,
  type Shape,
  toNumbers,
} from '../../../src/graph/index.ts';
import type * as room from '../../../src/graph/ops/more.ts';
import type { Case } from '../check.ts';
import type { Dense } from '../dense.ts';
import type { RowsOf } from './rows.ts';

/** slope[c] for channel c of [N, C, P]. */
const slopes = (name: string, x: Shape, w: Shape, N?: number[]): Case => ({
  name,
  inputs: [{ shape: x }, { shape: w }],
  ...(N ? { N } : {}),
  build: ([p, s]) => prelu(p!, s!),
  reference: ([p, s]) => {
    const [, channels, places] = p!.dims as [number, number, number];
    const data = p!.data.map((v, i) =>
      v < 0 ? v * s!.data[(Math.floor(i / places) % channels) % s!.data.length]! : v,
    );
    return { dims: p!.dims, data };
  },
});

const attrs = (o: Partial<ResizeAttrs>): ResizeAttrs => ({
  mode: 'nearest',
  coordinate_transformation_mode: 'half_pixel',
  nearest_mode: 'round_prefer_floor',
  ...o,
});

/** [N, C, H, W] by the element that `pick` finds for each output place. */
const resized = (p: Dense, scales: number[], pick: (at: number, size: number, scale: number) => number): Dense => {
  const [n, c, h, w] = p.dims as [number, number, number, number];
  const [oh, ow] = [Math.floor(h * scales[2]!), Math.floor(w * scales[3]!)];
  const data: number[] = [];
  for (let plane = 0; plane < n * c; plane++)
    for (let i = 0; i < oh; i++)
      for (let j = 0; j < ow; j++)
        data.push(p.data[(plane * h + pick(i, h, scales[2]!)) * w + pick(j, w, scales[3]!)]!);
  return { dims: [n, c, oh, ow], data };
};

const resize = (
  name: string,
  scales: number[],
  o: Partial<ResizeAttrs>,
  pick: Parameters<typeof resized>[2],
  rest: Partial<Case> = {},
): Case => ({
  name,
  inputs: [{ shape: ['N', 2, 2, 3] }],
  N: [2, 1],
  build: ([p]) => apply(Resize, [p, undefined, constant(ndarray('float32', [4], scales))], attrs(o)),
  reference: ([p]) => resized(p!, toNumbers(ndarray('float32', [4], scales)), pick),
  ...rest,
});

const repeat = (at: number, _size: number, scale: number): number => Math.floor(at / scale);
const nearest = (at: number, size: number, scale: number): number =>
  Math.min(Math.max(Math.ceil((at + 0.5) / scale - 0.5 - 0.5), 0), size - 1);

export const moreRows: RowsOf<typeof room> = {
  PRelu: [
    slopes('one slope for each channel', ['N', 3, 4], [3, 1], [2, 0]),
    slopes('one slope for all', [2, 3, 2], [1, 1]),
  ],
  Resize: [
    resize('each element 2 x 3 times', [1, 1, 2, 3], {}, repeat),
    resize(
      'asymmetric, one axis',
      [1, 1, 1, 2],
      { coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
      repeat,
    ),
    resize('by 1.5 and 2, forward only', [1, 1, 1.5, 2], {}, nearest, { wrt: [] }),
    resize('nothing', [1, 1, 1, 1], {}, (at) => at),
  ],
};

import { gridSample, type Shape } from '../../../src/graph/index.ts';
import type * as room from '../../../src/graph/ops/sampling.ts';
import type { Case, Spec } from '../check.ts';
import { at, type Dense, dense } from '../dense.ts';
import type { RowsOf } from './rows.ts';

/** The sum over all pixels of value times a hat around the position. */
const sampled = (x: Dense, grid: Dense): Dense => {
  const [n, c, h, w] = x.dims as [number, number, number, number];
  return dense([n, c, grid.dims[1]!, grid.dims[2]!], ([b, channel, i, j]) => {
    const px = ((at(grid, [b!, i!, j!, 0])! + 1) * w - 1) / 2;
    const py = ((at(grid, [b!, i!, j!, 1])! + 1) * h - 1) / 2;
    let sum = 0;
    for (let row = 0; row < h; row++)
      for (let column = 0; column < w; column++)
        sum +=
          at(x, [b!, channel!, row, column])! *
          Math.max(0, 1 - Math.abs(px - column)) *
          Math.max(0, 1 - Math.abs(py - row));
    return sum;
  });
};

/** Positions between whole pixels of an h x w image, `list` in pixels (x, y): inside, on the rim and far outside. */
const places = (
  shape: Shape,
  [h, w]: readonly [number, number],
  list: readonly (readonly [number, number])[],
): Spec => ({
  shape,
  value: (i) => {
    const [px, py] = list[(i >> 1) % list.length]!;
    return i % 2 === 0 ? (2 * px + 1) / w - 1 : (2 * py + 1) / h - 1;
  },
});

const row = (name: string, x: Shape, grid: Spec, N?: number[]): Case => ({
  name,
  inputs: [{ shape: x }, grid],
  ...(N ? { N } : {}),
  build: ([image, positions]) => gridSample(image!, positions!),
  reference: ([image, positions]) => sampled(image!, positions!),
});

export const samplingRows: RowsOf<typeof room> = {
  GridSample: [
    row(
      'inside, on the rim and outside',
      ['N', 2, 3, 4],
      places(
        ['N', 2, 3, 2],
        [3, 4],
        [
          [0.3, 1.4],
          [2.6, 0.2],
          [-0.4, 0.7],
          [3.3, 2.4],
          [1.2, -0.8],
          [-5.5, 9.5],
          [1.7, 1.1],
        ],
      ),
      [2, 1, 0],
    ),
    row(
      'many reads of one pixel',
      [1, 1, 2, 2],
      places(
        [1, 2, 2, 2],
        [2, 2],
        [
          [0.4, 0.3],
          [0.6, 0.7],
        ],
      ),
    ),
    row(
      'an image of one pixel',
      [1, 3, 1, 1],
      places(
        [1, 1, 3, 2],
        [1, 1],
        [
          [0.2, -0.3],
          [-0.4, 0.1],
          [1.5, 0.2],
        ],
      ),
    ),
  ],
};

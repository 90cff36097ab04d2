import { DynaError } from '../../errors.ts';
import { ndarray } from '../array.ts';
import { type Dim, formatShape } from '../shape.ts';
import { apply, noMacs, type Operator, type Tensor } from '../tensor.ts';
import { abs, add, cast, clip, equal, floor, max, mul, sameDtype, sub } from './elementwise.ts';
import { scatterElements } from './indexing.ts';
import { constant } from './leaf.ts';
import { matMul } from './linear.ts';
import { reduceSum } from './reduce.ts';
import { concat, expandLike, reshape, reshapeLike, squeeze, unsqueeze, zerosLike } from './reshape.ts';
import { pad, slice } from './slicing.ts';

interface GridSampleAttrs {
  /** ONNX's word up to opset 19; from 20 on it is "linear". */
  readonly mode: 'bilinear';
  readonly padding_mode: 'zeros';
  readonly align_corners: 0;
}

const PLANE: GridSampleAttrs = { mode: 'bilinear', padding_mode: 'zeros', align_corners: 0 };

function sizesOf(x: Tensor): [number, number] {
  const [height, width] = x.shape.slice(2);
  if (typeof height !== 'number' || typeof width !== 'number' || height < 1 || width < 1)
    throw new DynaError('shape', `GridSample needs known spatial sizes from 1 on, got ${formatShape(x.shape)}`);
  return [height, width];
}

/** Coordinate `which` (0: x, 1: y) of a grid [N, P, Q, 2], in pixels: [N, P, Q]. */
const pixels = (grid: Tensor, which: 0 | 1, size: number): Tensor => {
  const coordinate = squeeze(slice(grid, [{ axis: 3, start: which, end: which + 1 }]), [3]);
  return sub(mul(add(coordinate, 1), size / 2), 0.5);
};

/** The grid of positions that are given in pixels. */
const gridOf = (px: Tensor, py: Tensor, [height, width]: [number, number]): Tensor => {
  const share = (p: Tensor, size: number): Tensor => unsqueeze(sub(mul(add(p, 0.5), 2 / size), 1), [3]);
  return concat([share(px, width), share(py, height)], 3);
};

/** A neighbour on one axis: its clamped place, and its weight, 0 where it lies outside. */
function neighbour(p: Tensor, which: 0 | 1, size: number): { at: Tensor; weight: Tensor } {
  const low = floor(p);
  const place = which === 0 ? low : add(low, 1);
  const at = clip(place, 0, size - 1);
  const share = sub(p, low);
  return { at, weight: mul(which === 0 ? sub(1, share) : share, cast(equal(at, place), p.dtype)) };
}

/** Each cotangent [N, C, M] goes to the four neighbours by their weights; a pixel that was read often receives the sum. */
function scattered(flow: Tensor, x: Tensor, px: Tensor, py: Tensor, [height, width]: [number, number]): Tensor {
  const columns = ([0, 1] as const).map((k) => neighbour(px, k, width));
  const rows = ([0, 1] as const).map((k) => neighbour(py, k, height));
  let sum = zerosLike(reshape(x, [0, 0, height * width]));
  for (const row of rows)
    for (const column of columns) {
      const place = unsqueeze(cast(add(mul(row.at, width), column.at), 'int64'), [1]);
      const update = mul(flow, unsqueeze(mul(row.weight, column.weight), [1]));
      sum = scatterElements(sum, expandLike(place, update), update, 2, 'add');
    }
  return sum;
}

/** The same as a product: each pixel's share of each position is a hat along y times a hat along x. */
function multiplied(flow: Tensor, px: Tensor, py: Tensor, [height, width]: [number, number]): Tensor {
  const hats = (p: Tensor, size: number): Tensor => {
    const pixel = constant(
      ndarray(
        p.dtype,
        [size],
        Array.from({ length: size }, (_, i) => i),
      ),
    );
    return max(sub(1, abs(sub(unsqueeze(p, [2]), pixel))), 0);
  };
  const shares = mul(unsqueeze(hats(py, height), [3]), unsqueeze(hats(px, width), [2]));
  return matMul(flow, reshape(shares, [0, 0, height * width]));
}

/** Many channels of few pixels are multiplied, which is faster there, as long as the shares fit into memory. */
const isSmall = (channels: Dim, pixels: number, positions: number): boolean =>
  typeof channels === 'number' && pixels <= 16 * channels && pixels * positions <= 2 ** 20;

/** x[.. i + 1 ..] - x[.. i ..] along an axis for i from -1 on, x being zero outside: one more than there are pixels. */
function differences(x: Tensor, axis: 2 | 3, size: number): Tensor {
  const pads = new Array<number>(8).fill(0);
  pads[axis] = 1;
  pads[axis + 4] = 1;
  const wide = pad(x, pads);
  const from = (start: number): Tensor => slice(wide, [{ axis, start, end: start + size + 1 }]);
  return sub(from(1), from(0));
}

/**
 * y[n, c, i, j] = x[n, c] at the position grid[n, i, j] = (x, y), bilinear, zero outside. -1 and 1 are the outer edges of
 * the image: pixel p of `size` lies at (2 p + 1) / size - 1 (Jaderberg et al. 2015, arXiv:1506.02025).
 */
export const GridSample: Operator<GridSampleAttrs> = {
  name: 'GridSample',
  domain: '',
  arity: [2, 2],
  infer: ([x, grid], attrs) => {
    const dtype = sameDtype('GridSample', [x!, grid!]);
    if (x!.rank !== 4 || grid!.rank !== 4 || grid!.shape[3] !== 2 || grid!.shape[0] !== x!.shape[0])
      throw new DynaError(
        'shape',
        `GridSample expects an image [N, C, H, W] and a grid [N, P, Q, 2], got ${formatShape(x!.shape)} and ${formatShape(grid!.shape)}`,
      );
    sizesOf(x!);
    const strange = Object.entries(PLANE).find(([key, value]) => attrs[key as keyof GridSampleAttrs] !== value);
    if (strange)
      throw new DynaError('graph', `GridSample is supported with ${strange[0]} ${JSON.stringify(strange[1])} only`);
    return [{ dtype, shape: [...x!.shape.slice(0, 2), ...grid!.shape.slice(1, 3)] }];
  },
  gradient: [
    ({ g, x: [x, grid] }) => {
      const sizes = sizesOf(x!);
      const [pixelCount, positions] = [sizes[0] * sizes[1], planeOf(grid!)];
      const flat = (p: Tensor): Tensor => reshape(p, [0, positions]);
      const [px, py] = [flat(pixels(grid!, 0, sizes[1])), flat(pixels(grid!, 1, sizes[0]))];
      const flow = reshape(g, [0, 0, positions]);
      const small = isSmall(x!.shape[1]!, pixelCount, positions);
      return reshapeLike(small ? multiplied(flow, px, py, sizes) : scattered(flow, x!, px, py, sizes), x!);
    },
    // The slope along an axis is the difference of the pixels on either side: a sample of the image of differences.
    ({ g, x: [x, grid] }) => {
      const [height, width] = sizesOf(x!);
      const [px, py] = [pixels(grid!, 0, width), pixels(grid!, 1, height)];
      const slopeX = gridSample(differences(x!, 3, width), gridOf(add(floor(px), 1), py, [height, width + 1]));
      const slopeY = gridSample(differences(x!, 2, height), gridOf(px, add(floor(py), 1), [height + 1, width]));
      const flow = (slope: Tensor, size: number): Tensor =>
        unsqueeze(mul(reduceSum(mul(g, slope), [1]), size / 2), [3]);
      return concat([flow(slopeX, width), flow(slopeY, height)], 3);
    },
  ],
  macs: noMacs,
};

/** Positions of a grid [N, P, Q, 2]. */
function planeOf({ shape }: Tensor): number {
  const [p, q] = shape.slice(1, 3);
  if (typeof p !== 'number' || typeof q !== 'number')
    throw new DynaError('gradient', `GridSample has a gradient for grids of known size, got ${formatShape(shape)}`);
  return p * q;
}

/** x [N, C, H, W] at the positions of `grid` [N, P, Q, 2], (x, y) from -1 to 1: [N, C, P, Q], bilinear, zero outside. */
export const gridSample = (x: Tensor, grid: Tensor): Tensor => apply(GridSample, [x, grid], PLANE);

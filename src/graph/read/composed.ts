import { ndarray } from '../array.ts';
import * as e from '../ops/elementwise.ts';
import { constant, ints } from '../ops/leaf.ts';
import { reduceMean, reduceSum } from '../ops/reduce.ts';
import { concat, Expand } from '../ops/reshape.ts';
import { GridSample } from '../ops/sampling.ts';
import { pad, slice } from '../ops/slicing.ts';
import { type Dim, formatShape, isConcrete, normalizeAxis } from '../shape.ts';
import { apply, type Tensor } from '../tensor.ts';
import type { Call, Converters } from './call.ts';

// Operators that have no record of their own: they are read as what they are defined to be.

const square = (x: Tensor): Tensor => e.mul(x, x);
const axesFrom = (x: Tensor, axis: number): number[] => x.shape.map((_, i) => i).slice(axis);

/** More copies of one axis than this are refused: each is a slice of a Concat. */
const MOST_COPIES = 256;

/** Axes of size 1 are expanded, also to a named size; others are joined with themselves. */
function tile(c: Call): readonly Tensor[] {
  let x = c.input(0);
  const repeats = c.sizes(1);
  if (repeats?.length !== x.rank || repeats.some((r) => r === undefined))
    c.refuse(
      `${x.rank} known repeats are needed, got ${repeats ? `[${repeats.map((r) => r ?? '?')}]` : 'computed ones'}`,
    );
  const times = repeats as readonly Dim[];
  if (x.shape.every((d, i) => d === 1 || times[i] === 1)) {
    if (times.every((r) => r === 1)) return [x];
    return [apply(Expand, [x, isConcrete(times) ? ints(times) : c.input(1)], isConcrete(times) ? {} : { to: times })];
  }
  for (const [axis, r] of times.entries()) {
    if (r === 1) continue;
    if (typeof r !== 'number' || r < 1 || r > MOST_COPIES)
      c.refuse(`axis ${axis} of ${formatShape(x.shape)} cannot be repeated ${r} times`);
    x = concat(new Array<Tensor>(r).fill(x), axis);
  }
  return [x];
}

/** Only with known limits: then it is a constant. */
function range(c: Call): readonly Tensor[] {
  const [start, limit, delta] = ['the start', 'the limit', 'the step'].map((what, i) => c.number(i, what)!);
  const { dtype } = c.input(0);
  const count = Math.max(Math.ceil((limit! - start!) / delta!), 0);
  if (!(count <= 1 << 20)) c.refuse(`a range of ${count} numbers is not supported`);
  if (dtype === 'float16') c.refuse('a range in float16 is not supported');
  const values = Array.from({ length: count }, (_, i) => start! + i * delta!);
  return [constant(ndarray(dtype, [count], values))];
}

/** Of a constant that is made here, not stored in the file: a few bytes should not ask for gigabytes. */
const LARGEST_MASK = 2 ** 24;

/** The part of each matrix on and above (or below) a diagonal; zeros elsewhere. */
function triangle(c: Call): readonly Tensor[] {
  const x = c.input(0);
  const upper = c.attributes.flag('upper', 1) === 1;
  const k = c.number(1, 'the diagonal') ?? 0;
  const matrix = x.shape.slice(-2);
  if (x.rank < 2 || !isConcrete(matrix)) c.refuse(`matrices of known sizes are expected, got ${formatShape(x.shape)}`);
  const [rows, columns] = matrix as [number, number];
  if (rows * columns > LARGEST_MASK) c.refuse(`matrices of up to ${LARGEST_MASK} elements are supported`);
  const inside = Array.from({ length: rows * columns }, (_, i) => {
    const above = (i % columns) - Math.floor(i / columns) - k;
    return +(upper ? above >= 0 : above <= 0);
  });
  return [e.where(constant(ndarray('bool', [rows, columns], inside)), x, 0)];
}

/** x / (bias + alpha / size * sum of x^2 over `size` neighbouring channels)^beta (Krizhevsky et al. 2012). */
function localResponse(c: Call): readonly Tensor[] {
  const x = c.input(0);
  const size = c.attributes.int('size') ?? c.refuse('the attribute "size" is missing');
  const channels = x.shape[1];
  if (x.rank < 3 || typeof channels !== 'number' || size < 1)
    c.refuse(`it expects [N, C, ..], got ${formatShape(x.shape)}`);
  if (size > 2 * channels) c.refuse(`its "size" is ${size}, more than twice the ${channels} channels that there are`);
  const pads = new Array<number>(2 * x.rank).fill(0);
  pads[1] = Math.floor((size - 1) / 2);
  pads[x.rank + 1] = Math.ceil((size - 1) / 2);
  const squares = size === 1 ? square(x) : pad(square(x), pads);
  const near = Array.from({ length: size }, (_, k) => slice(squares, [{ axis: 1, start: k, end: k + channels }]));
  const total = near.reduce((a, b) => e.add(a, b));
  const [alpha, beta] = [c.attributes.float('alpha', 1e-4), c.attributes.float('beta', 0.75)];
  const base = e.add(e.mul(total, alpha / size), c.attributes.float('bias', 1));
  return [e.div(x, e.pow(base, beta))];
}

/** scale x / sqrt(mean(x^2) + epsilon) over the axes from `axis` on (Zhang & Sennrich 2019). */
function rootMeanSquare(c: Call): readonly Tensor[] {
  if (c.attributes.int('stash_type', 1) !== 1) c.refuse('"stash_type" other than float32 is not supported');
  const [x, scale] = [c.input(0), c.input(1)];
  const axes = axesFrom(x, normalizeAxis(c.attributes.int('axis', -1), x.rank, c.node.op));
  const mean = reduceMean(square(x), axes, true);
  return [e.mul(e.div(x, e.sqrt(e.add(mean, c.attributes.float('epsilon', 1e-5)))), scale)];
}

/** x over its norm along an axis; zeros stay zeros. */
function unitNorm(c: Call): readonly Tensor[] {
  const x = c.input(0);
  const axis = normalizeAxis(c.attributes.int('axis', -1), x.rank, c.node.op);
  const p = c.attributes.int('p', 2);
  if (p !== 1 && p !== 2) c.refuse(`"p" must be 1 or 2, got ${p}`);
  const norm = p === 1 ? reduceSum(e.abs(x), [axis], true) : e.sqrt(reduceSum(square(x), [axis], true));
  return [e.div(x, e.where(e.equal(norm, 0), 1, norm))];
}

function meanVariance(c: Call): readonly Tensor[] {
  const x = c.input(0);
  const axes = (c.attributes.ints('axes') ?? [0, 2, 3]).map((a) => normalizeAxis(a, x.rank, c.node.op));
  const centred = e.sub(x, reduceMean(x, axes, true));
  return [e.div(centred, e.add(e.sqrt(reduceMean(square(centred), axes, true)), 1e-9))];
}

/** x + bias under -lambda, x - bias above lambda, 0 between. */
function shrink(c: Call): readonly Tensor[] {
  const x = c.input(0);
  const [lambda, bias] = [c.attributes.float('lambd', 0.5), c.attributes.float('bias', 0)];
  return [e.where(e.less(x, -lambda), e.add(x, bias), e.where(e.greater(x, lambda), e.sub(x, bias), 0))];
}

/** The remainder: with the divisor's sign, or (`fmod`) the dividend's. */
function remainder(c: Call): readonly Tensor[] {
  const [a, b] = [c.input(0), c.input(1)];
  const float = e.isFloat(a.dtype);
  if (a.dtype === 'uint8' || a.dtype === 'int8') c.refuse(`remainders of ${a.dtype} are not supported`);
  const whole = (q: Tensor): Tensor => (float ? e.mul(e.sign(q), e.floor(e.abs(q))) : q);
  const rest = e.sub(a, e.mul(whole(e.div(a, b)), b));
  if (c.attributes.flag('fmod', 0) === 1) return [rest];
  if (float) c.refuse('a remainder of floats needs "fmod" 1');
  const otherSign = e.not(e.equal(e.less(rest, 0), e.less(b, 0)));
  return [e.where(e.and(otherSign, e.not(e.equal(rest, 0))), e.add(rest, b), rest)];
}

/** Bilinear, zero outside, corners not aligned: what the table's operator does. */
function gridSample(c: Call): readonly Tensor[] {
  const mode = c.attributes.string('mode', c.opset >= 20 ? 'linear' : 'bilinear');
  const padding_mode = c.attributes.string('padding_mode', 'zeros');
  const align = c.attributes.int('align_corners', 0);
  if (!['linear', 'bilinear'].includes(mode) || padding_mode !== 'zeros' || align !== 0)
    c.refuse(
      `it is supported bilinear, with zeros outside and corners not aligned; got ${mode}, ${padding_mode}, ${align}`,
    );
  return [apply(GridSample, [c.input(0), c.input(1)], { mode: 'bilinear', padding_mode, align_corners: 0 })];
}

export const composed: Converters = {
  Tile: tile,
  Range: range,
  Trilu: triangle,
  LRN: localResponse,
  RMSNormalization: rootMeanSquare,
  LpNormalization: unitNorm,
  MeanVarianceNormalization: meanVariance,
  Shrink: shrink,
  Mod: remainder,
  GridSample: gridSample,
  Swish: (c) => [e.mul(c.input(0), e.sigmoid(e.mul(c.input(0), c.attributes.float('alpha', 1))))],
};

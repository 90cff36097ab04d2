import { DynaError } from '../../errors.ts';
import { broadcastShapes, formatShape, isConcrete, sameShape } from '../shape.ts';
import { apply, noMacs, type Operator, type Tensor } from '../tensor.ts';
import { less, min, mul, where } from './elementwise.ts';
import { constantOf } from './leaf.ts';
import { reduceSum } from './reduce.ts';
import { reshape } from './reshape.ts';

// Operators that imported models need beside the ones that our own layers are made of.

type None = Record<never, never>;

/** x where x >= 0, slope x elsewhere; the slope (input 1) broadcasts to x (He et al. 2015). */
export const PRelu: Operator<None> = {
  name: 'PRelu',
  domain: '',
  arity: [2, 2],
  pointwise: true,
  infer: ([x, slope]) => {
    if (x!.dtype !== slope!.dtype)
      throw new DynaError('dtype', `PRelu: the slope is ${slope!.dtype}, the input ${x!.dtype}`);
    if (!sameShape(broadcastShapes(x!.shape, slope!.shape, 'PRelu'), x!.shape))
      throw new DynaError(
        'shape',
        `PRelu: a slope ${formatShape(slope!.shape)} does not broadcast to ${formatShape(x!.shape)}`,
      );
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  gradient: [
    // dx = g where x >= 0, slope g elsewhere
    ({ g, x }) => where(less(x[0]!, 0), mul(g, x[1]!), g),
    // dslope = g min(x, 0)
    ({ g, x }) => mul(g, min(x[0]!, 0)),
  ],
  macs: noMacs,
};

export interface ResizeAttrs {
  readonly mode: 'nearest' | 'linear' | 'cubic';
  readonly coordinate_transformation_mode: string;
  readonly nearest_mode?: string;
  readonly cubic_coeff_a?: number;
  readonly exclude_outside?: 0 | 1;
}

const scalesOf = (t: Tensor | undefined): number[] => {
  const value = constantOf(t);
  if (!value) throw new DynaError('graph', 'the scales of Resize must be a constant');
  return Array.from(value.data as Float32Array, Number);
};

/** True where every input element is repeated a whole number of times. */
const repeats = (a: ResizeAttrs, scales: readonly number[]): boolean => {
  const rounding = a.nearest_mode ?? 'round_prefer_floor';
  const aligned =
    (a.coordinate_transformation_mode === 'asymmetric' && rounding === 'floor') ||
    (a.coordinate_transformation_mode === 'half_pixel' && rounding.startsWith('round_prefer'));
  return a.mode === 'nearest' && aligned && scales.every((s) => Number.isInteger(s) && s >= 1);
};

/** floor(size * scale), in the 32 bits that engines multiply in. */
export const scaledSize = (size: number, scale: number): number => Math.floor(Math.fround(size * Math.fround(scale)));

/** Interpolates to floor(size * scale) on each axis; inputs: x, nothing, scales (one for each axis, constant). */
export const Resize: Operator<ResizeAttrs> = {
  name: 'Resize',
  domain: '',
  arity: [1, 3],
  floats: ['cubic_coeff_a'],
  infer: ([x, , s]) => {
    const scales = scalesOf(s);
    if (scales.length !== x!.rank)
      throw new DynaError('shape', `Resize of ${formatShape(x!.shape)} needs ${x!.rank} scales, got ${scales.length}`);
    const shape = x!.shape.map((d, i) => {
      if (scales[i] === 1) return d;
      if (typeof d !== 'number') throw new DynaError('shape', `Resize along the named axis "${d}" is not supported`);
      return scaledSize(d, scales[i]!);
    });
    return [{ dtype: x!.dtype, shape }];
  },
  gradient: [
    // Each element was repeated: its cotangent is the sum over the copies.
    ({ g, x, attrs }) => {
      const scales = scalesOf(x[2]);
      if (!repeats(attrs, scales))
        throw new DynaError('gradient', 'Resize has a gradient for "nearest" by whole factors only');
      const shape = x[0]!.shape;
      const scaled = shape.flatMap((_, i) => (scales[i] === 1 ? [] : [i]));
      if (scaled.length === 0) return g;
      const named = shape.flatMap((d, i) => (typeof d === 'string' ? [i] : []));
      if (named.some((i) => i >= scaled[0]!) || !isConcrete(scaled.map((i) => shape[i]!)))
        throw new DynaError('gradient', `Resize of ${formatShape(shape)}: named axes must come before the scaled ones`);
      const target: number[] = [];
      const copies: number[] = [];
      for (const [i, d] of shape.entries()) {
        target.push(typeof d === 'number' ? d : 0);
        if (scales[i] === 1) continue;
        copies.push(target.length);
        target.push(scales[i]!);
      }
      return reduceSum(reshape(g, target), copies);
    },
    null,
    null,
  ],
  macs: noMacs,
};

/** x where it is positive, slope x elsewhere; the slope is learned (He et al. 2015). */
export const prelu = (x: Tensor, slope: Tensor): Tensor => apply(PRelu, [x, slope], {});

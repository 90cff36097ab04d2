import { DynaError } from '../errors.ts';
import { factorOf } from './dims.ts';

/** One axis of a symbolic tensor: a size, or the name of a size that is known only when the graph runs. */
export type Dim = number | string;
/** Sizes of all axes, outermost first. */
export type Shape = readonly Dim[];

/** The name of the batch axis in traced nets. */
export const BATCH = 'N';

/** Whether all sizes are known. */
export const isConcrete = (shape: Shape): shape is readonly number[] => shape.every((d) => typeof d === 'number');

/** "[N, 3, 32, 32]". */
export const formatShape = (shape: Shape): string => `[${shape.join(', ')}]`;

/** Whether two shapes are equal, names of axes included. */
export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((d, i) => d === b[i]);

/** Elements of one batch item: symbolic axes count as 1, and as 49 where they are 49 * N. */
export const itemSize = (shape: Shape): number => shape.reduce<number>((size, d) => size * factorOf(d), 1);

/** Numpy's broadcasting rule. A named axis broadcasts with 1 and with itself only. */
export function broadcastShapes(a: Shape, b: Shape, what: string): Dim[] {
  const rank = Math.max(a.length, b.length);
  const out: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const p = a[i - rank + a.length] ?? 1;
    const q = b[i - rank + b.length] ?? 1;
    if (p !== q && p !== 1 && q !== 1)
      throw new DynaError('shape', `${what}: shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast`);
    out.push(p === 1 ? q : p);
  }
  return out;
}

/** Turns a possibly negative axis into 0..rank-1, or refuses it. */
export function normalizeAxis(axis: number, rank: number, what: string): number {
  const at = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || at < 0 || at >= rank)
    throw new DynaError('shape', `${what}: axis ${axis} is outside a tensor of rank ${rank}`);
  return at;
}

/** Row-major strides of a concrete shape, in elements. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length);
  let step = 1;
  for (let i = dims.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= dims[i]!;
  }
  return strides;
}

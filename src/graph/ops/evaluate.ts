import { allocate, type DType, type NDArray, sizeOf } from '../array.ts';
import { isConcrete, type Shape, stridesOf } from '../shape.ts';
import type { TensorType } from '../tensor.ts';
import { halfBits, halfValue } from './half.ts';

// Plain loops for constant folding. Speed is not their purpose; being obviously right is.

const concrete = (shape: Shape): readonly number[] => {
  if (!isConcrete(shape)) throw new TypeError('constant folding met a symbolic shape');
  return shape;
};

const LARGEST = 2n ** 63n - 1n;
/** The nearest int64; exporters write its largest value for "to the end", which no double holds. */
const toInt64 = (v: number): bigint =>
  Number.isNaN(v) ? 0n : v >= 2 ** 63 ? LARGEST : v <= -(2 ** 63) ? -LARGEST - 1n : BigInt(Math.trunc(v));

/** Memory of `size` elements, each written from a number. */
export function fill(dtype: DType, size: number, value: (i: number) => number): NDArray['data'] {
  const data = allocate(dtype, size);
  if (data instanceof BigInt64Array) for (let i = 0; i < size; i++) data[i] = toInt64(value(i));
  else if (dtype === 'float16') for (let i = 0; i < size; i++) data[i] = halfBits(value(i));
  else for (let i = 0; i < size; i++) data[i] = value(i);
  return data;
}

/** Element `i` as a number. */
export const numberAt = (a: NDArray, i: number): number =>
  a.dtype === 'float16' ? halfValue(Number(a.data[i])) : Number(a.data[i]);

/** The multi-index of flat position `flat`, for row-major `dims`. */
function unravel(flat: number, dims: readonly number[]): number[] {
  const at = new Array<number>(dims.length);
  for (let i = dims.length - 1; i >= 0; i--) {
    at[i] = flat % dims[i]!;
    flat = Math.floor(flat / dims[i]!);
  }
  return at;
}

/** Where each input is read for a flat position of the result, with broadcasting. */
function broadcastFrom(x: readonly NDArray[], dims: readonly number[]): (flat: number) => number[] {
  const strides = x.map((a) => {
    const own = stridesOf(a.dims);
    return dims.map((_, i) => {
      const j = i - dims.length + a.dims.length;
      return j < 0 || a.dims[j] === 1 ? 0 : own[j]!;
    });
  });
  return (flat) => {
    const at = unravel(flat, dims);
    return strides.map((own) => at.reduce((sum, p, i) => sum + p * own[i]!, 0));
  };
}

const isFloat = (dtype: DType): boolean => dtype.startsWith('float');

/**
 * Applies `f` element by element with broadcasting; undefined where whole numbers come or would result that a double does not
 * hold exactly: those are left to the engine.
 */
export const mapBroadcast =
  (f: (...values: number[]) => number) =>
  (x: readonly NDArray[], _attrs: unknown, [type]: readonly TensorType[]): NDArray[] | undefined => {
    const dims = concrete(type!.shape);
    const from = broadcastFrom(x, dims);
    const wide = (a: NDArray): boolean =>
      a.dtype === 'int64' && !(a.data as BigInt64Array).every((v) => isExact(Number(v)));
    if (x.some(wide)) return undefined;
    let exact = true;
    const whole = !isFloat(type!.dtype) && !x.some((a) => isFloat(a.dtype));
    const data = fill(type!.dtype, sizeOf(dims), (flat) => {
      const value = f(...from(flat).map((at, k) => numberAt(x[k]!, at)));
      if (whole && !isExact(value)) exact = false;
      return value;
    });
    return exact ? [{ dtype: type!.dtype, dims, data }] : undefined;
  };

/** Whether a whole number is one that doubles hold and do not confuse with its neighbours. */
const isExact = (v: number): boolean => Number.isSafeInteger(Math.trunc(v));

/** Builds the result by asking, for each position, which of the inputs (by its values there) stands there; all broadcast. */
export const chooseBy =
  (which: (...values: number[]) => number) =>
  (x: readonly NDArray[], _attrs: unknown, [type]: readonly TensorType[]): NDArray[] => {
    const dims = concrete(type!.shape);
    const from = broadcastFrom(x, dims);
    const data = allocate(type!.dtype, sizeOf(dims));
    for (let flat = 0; flat < data.length; flat++) {
      const at = from(flat);
      const k = which(...at.map((i, j) => numberAt(x[j]!, i)));
      data[flat] = x[k]!.data[at[k]!]!;
    }
    return [{ dtype: type!.dtype, dims, data }];
  };

/** Builds the result by asking, for each output position, which element of the first input stands there. */
export const gatherBy =
  (source: (at: readonly number[], x: readonly NDArray[], attrs: never) => readonly number[]) =>
  (x: readonly NDArray[], attrs: unknown, [type]: readonly TensorType[]): NDArray[] => {
    const dims = concrete(type!.shape);
    const strides = stridesOf(x[0]!.dims);
    const data = allocate(type!.dtype, sizeOf(dims));
    for (let flat = 0; flat < data.length; flat++) {
      const from = source(unravel(flat, dims), x, attrs as never);
      data[flat] = x[0]!.data[from.reduce((sum, p, i) => sum + p * strides[i]!, 0)]!;
    }
    return [{ dtype: type!.dtype, dims, data }];
  };

/** Same elements, another shape. */
export const sameData = (x: readonly NDArray[], _attrs: unknown, [type]: readonly TensorType[]): NDArray[] => [
  { dtype: type!.dtype, dims: concrete(type!.shape), data: x[0]!.data },
];

import { DynaError } from '../errors.ts';

/** Element types of the tensors that this library handles; the words are ONNX's. */
export type DType = 'float32' | 'float64' | 'float16' | 'int64' | 'int32' | 'int8' | 'uint8' | 'bool';

/** How a dtype's elements lie in memory. `float16` holds raw bit patterns, `bool` one byte for each element. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Uint16Array
  | BigInt64Array
  | Int32Array
  | Int8Array
  | Uint8Array;

/** A concrete tensor in host memory: row-major, contiguous. */
export interface NDArray {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: TypedArray;
}

const constructors = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** Bytes of one element. */
export const bytesPerElement = (dtype: DType): number => constructors[dtype].BYTES_PER_ELEMENT;

/** Number of elements of a shape; 1 for a scalar. */
export const sizeOf = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** Fresh zeroed memory for `length` elements of `dtype`. */
export const allocate = (dtype: DType, length: number): TypedArray => new constructors[dtype](length);

/** Views `bytes` as elements of `dtype`; copies only where the alignment demands it. */
export function viewBytes(dtype: DType, bytes: Uint8Array): TypedArray {
  const make = constructors[dtype];
  const size = make.BYTES_PER_ELEMENT;
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes); // Buffer.slice would not copy
  return new make(aligned.buffer as ArrayBuffer, aligned.byteOffset, Math.floor(aligned.byteLength / size));
}

/**
 * Makes an array from plain numbers (or a typed array, which is used as it is).
 *
 * @example ndarray('float32', [2, 2], [1, 2, 3, 4])
 */
export function ndarray(dtype: DType, dims: readonly number[], values: ArrayLike<number> | TypedArray): NDArray {
  const size = sizeOf(dims);
  if (values.length !== size)
    throw new DynaError('shape', `an array of shape [${dims.join(', ')}] holds ${size} values, got ${values.length}`);
  const make = constructors[dtype];
  if (values instanceof make) return { dtype, dims: [...dims], data: values };
  const data = allocate(dtype, size);
  if (data instanceof BigInt64Array) for (let i = 0; i < size; i++) data[i] = BigInt(values[i]!);
  else for (let i = 0; i < size; i++) data[i] = Number(values[i]);
  return { dtype, dims: [...dims], data };
}

/** The elements as ordinary numbers (int64 too; exact up to 2^53). */
export const toNumbers = (a: NDArray): number[] => Array.from(a.data as ArrayLike<number | bigint>, Number);

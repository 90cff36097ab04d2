import { gunzipSync } from 'node:zlib';
import { DynaError } from '../errors.ts';
import { allocate, type DType, type NDArray, sizeOf } from '../graph/array.ts';

const types: Record<number, { dtype: DType; bytes: number; read: (view: DataView, at: number) => number }> = {
  8: { dtype: 'uint8', bytes: 1, read: (view, at) => view.getUint8(at) },
  9: { dtype: 'int8', bytes: 1, read: (view, at) => view.getInt8(at) },
  11: { dtype: 'int32', bytes: 2, read: (view, at) => view.getInt16(at) }, // shorts, widened
  12: { dtype: 'int32', bytes: 4, read: (view, at) => view.getInt32(at) },
  13: { dtype: 'float32', bytes: 4, read: (view, at) => view.getFloat32(at) },
  14: { dtype: 'float64', bytes: 8, read: (view, at) => view.getFloat64(at) },
};

/** The most that a gzip file may unpack to; far above any official file, far below a zip bomb. */
export const MAX_UNPACKED = 2 ** 30;

const isGzip = (bytes: Uint8Array): boolean => bytes.length > 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;

/** Unpacks gzip bytes; leaves others as they are. */
export function gunzipped(bytes: Uint8Array, name: string): Uint8Array {
  if (!isGzip(bytes)) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_UNPACKED });
  } catch (cause) {
    throw new DynaError('data', `${name} is a truncated or damaged gzip file (${(cause as Error).message})`, { cause });
  }
}

/**
 * Reads an IDX file, the format of MNIST: two zero bytes, the element type, the number of dimensions, each size as a
 * big-endian 32-bit number, then the elements, big-endian and row-major. Plain or gzip-packed.
 *
 * @param name what the file is called in errors
 * @throws DynaError 'data' when the bytes are not a whole IDX file
 * @example readIdx(readFileSync('train-images-idx3-ubyte.gz')).dims // [60000, 28, 28]
 */
export function readIdx(bytes: Uint8Array, name = 'the IDX file'): NDArray {
  const raw = gunzipped(bytes, name);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const rank = raw[3];
  const type = types[raw[2]];
  if (raw.length < 4 || raw[0] !== 0 || raw[1] !== 0 || !type || rank < 1 || rank > 8) {
    const head = Array.from(raw.subarray(0, 4), (b) => b.toString(16).padStart(2, '0')).join(' ') || 'nothing';
    throw new DynaError('data', `${name} is not an IDX file: expected it to begin like 00 00 08 03, got ${head}`);
  }
  const start = 4 + 4 * rank;
  if (raw.length < start)
    throw new DynaError('data', `${name} is truncated: its header has ${start} bytes, got ${raw.length}`);
  const dims = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const size = sizeOf(dims);
  const expected = start + size * type.bytes;
  if (raw.length !== expected) {
    const what = raw.length < expected ? 'truncated' : 'too long';
    throw new DynaError(
      'data',
      `${name} is ${what}: shape [${dims.join(', ')}] takes ${expected} bytes, got ${raw.length}`,
    );
  }
  if (type.dtype === 'uint8') return { dtype: 'uint8', dims, data: raw.slice(start) };
  const data = allocate(type.dtype, size) as Exclude<NDArray['data'], BigInt64Array>;
  for (let i = 0; i < size; i++) data[i] = type.read(view, start + i * type.bytes);
  return { dtype: type.dtype, dims, data };
}

import { DynaError } from '../errors.ts';
import { sizeOf } from '../graph/index.ts';

/** An array file of numpy: bytes or float32, row-major. */
export interface NpyArray {
  readonly dims: readonly number[];
  readonly data: Uint8Array | Float32Array;
}

/** Whole numbers by numpy's name of their type: bytes of each, and how they are read. */
const integers: Readonly<Record<string, readonly [size: number, read: (view: DataView, at: number) => number]>> = {
  '|u1': [1, (v, at) => v.getUint8(at)],
  '|i1': [1, (v, at) => v.getInt8(at)],
  '<u2': [2, (v, at) => v.getUint16(at, true)],
  '<i2': [2, (v, at) => v.getInt16(at, true)],
  '<u4': [4, (v, at) => v.getUint32(at, true)],
  '<i4': [4, (v, at) => v.getInt32(at, true)],
  '<u8': [8, (v, at) => Number(v.getBigUint64(at, true))],
  '<i8': [8, (v, at) => Number(v.getBigInt64(at, true))],
};

/**
 * Reads a .npy file (versions 1 to 3).
 *
 * @throws DynaError 'data' for other files, other element types and column-major order
 */
export function readNpy(bytes: Uint8Array, name: string): NpyArray {
  const { type, dims, data } = open(bytes, name, { '<f4': 4, '|u1': 1 }, 'uint8 (pixels) and float32', 'float32');
  return { dims, data: type === '<f4' ? new Float32Array(data.buffer) : data };
}

/**
 * Reads a .npy file of whole numbers, such as labels [n].
 *
 * @throws DynaError 'data' as `readNpy`, and for other than one axis
 */
export function readNpyIntegers(bytes: Uint8Array, name: string): number[] {
  const sizes = Object.fromEntries(Object.entries(integers).map(([type, [size]]) => [type, size]));
  const { type, dims, data } = open(bytes, name, sizes, 'whole numbers', 'int64');
  if (dims.length !== 1) throw new DynaError('data', `${name} should hold labels [n], got [${dims.join(', ')}]`);
  const [size, read] = integers[type]!;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: dims[0]! }, (_, i) => read(view, i * size));
}

function open(
  bytes: Uint8Array,
  name: string,
  sizes: Readonly<Record<string, number>>,
  wanted: string,
  as: string,
): { type: string; dims: number[]; data: Uint8Array } {
  const refuse = (what: string, fix = `save it with numpy.save(file, array.astype('${as}'))`): DynaError =>
    new DynaError('data', `${name} ${what}`, { fix });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = String.fromCharCode(...bytes.subarray(1, 6));
  if (bytes.length < 12 || bytes[0] !== 0x93 || magic !== 'NUMPY') throw refuse('is no .npy file');
  const long = bytes[6]! > 1;
  const start = long ? 12 : 10;
  const end = start + (long ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder().decode(bytes.subarray(start, end));
  const type = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  if (type === undefined || shape === undefined) throw refuse('has a damaged header');
  if (/'fortran_order':\s*True/.test(header)) throw refuse('is stored column by column', 'save a row-major array');
  const dims = shape.split(',').flatMap((d) => (d.trim() === '' ? [] : [Number(d)]));
  if (!Object.hasOwn(sizes, type)) throw refuse(`holds elements of type "${type}"; ${wanted} are supported`);
  const size = sizeOf(dims) * sizes[type]!;
  if (end + size !== bytes.length)
    throw refuse(`should hold ${size} bytes of data, got ${bytes.length - end}`, 'it is damaged: save it again');
  return { type, dims, data: new Uint8Array(bytes.subarray(end)) }; // Buffer.slice would not copy
}

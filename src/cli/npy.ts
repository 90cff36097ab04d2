import { DynaError } from '../errors.ts';
import { sizeOf } from '../graph/index.ts';

/** An array file of numpy: bytes or float32, row-major. */
export interface NpyArray {
  readonly dims: readonly number[];
  readonly data: Uint8Array | Float32Array;
}

/**
 * Reads a .npy file (versions 1 to 3).
 *
 * @throws DynaError 'data' for other files, other element types and column-major order
 */
export function readNpy(bytes: Uint8Array, name: string): NpyArray {
  const refuse = (what: string, fix = "save it with numpy.save(file, array.astype('uint8'))"): DynaError =>
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
  const float = type === '<f4';
  if (!float && type !== '|u1') throw refuse(`holds elements of type "${type}"; uint8 and float32 are supported`);
  const size = sizeOf(dims) * (float ? 4 : 1);
  if (end + size !== bytes.length)
    throw refuse(`should hold ${size} bytes of data, got ${bytes.length - end}`, 'it is damaged: save it again');
  const data = new Uint8Array(bytes.subarray(end)); // Buffer.slice would not copy
  return { dims, data: float ? new Float32Array(data.buffer) : data };
}

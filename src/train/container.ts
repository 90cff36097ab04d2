import { createHash } from 'node:crypto';
import { DynaError } from '../errors.ts';
import { bytesPerElement, viewBytes } from '../graph/array.ts';
import { type DType, type NDArray, sizeOf } from '../graph/index.ts';

/*
 * One file: "DYNASTAT", version (uint32, little endian), length of the header (uint32), header (JSON), tensors (raw,
 * little endian), sha256 of all that comes before it. Header and tensors start at multiples of 8.
 */
const MAGIC = Buffer.from('DYNASTAT');
const VERSION = 1;
const START = 16;
const DIGEST = 32;

interface Entry {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
}

interface Header {
  readonly kind: string;
  readonly meta: unknown;
  readonly tensors: readonly Entry[];
}

const aligned = (at: number): number => Math.ceil(at / 8) * 8;
const lengthOf = ({ dtype, dims }: Entry): number => bytesPerElement(dtype) * sizeOf(dims);
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** Named tensors and a plain JSON value as one file with its own checksum. `kind` says what the file is. */
export function encodeState(kind: string, meta: unknown, tensors: Iterable<readonly [string, NDArray]>): Uint8Array {
  const list = [...tensors];
  const entries = list.map(([name, { dtype, dims }]): Entry => ({ name, dtype, dims }));
  const header = Buffer.from(JSON.stringify({ kind, meta, tensors: entries } satisfies Header));
  const first = aligned(START + header.length);
  const end = entries.reduce((at, e) => aligned(at + lengthOf(e)), first);
  const bytes = Buffer.alloc(end + DIGEST); // zeroed: the gaps are part of the checksum
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(VERSION, 8);
  bytes.writeUInt32LE(header.length, 12);
  header.copy(bytes, START);
  let at = first;
  for (const [i, [, { data }]] of list.entries()) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at = aligned(at + lengthOf(entries[i]!));
  }
  sha256(bytes.subarray(0, end)).copy(bytes, end);
  return bytes;
}

/**
 * The reverse of `encodeState`; the tensors are fresh memory. `from` names the file in errors.
 *
 * @throws DynaError 'file' when the bytes are no such file, truncated, altered, of a newer version or of another kind
 */
export function decodeState(
  kind: string,
  bytes: Uint8Array,
  from: string,
): { meta: unknown; tensors: Map<string, NDArray> } {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (file.length < START + DIGEST || !file.subarray(0, 8).equals(MAGIC))
    throw new DynaError('file', `${from} is not a ${kind} file of DynaNeural, or it is truncated`);
  const version = file.readUInt32LE(8);
  if (version > VERSION)
    throw new DynaError('file', `${from} has format version ${version}, this release reads up to ${VERSION}`, {
      fix: 'update dynaneural',
    });
  const end = file.length - DIGEST;
  if (!sha256(file.subarray(0, end)).equals(file.subarray(end)))
    throw new DynaError('file', `${from} is truncated or altered: its checksum does not fit its content`);
  const length = file.readUInt32LE(12);
  const header = JSON.parse(file.toString('utf8', START, START + length)) as Header;
  if (header.kind !== kind)
    throw new DynaError('file', `${from} is a ${header.kind} file, a ${kind} file was expected`);
  let at = aligned(START + length);
  const tensors = new Map<string, NDArray>();
  for (const entry of header.tensors) {
    const own = new Uint8Array(file.subarray(at, at + lengthOf(entry))); // copies: aligned, and free of the file's memory
    tensors.set(entry.name, { dtype: entry.dtype, dims: entry.dims, data: viewBytes(entry.dtype, own) });
    at = aligned(at + lengthOf(entry));
  }
  return { meta: header.meta, tensors };
}

import { DynaError } from '../../errors.ts';
import type { OnnxExtra } from './model.ts';

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const utf8 = new TextEncoder();

/** The text that the bytes are, or undefined where they are none. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

export const encodeUtf8 = (text: string): Uint8Array<ArrayBuffer> => utf8.encode(text);

/** A name out of a file, fit for a message: never long, no control characters. */
export const quote = (name: string): string => JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}...` : name);

/** The same memory as an ordinary Uint8Array: `slice` of Node's Buffer would not copy. */
export const plainBytes = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** An int64 of the file as a number. */
export function safeInteger(value: bigint, what: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number))
    throw new DynaError('model', `${what} is ${value}, beyond what can be counted exactly (2^53)`);
  return number;
}

/** Hands on the fields of `source` that nobody interprets; leaves the record bare where there are none. */
export function keep<T extends object>(record: T, source: { $unknown?: readonly OnnxExtra[] | undefined }): T {
  return source.$unknown === undefined ? record : { ...record, extra: source.$unknown };
}

/** A record from pairs; a name that comes twice is refused. */
export function uniqueRecord<T>(pairs: readonly (readonly [string, T])[], what: string): Record<string, T> {
  const record = Object.fromEntries(pairs); // own properties even for "__proto__"
  if (Object.keys(record).length === pairs.length) return record;
  const seen = new Set<string>();
  const twice = pairs.find(([name]) => seen.size === seen.add(name).size);
  throw new DynaError('model', `${what} has ${quote(twice![0])} twice`);
}

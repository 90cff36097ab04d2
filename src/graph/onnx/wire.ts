import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** One field of an encoded message: its place in the bytes, and its content where it is length-delimited. */
export interface WireField {
  no: number;
  wireType: WireType;
  start: number;
  end: number;
  content: Uint8Array | undefined;
}

/** Walks the fields of an encoded message without decoding them; throws where lengths run past the end. */
export function* fieldsOf(bytes: Uint8Array): Generator<WireField> {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [no, wireType] = reader.tag();
    const data = reader.skip(wireType, no);
    const content = wireType === WireType.LengthDelimited ? new BinaryReader(data).bytes() : undefined;
    yield { no, wireType, start, end: reader.pos, content };
  }
}

/**
 * Checks an encoded message against its schema: wire types fit the fields, lengths stay inside their parents, messages
 * nest at most `depth` levels. The decoder itself trusts inner lengths, and would read a damaged file as another one.
 *
 * @returns the sentence that tells what is wrong and where, or undefined
 */
export function findDamage(schema: DescMessage, bytes: Uint8Array, depth: number): string | undefined {
  if (depth === 0) return 'its parts nest too deeply';
  const known = fieldTable(schema);
  try {
    for (const { no, wireType, content } of fieldsOf(bytes)) {
      const field = known.get(no);
      if (field === undefined) continue;
      const packed = content !== undefined && field.fieldKind === 'list' && field.listKind !== 'message';
      const fits = packed ? packedFits(wireTypeOf(field), content) : wireType === wireTypeOf(field);
      if (!fits) return `the field ${field.name} of a ${schema.name} in it is damaged`;
      if (field.message === undefined || content === undefined) continue;
      const inner = findDamage(field.message, content, depth - 1);
      if (inner !== undefined) return inner;
    }
  } catch (error) {
    return `a ${schema.name} in it is damaged (${(error as Error).message})`;
  }
  return undefined;
}

/** True where a packed list ends with its last number. */
function packedFits(element: WireType, content: Uint8Array): boolean {
  if (element === WireType.Bit32) return content.length % 4 === 0;
  if (element === WireType.Bit64) return content.length % 8 === 0;
  return element === WireType.LengthDelimited || content.length === 0 || content.at(-1)! < 0x80;
}

const tables = new WeakMap<DescMessage, Map<number, DescField>>();

function fieldTable(schema: DescMessage): Map<number, DescField> {
  let table = tables.get(schema);
  if (table === undefined) {
    table = new Map(schema.fields.map((field) => [field.number, field]));
    tables.set(schema, table);
  }
  return table;
}

function wireTypeOf(field: DescField): WireType {
  if (field.message !== undefined) return WireType.LengthDelimited;
  switch (field.scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited;
    case ScalarType.FLOAT:
      return WireType.Bit32;
    case ScalarType.DOUBLE:
      return WireType.Bit64;
    default:
      return WireType.Varint; // int32, int64, enums: the schema has no other scalars
  }
}

/** Joins runs of bytes with one copy. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.byteLength;
  }
  return joined;
}

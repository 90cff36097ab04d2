import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, test } from 'vitest';
import { DynaError } from '../../errors.ts';
import { attributeOf, decodeModel, encodeModel, type OnnxTensor } from './index.ts';

/**
 * A model with one of everything, written by Python's `onnx` 1.23 (`onnx.helper`), so not by our own writer: typed data
 * fields of all types, raw and string tensors, all kinds of attributes, a branch, a function, documentation.
 */
const reference = Buffer.from(
  'CAoSCXJlZmVyZW5jZRoBMSIIb3JnLnRlc3QoAzIJbW9kZWwgZG9jOqgGCr0CCgF4CgAKCmZsb2F0X2RhdGESAXkaAW4iCkV2ZXJ5' +
    'dGhpbmcqEgoDYmlnGP//////////f6ABAioWCgRiaWdzQAFAgICAgICAgICAAaABByoNCgRibG9iIgL//qABAyoLCgFmFc3MzD2g' +
    'AQEqEQoCZnM9AACAPz0AAABAoAEGKiwKAWcyJAoQCgF4EgF6IghJZGVudGl0eRIFaW5uZXJiCQoBehIECgIIAaABBSoRCgFpGP3/' +
    '/////////wGgAQIqDAoDaXNfQAFAAqABByoMCgFzIgR0ZXh0oAEDKg0KAnNzSgFwSgFxoAEIKhEKAXQqCQgBEAc6AQVCAKABBCoT' +
    'CgJ0cHIKCggIARIECgIIAaABDSoLCgR6ZXJvGACgAQIyCG5vZGUgZG9jOgh0ZXN0Lm9wc0oICgJuaxICbnYKGQoBeBIBdyIISWRl' +
    'bnRpdHk6B2FpLm9ubngSBG1haW4qKwgCCAIQASIQAADAPwAAAMAAAAAAAABQQEIKZmxvYXRfZGF0YWIFYSBkb2MqIwgCEAtCC2Rv' +
    'dWJsZV9kYXRhUhCcdQCIPOQ3fgAAAAAAAOC/KiUIAhAHOhP//////////3+AgICAgICAgIABQgppbnQ2NF9kYXRhKh0IAhAGKgv7' +
    '//////////8BB0IKaW50MzJfZGF0YSocCAIQAyoLgP//////////AX9CCWludDhfZGF0YSoVCAIQAioDAP8BQgp1aW50OF9kYXRh' +
    'KhMIAhAJKgIBAEIJYm9vbF9kYXRhKhYIAhAKKgWAeICAA0IJaGFsZl9kYXRhKhIIARAKQghoYWxmX3Jhd0oCADgqFggCEBBCCmJm' +
    'bG9hdF9yYXdKBMA/AMAqEBABQgZzY2FsYXJKBAAA4EAqDwgACAMQAUIFZW1wdHlKACoSCAIQCDIBYTICw7xCBXdvcmRzKg0IARAB' +
    'IgQAAChCQgF4UglncmFwaCBkb2NaFgoBeBIRCg8IARILCgMSAU4KAggDCgBaDwoDc2VxEggiBgoECgIIAVoJCgF1EgQKAggEYgkK' +
    'AXkSBAoCCAFqDwoBdxIKCggIARIECgIIAEIECgAQEUIMCgh0ZXN0Lm9wcxABcgwKA2tleRIFdmFsdWXKAVMKBVR3aWNlIgFhKgFi' +
    'MgVhbHBoYTodCgFhEgFiIgVTY2FsZSoOCgFroAEBqgEFYWxwaGFKBAoAEBFSCHRlc3Qub3BzWg4KBGJldGEVAAAgQKABAQ==',
  'base64',
);

const model = decodeModel(reference);
const tensors = new Map(model.graph.initializers.map((tensor) => [tensor.name, tensor]));

describe('a file written by another library', () => {
  test('the model', () => {
    expect(model).toMatchObject({
      irVersion: 10,
      opsets: { '': 17, 'test.ops': 1 },
      producer: 'reference',
      producerVersion: '1',
      docString: 'model doc',
      metadata: { key: 'value' },
      notes: ['1 tensors were converted from bfloat16 to float32, first "bfloat_raw"'],
    });
    expect(model.graph.nodes.map(({ op, domain, name }) => [op, domain, name])).toEqual([
      ['Everything', 'test.ops', 'n'],
      ['Identity', '', ''],
    ]);
    expect(model.graph.nodes[0]!.inputs).toEqual(['x', '', 'float_data']);
  });

  test.each<[string, OnnxTensor['dtype'], number[], (number | bigint)[]]>([
    ['float_data', 'float32', [2, 2], [1.5, -2, 0, 3.25]],
    ['double_data', 'float64', [2], [1e300, -0.5]],
    ['int64_data', 'int64', [2], [2n ** 63n - 1n, -(2n ** 63n)]],
    ['int32_data', 'int32', [2], [-5, 7]],
    ['int8_data', 'int8', [2], [-128, 127]],
    ['uint8_data', 'uint8', [2], [0, 255]],
    ['bool_data', 'bool', [2], [1, 0]],
    ['half_data', 'float16', [2], [0x3c00, 0xc000]],
    ['half_raw', 'float16', [1], [0x3800]],
    ['bfloat_raw', 'float32', [2], [1.5, -2]],
    ['scalar', 'float32', [], [7]],
    ['empty', 'float32', [0, 3], []],
    ['x', 'float32', [1], [42]],
  ])('tensor %s', (name, dtype, dims, values) => {
    const tensor = tensors.get(name)!;
    expect([tensor.dtype, tensor.dims, [...tensor.data]]).toEqual([dtype, dims, values]);
  });

  test('strings and value types', () => {
    expect(model.graph.strings).toEqual([{ name: 'words', dims: [2], values: ['a', 'ü'] }]);
    expect(model.graph.inputs).toMatchObject([
      { name: 'x', dtype: 'float32', shape: ['N', 3, null] },
      { name: 'seq', dtype: 'sequence', shape: undefined },
      { name: 'u', dtype: 'uint16', shape: undefined },
    ]);
    expect(model.graph.values).toEqual([{ name: 'w', dtype: 'float32', shape: [0] }]);
  });

  test('attributes', () => {
    const { g, t, tp, ...plain } = model.graph.nodes[0]!.attributes;
    expect(plain).toEqual({
      f: { kind: 'float', value: Math.fround(0.1) },
      i: { kind: 'int', value: -3 },
      zero: { kind: 'int', value: 0 },
      big: { kind: 'bigint', value: 2n ** 63n - 1n },
      s: { kind: 'string', value: 'text' },
      blob: { kind: 'bytes', value: new Uint8Array([255, 254]) },
      fs: { kind: 'floats', value: [1, 2] },
      is_: { kind: 'ints', value: [1, 2] },
      bigs: { kind: 'bigints', value: [1n, -(2n ** 63n)] },
      ss: { kind: 'strings', value: ['p', 'q'] },
    });
    expect(t).toMatchObject({ kind: 'tensor', value: { dtype: 'int64', data: new BigInt64Array([5n]) } });
    expect(g).toMatchObject({ kind: 'graph', value: { name: 'inner', nodes: [{ op: 'Identity' }] } });
    expect(tp).toMatchObject({ kind: 'opaque', type: 'type_proto' });
    expect(attributeOf(model.graph.nodes[0]!, 'i', 'int')).toBe(-3);
    expect(attributeOf(model.graph.nodes[0]!, 'toString', 'int')).toBeUndefined();
    expect(() => attributeOf(model.graph.nodes[0]!, 'i', 'ints')).toThrow(
      'node "n" ("Everything") needs its attribute "i" as ints, the model has int',
    );
  });

  test('functions', () => {
    expect(model.functions).toMatchObject([
      {
        name: 'Twice',
        domain: 'test.ops',
        attributes: ['alpha'],
        defaults: { beta: { kind: 'float', value: 2.5 } },
        nodes: [{ op: 'Scale', attributes: { k: { kind: 'ref', value: 'alpha', type: 'float' } } }],
      },
    ]);
  });

  test('survives writing, with what we do not interpret', () => {
    const written = encodeModel(model);
    const { notes, ...rest } = model;
    expect(decodeModel(written)).toEqual(rest);
    for (const text of ['a doc', 'node doc', 'graph doc', 'org.test', 'nv'])
      expect(Buffer.from(written).includes(text), text).toBe(true);
    expect(encodeModel(decodeModel(written))).toEqual(written);
  });

  test('is read from any offset and kind of memory', () => {
    for (let shift = 0; shift < 8; shift++) {
      const moved = Buffer.alloc(reference.length + shift);
      reference.copy(moved, shift);
      expect(decodeModel(moved.subarray(shift))).toEqual(model);
    }
  });
});

const refusal = (bytes: Uint8Array): string => {
  try {
    decodeModel(bytes);
  } catch (error) {
    if (error instanceof DynaError && error.code === 'model') return error.message;
    throw error;
  }
  throw new Error('was read');
};

describe('what is no undamaged ONNX model', () => {
  test('other files', () => {
    expect(refusal(new Uint8Array(0))).toContain('the file is empty');
    expect(refusal(Buffer.from('<!doctype html><title>404</title>'))).toContain('not a readable ONNX model');
    expect(refusal(Buffer.from('PK\x03\x04 a zip archive'))).toContain('not a readable ONNX model');
    expect(refusal(new BinaryWriter().tag(1, WireType.Varint).int64(8).finish())).toContain('it has no graph');
    expect(refusal(new BinaryWriter().tag(7, WireType.LengthDelimited).uint32(0).finish())).toContain(
      'the IR version is missing',
    );
  });

  test('every truncation inside the graph', () => {
    const graphEnd = reference.indexOf('graph doc') + 'graph doc'.length;
    for (let length = 0; length < graphEnd; length++) refusal(reference.subarray(0, length));
  });

  const withTensor = (edit: (writer: BinaryWriter) => void): Uint8Array => {
    const tensor = new BinaryWriter();
    edit(tensor);
    const writer = new BinaryWriter().tag(1, WireType.Varint).int64(8).tag(7, WireType.LengthDelimited).fork();
    writer.tag(5, WireType.LengthDelimited).bytes(tensor.finish());
    return writer.join().finish();
  };
  const dim = (writer: BinaryWriter, size: bigint) => writer.tag(1, WireType.Varint).int64(size);
  const dtype = (writer: BinaryWriter, type: number) => writer.tag(2, WireType.Varint).int32(type);

  test.each<[string, string, (writer: BinaryWriter) => void]>([
    [
      'too little data',
      'shape [1000000000000] needs 1000000000000 float32 values',
      (w) => dtype(dim(w, 10n ** 12n), 1),
    ],
    ['a negative dimension', 'impossible dimensions [-1]', (w) => dtype(dim(w, -1n), 1)],
    ['a dimension beyond 2^53', 'beyond what can be counted', (w) => dtype(dim(w, 2n ** 60n), 1)],
    ['a product beyond 2^53', 'larger than any memory', (w) => dtype(dim(dim(w, 2n ** 40n), 2n ** 40n), 1)],
    ['uint64', 'element type uint64', (w) => dtype(w, 13)],
    ['float8', 'element type float8e4m3fn', (w) => dtype(w, 17)],
    ['no element type', 'element type undefined', (w) => dim(w, 1n)],
    ['an unheard element type', 'element type 99', (w) => dtype(w, 99)],
    [
      'raw bytes that are no whole number',
      'needs 1 float32 values (4 bytes), but the file holds 3 bytes',
      (w) => {
        dtype(dim(w, 1n), 1).tag(9, WireType.LengthDelimited).bytes(new Uint8Array(3));
      },
    ],
    ['segments', 'stored in segments', (w) => dtype(w, 1).tag(3, WireType.LengthDelimited).uint32(0)],
    [
      'too many axes',
      'has 65 dimensions',
      (w) => {
        for (let i = 0; i < 65; i++) dim(w, 1n);
        dtype(w, 1);
      },
    ],
  ])('a tensor with %s', (_, sentence, edit) => {
    expect(refusal(withTensor(edit))).toContain(sentence);
  });

  test('a length that runs past its parent', () => {
    const broken = Buffer.from(reference);
    const at = broken.indexOf('inner') - 1;
    expect(broken[at]).toBe(5);
    broken[at] = 60; // still inside the file, but no longer inside its graph
    expect(refusal(broken)).toContain('GraphProto in it is damaged');
  });

  test.each([65, 66, 500, 20_000])('graphs nested %i levels deep', (levels) => {
    expect(refusal(nested(levels))).toMatch(/nest(ed)? (deeper than 64|too deeply)/);
  });

  test('64 levels are read', () => {
    let { graph } = decodeModel(nested(64));
    for (let depth = 0; depth < 64; depth++) graph = attributeOf(graph.nodes[0]!, 'g', 'graph')!;
    expect(graph.nodes).toEqual([]);
  });

  const withMetadata = (...keys: string[]) => {
    const writer = new BinaryWriter();
    for (const key of keys) {
      writer.tag(14, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.LengthDelimited).string(key).tag(2, WireType.LengthDelimited).string('v').join();
    }
    return Buffer.concat([reference, writer.finish()]);
  };

  test('a name twice', () => {
    expect(refusal(withMetadata('twin', 'twin'))).toContain('has "twin" twice');
    expect(refusal(withMetadata('key'))).toContain('has "key" twice');
    const long = 'x'.repeat(100_000);
    expect(refusal(withMetadata(long, long)).length).toBeLessThan(300);
  });

  test('"__proto__" is a name like any other', () => {
    const { metadata } = decodeModel(withMetadata('__proto__'));
    expect(Object.entries(metadata)).toEqual([
      ['key', 'value'],
      ['__proto__', 'v'],
    ]);
    expect(refusal(withMetadata('__proto__', '__proto__'))).toContain('has "__proto__" twice');
  });
});

/** `levels` graphs, each in an attribute of the only node of the one around it; written from the inside out. */
function nested(levels: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  const wrap = (head: BinaryWriter) => {
    const bytes = head.uint32(length).finish();
    parts.push(bytes);
    length += bytes.byteLength;
  };
  for (let i = 0; i < levels; i++) {
    wrap(new BinaryWriter().tag(1, WireType.LengthDelimited).string('g').tag(20, WireType.Varint).int32(5).tag(6, 2));
    wrap(new BinaryWriter().tag(5, WireType.LengthDelimited));
    wrap(new BinaryWriter().tag(1, WireType.LengthDelimited));
  }
  wrap(new BinaryWriter().tag(1, WireType.Varint).int64(8).tag(7, WireType.LengthDelimited));
  return Buffer.concat(parts.reverse());
}

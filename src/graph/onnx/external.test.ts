import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { DynaError } from '../../errors.ts';
import { decodeModel, externalFolder, readOnnxFile } from './index.ts';
import { ModelProtoSchema } from './onnx_pb.ts';

const root = mkdtempSync(join(tmpdir(), 'dyna-external-'));
afterAll(() => rmSync(root, { recursive: true }));
const folder = join(root, 'model');
mkdirSync(join(folder, 'sub'), { recursive: true });
const weights = new Float32Array([9, 1, 2, 3, 4, 9]);
writeFileSync(join(folder, 'sub', 'weights.bin'), new Uint8Array(weights.buffer));
writeFileSync(join(root, 'secret.bin'), new Uint8Array(16));
mkdirSync(join(root, 'model-2'));
writeFileSync(join(root, 'model-2', 'secret.bin'), new Uint8Array(16));
symlinkSync(join(root, 'secret.bin'), join(folder, 'link.bin'));

/** A model whose one tensor of shape [2, 2] lies outside. */
const modelWith = (entries: Record<string, string>, dims = [2n, 2n]) =>
  toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      graph: {
        name: 'g',
        initializer: [
          {
            name: 'w',
            dataType: 1,
            dims,
            dataLocation: 1,
            externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
          },
        ],
      },
    }),
  );
const read = (entries: Record<string, string>, dims?: bigint[]) =>
  decodeModel(modelWith(entries, dims), { externalData: externalFolder(folder) }).graph.initializers[0]!;

test('reads the range that the model names', () => {
  const tensor = read({ location: 'sub/weights.bin', offset: '4', length: '16' });
  expect(tensor).toMatchObject({ name: 'w', dims: [2, 2], data: new Float32Array([1, 2, 3, 4]) });
  expect(read({ location: './sub/../sub/weights.bin' }).data).toEqual(new Float32Array([9, 1, 2, 3]));
});

test('any function can give the bytes, also unaligned ones', () => {
  const bytes = new Uint8Array(weights.buffer);
  const shifted = Buffer.alloc(bytes.length + 1);
  shifted.set(bytes, 1);
  const model = decodeModel(modelWith({ location: 'any', offset: '4' }), {
    externalData: (location, offset, length) => {
      expect(location).toBe('any');
      return shifted.subarray(offset + 1, offset + 1 + length);
    },
  });
  expect(model.graph.initializers[0]!.data).toEqual(new Float32Array([1, 2, 3, 4]));
});

test('without a folder the model is refused, with the file named', () => {
  expect(() => decodeModel(modelWith({ location: 'w.bin' }))).toThrow('tensor "w" lies in the external file "w.bin"');
});

test.each(['../secret.bin', '../model-2/secret.bin', join(root, 'secret.bin'), 'link.bin', 'sub/../../secret.bin'])(
  'nothing outside the folder is opened: %s',
  (location) => {
    expect(() => read({ location })).toThrow('outside its own folder');
  },
);

test.each<[string, Record<string, string>]>([
  ['does not say where', {}],
  ['cannot be opened', { location: 'missing.bin' }],
  ['cannot be opened', { location: 'nul\0.bin' }],
  ['not a regular file', { location: 'sub' }],
  ['ends at byte 24', { location: 'sub/weights.bin', offset: '12' }],
  ['its external length is 12', { location: 'sub/weights.bin', length: '12' }],
  ['not a number of bytes', { location: 'sub/weights.bin', offset: '-4' }],
])('refused: %s', (sentence, entries) => {
  expect(() => read(entries)).toThrow(sentence);
});

test('a declared size alone allocates nothing', () => {
  expect(() => read({ location: 'sub/weights.bin' }, [2n ** 28n])).toThrow('ends at byte 24');
  expect(() => read({ location: 'sub/weights.bin' }, [2n ** 40n])).toThrow('larger than 2 GB');
});

describe('a file on the disk', () => {
  const file = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };

  test('becomes bytes that stand alone', () => {
    const path = file('big.onnx', modelWith({ location: 'sub/weights.bin', offset: '4' }));
    const tensor = decodeModel(readOnnxFile(path)).graph.initializers[0]!;
    expect(tensor).toMatchObject({ name: 'w', dims: [2, 2], data: new Float32Array([1, 2, 3, 4]) });
  });

  test('without external data comes as it is', () => {
    const bytes = toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 8n, graph: { name: 'g' } }));
    expect([...readOnnxFile(file('small.onnx', bytes))]).toEqual([...bytes]);
  });

  test.each<[string, Record<string, string>]>([
    ['outside its own folder', { location: '../secret.bin' }],
    ['cannot be opened', { location: 'missing.bin' }],
    ['ends at byte 24', { location: 'sub/weights.bin', offset: '20' }],
  ])('whose data is no good is refused: %s', (sentence, entries) => {
    expect(() => readOnnxFile(file('bad.onnx', modelWith(entries)))).toThrow(sentence);
  });

  test('that is not there is told by name', () => {
    expect(() => readOnnxFile(join(folder, 'none.onnx'))).toThrow(/the model ".*none.onnx" cannot be read/);
  });
});

test('whatever a model says about its data, it is read from the folder or refused in a sentence', () => {
  const piece = fc.constantFrom(
    '..',
    '.',
    'sub',
    'weights.bin',
    'link.bin',
    'secret.bin',
    '/',
    '\\',
    '',
    'model-2',
    '\0',
  );
  const location = fc.oneof(
    fc.array(piece, { maxLength: 5 }).map((p) => p.join('/')),
    fc.string(),
  );
  const number = fc.oneof(fc.nat(40).map(String), fc.constantFrom('-1', '1e3', '99999999999999999', ''), fc.string());
  const entry = fc.record({ location, offset: number, length: number }, { requiredKeys: [] });
  let count = 0;
  fc.assert(
    fc.property(entry, (entries) => {
      try {
        const { data } = read(entries as Record<string, string>);
        expect(Array.from(weights)).toEqual(expect.arrayContaining(Array.from(data as Float32Array, (v) => v)));
        count++;
      } catch (error) {
        if (!(error instanceof DynaError) || error.code !== 'model') throw error;
        expect(error.message).not.toContain('\n');
      }
    }),
    { numRuns: 2000, seed: 4, examples: [[{ location: 'sub/weights.bin', offset: '4' }]] },
  );
  expect(count).toBeGreaterThan(0);
});

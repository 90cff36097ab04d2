import { expect, it } from 'vitest';
import { dataset, subset } from '../../data/index.ts';
import { images } from './fixtures/classifier.ts';
import { checkLeakage } from './leakage.ts';

const all = images(600, 3);
const part = (from: number, to: number) =>
  subset(
    all,
    Int32Array.from({ length: to - from }, (_, i) => from + i),
  );

it('refuses images that are to prove something and that others have seen', () => {
  const data = part(0, 400);
  expect(checkLeakage(data, { train: part(400, 600), test: undefined })).toEqual([]);
  expect(() => checkLeakage(data, { train: data })).toThrow('400 of the 400 images of data are in train too');
  expect(() => checkLeakage(data, { train: undefined, test: part(380, 500) })).toThrow(
    '20 of the 400 images of data are in test too, but what proves the bound must be new to all else',
  );
});

it('says where a few are there twice, as in many sets', () => {
  expect(checkLeakage(part(0, 400), { test: part(399, 600) })).toEqual(['1 of the 400 images of data are in test too']);
});

it('looks at what is stored, bytes or floats', () => {
  const floats = dataset({ name: 'floats', inputs: Float32Array.from({ length: 30 }, Math.random), shape: [1, 1, 3] });
  expect(() => checkLeakage(floats, { train: floats })).toThrow('10 of the 10');
  const bytes = dataset({ name: 'bytes', inputs: new Uint8Array(30).fill(7), shape: [1, 1, 3] });
  expect(checkLeakage(floats, { train: bytes })).toEqual([]);
});

it('refuses data that holds its images several times: its parts would share them', () => {
  const copies = subset(
    all,
    Int32Array.from({ length: 700 }, (_, i) => i % 100),
  );
  expect(() => checkLeakage(copies)).toThrow('600 of the 700 images of data are copies of others');
  const few = subset(
    all,
    Int32Array.from({ length: 300 }, (_, i) => i % 299),
  );
  expect(checkLeakage(few)).toEqual(['1 of the 300 images of data are copies of others']);
});

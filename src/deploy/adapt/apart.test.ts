import { expect, it } from 'vitest';
import { dataset, subset } from '../../data/index.ts';
import { checkApart } from './apart.ts';
import { images } from './fixtures/classifier.ts';

const all = images(600, 3);
const part = (from: number, to: number) =>
  subset(
    all,
    Int32Array.from({ length: to - from }, (_, i) => from + i),
  );

it('refuses images that are to prove something and that others have seen', () => {
  const data = part(0, 400);
  expect(checkApart(data, { train: part(400, 600), test: undefined })).toEqual([]);
  expect(() => checkApart(data, { train: data })).toThrow('400 of the 400 images of data are in train too');
  expect(() => checkApart(data, { train: undefined, test: part(380, 500) })).toThrow(
    '20 of the 400 images of data are in test too, but what proves the bound must be new to all else',
  );
});

it('says where a few are there twice, as in many sets', () => {
  expect(checkApart(part(0, 400), { test: part(399, 600) })).toEqual(['1 of the 400 images of data are in test too']);
});

it('looks at what is stored, bytes or floats', () => {
  const floats = dataset({ name: 'floats', inputs: Float32Array.from({ length: 30 }, Math.random), shape: [1, 1, 3] });
  expect(() => checkApart(floats, { train: floats })).toThrow('10 of the 10');
  const bytes = dataset({ name: 'bytes', inputs: new Uint8Array(30).fill(7), shape: [1, 1, 3] });
  expect(checkApart(floats, { train: bytes })).toEqual([]);
});

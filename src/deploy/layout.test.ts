import { expect, it } from 'vitest';
import { type NDArray, ndarray } from '../graph/index.ts';
import { modelOf, normalised, pixels, shape, shirts } from './fixtures/shirts.ts';
import { asStored, fromStored, storedShape } from './layout.ts';
import { load } from './load.ts';
import { toBytes } from './save.ts';

const counted = (dims: readonly number[]): NDArray => {
  const size = dims.reduce((a, b) => a * b, 1);
  return ndarray(
    'float32',
    dims,
    Float32Array.from({ length: size }, (_, i) => i),
  );
};

it('images are turned to where a file keeps their channels, and back', () => {
  const x = counted([2, 3, 4, 5]);
  const turned = asStored(x, 'NHWC');
  expect(turned.dims).toEqual([2, 4, 5, 3]);
  for (const [n, c, h, w] of [
    [0, 0, 0, 1],
    [1, 2, 3, 4],
    [1, 0, 2, 3],
  ] as const)
    expect(turned.data[((n * 4 + h) * 5 + w) * 3 + c]).toBe(((n * 3 + c) * 4 + h) * 5 + w);
  expect(fromStored(turned, 'NHWC')).toEqual(x);
  expect([asStored(x), fromStored(x, 'NCHW')]).toEqual([x, x]);
  expect([storedShape([3, 4, 5]), storedShape([3, 4, 5], 'NHWC')]).toEqual([
    [3, 4, 5],
    [4, 5, 3],
  ]);
});

it('a file with channels last answers as the one with channels first; its loader takes the same images', async () => {
  const model = modelOf(shirts());
  const images = pixels(9);
  const [first, last] = [await load(toBytes(model)), await load(toBytes(model, { layout: 'NHWC' }))];
  expect([first.card.layout, last.card.layout]).toEqual([undefined, 'NHWC']);
  expect(last.card.preprocessing).toEqual(first.card.preprocessing);
  const want = await first.run(images);
  for (const given of [images, ndarray('uint8', [9, ...shape], images), normalised(images)]) {
    const got = await last.run(given);
    expect(got.output.dims).toEqual(want.output.dims);
    for (const [i, v] of (want.output.data as Float32Array).entries()) expect(got.output.data[i]).toBeCloseTo(v, 5);
  }
  await Promise.all([first.close(), last.close()]);
});

it('refuses a layout that is none', () => {
  const layout = 'NWHC' as 'NHWC';
  expect(() => toBytes(modelOf(shirts()), { layout })).toThrow(`a file's layout is "NCHW" or "NHWC", got "NWHC"`);
});

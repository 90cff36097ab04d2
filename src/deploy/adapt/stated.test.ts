import { expect, it } from 'vitest';
import { dataset } from '../../data/index.ts';
import { adapt } from './adapt.ts';
import { exported, images, teacher } from './fixtures/classifier.ts';
import { checkStated, statedPixels } from './stated.ts';

const metadata = { input_mean: '[127, 127, 127]', input_std: '[127.5]' };
const photos = (mean: number[], std: number[], inputs: Uint8Array | Float32Array = new Uint8Array(12)) =>
  dataset({ name: 'photos', inputs, shape: [3, 2, 2], mean, std });

it('takes what metadata say in units of pixels, and nothing that is no list of numbers', () => {
  expect(statedPixels({ metadata })!.mean[1]).toBeCloseTo(0.498, 3);
  const none: Record<string, string>[] = [
    {},
    { input_mean: '[0]' },
    { ...metadata, input_std: '1' },
    { ...metadata, input_mean: '["a"]' },
  ];
  for (const wrong of none) expect(statedPixels({ metadata: wrong })).toBeUndefined();
});

it('lets roundings pass, one number for all channels, and floats, which are fed as they are', () => {
  for (const set of [
    photos([0.5], [0.5]),
    photos([0.498, 0.498, 0.498], [0.5, 0.5, 0.5]),
    photos([0], [1], new Float32Array(12)),
  ])
    expect(() => checkStated({ metadata }, set)).not.toThrow();
  expect(() => checkStated({ metadata: {} }, photos([0], [1]))).not.toThrow();
});

it('refuses other numbers, with both in units of pixels', () => {
  expect(() => checkStated({ metadata }, photos([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))).toThrow(
    /takes \(pixel - \[127, 127, 127\]\) \/ \[127\.5\], images of photos would come as \(pixel - \[123\.7, /,
  );
});

it('and so does adapt, before any work', async () => {
  const original = exported(await teacher(), { metadata: { input_mean: '[0]', input_std: '[1]' } });
  const options = { data: images(200, 5), maxDisagreement: 0.1 };
  await expect(adapt(original, options)).rejects.toMatchObject({ code: 'data' });
  await expect(adapt(original, { maxDisagreement: 0.1 } as never)).rejects.toThrow('adapt needs typical inputs');
  await expect(adapt(original, { ...options, selectBy: 'mac' as 'macs' })).rejects.toThrow('got "mac"');
  await expect(adapt('/nowhere/resnet.onnx', options)).rejects.toThrow(/cannot be read: there is no such file/);
});

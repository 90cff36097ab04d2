import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cocoFolder, readCoco } from './coco.ts';
import { detectionSet, detectionSubset } from './detection/index.ts';
import { loader } from './loader.ts';

const root = mkdtempSync(join(tmpdir(), 'dyna-coco-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const annotations = {
  info: { year: 2017 },
  images: [
    { id: 7, file_name: 'b.png', width: 20, height: 10, license: 1 },
    { id: 3, file_name: 'a.png', width: 10, height: 10 },
  ],
  categories: [
    { id: 90, name: 'toothbrush', supercategory: 'indoor' },
    { id: 1, name: 'person' },
  ],
  annotations: [
    { id: 1, image_id: 7, category_id: 90, bbox: [2, 1, 4, 8], iscrowd: 0, area: 32 },
    { id: 2, image_id: 7, category_id: 1, bbox: [15, -2, 10, 6] },
    { id: 3, image_id: 7, category_id: 1, bbox: [0, 0, 20, 10], iscrowd: 1 },
    { id: 4, image_id: 3, category_id: 1, bbox: [4, 4, 0, 3] },
    { id: 5, image_id: 3, category_id: 1, bbox: [30, 0, 5, 5] },
  ],
};

describe('readCoco', () => {
  test('numbers the categories by id, cuts boxes to their image, and tells what it left out', () => {
    const { classes, images, notes } = readCoco(JSON.stringify(annotations));
    expect(classes).toEqual(['person', 'toothbrush']);
    expect(images).toEqual([
      {
        file: 'b.png',
        width: 20,
        height: 10,
        boxes: [
          { label: 1, left: 2, top: 1, right: 6, bottom: 9 },
          { label: 0, left: 15, top: 0, right: 20, bottom: 4 },
        ],
      },
      { file: 'a.png', width: 10, height: 10, boxes: [] },
    ]);
    expect(notes).toEqual([
      '1 annotations of crowds were left out',
      '2 boxes without area inside their image were left out',
    ]);
  });

  test.each<[string, object | string, RegExp]>([
    ['no JSON', '{', /it is not JSON/],
    ['no object', 'null', /it is no object/],
    ['no list', { ...annotations, images: {} }, /"images" is no list/],
    ['no entry', { ...annotations, annotations: [4] }, /entry 0 of "annotations" is no object/],
    [
      'equal ids',
      { ...annotations, images: [annotations.images[0], annotations.images[0]] },
      /two entries of "images" have id 7/,
    ],
    ['no image', { ...annotations, images: [] }, /annotation 0 is of image 7, which is not listed/],
    ['no category', { ...annotations, categories: [] }, /annotation 0 is of category 90, which is not listed/],
    [
      'no box',
      { ...annotations, annotations: [{ image_id: 7, category_id: 1, bbox: [1, 2, 3] }] },
      /"bbox" of annotation 0 is \[1,2,3\]/,
    ],
    [
      'no size',
      { ...annotations, images: [{ id: 7, file_name: 'x' }], annotations: [] },
      /"height" of image 7 is undefined, a number/,
    ],
  ])('refuses %s', (_, json, message) => {
    expect(() => readCoco(typeof json === 'string' ? json : JSON.stringify(json))).toThrow(message);
  });
});

describe('cocoFolder', () => {
  const file = join(root, 'annotations.json');
  const folder = join(root, 'images');
  const solid = (width: number, height: number, value: number) =>
    sharp({ create: { width, height, channels: 3, background: { r: value, g: value, b: value } } });
  beforeAll(async () => {
    mkdirSync(folder);
    writeFileSync(file, JSON.stringify(annotations));
    await solid(20, 10, 200).png().toFile(join(folder, 'b.png'));
    await solid(10, 10, 100).png().toFile(join(folder, 'a.png'));
  });

  test('stretches the images, and their boxes with them', async () => {
    const notes: string[] = [];
    const set = await cocoFolder(file, folder, { size: [20, 10], channels: 1, onNote: (note) => notes.push(note) });
    expect([set.shape, set.length, set.objectClasses, set.classes]).toEqual([
      [1, 20, 10],
      2,
      ['person', 'toothbrush'],
      [],
    ]);
    expect(set.boxes).toEqual([
      [
        { label: 1, left: 1, top: 2, right: 3, bottom: 18 },
        { label: 0, left: 7.5, top: 0, right: 10, bottom: 8 },
      ],
      [],
    ]);
    expect([set.inputs[0], set.inputs[399]]).toEqual([200, 100]);
    expect(set.mean[0]).toBeCloseTo(150 / 255, 5);
    expect(notes.length).toBe(2);
    const second = detectionSubset(set, [1, 0]);
    expect([second.boxes.map((list) => list.length), second.inputs[0]]).toEqual([[0, 2], 100]);
    const [batch] = [...loader(set, { batch: 2, shuffle: false }).epoch(0)];
    expect([batch!.x.dims, Array.from(batch!.indices)]).toEqual([
      [2, 1, 20, 10],
      [0, 1],
    ]);
  });

  test('refuses images that are missing, of another size or turned', async () => {
    await expect(cocoFolder(file, root)).rejects.toThrow(/no image file at .*b\.png/);
    const other = join(root, 'other');
    mkdirSync(other);
    await solid(10, 10, 1).png().toFile(join(other, 'a.png'));
    await solid(10, 10, 1).png().toFile(join(other, 'b.png'));
    await expect(cocoFolder(file, other)).rejects.toThrow(/b\.png is 10x10, but its annotations say 20x10/);
    await expect(cocoFolder(file, other, { size: [10, 10] })).rejects.toThrow(
      /b\.png is 10x10, but its annotations say 20x10/,
    );
    const turned = join(root, 'turned');
    mkdirSync(turned);
    await solid(20, 10, 1).withMetadata({ orientation: 6 }).png().toFile(join(turned, 'b.png'));
    await solid(10, 10, 1).png().toFile(join(turned, 'a.png'));
    await expect(cocoFolder(file, turned)).rejects.toThrow(/b\.png is turned by its EXIF data/);
  });
});

test('a detection set refuses boxes that do not fit its images', () => {
  const make = (...boxes: Parameters<typeof detectionSet>[0]['boxes'][number][]) =>
    detectionSet({ inputs: new Uint8Array(2 * 12), shape: [1, 3, 4], boxes, objectClasses: ['a', 'b'] });
  const fine = { label: 1, left: 0, top: 0, right: 4, bottom: 3 };
  expect(make([fine], []).length).toBe(2);
  expect(() => make([fine])).toThrow(/2 images but boxes for 1/);
  expect(() => make([], [{ ...fine, label: 2 }])).toThrow(/image 1 .* has label 2: expected 0 to 1/);
  expect(() => make([{ ...fine, right: 5 }], [])).toThrow(/\[0, 0, 5, 3\]: expected .* inside 4 x 3/);
  expect(() => make([{ ...fine, right: 0 }], [])).toThrow(/with an area/);
  expect(() => make([{ ...fine, top: Number.NaN }], [])).toThrow(/with an area/);
});

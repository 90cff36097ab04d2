import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DynaError } from '../errors.ts';
import { readVoc } from './voc.ts';
import { pascalVoc } from './voc-folder.ts';

const root = mkdtempSync(join(tmpdir(), 'dyna-voc-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const object = (name: string, [x0, y0, x1, y1]: readonly (number | string)[], more = '') =>
  `<object><name>${name}</name>${more}<bndbox><xmin>${x0}</xmin><ymin>${y0}</ymin><xmax>${x1}</xmax><ymax>${y1}</ymax></bndbox></object>`;
const annotation = (objects: string, width: number | string = 20, height: number | string = 10) =>
  `<?xml version="1.0"?>\n<annotation verified="no"><!-- a cell --><size><width>${width}</width><height>${height}</height><depth>3</depth></size>${objects}</annotation>`;

describe('readVoc', () => {
  test('counts pixels from 1 on, both ends included', () => {
    const { width, height, objects, cut, empty } = readVoc(
      annotation(object('whole', [1, 1, 20, 10]) + object('a &amp; b', [3.5, '2', 3.5, 4], '<difficult>1</difficult>')),
    );
    expect([width, height, cut, empty]).toEqual([20, 10, 0, 0]);
    expect(objects).toEqual([
      { name: 'whole', difficult: false, left: 0, top: 0, right: 20, bottom: 10 },
      { name: 'a & b', difficult: true, left: 2.5, top: 1, right: 3.5, bottom: 4 },
    ]);
  });

  test('cuts boxes to their image, and leaves out those without area in it', () => {
    const { objects, cut, empty } = readVoc(
      annotation(
        object('cut', [-3, 4, 25, 6]) +
          object('turned', [9, 5, 4, 8]) +
          object('outside', [30, 1, 35, 4]) +
          object('pixel', [20, 10, 20, 10]),
      ),
    );
    expect(objects.map(({ name, left, top, right, bottom }) => [name, left, top, right, bottom])).toEqual([
      ['cut', 0, 3, 20, 6],
      ['pixel', 19, 9, 20, 10],
    ]);
    expect([cut, empty]).toEqual([1, 2]);
  });

  test.each<[string, string, RegExp]>([
    ['no XML', 'hello', /^a\.xml is no Pascal VOC annotation: it is not XML \(.+\)/],
    ['nothing', '', /it is not XML/],
    ['unclosed XML', annotation('').slice(0, -4), /it is not XML/],
    ['crossed tags', '<annotation><size></annotation></size>', /it is not XML/],
    ['entities of its own', '<!DOCTYPE a [<!ENTITY x "y">]><annotation>&x;</annotation>', /it is not XML/],
    ['another root', '<html/>', /its root is <html>, <annotation> is expected/],
    ['no size', '<annotation/>', /no <size> in <annotation>/],
    ['two sizes', annotation('<size/>'), /2 <size> in <annotation>/],
    ['a strange size', annotation('', 'wide'), /<width> of <size> of <annotation> is "wide", a number is expected/],
    ['an empty size', annotation('', 0), /its size is 0x10/],
    ['a nameless object', annotation('<object/>'), /no <bndbox> in object 1/],
    ['an unnamed object', annotation(object(' ', [1, 1, 2, 2])), /<name> of object 1 is empty/],
    ['a side missing', annotation(object('a', [1, 1, 2, ''])), /<ymax> of <bndbox> of object 1 is empty/],
    ['infinite sides', annotation(object('a', [1, 1, '1e999', 2])), /<xmax> .* is "1e999", a number is expected/],
    ['deep nests', `${'<a>'.repeat(200_000)}${'</a>'.repeat(200_000)}`, /it is not XML|its root is <a>/],
  ])('refuses %s', (_, text, message) => {
    expect(() => readVoc(text, 'a.xml')).toThrow(message);
    expect(() => readVoc(text)).toThrow(DynaError);
  });

  test('of altered bytes makes boxes inside the image, or one clear error', () => {
    const good = annotation(object('red', [2, 3, 8, 9]) + object('white', [1, 1, 20, 10]));
    const edit = fc.record({
      at: fc.nat(good.length - 1),
      drop: fc.nat(12),
      put: fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('<', '>', '&', '</object>', '-', '9e9', 'NaN', '\0')),
    });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        const text = edits.reduce((t, { at, drop, put }) => t.slice(0, at) + put + t.slice(at + drop), good);
        try {
          const { width, height, objects } = readVoc(text);
          for (const { left, top, right, bottom } of objects) {
            expect(0 <= left && left < right && right <= width).toBe(true);
            expect(0 <= top && top < bottom && bottom <= height).toBe(true);
          }
        } catch (error) {
          if (!(error instanceof DynaError)) throw error;
          expect(error.message).not.toContain('\n');
        }
      }),
      { numRuns: 1500 },
    );
  });
});

describe('pascalVoc', () => {
  const home = join(root, 'set');
  const solid = (width: number, height: number, value: number) =>
    sharp({ create: { width, height, channels: 3, background: { r: value, g: value, b: value } } }).jpeg();
  const put = (path: string, content: string) => writeFileSync(join(home, path), content);
  beforeAll(async () => {
    for (const folder of ['Annotations', 'JPEGImages', 'ImageSets/Main'])
      mkdirSync(join(home, folder), { recursive: true });
    put('Annotations/a.xml', annotation(object('red', [1, 1, 10, 10]) + object('white', [11, 5, 24, 8])));
    put('Annotations/b.xml', annotation(object('red', [3, 3, 4, 4], '<difficult>1</difficult>'), 10, 10));
    put('Annotations/turned.xml', annotation(''));
    put('Annotations/other.xml', annotation('', 21));
    await solid(20, 10, 200).toFile(join(home, 'JPEGImages/a.jpg'));
    await solid(10, 10, 100).toFile(join(home, 'JPEGImages/b.jpg'));
    await solid(20, 10, 1).withMetadata({ orientation: 6 }).toFile(join(home, 'JPEGImages/turned.jpg'));
    await solid(20, 10, 1).toFile(join(home, 'JPEGImages/other.jpg'));
    await solid(20, 10, 1).toFile(join(home, 'JPEGImages/unknown.jpg'));
    put('ImageSets/Main/train.txt', 'a\r\nb  1\n\n');
    for (const [name, ids] of Object.entries({ turned: 'turned', other: 'other', unknown: 'a\nunknown', up: '../a' }))
      put(`ImageSets/Main/${name}.txt`, ids);
    put('ImageSets/Main/empty.txt', '\n \n');
    put('ImageSets/Main/lost.txt', 'lost\n');
    put('Annotations/lost.xml', annotation(''));
  });

  test('stretches the images, and their boxes with them', async () => {
    const notes: string[] = [];
    const set = await pascalVoc(home, 'train', { size: [20, 10], channels: 1, onNote: (note) => notes.push(note) });
    expect([set.length, set.shape, set.objectClasses]).toEqual([2, [1, 20, 10], ['red', 'white']]);
    expect(set.boxes).toEqual([
      [
        { label: 0, left: 0, top: 0, right: 5, bottom: 20 },
        { label: 1, left: 5, top: 8, right: 10, bottom: 16 },
      ],
      [],
    ]);
    expect([set.inputs[0], set.inputs[399]].map((v) => Math.round(v! / 10))).toEqual([20, 10]);
    expect(notes).toEqual([
      `${home}/train: 1 boxes reached out of their image and were cut, e.g. in a`,
      `${home}/train: 1 objects marked as difficult were left out`,
    ]);
    const named = await pascalVoc(home, 'train', { size: [20, 10], classes: ['white', 'red'], difficult: true });
    expect(named.boxes.map((list) => list.map((b) => b.label))).toEqual([[1, 0], [1]]);
  });

  test.each<[string, RegExp]>([
    ['absent', /absent\.txt" could not be read: there is no such file/],
    ['empty', /empty\.txt names no images/],
    ['up', /up\.txt names "\.\.\/a", the name of an image without folder is expected/],
    ['unknown', /unknown\.xml" could not be read/],
    ['lost', /no image file at .*lost\.jpg/],
    ['turned', /turned\.jpg is turned by its EXIF data/],
    ['other', /other\.jpg is 20x10, but its annotation says 21x10/],
  ])('refuses the split "%s"', async (split, message) => {
    await expect(pascalVoc(home, split)).rejects.toThrow(message);
  });

  test('refuses a class that was not named', async () => {
    await expect(pascalVoc(home, 'train', { classes: ['red'] })).rejects.toThrow(
      /an object of a is a "white", none of red/,
    );
  });
});

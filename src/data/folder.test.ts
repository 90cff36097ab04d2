import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imageFolder, imageStream } from './folder.ts';
import { decodeImage } from './image.ts';
import { loader } from './loader.ts';
import { streamLoader } from './stream.ts';

const root = mkdtempSync(join(tmpdir(), 'dyna-folder-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Interleaved pixels of one value for each place. */
const pixels = (
  width: number,
  height: number,
  channels: 1 | 2 | 3 | 4,
  at: (x: number, y: number, c: number) => number,
): Buffer =>
  Buffer.from(
    Array.from({ length: width * height * channels }, (_, i) =>
      at(Math.floor(i / channels) % width, Math.floor(i / channels / width), i % channels),
    ),
  );
const picture = (
  width: number,
  height: number,
  channels: 1 | 2 | 3 | 4,
  at: (x: number, y: number, c: number) => number,
) => sharp(pixels(width, height, channels, at), { raw: { width, height, channels } });

/** Writes files under the test's folder and returns the folder of the first part of their paths. */
async function lay(files: Record<string, Buffer | string>): Promise<string> {
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), bytes);
  }
  return join(root, Object.keys(files)[0].split('/')[0]);
}

let grey: Buffer;
let colour: Buffer;
beforeAll(async () => {
  grey = await picture(4, 3, 1, (x, y) => 40 * x + y)
    .toColourspace('b-w')
    .png()
    .toBuffer();
  colour = await picture(4, 3, 3, (x, y, c) => 20 * x + y + 80 * c)
    .png()
    .toBuffer();
});

describe('decodeImage', () => {
  it('gives the very pixels of a file that fits, plane by plane', async () => {
    const one = await decodeImage(grey);
    expect([one.shape, one.changes]).toEqual([[1, 3, 4], []]);
    expect(Array.from(one.pixels)).toEqual([0, 40, 80, 120, 1, 41, 81, 121, 2, 42, 82, 122]);
    const three = await decodeImage(colour, { height: 3, width: 4, channels: 3 });
    expect(three.changes).toEqual([]);
    expect(Array.from(three.pixels.subarray(12, 24))).toEqual([
      80, 100, 120, 140, 81, 101, 121, 141, 82, 102, 122, 142,
    ]);
  });

  it('resizes as told and says so', async () => {
    const halves = await picture(16, 8, 1, (x) => (x < 8 ? 0 : 200))
      .png()
      .toBuffer();
    const fill = await decodeImage(halves, { height: 4, width: 4, channels: 1, fit: 'fill' });
    expect(fill.changes).toContainEqual({ kind: 'resized', detail: '16x8 to 4x4, fill' });
    expect(fill.pixels[0]).toBeLessThan(5); // Lanczos swings a little past an edge
    expect(Math.abs(fill.pixels[3] - 200)).toBeLessThan(5);
    // cover cuts the left and right quarter off, contain adds black above and below
    const contain = await decodeImage(halves, { height: 4, width: 4, channels: 1, fit: 'contain' });
    expect(Array.from(contain.pixels.subarray(0, 4))).toEqual([0, 0, 0, 0]);
    expect(contain.pixels[4 + 3]).toBeGreaterThan(150);
    const cover = await decodeImage(
      await picture(16, 8, 1, (x) => (x < 4 || x > 11 ? 255 : 9))
        .png()
        .toBuffer(),
      { height: 8, width: 8, channels: 1 },
    );
    expect(new Set(cover.pixels)).toEqual(new Set([9]));
  });

  it('converts grey to RGB and colour to grey', async () => {
    const rgb = await decodeImage(grey, { channels: 3 });
    expect(rgb.changes.map(({ kind }) => kind)).toEqual(['grey to RGB']);
    for (const plane of [0, 12, 24])
      expect(Array.from(rgb.pixels.subarray(plane, plane + 4))).toEqual([0, 40, 80, 120]);
    const flat = await decodeImage(
      await picture(2, 2, 3, () => 90)
        .png()
        .toBuffer(),
      { channels: 1 },
    );
    expect(flat.changes.map(({ kind }) => kind)).toEqual(['colour to grey']);
    for (const v of flat.pixels) expect(Math.abs(v - 90)).toBeLessThanOrEqual(1);
  });

  it('brings 16 bits to 8', async () => {
    const values = Uint16Array.from({ length: 4 }, (_, i) => i * 0x5555);
    for (const channels of [1, 3] as const) {
      const raw = Uint16Array.from({ length: 4 * channels }, (_, i) => values[Math.floor(i / channels)]);
      const deep = await sharp(raw, { raw: { width: 4, height: 1, channels } })
        .toColourspace(channels === 1 ? 'grey16' : 'rgb16')
        .png()
        .toBuffer();
      const image = await decodeImage(deep, { channels });
      expect(image.changes.map(({ kind }) => kind)).toEqual(['16 bit to 8 bit']);
      expect(Array.from(image.pixels.subarray(0, 4))).toEqual([0x00, 0x55, 0xaa, 0xff]);
    }
  });

  it('lays transparency on black', async () => {
    const image = await decodeImage(
      await picture(2, 1, 4, (x, _, c) => (c === 3 ? 255 * x : 200))
        .png()
        .toBuffer(),
    );
    expect(image.changes.map(({ kind }) => kind)).toEqual(['transparency to black']);
    expect(Array.from(image.pixels)).toEqual([0, 200, 0, 200, 0, 200]);
  });

  it('turns an image as its EXIF says', async () => {
    const turned = await picture(16, 8, 3, (x) => (x < 8 ? 0 : 200))
      .jpeg({ quality: 100 })
      .withMetadata({ orientation: 6 })
      .toBuffer();
    const image = await decodeImage(turned);
    expect(image.shape).toEqual([3, 16, 8]); // a quarter to the right: left becomes top
    expect(image.changes.map(({ kind }) => kind)).toEqual(['rotated']);
    expect([image.pixels[0], image.pixels[127]].map((v) => v > 100)).toEqual([false, true]);
  });

  it('reads CMYK JPEGs as RGB', async () => {
    const cmyk = await picture(8, 8, 3, () => 120)
      .toColourspace('cmyk')
      .jpeg()
      .toBuffer();
    const image = await decodeImage(cmyk);
    expect([image.shape, image.changes.map(({ kind }) => kind)]).toEqual([[3, 8, 8], ['CMYK to RGB']]);
  });

  it.each([
    ['a truncated PNG', () => colour.subarray(0, colour.length - 20)],
    ['text', () => Buffer.from('hello')],
    ['nothing', () => Buffer.alloc(0)],
  ])('refuses %s with one sentence', async (_, bytes) => {
    await expect(decodeImage(bytes())).rejects.toMatchObject({ name: 'DynaError', code: 'data' });
  });

  it('says that a file is missing', async () => {
    await expect(decodeImage(join(root, 'none.png'))).rejects.toMatchObject({
      code: 'file',
      message: expect.stringContaining('none.png'),
    });
  });
});

describe('imageFolder', () => {
  it('reads classes from sub-folders, sorted, and measures mean and std', async () => {
    const path = await lay({
      'pets/dog/2.png': colour,
      'pets/cat/b.png': colour,
      'pets/dog/1.PNG': colour,
      'pets/.hidden': 'x',
    });
    const ds = await imageFolder(path);
    expect(ds.classes).toEqual(['cat', 'dog']);
    expect(Array.from(ds.labels)).toEqual([0, 1, 1]);
    expect(ds.files.map((f) => f.slice(path.length + 1))).toEqual(['cat/b.png', 'dog/1.PNG', 'dog/2.png']);
    expect(ds.shape).toEqual([3, 3, 4]);
    expect(ds.mean[0]).toBeCloseTo((30 + 1) / 255, 6);
    expect(ds.notes).toEqual([expect.stringMatching(/^mean \[0\.1216, .*measured/)]);
    const half = await imageFolder(path, { mean: [0.5] });
    expect(half.mean).toEqual([0.5, 0.5, 0.5]);
    expect(half.std).toEqual(ds.std);
    expect(half.notes).toEqual([expect.stringMatching(/^std \[[^\]]*\] was measured/)]);
  });

  it('reads a flat folder without labels and tells what it changed and left out', async () => {
    const big = await picture(8, 6, 3, () => 50)
      .png()
      .toBuffer();
    const path = await lay({
      'flat/a.png': colour,
      'flat/b.png': big,
      'flat/c.png': grey,
      'flat/d.png': big,
      'flat/notes.txt': 'x',
    });
    const heard: string[] = [];
    const ds = await imageFolder(path, { mean: [0.5], std: [0.5], onNote: (note) => heard.push(note) });
    expect([ds.classes, Array.from(ds.labels)]).toEqual([[], [-1, -1, -1, -1]]);
    expect(ds.notes).toEqual([
      `1 files are neither PNG nor JPEG and were left out, e.g. ${join(path, 'notes.txt')}`,
      `1 of 4 images: grey to RGB, e.g. ${join(path, 'c.png')} (1 channel to 3)`,
      `2 of 4 images: resized, e.g. ${join(path, 'b.png')} (8x6 to 4x3, cover)`,
    ]);
    expect(heard).toEqual(ds.notes);
  });

  it('takes the classes of a trained model, and refuses folders that are none of them', async () => {
    const path = await lay({ 'some/dog/1.png': colour });
    const ds = await imageFolder(path, { classes: ['bird', 'cat', 'dog'] });
    expect([Array.from(ds.labels), ds.classes]).toEqual([[2], ['bird', 'cat', 'dog']]);
    await expect(imageFolder(path, { classes: ['cat'] })).rejects.toThrow(/dog is none of the classes cat/);
  });

  it('names the image that cannot be decoded', async () => {
    const path = await lay({ 'bad/a.png': colour, 'bad/b.png': colour.subarray(0, 60) });
    await expect(imageFolder(path)).rejects.toMatchObject({
      code: 'data',
      message: expect.stringContaining(join(path, 'b.png')),
    });
  });

  it('refuses missing, empty and mixed folders', async () => {
    await expect(imageFolder(join(root, 'nowhere'))).rejects.toMatchObject({ code: 'file' });
    const empty = await lay({ 'empty/readme.txt': 'x' });
    await expect(imageFolder(empty)).rejects.toThrow(/holds no PNG or JPEG images/);
    const mixed = await lay({ 'mixed/a.png': colour, 'mixed/cat/b.png': colour });
    await expect(imageFolder(mixed)).rejects.toThrow(
      /both class folders \(cat, ...\) and images beside them \(a.png, ...\)/,
    );
  });
});

describe('imageStream', () => {
  it('streams the very batches of the folder in memory, and tells of changes as they come', async () => {
    const files: Record<string, Buffer> = {};
    for (let i = 0; i < 12; i++)
      files[`many/${i % 2 ? 'odd' : 'even'}/${i}.png`] = await picture(
        4 + (i % 3),
        4,
        3,
        (x, y, c) => 16 * x + y + c + i,
      )
        .png()
        .toBuffer();
    const path = await lay(files);
    const notes: string[] = [];
    const options = { size: [4, 4] as const, mean: [0.2], std: [0.3] };
    const source = await imageStream(path, { ...options, onNote: (note) => notes.push(note) });
    const batching = { batch: 5, seed: 2, shuffle: true, augment: { flip: true } };
    const streamed = [];
    for await (const batch of streamLoader(source, batching).epoch(1)) streamed.push(batch);
    expect(streamed).toEqual([...loader(await imageFolder(path, options), batching).epoch(1)]);
    expect(notes).toEqual([
      expect.stringMatching(/^images are changed to fit: resized, e\.g\. .*\.png \([56]x4 to 4x4, cover\)$/),
    ]);
  });
});

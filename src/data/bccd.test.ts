import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { zipSync } from 'fflate';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type BccdSpec, bccd, bccdSpec, locateBccd, openBccd } from './bccd.ts';
import { contentDigest, unpacked } from './bccd-archive.ts';
import { channelStatistics } from './dataset.ts';
import type { Progress } from './download.ts';
import { withDefaults } from './fetch-set.ts';
import { Random } from './random.ts';

// A set of three images, packed as GitHub packs a commit.
const text = (s: string) => new TextEncoder().encode(s);
const annotation = text(
  '<annotation><size><width>12</width><height>8</height></size>' +
    '<object><name>WBC</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>6</xmax><ymax>8</ymax></bndbox></object></annotation>',
);
const one = { images: 1, objects: [0, 1, 0] };
let zip: Uint8Array;
let tiny: BccdSpec;
const lists = (names: Record<string, string>) =>
  Object.fromEntries(Object.entries(names).map(([s, id]) => [`ImageSets/Main/${s}.txt`, text(`${id}\n`)]));

let server: Server;
let base: string;
let asked: string[];
let answer: { status?: number; body?: Uint8Array; silent?: boolean }[];
beforeAll(async () => {
  const jpeg = await sharp({ create: { width: 12, height: 8, channels: 3, background: '#806040' } })
    .jpeg()
    .toBuffer();
  const files: Record<string, Uint8Array> = lists({ train: 'Image_0', val: 'Image_1', test: 'Image_2' });
  for (const id of ['Image_0', 'Image_1', 'Image_2']) {
    files[`Annotations/${id}.xml`] = annotation;
    files[`JPEGImages/${id}.jpg`] = jpeg;
  }
  const wanted = Object.entries(files).map(([path, bytes]) => [`BCCD/${path}`, bytes] as const);
  zip = zipSync({
    ...Object.fromEntries(wanted.map(([path, bytes]) => [`Set-main/${path}`, bytes])),
    'Set-main/README.md': text('read me'),
    '../BCCD/Annotations/../../escape.xml': annotation,
    'Set-main/BCCD/JPEGImages/../../../escape.jpg': jpeg,
  });
  tiny = {
    ...bccdSpec,
    ...{ title: 'Tiny', remote: 'main', archive: 'tiny.zip', folder: 'Tiny' },
    bytes: zip.length,
    sha256: contentDigest(new Map(wanted)),
    counts: { train: one, val: one, test: one },
  };
  server = createServer((request, response) => {
    asked.push(request.url!);
    const { status = 200, body = zip, silent } = (answer.length > 1 ? answer.shift() : answer[0]) ?? {};
    if (silent) return;
    response.writeHead(status, { 'transfer-encoding': 'chunked' }).end(body); // no length, as GitHub
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

let cache: string;
let notes: string[];
const settings = (more: object = {}) =>
  withDefaults({ cache, base, pause: 1, onNote: (note) => notes.push(note), ...more });
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'dyna-bccd-'));
  notes = [];
  asked = [];
  answer = [];
});
afterEach(() => rmSync(cache, { recursive: true, force: true }));

const put = (path: string, bytes: Uint8Array) => {
  mkdirSync(dirname(join(cache, path)), { recursive: true });
  writeFileSync(join(cache, path), bytes);
};
const layTiny = (folder: string) => {
  for (const [path, bytes] of unpacked(zip, tiny.wanted, 1e6)) put(join(folder, path), bytes);
};

describe('a set in an archive', () => {
  it('is downloaded once, unpacked, and then read from the cache', async () => {
    const seen: Progress[] = [];
    expect(locateBccd(cache, tiny)).toBeUndefined();
    const train = await openBccd(tiny, 'train', settings({ onProgress: (p: Progress) => seen.push(p) }));
    expect([train.name, train.length, train.shape, train.objectClasses]).toEqual([
      'bccd/train',
      1,
      [3, 8, 12],
      ['RBC', 'WBC', 'Platelets'],
    ]);
    expect(train.boxes).toEqual([[{ label: 1, left: 0, top: 0, right: 6, bottom: 8 }]]);
    expect([train.mean, train.std]).toEqual([tiny.mean, tiny.std]);
    expect([0, 100, 200].map((i) => Math.abs(train.inputs[i]! - [0x80, 0x60, 0x40][i / 100]!) < 4)).toEqual([
      true,
      true,
      true,
    ]);
    expect([seen[0]!.received, seen.at(-1)!.received, seen.at(-1)!.total]).toEqual([0, zip.length, zip.length]);
    expect(readdirSync(cache)).toEqual(['Tiny']);
    expect(readdirSync(join(cache, 'Tiny')).sort()).toEqual(['BCCD']);
    for (const above of [cache, dirname(cache)]) expect(existsSync(join(above, 'escape.jpg'))).toBe(false);
    expect(locateBccd(cache, tiny)).toBe(join(cache, 'Tiny', 'BCCD'));
    const test = await openBccd(tiny, 'test', { ...settings({ offline: true }), size: [4, 6], channels: 1 });
    expect([test.shape, test.boxes[0]![0]!.right, asked]).toEqual([[1, 4, 6], 3, ['/main']]);
    expect(notes).toEqual([]);
  });

  it('is taken from a clone, or an archive that somebody put there, which stays', async () => {
    put('tiny.zip', zip);
    expect(locateBccd(cache, tiny)).toBe(join(cache, 'tiny.zip'));
    expect((await openBccd(tiny, 'val', settings({ offline: true }))).length).toBe(1);
    expect(existsSync(join(cache, 'tiny.zip'))).toBe(true);
    rmSync(cache, { recursive: true });
    layTiny('tiny');
    expect((await openBccd(tiny, 'val', settings({ offline: true }))).length).toBe(1);
    expect([notes, asked]).toEqual([[], []]);
  });

  it('is downloaded once for two who want it, and what a killed process left is cleared away', async () => {
    put('Tiny.part/BCCD/JPEGImages/rest.jpg', text('x'));
    const [train, test] = await Promise.all([openBccd(tiny, 'train', settings()), openBccd(tiny, 'test', settings())]);
    expect([train.name, test.name, asked]).toEqual(['bccd/train', 'bccd/test', ['/main']]);
    expect(notes).toEqual([`process ${process.pid} is fetching Tiny; waiting until it is done`]);
    expect(readdirSync(cache)).toEqual(['Tiny']);
  });

  it('passes over what is not official, says so, and mends the cache', async () => {
    layTiny('Tiny');
    put('Tiny/BCCD/Annotations/Image_0.xml', text('<annotation>'));
    put('tiny.zip', zip.slice(0, -30));
    expect((await openBccd(tiny, 'train', settings())).boxes[0]!.length).toBe(1);
    expect(notes).toEqual([
      expect.stringMatching(/Tiny\/BCCD was passed over: .*Image_0\.xml is no Pascal VOC annotation/),
      expect.stringMatching(/tiny\.zip was passed over: the zip archive could not be unpacked/),
    ]);
    put('Tiny/BCCD/ImageSets/Main/train.txt', text('Image_0\nImage_1\n'));
    await expect(openBccd(tiny, 'train', settings({ offline: true }))).rejects.toThrow(
      /Tiny is not on this machine .*put .*\/main at .*tiny\.zip, or clone https:\/\/github\.com\/Shenggan/,
    );
    expect(notes.at(-2)).toMatch(/train" 1, 0, 1, 0 are expected, got 2, 0, 2, 0/);
  });

  it('tries again after 503 and silence, not after 404 or other files', async () => {
    answer = [{ status: 503 }, { silent: true }, {}];
    expect((await openBccd(tiny, 'train', settings({ timeout: 1000 }))).length).toBe(1);
    expect(asked.length).toBeGreaterThanOrEqual(3);
    for (const [wrong, message] of [
      [{ status: 404 }, /HTTP status 404/],
      [
        { body: zipSync({ 'Set-main/BCCD/ImageSets/Main/train.txt': text('x') }) },
        /the archive holds other files than Tiny/,
      ],
      [{ body: zip.slice(0, 500) }, /could not be unpacked/],
      [{ body: new Uint8Array(6 * zip.length) }, /it sends more than/],
    ] as const) {
      rmSync(join(cache, 'Tiny'), { recursive: true, force: true });
      [asked, answer] = [[], [wrong]];
      await expect(openBccd(tiny, 'train', settings())).rejects.toThrow(message);
      expect([asked.length, readdirSync(cache)]).toEqual([1, []]);
    }
  });

  it('does not keep an offline user waiting, and stops on a signal', async () => {
    const closed = createServer();
    await new Promise<void>((done) => closed.listen(0, '127.0.0.1', done));
    const { port } = closed.address() as AddressInfo;
    await new Promise((done) => closed.close(done));
    const nobody = `http://127.0.0.1:${port}`;
    await expect(openBccd(tiny, 'train', settings({ base: nobody, pause: 600_000 }))).rejects.toMatchObject({
      code: 'download',
      message: expect.stringContaining(`${nobody}/main could not be fetched (ECONNREFUSED)`),
    });
    answer = [{ silent: true }];
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    await expect(openBccd(tiny, 'train', settings({ signal: stop.signal }))).rejects.toThrow(/was stopped/);
  });

  it('refuses a split that there is not', async () => {
    await expect(bccd('all' as 'train')).rejects.toThrow(/has the splits train, val, test, got "all"/);
  });
});

describe('altered archives', () => {
  it('give the official bytes, other bytes that the digest refuses, or one clear error', () => {
    const random = new Random(5);
    for (let run = 0; run < 300; run++) {
      const bytes = zip.slice(0, run % 3 === 0 ? random.int(zip.length) : zip.length);
      for (let k = random.int(8); k >= 0 && bytes.length > 0; k--) bytes[random.int(bytes.length)] = random.int(256);
      try {
        for (const [path] of unpacked(bytes, tiny.wanted, 1e6)) expect(path).not.toContain('..');
      } catch (error) {
        expect(error).toMatchObject({ name: 'DynaError', code: 'data' });
      }
    }
  });

  it('are not believed in their sizes', () => {
    const many = zipSync({ 'S/BCCD/Annotations/big.xml': new Uint8Array(200_000) });
    expect(() => unpacked(many, tiny.wanted, 100_000)).toThrow(/more than 100000 bytes are in it/);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(() => unpacked(bytes, tiny.wanted, 1000)).toThrow(/could not be unpacked/);
      }),
    );
  });
});

describe.skipIf(!locateBccd())('the official files', () => {
  it('have the published counts, mean and std', async () => {
    const sets = [];
    for (const split of ['train', 'val', 'test'] as const)
      sets.push(await bccd(split, { size: [120, 160], offline: true }));
    expect(sets.map((s) => s.length)).toEqual([205, 87, 72]);
    expect(sets.flatMap((s) => s.boxes.flat()).length).toBe(4888);
    const { mean, std } = channelStatistics(sets[0]!);
    mean.forEach((m, c) => {
      expect(Math.abs(m - bccdSpec.mean[c]!)).toBeLessThan(0.001);
      expect(Math.abs(std[c]! - bccdSpec.std[c]!)).toBeLessThan(0.01);
    });
  });
});

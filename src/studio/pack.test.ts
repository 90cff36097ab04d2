import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { dataset } from '../data/index.ts';
import { content, dataFiles, type Manifest, writeSite } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'dyna-pack-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const decode = async (site: ReturnType<typeof dataFiles>): Promise<Manifest> =>
  JSON.parse(new TextDecoder().decode(await site.get('data/studio.json')!.read())) as Manifest;

test('inputs are packed with their numbers and labels', async () => {
  const inputs = Uint8Array.from({ length: 40 }, (_, i) => i);
  const ds = dataset({ inputs, shape: [4], labels: [0, 1, 0, 1, 0, 1, 0, 1, 0, 1], name: 'ten' });
  const site = dataFiles({ models: [{ name: 'm.onnx', bytes: new Uint8Array([7]) }], inputs: ds, limit: 5 });
  const manifest = await decode(site);
  expect(manifest.inputs).toMatchObject({
    name: 'ten',
    dtype: 'uint8',
    shape: [4],
    n: 5,
    of: 10,
    numbers: [0, 2, 4, 6, 8],
  });
  expect(manifest.inputs!.labels).toEqual([0, 0, 0, 0, 0]);
  const packed = await site.get(`data/${manifest.inputs!.file}`)!.read();
  expect([...packed]).toEqual([0, 2, 4, 6, 8].flatMap((i) => [4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3]));
  expect(await site.get(`data/${manifest.models[0]!.file}`)!.read()).toEqual(new Uint8Array([7]));
});

test('floats keep their bits, unlabelled sets have no labels', async () => {
  const inputs = Float32Array.of(0.1, -2, 3e-9, 4);
  const site = dataFiles({ inputs: dataset({ inputs, shape: [2] }) });
  const manifest = await decode(site);
  expect(manifest.inputs).toMatchObject({ dtype: 'float32', n: 2, labels: [] });
  const bytes = await site.get('data/inputs.bin')!.read();
  expect(new Float32Array(bytes.buffer, bytes.byteOffset, 4)).toEqual(inputs);
});

test('runs are streamed where the studio is live, files in a hosted one', async () => {
  const runs = [{ name: 'a', path: join(folder, 'a.jsonl') }];
  expect((await decode(dataFiles({ runs, live: true }))).runs).toEqual([
    { name: 'a', file: 'runs/0.jsonl', events: 'runs/0/events' },
  ]);
  expect((await decode(dataFiles({ runs }))).runs).toEqual([{ name: 'a', file: 'runs/0.jsonl' }]);
});

test('runs from which nothing more is awaited are not streamed, and say why', async () => {
  const path = join(folder, 'a.jsonl');
  const runs = [
    { name: 'done', path, finished: true, still: 5 },
    { name: 'dead', path, still: 5 },
  ];
  for (const live of [true, false])
    expect((await decode(dataFiles({ runs, live }))).runs).toEqual([
      { name: 'done', file: 'runs/0.jsonl', finished: true },
      { name: 'dead', file: 'runs/1.jsonl', still: 5 },
    ]);
});

test('a site is written with its folders', async () => {
  const site = new Map([
    ['index.html', content('index.html', '<p>')],
    ['assets/deep/a.js', content('a.js', 'abc')],
  ]);
  expect(await writeSite(site, join(folder, 'out'))).toEqual({ files: 2, bytes: 6 });
  expect(readFileSync(join(folder, 'out/assets/deep/a.js'), 'utf8')).toBe('abc');
  expect(readdirSync(join(folder, 'out')).sort()).toEqual(['assets', 'index.html']);
});

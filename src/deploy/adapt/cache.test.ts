import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRows, type RowCache } from './cache.ts';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dyna-cache-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const width = 3;
const block = (first: number, n: number): Float32Array =>
  Float32Array.from({ length: n * width }, (_, i) => (first + Math.floor(i / width)) * 10 + (i % width));
const rowsOf = async (cache: RowCache<unknown>, list: readonly number[]): Promise<number[][]> =>
  Promise.all(list.map(async (i) => [...(await cache.row(i))]));

describe.each([
  ['in memory', { memory: 1e6 }],
  ['in a temporary folder, because memory is small', { memory: 8 }],
])('rows %s', (_name, options) => {
  it('come back in any order', async () => {
    const cache = await openRows<{ seen: number }>({ rows: 5, width, ...options });
    await cache.append(block(0, 2), { seen: 2 });
    await cache.append(block(2, 3), { seen: 5 });
    await cache.finish();
    expect([cache.done, cache.facts]).toEqual([5, { seen: 5 }]);
    expect(await rowsOf(cache, [4, 0, 2])).toEqual([
      [40, 41, 42],
      [0, 1, 2],
      [20, 21, 22],
    ]);
    expect(cache.all === undefined).toBe(options.memory < 60);
    await cache.close();
  });
});

it('a temporary folder goes with its cache', async () => {
  const mine = async () => (await readdir(tmpdir())).filter((f) => f.startsWith('dyna-rows-'));
  const before = new Set(await mine());
  const cache = await openRows({ rows: 5, width, memory: 8 });
  const [made] = (await mine()).filter((f) => !before.has(f));
  await cache.close();
  expect(await mine()).not.toContain(made);
});

describe('rows in a folder', () => {
  const open = (folder: string, memory = 1e6) =>
    openRows<number>({ rows: 6, width, memory, folder: join(home, folder) });

  it('are there for the next run, from disk or in memory', async () => {
    await mkdir(join(home, 'a'));
    const first = await open('a');
    await first.append(block(0, 4), 7);
    await first.close();
    const second = await open('a');
    expect([second.done, second.facts]).toEqual([4, 7]);
    await second.append(block(4, 2), 8);
    await second.finish();
    expect([...second.all!]).toEqual([...block(0, 6)]);
    await second.close();
    const third = await open('a', 8);
    await third.finish();
    expect([third.done, third.all]).toEqual([6, undefined]);
    expect(await rowsOf(third, [5, 1])).toEqual([
      [50, 51, 52],
      [10, 11, 12],
    ]);
    await third.close();
  });

  it('count only what is known to be on the disk: a tail that a kill left behind is written again', async () => {
    await mkdir(join(home, 'b'));
    const first = await open('b');
    await first.append(block(0, 2), 1);
    await first.close();
    const path = join(home, 'b', 'rows.bin');
    await writeFile(path, Buffer.concat([await readFile(path), Buffer.alloc(17, 255)]));
    const second = await open('b');
    expect(second.done).toBe(2);
    await second.append(block(2, 4), 2);
    await second.finish();
    expect([...second.all!]).toEqual([...block(0, 6)]);
    await second.close();
  });

  it('start anew where the file is shorter than was noted, or of another width', async () => {
    await mkdir(join(home, 'c'));
    const first = await open('c');
    await first.append(block(0, 3), 1);
    await first.close();
    const other = await openRows({ rows: 6, width: 4, memory: 1e6, folder: join(home, 'c') });
    expect(other.done).toBe(0);
    await other.close();
    await truncate(join(home, 'c', 'rows.bin'), 20);
    const second = await open('c');
    expect([second.done, second.facts]).toEqual([0, undefined]);
    await second.close();
  });
});

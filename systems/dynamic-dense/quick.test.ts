import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { writeBccd } from '../fixtures/bccd.ts';
import type { Context } from '../shared/context.ts';
import { dynamicDense } from './index.ts';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dyna-detector-'));
  await writeBccd(home);
  vi.stubEnv('DYNANEURAL_DATA', home);
}, 60_000);
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true, force: true });
});

it('the quick form runs through, and tells everything that an honest result needs', async () => {
  const titles: string[] = [];
  const cx: Context = {
    ...{ quick: true, seeds: [1], cache: join(home, 'cache'), threads: 1 },
    progress: { start: (title) => titles.push(title), update: () => {}, stop: () => {} },
    note: (line) => titles.push(line),
  };
  const found = await dynamicDense.run(cx);
  const of = (name: string) => found.contenders.find((c) => c.name.startsWith(name))!;
  for (const role of ['full', 'static', 'same-macs', 'random', 'constant'])
    expect(found.contenders.map((c) => c.role)).toContain(role);
  expect(found.measure).toBe('mAP@.5');
  const macs = (name: string) => of(name).macs!.mean;
  expect(macs('plain')).toBeLessThan(macs('usual skips'));
  expect(macs('dynamic')).toBeLessThanOrEqual(macs('dynamic, all edges'));
  expect(macs('dynamic, ways of other')).toBeCloseTo(macs('dynamic'), -3);
  for (const c of found.contenders) expect(c.accuracy!.mean >= 0 && c.accuracy!.mean <= 1).toBe(true);
  for (const name of found.headline) expect(found.figures.map((f) => f.name)).toContain(name);
  expect(Object.keys(found.spread[0]!.rates).length).toBe(15);
  expect(found.curve.length).toBe(3);

  // What is kept is not done again.
  titles.length = 0;
  expect(await dynamicDense.run(cx)).toEqual(found);
  expect(titles).toEqual([]);
}, 400_000);

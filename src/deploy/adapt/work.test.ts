import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../../data/index.ts';
import { type Adapted, adapt } from './adapt.ts';
import { exported, images, teacher } from './fixtures/classifier.ts';
import type { AdaptOptions, AdaptStage } from './options.ts';
import { keyOf, removeWork } from './work.ts';

let home: string;
let original: Uint8Array;
let data: Dataset;
let whole: Adapted;
const session = { intraOpNumThreads: 1 };
const settings = {
  session,
  selectBy: 'macs',
  maxDisagreement: 0.1,
  epochs: 3,
  views: 1,
  exits: 1,
  tune: { epochs: 2 },
} as const;
const run = (options: Partial<AdaptOptions>) => adapt(original, { data, ...settings, ...options });

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dyna-work-'));
  original = exported(await teacher());
  data = images(500, 5);
  whole = await run({});
});
afterAll(() => rm(home, { recursive: true, force: true }));

interface Seen {
  /** Where each stage began, and how far it came. */
  readonly from: Map<AdaptStage, number>;
  readonly to: Map<AdaptStage, number>;
  readonly onProgress: NonNullable<AdaptOptions['onProgress']>;
}

function watch(then: (stage: AdaptStage, done: number) => void = () => undefined): Seen {
  const [from, to] = [new Map<AdaptStage, number>(), new Map<AdaptStage, number>()];
  return {
    from,
    to,
    onProgress(stage, done) {
      if (!from.has(stage)) from.set(stage, done);
      to.set(stage, done);
      then(stage, done);
    },
  };
}

/** Runs until a stage has come so far, then aborts. */
async function interrupted(work: string, stage: AdaptStage, after: number): Promise<Seen> {
  const controller = new AbortController();
  const seen = watch((now, done) => {
    if (now === stage && done >= after) controller.abort(new Error('stop here'));
  });
  await expect(run({ work, signal: controller.signal, onProgress: seen.onProgress })).rejects.toThrow('stop here');
  return seen;
}

describe('a work folder', () => {
  it('lets a run that was stopped in any stage go on, to the same bytes', async () => {
    const work = join(home, 'stages');
    const first = await interrupted(work, 'features', 100);
    expect(first.to.get('features')).toBeLessThan(250);
    const second = await interrupted(work, 'heads', 1);
    expect(second.from.get('features')).toBeGreaterThan(first.to.get('features')!);
    const third = await interrupted(work, 'backbone', 1);
    expect(third.from.has('features')).toBe(false); // all there: nothing is run again
    const last = watch();
    const result = await run({ work, onProgress: last.onProgress });
    expect(last.from.has('heads')).toBe(false);
    expect(Buffer.from(result.bytes).equals(whole.bytes)).toBe(true);

    // What belongs to other images is never continued.
    const parts = (await readdir(work)).length;
    const other = images(500, 8);
    const [strange, plain] = [await run({ work, data: other, tune: false }), await run({ data: other, tune: false })];
    expect(Buffer.from(strange.bytes).equals(plain.bytes)).toBe(true);
    expect((await readdir(work)).length).toBe(parts + 3);
    // What somebody else put there stays.
    await writeFile(join(work, 'notes.txt'), 'mine');
    await removeWork(work);
    expect(await readdir(work)).toEqual(['notes.txt']);
    await rm(join(work, 'notes.txt'));
    await removeWork(work);
    await expect(stat(work)).rejects.toThrow();
  });

  it('has names by content', () => {
    expect(keyOf('a', [1, 2])).toBe(keyOf('a', [1, 2]));
    expect(keyOf('a', [1, 2])).not.toBe(keyOf('a', [2, 1]));
    expect(keyOf('a')).toMatch(/^[0-9a-f]{16}$/);
  });
});

it('features beyond the memory limit are read from disk, to the same bytes', async () => {
  const result = await run({ memory: 1000 });
  expect(result.summary.notes.join()).toContain('features were read from disk');
  expect(Buffer.from(result.bytes).equals(whole.bytes)).toBe(true);
});

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { silent } from '../../src/progress.ts';
import { type Context, phase } from './context.ts';

let cx: Context;
beforeEach(async () => {
  const cache = await mkdtemp(join(tmpdir(), 'dyna-phase-'));
  cx = { quick: true, seeds: [1], cache, progress: silent, note: () => {} };
});
afterEach(() => rm(cx.cache, { recursive: true, force: true }));

it('does a phase once for each recipe, and keeps infinities', async () => {
  let runs = 0;
  const work = async () => ({ threshold: Number.POSITIVE_INFINITY, below: Number.NEGATIVE_INFINITY, runs: ++runs });
  const first = await phase(cx, 'a', { rate: 0.1 }, work);
  expect(first).toEqual({ threshold: Infinity, below: -Infinity, runs: 1 });
  expect(await phase(cx, 'a', { rate: 0.1 }, work)).toEqual(first);
  expect((await phase(cx, 'a', { rate: 0.2 }, work)).runs).toBe(2);
  expect((await phase(cx, 'b', { rate: 0.1 }, work)).runs).toBe(3);
});

it('keeps nothing of a phase that failed, and begins none after a stop was asked for', async () => {
  await expect(phase(cx, 'a', 1, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await readdir(cx.cache)).toEqual([]);
  const stopped = { ...cx, signal: AbortSignal.abort(new Error('stopped')) };
  await expect(phase(stopped, 'a', 1, async () => 1)).rejects.toThrow('stopped');
  await phase(cx, 'a', 1, async () => 1);
  expect(await phase(stopped, 'a', 1, async () => 2)).toBe(1);
});

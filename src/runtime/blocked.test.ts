import { expect, test } from 'vitest';
import { DynaError } from '../errors.ts';
import { ndarray, toNumbers } from '../graph/index.ts';
import { blockSize, probe } from './blocked.ts';
import { compile, openSessions, type Runner } from './runner.ts';

test('found out once', async () => {
  const first = blockSize();
  expect(blockSize()).toBe(first);
  expect([undefined, 8, 16]).toContain(await first);
  expect(openSessions()).toBe(0);
});

test('an engine that does not know the operators has no block size', async () => {
  const refuses = (): Promise<Runner> =>
    Promise.reject(new DynaError('model', 'com.microsoft.nchwc:ReorderInput(1) is not a registered function/op'));
  expect(await probe(refuses)).toBeUndefined();
});

test('an engine that does not reorder as expected has no block size', async () => {
  const changed = async (bytes: Uint8Array): Promise<Runner> => {
    const runner = await compile(bytes);
    return { ...runner, close: () => runner.close(), run: async (feeds) => ({ y: feeds.x! }) };
  };
  expect(await probe(changed)).toBeUndefined();
});

test('an engine whose blocked convolutions give other numbers has no block size', async (context) => {
  let opened = 0;
  const drifts = async (bytes: Uint8Array): Promise<Runner> => {
    const runner = await compile(bytes);
    const last = ++opened === 3; // the reorder, the plain net, the blocked net
    return {
      ...runner,
      close: () => runner.close(),
      run: async (feeds) => {
        const results = await runner.run(feeds);
        const y0 = results.y0;
        if (!last || !y0) return results;
        const moved = toNumbers(y0);
        moved[5]! += 0.01 * Math.max(...moved);
        return { ...results, y0: ndarray('float32', y0.dims, moved) };
      },
    };
  };
  if ((await blockSize()) === undefined) {
    console.warn('NOT RUN: this engine has no blocked layout, so its numbers cannot be spoilt.');
    context.skip();
  }
  expect(await probe(drifts)).toBeUndefined();
  expect(opened).toBe(3);
});

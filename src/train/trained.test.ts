import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { net } from '../dynamic/index.ts';
import { ndarray } from '../graph/index.ts';
import { classify } from '../nn/index.ts';
import { weightsHash } from './fixtures/hash.ts';
import { halves, tiny } from './fixtures/tiny.ts';
import { openTrained, saveTrained, train } from './index.ts';

const root = mkdtempSync(join(tmpdir(), 'dyna-trained-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

it('a trained net is saved and opened whole, and fits no other net', async () => {
  const trained = await train(tiny(), { data: halves(64, 1), epochs: 1, batch: 16 });
  const folder = join(root, 'a', 'b');
  await saveTrained(trained, folder);
  expect(readdirSync(folder)).toEqual(['trained.dyna']);

  const same = tiny();
  const opened = await openTrained(folder, same);
  expect(weightsHash(opened)).toBe(weightsHash(trained));
  expect({ ...opened, net: 0 }).toEqual({ ...trained, net: 0 });
  expect(opened.net).toBe(same);

  await expect(openTrained(folder, tiny(5))).rejects.toMatchObject({
    code: 'model',
    message: expect.stringMatching(/has a parameter "conv1\/\S+" \[5.*trained\.dyna \(net "tiny"\) has \[4/),
  });
  const less = net({ input: [1, 8, 8], classes: 2 }, (x) => classify(x, { name: 'exit1/classify1' }));
  await expect(openTrained(folder, less)).rejects.toMatchObject({ code: 'model' });

  const path = join(folder, 'trained.dyna');
  writeFileSync(path, readFileSync(path).subarray(0, 300));
  await expect(openTrained(folder, same)).rejects.toThrow(/truncated or altered/);
  await expect(openTrained(root, same)).rejects.toThrow(/there is no such file; train the net and save it first/);
});

it('kernels are rounded to halves where that is asked for, vectors are not; what does not fit stays', async () => {
  const trained = await train(tiny(), { data: halves(64, 1), epochs: 1, batch: 16 });
  const huge = [...trained.weights].find(([, t]) => t.dims.length === 2)![0];
  const { dims: shape, data } = trained.weights.get(huge)!;
  const beyond = ndarray('float32', shape, new Float32Array(data.length).fill(70_000));
  const weights = new Map([...trained.weights, [huge, beyond]]);
  const [whole, narrow] = [join(root, 'whole'), join(root, 'narrow')];
  await saveTrained({ ...trained, weights }, whole);
  await saveTrained({ ...trained, weights }, narrow, { halves: true });
  const size = (folder: string) => readFileSync(join(folder, 'trained.dyna')).length;
  const kernels = [...weights].filter(([n, { dims }]) => dims.length > 1 && n !== huge);
  expect(kernels.length).toBeGreaterThan(0);
  const saved = kernels.reduce((sum, [, { data }]) => sum + 2 * data.length, 0);
  expect(Math.abs(size(whole) - size(narrow) - saved)).toBeLessThan(200);
  const opened = await openTrained(narrow, tiny());
  for (const [name, { dtype, dims, data }] of opened.weights) {
    expect(dtype).toBe('float32');
    const exact = dims.length < 2 || name === huge;
    for (const [i, v] of data.entries()) {
      const before = Number(weights.get(name)!.data[i]);
      // 11 significant bits
      if (exact) expect(v).toBe(before);
      else expect(Math.abs(Number(v) - before)).toBeLessThanOrEqual(Math.max(2 ** -11 * Math.abs(before), 2 ** -25));
    }
  }
});

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { writeAtomic } from '../files.ts';
import { ndarray } from '../graph/index.ts';
import { type Checkpoint, checkpointPath, openCheckpoint, saveCheckpoint } from './checkpoint.ts';
import { decodeState, encodeState } from './container.ts';

const made: string[] = [];
const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'dyna-checkpoint-'));
  made.push(path);
  return path;
};
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

const checkpoint = (step: number): Checkpoint => ({
  step,
  epochs: 2,
  recipe: {
    net: 'n',
    parameters: ['w [2]'],
    batch: 4,
    seed: 1,
    optimizer: 'sgd',
    augment: '{}',
    data: 'd',
    dataName: 'data',
    step: 's',
  },
  rates: 'r',
  machine: { engine: '1', cpu: 'c', cores: 2, threads: 0 },
  history: [],
  meter: { count: 1, sums: { loss: 0.1 + 0.2 }, seconds: 1 },
  state: { weights: ndarray('float32', [3], [step, Number.NaN, -0]) },
});
const never = (message: string): never => {
  throw new Error(`unexpected warning: ${message}`);
};
const bits = (c: Checkpoint | undefined): number[] => [
  ...new Uint32Array((c!.state.weights!.data as Float32Array).buffer),
];

it('what is saved comes back to the last bit', async () => {
  const at = folder();
  await saveCheckpoint(at, checkpoint(7));
  const opened = await openCheckpoint(at, never);
  expect(opened?.path).toBe(checkpointPath(at));
  expect(opened?.checkpoint).toEqual(checkpoint(7));
  expect(bits(opened?.checkpoint)).toEqual(bits(checkpoint(7)));
  expect(await openCheckpoint(folder(), never)).toBeUndefined();
});

it('tensors of all element types and sizes survive', () => {
  const arrays = [
    ndarray('int64', [2], [1, -5]),
    ndarray('uint8', [3], [1, 2, 3]),
    ndarray('float64', [], [Math.PI]),
    ndarray('float32', [0, 4], []),
    ndarray('bool', [1], [1]),
  ].map((a, i) => [`t${i}`, a] as const);
  const bytes = encodeState('test', { a: 'ü' }, arrays);
  const { meta, tensors } = decodeState('test', new Uint8Array([0, ...bytes]).subarray(1), 'x'); // at an odd address
  expect(meta).toEqual({ a: 'ü' });
  expect([...tensors]).toEqual(arrays);
  expect(() => decodeState('other', bytes, 'x')).toThrow('x is a test file, a other file was expected');
});

it('every cut and every altered byte is refused with one sentence', () => {
  const bytes = encodeState('test', { a: 1 }, [['w', ndarray('float32', [4], [1, 2, 3, 4])]]);
  expect(decodeState('test', bytes, 'x').meta).toEqual({ a: 1 });
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const altered = new Uint8Array(bytes);
      altered[at]! ^= change;
      expect(() => decodeState('test', altered, 'x')).toThrow(/^x (is|has) [^\n]+$/);
      expect(() => decodeState('test', bytes.subarray(0, at), 'x')).toThrow(/^x is [^\n]*truncated/);
    }),
  );
  const newer = Buffer.from(bytes);
  newer.writeUInt32LE(2, 8);
  expect(() => decodeState('test', newer, 'x')).toThrow(
    'x has format version 2, this release reads up to 1; update dynaneural',
  );
});

it('a damaged checkpoint gives way to the one before it, and says so; two damaged ones are refused', async () => {
  const at = folder();
  await saveCheckpoint(at, checkpoint(1));
  await saveCheckpoint(at, checkpoint(2));
  writeFileSync(checkpointPath(at), readFileSync(checkpointPath(at)).subarray(0, -1));
  const said: string[] = [];
  expect((await openCheckpoint(at, (m) => said.push(m)))?.checkpoint.step).toBe(1);
  expect(said).toHaveLength(1);
  expect(said[0]).toMatch(/checkpoint\.dyna is truncated or altered.*the one before it, step 1$/);
  writeFileSync(join(at, 'previous.dyna'), 'junk');
  await expect(openCheckpoint(at, never)).rejects.toMatchObject({
    code: 'file',
    message: expect.stringMatching(/truncated or altered.*; no earlier checkpoint is left/),
  });
});

it('a crash between the two renames loses nothing', async () => {
  const at = folder();
  await saveCheckpoint(at, checkpoint(1));
  await saveCheckpoint(at, checkpoint(2));
  rmSync(checkpointPath(at));
  expect((await openCheckpoint(at, never))?.checkpoint.step).toBe(1);
});

it.skipIf(process.platform === 'win32')('a read-only folder is refused, the old file stays', async () => {
  const at = folder();
  await saveCheckpoint(at, checkpoint(1));
  await chmod(at, 0o555);
  const root = process.geteuid?.() === 0;
  if (root) process.seteuid?.(65534); // root may write anywhere
  try {
    await expect(writeAtomic(checkpointPath(at), new Uint8Array(3))).rejects.toMatchObject({
      code: 'file',
      message: expect.stringMatching(/could not be written .*permission is missing/),
    });
  } finally {
    if (root) process.seteuid?.(0);
    await chmod(at, 0o755);
  }
  expect((await openCheckpoint(at, never))?.checkpoint.step).toBe(1);
});

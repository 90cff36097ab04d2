import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { type NDArray, ndarray } from '../graph/array.ts';
import { compile, type Runner } from './runner.ts';
import { openState } from './state.ts';

const model = (name: string) => readFileSync(new URL(`./fixtures/${name}.onnx`, import.meta.url));

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

const PATIENCE_MS = 10_000;

/**
 * Some hosts take idle pages away and give them back when they are touched, which looks like growth where it falls between two
 * measurements. A leak grows every time.
 */
const again = { retry: 2 };

/**
 * Resident megabytes after everything unreachable is gone. Memory is freed on other threads, which a busy machine runs
 * late, so this waits until it is down to `enough`; what leaked never goes, and then it gives what is left.
 */
async function resident(enough = Number.POSITIVE_INFINITY): Promise<number> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    for (let i = 0; i < 3; i++) {
      gc();
      await new Promise((r) => setTimeout(r, 20));
    }
    const mebibytes = process.memoryUsage.rss() / 2 ** 20;
    if (mebibytes <= enough || performance.now() > end) return mebibytes;
  }
}

it('10,000 runs leave nothing behind', again, async () => {
  const runner = await compile(model('affine'), { intraOpNumThreads: 1 });
  const x = ndarray('float32', [512, 3], new Float32Array(1536)); // y: 4 KiB a run, 40 MiB if each were kept
  const runs = async (n: number, keep?: NDArray[]) => {
    for (let i = 0; i < n; i++) {
      const { y } = await runner.run({ x });
      keep?.push(y!);
    }
  };
  await runs(2_000);
  const before = await resident();
  await runs(10_000);
  const after = await resident(before + 15);
  expect(after - before).toBeLessThanOrEqual(15);

  const kept: NDArray[] = []; // the measure itself: a leak of this size is seen
  await runs(10_000, kept);
  expect((await resident()) - after).toBeGreaterThan(25);
  expect(kept).toHaveLength(10_000);
  await runner.close();
});

it('closed sessions give their memory back', again, async () => {
  const open = (seed: number) =>
    compile(model('heavy'), { intraOpNumThreads: 1, extra: { session: { [`seed${seed}`]: '0' } } });
  const x = ndarray('float32', [1, 1024], new Float32Array(1024));
  const cycle = async (from: number, count: number, keep?: Runner[]) => {
    for (let i = from; i < from + count; i++) {
      const runner = await open(i); // 4 MiB of weights each
      await runner.run({ x });
      if (keep) keep.push(runner);
      else await runner.close();
    }
  };
  await cycle(0, 30); // the allocator keeps some tens of megabytes for good
  const before = await resident();
  await cycle(100, 60); // 240 MiB if they stayed
  const after = await resident(before + 100);
  expect(after - before).toBeLessThanOrEqual(100);

  const kept: Runner[] = [];
  await cycle(200, 60, kept);
  expect((await resident()) - after).toBeGreaterThan(100);
  await Promise.all(kept.map((r) => r.close()));
});

it('1,000 steps keep one state', again, async () => {
  const n = 1 << 16;
  const runner = await openState(
    { step: model('decay') },
    { state: [{ input: 's', output: 's_out' }], initial: { s: ndarray('float32', [n], new Float32Array(n).fill(1)) } },
  );
  const steps = async (count: number) => {
    for (let i = 0; i < count; i++) await runner.step({});
  };
  await steps(200);
  const before = await resident();
  await steps(1_000); // 256 KiB each: 250 MiB if the old ones stayed
  const after = await resident(before + 100);
  expect(after - before).toBeLessThanOrEqual(100);
  const { s } = await runner.read();
  expect((s!.data as Float32Array)[n - 1]).toBeCloseTo(0.999 ** 1200, 3);
  await runner.close();
});

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type NDArray, ndarray, toNumbers } from '../graph/array.ts';
import { WorkerHost } from './host.ts';
import { compileInWorker } from './remote.ts';
import { compile } from './runner.ts';

const model = (name: string) => readFileSync(new URL(`./fixtures/${name}.onnx`, import.meta.url));
const x = () => ndarray('float32', [1, 3], [1, 2, 3]);
const slowFeeds = (rounds: number) => ({
  rounds: ndarray('int64', [], [rounds]),
  x: ndarray('float32', [128, 128], new Float32Array(128 * 128)),
});

describe('a runner in a worker', () => {
  it('computes what the one in this thread computes', async () => {
    const [here, there] = await Promise.all([compile(model('affine')), compileInWorker(model('affine'))]);
    expect(await there.run({ x: x() })).toEqual(await here.run({ x: x() }));
    expect([there.inputs, there.outputs]).toEqual([here.inputs, here.outputs]);
    await Promise.all([here.close(), there.close()]);
  });

  it('leaves the event loop free, which a runner in this thread does not', async () => {
    const ticksDuring = async (work: () => Promise<unknown>) => {
      let ticks = 0;
      const timer = setInterval(() => ticks++, 5);
      const began = performance.now();
      await work();
      clearInterval(timer);
      return { ticks, ms: performance.now() - began };
    };
    const options = { intraOpNumThreads: 1 };
    const [here, there] = await Promise.all([compile(model('slow'), options), compileInWorker(model('slow'), options)]);
    const blocked = await ticksDuring(() => here.run(slowFeeds(3000)));
    const free = await ticksDuring(() => there.run(slowFeeds(3000)));
    expect(blocked.ms).toBeGreaterThan(50);
    expect(blocked.ticks).toBeLessThanOrEqual(1);
    expect(free.ticks).toBeGreaterThanOrEqual(5);
    await Promise.all([here.close(), there.close()]);
  });

  it('copies feeds, or takes their memory where the caller agrees; views are always copied', async () => {
    const runner = await compileInWorker(model('affine'));
    const kept = x();
    const given = x();
    const large = new Float32Array([9, 1, 2, 3]);
    const view: NDArray = { dtype: 'float32', dims: [1, 3], data: large.subarray(1) };
    for (const [feed, transfer] of [
      [kept, false],
      [given, true],
      [view, true],
    ] as const)
      expect(toNumbers((await runner.run({ x: feed }, { transfer })).y!)).toEqual([32, 48]);
    expect([kept.data.length, given.data.length, large.length]).toEqual([3, 0, 4]);
    await expect(runner.run({ x: given })).rejects.toMatchObject({
      code: 'shape',
      message: expect.stringMatching(/transferred/),
    });
    await runner.close();
  });

  it('keeps a refused feed with its owner', async () => {
    const runner = await compileInWorker(model('affine'));
    const wrong = ndarray('float32', [3], [1, 2, 3]);
    await expect(runner.run({ x: wrong }, { transfer: true })).rejects.toMatchObject({ code: 'shape' });
    expect(wrong.data.length).toBe(3);
    await runner.close();
  });

  it("brings the engine's errors home with code and cause, and goes on", async () => {
    const runner = await compileInWorker(model('gather'));
    const error: Error = await runner.run({ at: ndarray('int64', [1], [9]) }).catch((e) => e);
    expect(error).toMatchObject({
      name: 'DynaError',
      code: 'runtime',
      message: expect.stringMatching(/Gather "gather".*idx=9/),
    });
    expect((error.cause as Error).message).toContain('Non-zero status');
    expect(toNumbers((await runner.run({ at: ndarray('int64', [1], [0]) })).y!)).toEqual([7]);
    await runner.close();
    await expect(compileInWorker(new Uint8Array([1, 2, 3]))).rejects.toMatchObject({
      name: 'DynaError',
      code: 'model',
    });
    const fixed: Error & { fix?: string } = await compileInWorker(model('affine'), {
      executionProviders: ['cuda'],
    }).catch((e) => e);
    expect(fixed.fix).toMatch(/cpu/);
    expect(fixed.message.split(fixed.fix!)).toHaveLength(2);
  });

  it('finishes what runs, rejects what waits, and closes once', async () => {
    const runner = await compileInWorker(model('slow'), { intraOpNumThreads: 1 });
    const running = runner.run(slowFeeds(6000));
    const waiting = runner.run(slowFeeds(6000)).catch((e) => e);
    await new Promise((r) => setTimeout(r, 40)); // the first is inside the engine now
    const closed = Promise.all([runner.close(), runner.close()]);
    await expect(running).resolves.toHaveProperty('y');
    expect(await waiting).toMatchObject({
      name: 'DynaError',
      code: 'usage',
      message: expect.stringMatching(/closed before this call began/),
    });
    await closed;
    await expect(runner.run(slowFeeds(1))).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(/closed/),
    });
  });
});

describe('a thread that ends by itself', () => {
  const host = (source: string) => new WorkerHost(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  const onMessage = (body: string) =>
    `import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => { ${body} })`;

  it.each([
    ['by an exception', onMessage(`throw new Error('out of ink')`), /ended by itself: out of ink/],
    ['by exit', onMessage('process.exit(3)'), /ended by itself: exit code 3/],
    ['while starting', `throw new Error('no such engine')`, /no such engine/],
  ])('%s: open and later calls are rejected, and closing works', async (_, source, message) => {
    const broken = host(source);
    const expected = { name: 'DynaError', code: 'runtime', message: expect.stringMatching(message) };
    const open = [broken.call('read', []), broken.call('read', [])];
    for (const result of await Promise.allSettled(open)) expect(result).toMatchObject({ reason: expected });
    await expect(broken.call('read', [])).rejects.toMatchObject(expected);
    await broken.close();
  });
});

describe('a process', () => {
  const index = new URL('./index.ts', import.meta.url).href;
  const run = (body: string) => {
    const slow = JSON.stringify(model('slow').toString('base64'));
    const source = `
      import { compileInWorker } from '${index}';
      const runner = await compileInWorker(Buffer.from(${slow}, 'base64'), { intraOpNumThreads: 1 });
      const f = (n) => ({ rounds: { dtype: 'int64', dims: [], data: new BigInt64Array([BigInt(n)]) },
                          x: { dtype: 'float32', dims: [128, 128], data: new Float32Array(128 * 128) } });
      ${body}`;
    const child = promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', source], {
      timeout: 20_000,
    });
    return child.then(
      ({ stdout, stderr }) => ({ code: 0, signal: null, stdout, stderr }),
      (e: { code: number; signal: string | null; stdout: string; stderr: string }) => e,
    );
  };

  it('ends by itself when a worker is idle, and waits for one that works', async () => {
    const idle = await run(`await runner.run(f(1)); console.log('done');`);
    expect(idle).toMatchObject({ code: 0, stdout: 'done\n', stderr: '' });
    const busy = await run(`runner.run(f(2000)).then(() => console.log('done'));`);
    expect(busy).toMatchObject({ code: 0, stdout: 'done\n', stderr: '' });
  });

  it('may exit while a worker is inside the engine', async () => {
    const result = await run(
      `void runner.run(f(4000)); void runner.run(f(4000)); setTimeout(() => process.exit(7), 60);`,
    );
    expect(result).toMatchObject({ code: 7, signal: null, stderr: '' });
  });
});

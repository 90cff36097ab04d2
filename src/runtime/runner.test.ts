import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocate, type DType, type NDArray, ndarray, toNumbers } from '../graph/array.ts';
import type { Arrays, SessionOptions } from './backend.ts';
import { compile, openSessions } from './runner.ts';

const model = (name: string) => readFileSync(new URL(`./fixtures/${name}.onnx`, import.meta.url));
const x = ndarray('float32', [2, 3], [1, 2, 3, 4, 5, 6]);

describe('compile and run', () => {
  it('computes x w + b for any batch, zero rows too', async () => {
    const runner = await compile(model('affine'));
    const w = [
      [1, 2],
      [3, 4],
      [5, 6],
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: -99, max: 99 }), fc.nat(99), fc.nat(99)), { maxLength: 9 }),
        async (rows) => {
          const { y } = await runner.run({ x: ndarray('float32', [rows.length, 3], rows.flat()) });
          expect(y!.dims).toEqual([rows.length, 2]);
          const expected = rows.flatMap((row) =>
            [0, 1].map((j) => row.reduce((sum, v, i) => sum + v * w[i]![j]!, 10 + 10 * j)),
          );
          expect(toNumbers(y!)).toEqual(expected);
        },
      ),
      { numRuns: 50 },
    );
    await runner.close();
  });

  it('tells names, dtypes and shapes, with symbolic dimensions by name', async () => {
    const runner = await compile(model('train'));
    expect(runner.inputs).toContainEqual({ name: 'x', dtype: 'float32', shape: [4, 2] });
    expect(runner.outputs).toContainEqual({ name: 'steps_out', dtype: 'int64', shape: [] });
    await runner.close();
    const affine = await compile(model('affine'));
    expect(affine.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: ['batch', 3] }]);
    await affine.close();
  });

  it('carries every element type, bit for bit', async () => {
    const runner = await compile(model('kinds'));
    const values: Record<DType, ArrayLike<number>> = {
      float32: [1.5, -0.25, Number.POSITIVE_INFINITY],
      float64: [1e-300, -2, Number.NaN],
      float16: [0x3c00, 0x7e01, 0xfc00],
      int64: [2 ** 53 - 1, -7, 0],
      int32: [2 ** 31 - 1, -(2 ** 31), 3],
      int8: [127, -128, 0],
      uint8: [255, 0, 7],
      bool: [1, 0, 1],
    };
    const feeds: Arrays = {};
    for (const [dtype, v] of Object.entries(values)) feeds[dtype] = ndarray(dtype as DType, [3], v);
    const results = await runner.run(feeds);
    for (const dtype of Object.keys(values) as DType[]) {
      const got = results[`${dtype}_out`]!;
      expect(got).toEqual({ dtype, dims: [3], data: feeds[dtype]!.data });
      expect(got.data.constructor).toBe(allocate(dtype, 0).constructor);
    }
    expect((results.int64_out!.data as BigInt64Array)[0]).toBe(9007199254740991n);
    await runner.close();
  });

  it('computes only the outputs asked for, and returns memory of its own each time', async () => {
    const runner = await compile(model('train'));
    const feeds = {
      x: ndarray('float32', [4, 2], new Float32Array(8)),
      y: ndarray('float32', [4, 1], [1, 1, 1, 1]),
      w: ndarray('float32', [2, 1], [3, 4]),
      steps: ndarray('int64', [], [41]),
    };
    const first = await runner.run(feeds, { outputs: ['steps_out', 'loss'] });
    expect(Object.keys(first)).toEqual(['steps_out', 'loss']);
    expect(first.steps_out!.data).toEqual(new BigInt64Array([42n]));
    const second = await runner.run(feeds, { outputs: ['steps_out', 'loss'] });
    (first.loss!.data as Float32Array)[0] = 99;
    expect(toNumbers(second.loss!)).toEqual([1]);
    await runner.close();
  });

  it('takes views into larger memory and shared memory', async () => {
    const runner = await compile(model('affine'));
    const large = new Float32Array([9, 9, 1, 2, 3, 9]);
    const view: NDArray = { dtype: 'float32', dims: [1, 3], data: large.subarray(2, 5) };
    const shared = new Float32Array(new SharedArrayBuffer(12));
    shared.set([1, 2, 3]);
    for (const x of [view, { ...view, data: shared }])
      expect(toNumbers((await runner.run({ x })).y!)).toEqual([32, 48]);
    await runner.close();
  });
});

describe('refused before the engine is called', () => {
  const cases: [string, string, Arrays, string, RegExp][] = [
    ['a missing input', 'affine', {}, 'usage', /input "x" is missing, expected float32 \[batch, 3\]; got none/],
    ['an unknown input', 'affine', { x, z: x }, 'usage', /no input "z"; its inputs are "x"/],
    [
      'a wrong dtype',
      'affine',
      { x: ndarray('float64', [1, 3], [1, 2, 3]) },
      'dtype',
      /"x" expects float32 \[batch, 3\], got float64 \[1, 3\]/,
    ],
    [
      'a wrong fixed dimension',
      'affine',
      { x: ndarray('float32', [3, 2], [1, 2, 3, 4, 5, 6]) },
      'shape',
      /"x" expects shape \[batch, 3\], got \[3, 2\]/,
    ],
    ['a wrong rank', 'affine', { x: ndarray('float32', [3], [1, 2, 3]) }, 'shape', /\[batch, 3\], got \[3\]/],
    [
      'too few values',
      'affine',
      { x: { dtype: 'float32', dims: [2, 3], data: new Float32Array(5) } },
      'shape',
      /"x" of shape \[2, 3\] should hold 6 values, got 5/,
    ],
    [
      'memory of another kind',
      'affine',
      { x: { dtype: 'float32', dims: [1, 3], data: new Float64Array(3) } },
      'dtype',
      /"x" says float32, so its data should be a Float32Array, got Float64Array/,
    ],
    [
      'one dimension with two sizes',
      'pair',
      { a: ndarray('float32', [1, 2], [1, 2]), b: ndarray('float32', [2, 2], [1, 2, 3, 4]) },
      'shape',
      /"b" expects shape \[n, 2\] with n = 1 as in input "a", got \[2, 2\]/,
    ],
  ];
  it.each(cases)('%s', async (_, name, feeds, code, message) => {
    const runner = await compile(model(name));
    await expect(runner.run(feeds)).rejects.toMatchObject({
      name: 'DynaError',
      code,
      message: expect.stringMatching(message),
    });
    await runner.close();
  });

  it('an unknown output, and a list of none', async () => {
    const runner = await compile(model('affine'));
    await expect(runner.run({ x }, { outputs: ['z'] })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(/no output "z".*"y"/),
    });
    await expect(runner.run({ x }, { outputs: [] })).rejects.toMatchObject({ code: 'usage' });
    await runner.close();
  });

  it('bytes that are no model, and a model with element types that we do not handle', async () => {
    const whole = model('affine');
    await expect(compile(new Uint8Array(0))).rejects.toMatchObject({ code: 'model' });
    await expect(compile(whole.subarray(0, whole.length - 9))).rejects.toMatchObject({
      name: 'DynaError',
      code: 'model',
    });
    await expect(compile('affine.onnx' as unknown as Uint8Array)).rejects.toMatchObject({ code: 'usage' });
    await expect(compile(model('strange'))).rejects.toMatchObject({
      code: 'model',
      message: expect.stringMatching(/input "x".*uint32/),
    });
    expect(openSessions()).toBe(0);
  });

  it('options that the engine does not know', async () => {
    const wrong: SessionOptions[] = [
      { executionProviders: ['abacus'] },
      { intraOpNumThreads: -1 },
      { intraOpNumThreads: 99_999 },
      { graphOptimizationLevel: 'most' as 'all' },
    ];
    for (const options of wrong)
      await expect(compile(model('affine'), options)).rejects.toMatchObject({ name: 'DynaError', code: 'usage' });
  });
});

it("tells the engine's own refusal in one sentence, with the cause", async () => {
  const runner = await compile(model('gather'));
  const error: Error = await runner.run({ at: ndarray('int64', [1], [9]) }).catch((e) => e);
  expect(error).toMatchObject({ name: 'DynaError', code: 'runtime' });
  expect(error.message).toMatch(/^ONNX Runtime could not run the model: Gather "gather": .*idx=9/);
  expect(error.message).not.toMatch(/\n|onnxruntime_src/);
  expect((error.cause as Error).message).toContain('Non-zero status code');
  expect(toNumbers((await runner.run({ at: ndarray('int64', [1], [2]) })).y!)).toEqual([9]);
  await runner.close();
});

describe('sessions', () => {
  it('are shared by equal bytes and options, and end with the last user', async () => {
    const bytes = model('affine');
    const [a, b] = await Promise.all([compile(bytes), compile(Uint8Array.from(bytes), {})]);
    expect(openSessions()).toBe(1);
    const c = await compile(bytes, { graphOptimizationLevel: 'disabled' });
    const d = await compile(bytes, { intraOpNumThreads: undefined } as SessionOptions);
    expect(toNumbers((await d.run({ x })).y!)).toEqual([32, 48, 59, 84]);
    await Promise.all([c.close(), d.close()]);
    expect(openSessions()).toBe(1);
    await a.close();
    await a.close();
    await expect(a.run({ x })).rejects.toMatchObject({ code: 'usage', message: expect.stringMatching(/closed/) });
    expect(toNumbers((await b.run({ x })).y!)).toEqual([32, 48, 59, 84]);
    await b.close();
    expect(openSessions()).toBe(0);
  });

  it('wait for runs in flight before they close', async () => {
    const runner = await compile(model('affine'));
    const run = runner.run({ x });
    const close = runner.close();
    expect(toNumbers((await run).y!)).toEqual([32, 48, 59, 84]);
    await close;
  });
});

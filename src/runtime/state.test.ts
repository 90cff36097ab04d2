import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NDArray, ndarray, toNumbers } from '../graph/array.ts';
import { openStateInWorker } from './remote.ts';
import { openSessions } from './runner.ts';
import { openState, type StateOptions, type StateRunner } from './state.ts';

const model = (name: string) => readFileSync(new URL(`./fixtures/${name}.onnx`, import.meta.url));
const graphs = { train: model('train'), eval: model('eval') };
const state = [
  { input: 'w', output: 'w_out' },
  { input: 'steps', output: 'steps_out' },
];
const initial = () => ({ w: ndarray('float32', [2, 1], [0, 0]), steps: ndarray('int64', [], [0]) });
const rows = [
  [1, 0],
  [0, 1],
  [1, 1],
  [2, 1],
];
const targets = [2, 3, 5, 7];
const batch = () => ({ x: ndarray('float32', [4, 2], rows.flat()), y: ndarray('float32', [4, 1], targets) });

/** The same descent in plain numbers, rounded to float32 where the engine stores. */
function reference(steps: number): { w: number[]; losses: number[] } {
  let w = [0, 0];
  const losses: number[] = [];
  for (let s = 0; s < steps; s++) {
    const miss = rows.map((r, i) => r[0]! * w[0]! + r[1]! * w[1]! - targets[i]!);
    losses.push(miss.reduce((sum, m) => sum + m * m, 0) / 4);
    w = w.map((v, j) => v - 0.05 * miss.reduce((sum, m, i) => sum + m * rows[i]![j]!, 0));
  }
  return { w, losses };
}

const close = (got: NDArray, want: number[]) =>
  toNumbers(got).forEach((v, i) => {
    expect(v).toBeCloseTo(want[i]!, 4);
  });

describe.each([
  ['in this thread', openState],
  ['in a worker', openStateInWorker],
])('state %s', (_, open) => {
  let runner: StateRunner;
  beforeAll(async () => {
    runner = await open(graphs, { state, initial: initial() });
  });
  afterAll(() => runner.close());

  it('shows graphs without their state', () => {
    expect(runner.graphs.train!.inputs.map((s) => s.name)).toEqual(['x', 'y']);
    expect(runner.graphs.train!.outputs.map((s) => s.name)).toEqual(['loss']);
    expect(runner.graphs.eval!.inputs.map((s) => s.name)).toEqual(['x']);
  });

  it('feeds each step with what the one before left, however far ahead the caller is', async () => {
    await runner.write(initial());
    const want = reference(30);
    const metrics = await Promise.all(Array.from({ length: 30 }, () => runner.step(batch())));
    close(
      { dtype: 'float32', dims: [30], data: Float32Array.from(metrics, (m) => toNumbers(m.loss!)[0]!) },
      want.losses,
    );
    expect(Object.keys(metrics[0]!)).toEqual(['loss']);
    const { w, steps } = await runner.read();
    close(w!, want.w);
    expect(steps!.data).toEqual(new BigInt64Array([30n]));
  });

  it('lets another graph read the same state without changing it', async () => {
    await runner.write({ w: ndarray('float32', [2, 1], [10, 1]) });
    const { guess } = await runner.call('eval', { x: ndarray('float32', [1, 2], [2, 3]) });
    expect(toNumbers(guess!)).toEqual([23]);
    expect(toNumbers((await runner.read()).w!)).toEqual([10, 1]);
  });

  it('gives and takes copies', async () => {
    const mine = ndarray('float32', [2, 1], [5, 6]);
    await runner.write({ w: mine });
    (mine.data as Float32Array).fill(-1);
    const read = (await runner.read()).w!;
    expect(toNumbers(read)).toEqual([5, 6]);
    (read.data as Float32Array).fill(-2);
    expect(toNumbers((await runner.read()).w!)).toEqual([5, 6]);
  });

  it('keeps its state when a call is refused, and goes on', async () => {
    await runner.write({ w: ndarray('float32', [2, 1], [7, 8]), steps: ndarray('int64', [], [3]) });
    const wrong: [Promise<unknown>, string, RegExp][] = [
      [
        runner.call('train', { ...batch(), x: ndarray('float32', [1, 2], [1, 2]) }),
        'shape',
        /"x" expects shape \[4, 2\]/,
      ],
      [runner.call('train', { ...batch(), w: initial().w }), 'usage', /"w"/],
      [runner.call('test', batch()), 'usage', /no graph "test", expected one of train, eval/],
      [runner.call('train', batch(), { outputs: ['w_out'] }), 'usage', /no output "w_out"/],
      [runner.write({ w: ndarray('float32', [1, 2], [0, 0]) }), 'shape', /"w" must stay float32 \[2, 1\]/],
      [runner.write({ v: initial().w }), 'usage', /no state "v", expected one of w, steps/],
    ];
    for (const [promise, code, message] of wrong)
      await expect(promise).rejects.toMatchObject({ name: 'DynaError', code, message: expect.stringMatching(message) });
    const { w, steps } = await runner.read();
    expect([...toNumbers(w!), ...toNumbers(steps!)]).toEqual([7, 8, 3]);
    await expect(runner.step(batch())).resolves.toHaveProperty('loss');
  });

  it('refuses a state that changes its shape', async () => {
    const grows = await open(
      { grow: model('grows') },
      { state: [{ input: 's', output: 's_out' }], initial: { s: ndarray('float32', [2], [1, 2]) } },
    );
    await expect(grows.step({})).rejects.toMatchObject({
      code: 'shape',
      message: expect.stringMatching(/"s" must stay float32 \[2\].*\[4\]/),
    });
    expect(toNumbers((await grows.read()).s!)).toEqual([1, 2]);
    await grows.close();
  });

  const unfit: [string, StateOptions, string, RegExp][] = [
    ['no initial value', { state, initial: { w: initial().w } }, 'usage', /"steps" has no initial value/],
    ['a value too many', { state, initial: { ...initial(), v: initial().w } }, 'usage', /without a state.*v/],
    [
      'a wrong shape',
      { state, initial: { ...initial(), w: ndarray('float32', [2], [0, 0]) } },
      'shape',
      /graph "train"/,
    ],
    ['a wrong dtype', { state, initial: { ...initial(), steps: ndarray('int32', [], [0]) } }, 'dtype', /int64 \[\]/],
    [
      'a name that no graph has',
      { state: [{ input: 'q', output: 'q_out' }], initial: { q: initial().w } },
      'usage',
      /no graph has/,
    ],
  ];
  it.each(unfit)('does not open with %s', async (_case, options, code, message) => {
    await expect(open(graphs, options)).rejects.toMatchObject({
      name: 'DynaError',
      code,
      message: expect.stringMatching(message),
    });
  });

  it('is closed once, and says so afterwards', async () => {
    const other = await open({ eval: graphs.eval }, { state: [state[0]!], initial: { w: initial().w } });
    await Promise.all([other.close(), other.close()]);
    await expect(other.read()).rejects.toMatchObject({ code: 'usage', message: expect.stringMatching(/closed/) });
  });
});

it('both threads compute the same bits', async () => {
  const ends = await Promise.all(
    [openState, openStateInWorker].map(async (open) => {
      const runner = await open(graphs, { state, initial: initial() });
      for (let i = 0; i < 20; i++) await runner.step(batch());
      const { w } = await runner.read();
      await runner.close();
      return w!.data;
    }),
  );
  expect(ends[0]).toEqual(ends[1]);
  expect(openSessions()).toBe(0);
});

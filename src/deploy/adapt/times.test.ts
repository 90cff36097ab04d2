import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type DecisionPlan,
  exit,
  exitCosts,
  laptop,
  type Model,
  net,
  parametersOf,
  plan,
} from '../../dynamic/index.ts';
import { classify, conv, materialize } from '../../nn/index.ts';
import { adapt } from './adapt.ts';
import { exported, images, shape, teacher } from './fixtures/classifier.ts';
import type { AdaptOptions } from './options.ts';
import { type Times, timesBy, timesOf } from './times.ts';
import { Work } from './work.ts';

const session = { intraOpNumThreads: 1 };
let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dyna-times-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** Nearly all of its work lies behind its exit. */
const modelOf = (exits: boolean): Model => {
  const made = net({ input: shape, classes: 4, onWarning: () => undefined }, (x) => {
    x = conv(x, 16, { name: 'first' });
    if (exits) x = exit(x, { name: 'exit1', head: (t) => classify(t, { name: 'early' }) });
    for (const name of ['a', 'b', 'c', 'd']) x = conv(x, 48, { name });
    return classify(x, { name: 'last' });
  });
  return {
    net: made,
    weights: new Map(materialize(parametersOf(made), 1)),
    classes: ['0', '1', '2', '3'],
    preprocessing: { shape, scale: 1 / 255, mean: [0.5], std: [0.25] },
  };
};

describe('timing', () => {
  it('tells the way that leaves from the one that stays, with a few images too', async () => {
    const found = await timesOf(modelOf(false), modelOf(true), images(5, 1), { session });
    expect(found.map((t) => t.batch)).toEqual([1, 64]);
    // A twentieth of the work against all of it: no machine is so busy.
    for (const { plain, leaving, staying } of found) {
      expect(plain).toBeGreaterThan(0);
      expect(leaving).toBeLessThan(0.7 * staying);
    }
  });

  it('goes by the clock that it is given, and ends', async () => {
    let now = 0;
    const clock = () => {
      now += 50;
      return now;
    };
    const found = await timesOf(modelOf(false), modelOf(true), images(5, 1), { session, clock });
    expect(found).toEqual([1, 64].map((batch) => ({ batch, plain: 50, leaving: 1, staying: 1 })));
    await expect(
      timesOf(modelOf(false), modelOf(true), images(5, 1), { session, signal: AbortSignal.abort(new Error('enough')) }),
    ).rejects.toThrow('enough');
  });

  it('by constants: arithmetic and questions', () => {
    const machine = { gateMicroseconds: 10, macsPerMicrosecond: 1000 };
    const [early, all] = exitCosts(modelOf(true).net) as [number, number];
    const [one, many] = timesBy(machine, 2e6, modelOf(true)) as [Times, Times];
    expect(one.plain).toBeCloseTo(2, 9);
    expect(one.leaving).toBeCloseTo((early / 1000 + 10) / 2000, 9);
    expect(one.staying).toBeCloseTo((all / 1000 + 10) / 2000, 9);
    expect(many.staying).toBeCloseTo((64 * (all / 1000) + 10) / (64 * 2000), 9);
    // Who leaves carries nothing along.
    const [slow] = timesBy({ ...machine, bytesPerMicrosecond: 100 }, 2e6, modelOf(true)) as [Times, Times];
    const [{ copiedBytes }] = plan(modelOf(true).net) as [DecisionPlan];
    expect(copiedBytes).toBeGreaterThan(0);
    expect(slow.leaving).toBe(one.leaving);
    expect(slow.staying - one.staying).toBeCloseTo(copiedBytes / 100 / 2000, 9);
  });
});

it('a value in a work folder is made once', async () => {
  const work = new Work(join(home, 'kept'), 'a source');
  expect(await work.kept('times', ['x'], async () => [1.5])).toEqual([1.5]);
  expect(await work.kept('times', ['x'], async () => [2.5])).toEqual([1.5]);
  expect(await work.kept('times', ['y'], async () => [2.5])).toEqual([2.5]);
  expect(await new Work(join(home, 'kept'), 'another').kept('times', ['x'], async () => [3.5])).toEqual([3.5]);
  expect(await new Work().kept('times', ['x'], async () => [4.5])).toEqual([4.5]);
});

describe('adapt by time', () => {
  let original: Uint8Array;
  const run = (options: Partial<AdaptOptions>) =>
    adapt(original, { data: images(500, 5), maxDisagreement: 0.1, epochs: 4, views: 1, session, ...options });
  beforeAll(async () => {
    original = exported(await teacher());
  });

  it('goes by what an earlier run has measured, to the same file bit for bit', async () => {
    const work = join(home, 'work');
    await run({ work });
    const folder = (await readdir(work)).find((f) => f.startsWith('times-'))!;
    const path = join(work, folder, 'times.json');
    const measured = JSON.parse(await readFile(path, 'utf8')) as Times[][];
    const put = (leaving: number, staying: number) =>
      writeFile(path, JSON.stringify(measured.map((list) => list.map((t) => ({ ...t, leaving, staying })))));

    // The parts promise much; the finished file, which is timed too, has to keep it.
    await put(0.2, 1);
    expect(Object.keys((await run({ work })).summary.fileTimes!)).toEqual(['1', '64']);
    const file = (await readdir(work)).find((f) => f.startsWith('file-times-'))!;
    const finished = (single: number, many: number) =>
      writeFile(join(work, file, 'file-times.json'), JSON.stringify({ 1: single, 64: many }));
    await finished(1.2, 1.3);
    const slow = await run({ work });
    expect(slow.summary.fullModelKept).toBe(true);
    expect(slow.summary.message).toMatch(
      /^full model kept: what was certified takes \d.* % of the MACs, but more time .*\(measured: 1\.20 /,
    );
    await finished(0.99, 0.98);
    expect((await run({ work })).summary.message).toContain('no less time beyond noise on this machine');
    await finished(0.4, 0.5);
    const [first, second] = [await run({ work }), await run({ work })];
    expect(first.summary).toMatchObject({ fullModelKept: false, selectedBy: 'time', fileTimes: { 1: 0.4, 64: 0.5 } });
    expect(Buffer.from(second.bytes).equals(first.bytes)).toBe(true);
    const { exits, meanTimes, tried, exitTimes } = first.summary;
    expect(meanTimes![1]).toBeCloseTo(0.2 * (1 - exits.final!) + exits.final!, 6);
    expect(tried.frozen!.times![64]).toBeLessThan(1);
    expect(Object.values(exitTimes!).flat()[0]).toMatchObject({ batch: 1, leaving: 0.2, staying: 1 });

    await put(0.9, 3);
    const kept = await run({ work });
    expect(kept.summary.fullModelKept).toBe(true);
    expect(kept.summary.message).toMatch(
      /^full model kept: what was certified takes \d[\d.]* % of the MACs, but more time on this machine/,
    );
    expect(kept.summary.meanMacs).toBe(kept.summary.originalMacs);
    expect(Buffer.from(kept.bytes).equals(original)).toBe(true);
    // Who asks for MACs gets them.
    expect((await run({ work, selectBy: 'macs' })).summary).toMatchObject({ fullModelKept: false, selectedBy: 'macs' });
  });

  it('with constants needs no measurement: where questions are free, exits stay, where they are dear, none does', async () => {
    const free = await run({
      machine: { ...laptop, gateMicroseconds: 0, bytesPerMicrosecond: Number.POSITIVE_INFINITY },
    });
    expect(free.summary.fullModelKept).toBe(false);
    expect(free.summary.meanTimes![1]).toBeCloseTo(free.summary.meanTimes![64]!, 9);
    expect(free.summary.meanTimes![1]).toBeCloseTo(free.summary.meanMacs / free.summary.originalMacs, 6);
    const dear = await run({ machine: { ...laptop, gateMicroseconds: 1e5 } });
    expect(dear.summary.fullModelKept).toBe(true);
    expect(dear.summary.tried.frozen!.times).toEqual({ 1: 1, 64: 1 });
  });
});

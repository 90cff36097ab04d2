import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { dataset, type IndexedSource, Random } from '../data/index.ts';
import { net } from '../dynamic/index.ts';
import { classify, constantRate, conv, flatten, linear, sgd } from '../nn/index.ts';
import { weightsHash } from './fixtures/hash.ts';
import { halves, plan, tiny } from './fixtures/tiny.ts';
import { type Trained, TrainingStopped, type TrainOptions, type TrainProgress, train } from './index.ts';

const root = mkdtempSync(join(tmpdir(), 'dyna-fit-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const place = (name: string): string => join(root, name);
const lines = (path: string): Record<string, unknown>[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

it('learns, tells its progress, and gives back everything that a model needs', async () => {
  const seen: TrainProgress[] = [];
  const metrics = place('learns.jsonl');
  const trained = await train(tiny(8), {
    data: halves(1280, 1),
    validation: halves(400, 2),
    epochs: 4,
    batch: 32,
    metrics,
    onProgress: (p) => seen.push(p),
  });
  expect(trained.history.map((h) => h.epoch)).toEqual([1, 2, 3, 4]);
  const last = trained.history.at(-1)!;
  expect(last.validation!.final).toBeGreaterThan(0.95);
  expect(last.loss).toBeLessThan(0.8 * trained.history[0]!.loss);
  expect(last.entropy.final).toBeLessThan(Math.log(2));

  expect(seen.at(-1)).toMatchObject({ epoch: 4, epochs: 4, step: 160, steps: 160, secondsLeft: 0 });
  expect(seen.length).toBeLessThanOrEqual(2 + trained.training.seconds * 6);
  expect(seen.at(-1)!.accuracy.final).toBeCloseTo(last.accuracy.final!, 12);

  const written = lines(metrics);
  expect(written.filter((l) => l.type === 'step').map((l) => l.step)).toEqual(
    Array.from({ length: 16 }, (_, i) => 10 * (i + 1)),
  );
  expect(written.filter((l) => l.type === 'epoch').at(-1)).toEqual({ type: 'epoch', step: 160, ...last });

  expect(trained).toMatchObject({ seed: 1, classes: ['left', 'right'], training: { epochs: 4 } });
  expect(trained.preprocessing).toEqual({ shape: [1, 8, 8], scale: 1 / 255, mean: [0.45], std: [0.2] });
  const means = [...trained.weights].find(([name]) => name.endsWith('/mean'))?.[1];
  expect([...(means!.data as Float32Array)].some((v) => v !== 0)).toBe(true); // statistics were measured
});

it('trains from a source that is read on the way, to the very weights that memory gives', async () => {
  const held = halves(320, 1);
  let reads = 0;
  const source: IndexedSource = {
    ...{ name: held.name, shape: held.shape, classes: held.classes, mean: held.mean, std: held.std },
    length: held.length,
    async read(index) {
      reads++;
      return { inputs: (held.inputs as Uint8Array).subarray(64 * index, 64 * (index + 1)), label: held.labels[index]! };
    },
  };
  const options = { epochs: 2, batch: 32, seed: 3, augment: { flip: true, crop: 1 } } as const;
  const [streamed, inMemory] = [
    await train(tiny(), { ...options, data: source }),
    await train(tiny(), { ...options, data: held }),
  ];
  expect(weightsHash(streamed)).toBe(weightsHash(inMemory));
  expect(streamed.preprocessing).toEqual(inMemory.preprocessing);
  expect(reads).toBeGreaterThanOrEqual(2 * 320);
});

it('says what is wrong with an item of a source, by its number', async () => {
  const held = halves(64, 1);
  const source: IndexedSource = {
    ...{ name: 'torn', shape: held.shape, classes: held.classes, mean: held.mean, std: held.std, length: 64 },
    read: async (index) => ({ inputs: (held.inputs as Uint8Array).subarray(0, index === 7 ? 63 : 64), label: 0 }),
  };
  await expect(train(tiny(), { data: source, epochs: 1, batch: 32 })).rejects.toThrow('item 7 of torn has 63 values');
});

it('leaves the event loop free', async () => {
  // 2 billion products a step: far longer than a tick of the timer, on any machine.
  const heavy = net({ input: [1, 8, 8], classes: 2 }, (x) => classify(conv(conv(x, 48), 48)));
  let ticks = 0;
  let steps = 0;
  const timer = setInterval(() => ticks++, 1);
  await train(heavy, {
    data: halves(2560, 1),
    epochs: 2,
    batch: 512,
    schedule: (step) => {
      if (step === 1) ticks = 0;
      steps = step;
      return 0.01;
    },
  });
  clearInterval(timer);
  expect(steps).toBe(9);
  expect(ticks).toBeGreaterThan(2 * steps); // a blocked loop ticks once between two steps
});

it('stops after the running step when asked to, and goes on to the same bits', async () => {
  const { net: tinyNet, options } = plan();
  const short: TrainOptions = { ...options, epochs: 2 };
  const unbroken = await train(tinyNet, short);
  expect(weightsHash(await train(tinyNet, { ...short, seed: 6 }))).not.toBe(weightsHash(unbroken));
  for (const at of [7, 20]) {
    const stop = new AbortController();
    const checkpoint = place(`stopped-${at}`);
    const metrics = place(`stopped-${at}.jsonl`);
    const ends = () => lines(metrics).flatMap((line, i, all) => (line.type === 'end' ? [[i - all.length, line]] : []));
    const schedule: TrainOptions['schedule'] = (step, total) => {
      if (step === at) stop.abort(); // step `at` is prepared while the one before it runs
      return short.schedule!(step, total);
    };
    const error = await train(tinyNet, { ...short, schedule, checkpoint, metrics, signal: stop.signal }).catch(
      (e) => e,
    );
    expect(error).toBeInstanceOf(TrainingStopped);
    const path = join(checkpoint, 'checkpoint.dyna');
    expect(error).toMatchObject({ code: 'training', reason: 'interrupted', checkpoint: path });
    expect(error.message).toBe(`training was stopped after step ${at}; ${path} holds it, resume continues`);
    const stopped = { type: 'end', step: at, how: 'stopped' };
    expect(ends()).toEqual([[-1, stopped]]);
    await expect(train(tinyNet, { ...short, checkpoint })).rejects.toThrow(
      `${path} holds a training that stands at step ${at}; continue it with resume`,
    );
    const resumed = await train(tinyNet, { ...short, checkpoint, metrics, resume: true });
    const finished = { type: 'end', step: 40, how: 'finished' };
    expect(ends().map(([, line]) => line)).toEqual([stopped, finished]);
    expect(ends().at(-1)).toEqual([-1, finished]);
    await train(tinyNet, { ...short, checkpoint, metrics, resume: true });
    expect(ends().map(([, line]) => line)).toEqual([stopped, finished]);
    expect(weightsHash(resumed)).toBe(weightsHash(unbroken));
    const untimed = ({ history }: Trained) => history.map((h) => ({ ...h, seconds: 0, imagesPerSecond: 0 }));
    expect(untimed(resumed)).toEqual(untimed(unbroken));
  }
});

it('refuses a start of other shapes, or with names that the net does not know', async () => {
  const { weights } = await train(tiny(), { data: halves(64, 1), epochs: 1, batch: 32 });
  const [name, value] = [...weights].find(([, v]) => v.dims.length === 4)!;
  const turned = new Map([[name, { ...value, dims: [...value.dims].reverse() }]]);
  const options = { data: halves(64, 1), epochs: 1, batch: 32 };
  await expect(train(tiny(), { ...options, start: turned })).rejects.toThrow(
    `the start of "${name}" should be [${value.dims.join(', ')}], got [${[...value.dims].reverse().join(', ')}]`,
  );
  const scoped = new Map([...weights].map(([n, v]) => [`net/${n}`, v]));
  await expect(train(tiny(), { ...options, start: scoped })).rejects.toThrow(
    /none of the \d+ weights to start from is a parameter/,
  );
  // What a larger net knows beyond this one is left aside.
  await train(tiny(), { ...options, start: new Map([...scoped, ...weights]) });
});

it('a checkpoint of another recipe is refused with what differs; a longer plan with the same rates goes on', async () => {
  const checkpoint = place('recipe');
  const base: TrainOptions = {
    data: halves(128, 1),
    epochs: 1,
    batch: 32,
    schedule: constantRate(0.01),
    checkpoint,
    resume: true,
  };
  await train(tiny(), base);
  const refused: [Partial<TrainOptions>, number, RegExp][] = [
    [{ batch: 16 }, 4, /batch \(32, now 16\)/],
    [{ seed: 2 }, 4, /seed \(1, now 2\)/],
    [{ data: halves(128, 3) }, 4, /training data \(other content under the name halves\)/],
    [
      { data: halves(128, 1, 'photos'), augment: { flip: true } },
      4,
      /augmentation \(\{\}, now \{"flip":true\}\)$|augmentation/,
    ],
    [{ optimizer: sgd({ momentum: 0.8 }) }, 4, /training step \(settings of optimizer/],
    [{ schedule: constantRate(0.02) }, 4, /learning rates of the 4 steps done/],
    [{}, 5, /parameters \(conv1\/.* \[4.*, now conv1\/.* \[5/],
  ];
  for (const [change, width, what] of refused) {
    const error = await train(tiny(width), { ...base, ...change }).catch((e) => e);
    expect(error).toMatchObject({ code: 'training', message: expect.stringMatching(what) });
    expect(error.message).toMatch(/belongs to another training; what differs:/);
  }
  const longer = await train(tiny(), { ...base, epochs: 2 });
  expect(weightsHash(longer)).toBe(
    weightsHash(await train(tiny(), { ...base, epochs: 2, checkpoint: place('longer') })),
  );
  await expect(train(tiny(), base)).rejects.toThrow(/the epochs \(2 planned, now 1\)/);
  const warnings: string[] = [];
  await train(tiny(), { ...base, epochs: 2, session: { intraOpNumThreads: 1 }, onWarning: (m) => warnings.push(m) });
  expect(warnings).toEqual([expect.stringMatching(/other conditions: threads \(0, now 1\); the last bits/)]);
});

it('data that a net cannot be trained on is refused before the first step', async () => {
  const cases: [Partial<TrainOptions>, RegExp][] = [
    [{ data: halves(16, 1) }, /halves has 16 items, too few for one batch of 32/],
    [{ data: { ...halves(64, 1), labels: new Int32Array(64) } }, /at least two classes, all 64 items are "left"/],
    [
      { data: { ...halves(64, 1), labels: new Int32Array(64).fill(1, 0, 9).fill(2, 9, 10) } },
      /label 2 of item 9 .* expected 0 to 1/,
    ],
    [{ data: { ...halves(64, 1), classes: ['a', 'b', 'c'] } }, /answers with 2 classes, halves has 3/],
    [{ validation: { ...halves(64, 1), shape: [64] } }, /takes inputs \[1, 8, 8\], the items of halves are \[64\]/],
    [{ epochs: 0 }, /epochs is a whole number of at least 1, got 0/],
    [{ lr: 0.1, schedule: constantRate(0.1) }, /lr and schedule were both given/],
    [{ resume: true }, /resume needs a checkpoint folder/],
    [{ weights: [1] }, /2 answers need as many loss weights, got 1/],
    [{ schedule: () => Number.NaN }, /schedule gave NaN for step 0 of 2/],
  ];
  for (const [change, message] of cases)
    await expect(train(tiny(), { data: halves(64, 1), epochs: 1, batch: 32, ...change })).rejects.toThrow(message);
});

it('memory stays flat over 1,000 steps', async () => {
  const random = new Random(3);
  const inputs = Float32Array.from({ length: 320 * 1024 }, () => random.float());
  const data = dataset({ inputs, shape: [1024], labels: Array.from({ length: 320 }, (_, i) => i % 2) });
  // 130 KiB of batch and 1 MiB of state a step: 1 GiB if they stayed.
  const wide = net({ input: [1024], classes: 2 }, (x) => linear(linear(flatten(x), 128), 2));
  const rss: number[] = [];
  await train(wide, {
    data,
    epochs: 130,
    batch: 32,
    schedule: (step) => {
      if (step === 280 || step === 1280) rss.push(process.memoryUsage.rss() / 2 ** 20);
      return 1e-3;
    },
  });
  expect(rss).toHaveLength(2);
  expect(rss[1]! - rss[0]!).toBeLessThan(250); // a busy machine frees late
});

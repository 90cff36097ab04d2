import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { largestDifference } from '../../test/support/difference.ts';
import { bindingHash, type CertifiedModel, exitCosts, experts, net, skip } from '../dynamic/index.ts';
import { ndarray } from '../graph/index.ts';
import { classify, conv } from '../nn/index.ts';
import { openSessions } from '../runtime/index.ts';
import { reference } from './fixtures/reference.ts';
import { certifiedShirts, gated, modelOf, normalised, pixels, shape, shirts } from './fixtures/shirts.ts';
import { type LoadedModel, load, toBytes } from './index.ts';

let certified: CertifiedModel;
let model: LoadedModel;
let plain: LoadedModel;
beforeAll(async () => {
  certified = await certifiedShirts();
  model = await load(toBytes(certified));
  plain = await load(toBytes(modelOf(shirts())));
});
afterAll(async () => {
  await model.close();
  await plain.close();
  expect(openSessions()).toBe(0);
});

const never = { exit1: Number.POSITIVE_INFINITY, exit2: Number.POSITIVE_INFINITY };

describe('run', () => {
  test('gives what a stock session gives, with answers, choices and costs', async () => {
    const bytes = pixels(40);
    const x = normalised(bytes);
    const session = await InferenceSession.create(toBytes(certified), { logSeverityLevel: 4 });
    const bare = await session.run({ input: new Tensor('float32', x.data as Float32Array, x.dims) });
    await session.release();
    const { output, answers, trace, point, ms } = await model.run(x);
    expect(output.dims).toEqual([40, 3]);
    expect(largestDifference(output.data, bare.logits!.data as Float32Array)).toBe(0);
    expect(ms).toBeGreaterThan(0);
    expect(point).toEqual({ budget: certified.chosen.budget, certified: true });

    const costs = exitCosts(certified.net);
    const names = ['exit1', 'exit2', 'final'];
    for (const [i, answer] of answers.entries()) {
      const passed = Number((bare.trace!.data as Float32Array)[i]);
      expect(answer.exit).toBe(names[passed]);
      expect(trace[i]!.macs).toBe(costs[passed]);
      const logits = Array.from(output.data.slice(3 * i, 3 * i + 3) as Float32Array);
      const heat = passed < 2 ? Number(certified.weights.get(`${answer.exit}/temperature`)!.data[0]) : 1;
      const weights = logits.map((v) => Math.exp(v / heat));
      const best = logits.indexOf(Math.max(...logits));
      expect(answer).toMatchObject({ index: best, class: certified.classes[best] });
      expect(answer.confidence).toBeCloseTo(weights[best]! / weights.reduce((a, b) => a + b), 6);
    }
    expect(new Set(answers.map((a) => a.exit)).size).toBeGreaterThan(1);
  });

  test('takes bare values too: floats as they are, bytes (clamped or not) through its preprocessing', async () => {
    const bytes = pixels(3);
    const want = (await model.run(normalised(bytes))).output;
    for (const images of [normalised(bytes).data as Float32Array, bytes, Uint8ClampedArray.from(bytes)])
      expect(largestDifference((await model.run(images)).output.data, want.data)).toBeLessThan(1e-5);
    const wrong = async (images: unknown) => model.run(images as Uint8Array);
    await expect(wrong(new Float32Array(127))).rejects.toThrow('has 128 values, got 127');
    await expect(wrong(undefined)).rejects.toMatchObject({ code: 'dtype' });
    await expect(wrong([1, 2])).rejects.toThrow('bare or with a shape ({ dtype, dims, data }), got Array');
  });

  test('the confidence of an exit is softmax over its fitted temperature', async () => {
    const weights = new Map(certified.weights).set('exit1/temperature', ndarray('float32', [], [2.5]));
    const warm = await load(
      toBytes({ net: certified.net, classes: certified.classes, preprocessing: certified.preprocessing, weights }),
    );
    const { output, answers } = await warm.run(pixels(1), { thresholds: { exit1: Number.NEGATIVE_INFINITY } });
    await warm.close();
    const parts = Array.from(output.data as Float32Array, (v) => Math.exp(v / 2.5));
    expect(answers[0]!.exit).toBe('exit1');
    expect(answers[0]!.confidence).toBeCloseTo(Math.max(...parts) / parts.reduce((a, b) => a + b), 6);
  });

  test('takes raw pixels, uint8 arrays, one image without a batch axis; all the same', async () => {
    const bytes = pixels(1);
    const x = normalised(bytes);
    const want = (await model.run(x)).output;
    for (const images of [
      bytes,
      ndarray('uint8', [1, ...shape], bytes),
      ndarray('uint8', shape, bytes),
      ndarray('float32', shape, x.data),
    ]) {
      const { output } = await model.run(images);
      expect(output.dims).toEqual([1, 3]);
      expect(largestDifference(output.data, want.data)).toBe(0);
    }
  });

  test('refuses images of another size or type with one sentence', async () => {
    await expect(model.run(pixels(1).subarray(1))).rejects.toThrow('an image [2, 8, 8] has 128 values, got 127');
    await expect(model.run(new Uint8Array(0))).rejects.toMatchObject({ code: 'shape' });
    await expect(model.run(ndarray('float32', [1, 8, 8, 2], new Float32Array(128)))).rejects.toThrow(
      'takes images [n, 2, 8, 8], got [1, 8, 8, 2]',
    );
    await expect(model.run(ndarray('float32', [0, ...shape], []))).rejects.toThrow('at least one image');
    await expect(model.run(ndarray('float64', shape, new Float64Array(128)))).rejects.toMatchObject({ code: 'dtype' });
    const lying = { dtype: 'uint8', dims: [2, ...shape], data: pixels(1) } as const;
    await expect(model.run(lying)).rejects.toThrow('have 256 values, got 128');
  });

  test('in a worker thread: the same', async () => {
    const worker = await load(toBytes(certified), { worker: true });
    const images = pixels(3);
    const [here, there] = [await model.run(images), await worker.run(images)];
    await worker.close();
    expect(largestDifference(here.output.data, there.output.data)).toBe(0);
    expect(there.answers).toEqual(here.answers);
  });

  test('the branch form takes one image at a time and says so', async () => {
    const single = await load(toBytes(certified, { form: 'branch' }));
    const one = await single.run(pixels(1));
    expect(largestDifference(one.output.data, (await model.run(pixels(1))).output.data)).toBeLessThan(1e-4);
    await expect(single.run(pixels(2))).rejects.toThrow('one image at a time (form "branch"), got 2');
    await single.close();
  });

  test('a net without exits answers with "final"; its gate shows in the trace', async () => {
    const gate = modelOf(gated());
    const loaded = await load(toBytes(gate));
    const forced = await loaded.run(pixels(4), { thresholds: { select1: Number.NEGATIVE_INFINITY } });
    const skipped = await loaded.run(pixels(4), { thresholds: { select1: Number.POSITIVE_INFINITY } });
    const free = await loaded.run(pixels(64));
    const half = await loaded.run(pixels(64), { thresholds: { select1: 0 } });
    await loaded.close();
    expect(forced.answers.map((a) => a.exit)).toEqual(new Array(4).fill('final'));
    expect(forced.trace[0]!.rows).toMatchObject([{ decision: 'select1', value: 1, reached: true }]);
    expect(forced.trace[0]!.macs).toBe(loaded.card.fullMacs);
    expect(skipped.trace[0]!.macs).toBeLessThan(loaded.card.fullMacs);
    // Nothing is calibrated: the gate parts where it was trained to, at 0.
    expect(free.trace).toEqual(half.trace);
    expect(free.point).toMatchObject({ certified: false });
  });
});

describe('thresholds of the caller', () => {
  test('are honoured (a stock Node session would ignore them), and are not certified', async () => {
    const x = normalised(pixels(16));
    for (const thresholds of [
      { exit1: -0.9, exit2: -0.7 },
      { ...never, exit2: Number.NEGATIVE_INFINITY },
    ]) {
      const { output, point } = await model.run(x, { thresholds });
      const want = await reference(certified, thresholds, x);
      expect(largestDifference(output.data, want.logits.data)).toBeLessThan(1e-4);
      expect(point).toMatchObject({ budget: null, certified: false, note: expect.stringContaining('not certified') });
    }
  });

  test('that are a certified point are that point', async () => {
    const { point } = await model.run(pixels(1), { thresholds: certified.points[0]!.thresholds });
    expect(point).toEqual({ budget: certified.points[0]!.budget, certified: true });
  });

  test('that cannot be meant are refused', async () => {
    const images = pixels(1);
    const run = (thresholds: Record<string, number | number[]>) => model.run(images, { thresholds });
    await expect(run({ exit9: 0 })).rejects.toThrow('no decision "exit9"; its decisions are exit1, exit2');
    await expect(run({ exit1: Number.NaN })).rejects.toThrow('threshold of "exit1" should be one number');
    await expect(run({ exit1: [1, 2] })).rejects.toThrow('got [1,2]');
    await expect(model.run(images, { thresholds: {}, budget: 0.5 })).rejects.toThrow(
      'a budget or thresholds, got both',
    );
  });
});

describe('budget', () => {
  test('takes the nearest certified point and its thresholds', async () => {
    const x = normalised(pixels(24));
    const proven = certified.points.filter((p) => p.certified);
    expect(proven.length).toBeGreaterThan(2);
    for (const budget of [1, 0.83, 0.6, ...proven.map((p) => p.budget)]) {
      const nearest = proven.reduce((a, b) => (Math.abs(b.budget - budget) < Math.abs(a.budget - budget) ? b : a));
      const { output, point } = await model.run(x, { budget });
      expect(point).toMatchObject({ budget: nearest.budget, certified: true });
      const want = await reference(certified, nearest.thresholds, x);
      expect(largestDifference(output.data, want.logits.data)).toBeLessThan(1e-4);
    }
  });

  test('between the cheapest path and the boldest certified point: that point, and a note', async () => {
    const careful = await load(toBytes(await certifiedShirts(0.3)));
    const bold = Math.min(...careful.card.points.filter((p) => p.certified).map((p) => p.budget));
    const cheapest = exitCosts(certified.net)[0]! / careful.card.fullMacs;
    const { point } = await careful.run(pixels(1), { budget: (bold + cheapest) / 2 });
    expect(point).toMatchObject({ budget: bold, certified: true, note: expect.stringContaining('is not certified') });
    expect((await careful.run(pixels(1), { budget: bold })).point.note).toBeUndefined();
    await careful.close();
  });

  test('that is no budget, or lies below the cheapest path, is one clear error', async () => {
    for (const budget of [0, -1, 1.01, Number.NaN, Number.POSITIVE_INFINITY, '0.4' as unknown as number])
      await expect(model.run(pixels(1), { budget })).rejects.toThrow(`above 0 and at most 1, got ${budget}`);
    const cheapest = exitCosts(certified.net)[0]! / exitCosts(certified.net)[2]!;
    await expect(model.run(pixels(1), { budget: cheapest * 0.9 })).rejects.toThrow(
      /below the cheapest path of "shirts"/,
    );
    await expect(model.run(pixels(1), { budget: cheapest })).resolves.toBeDefined();
  });

  test('of a model without a certificate: only the full path', async () => {
    expect((await plain.run(pixels(1), { budget: 1 })).point).toMatchObject({ budget: 1, certified: false });
    await expect(plain.run(pixels(1), { budget: 0.5 })).rejects.toThrow(/no certified operating points/);
    expect((await plain.run(pixels(1))).point).toEqual({ budget: 1, certified: false, note: 'not certified' });
  });
});

describe('maxMacs', () => {
  test('no input spends more, whatever the thresholds', async () => {
    const costs = exitCosts(certified.net);
    for (const [e, cap] of [costs[0]!, costs[1]! - 1, costs[1]!, costs[2]! - 1].entries()) {
      for (const options of [{}, { budget: 1 }, { thresholds: never }]) {
        const { trace, point } = await model.run(pixels(32), { ...options, maxMacs: cap });
        expect(Math.max(...trace.map((t) => t.macs))).toBeLessThanOrEqual(cap);
        expect(point).toMatchObject({ certified: false, note: expect.stringContaining('not certified') });
        // and what the cap leaves room for is used
        if ('thresholds' in options) expect(trace[0]!.macs).toBe(costs[e < 2 ? 0 : 1]);
      }
    }
  });

  test('holds for an input that is not a number', async () => {
    const x = ndarray('float32', [1, ...shape], new Float32Array(128).fill(Number.NaN));
    const costs = exitCosts(certified.net);
    const { trace } = await model.run(x, { maxMacs: costs[0]! });
    expect(trace[0]!.macs).toBe(costs[0]);
  });

  test('that the full path fits changes nothing, the certificate included', async () => {
    const { output, point } = await model.run(pixels(8), { maxMacs: model.card.fullMacs });
    expect(point).toEqual({ budget: certified.chosen.budget, certified: true });
    expect(largestDifference(output.data, (await model.run(pixels(8))).output.data)).toBe(0);
  });

  test('no threshold makes more of the best two experts run than two', async () => {
    const parted = net({ input: shape, classes: 3, name: 'parted', onWarning() {} }, (x) => {
      const one = (t: typeof x) => conv(t, 4);
      return classify(experts(conv(x, 4, { activation: 'relu' }), [one, one, one], { top: 2 }));
    });
    const loaded = await load(toBytes(modelOf(parted)));
    const { thresholds } = loaded.card.points[loaded.card.chosen]!;
    const [name] = Object.keys(thresholds);
    await expect(loaded.run(pixels(1), { thresholds: { [name!]: 5 } })).rejects.toThrow(
      /of which each input runs 2: it has no threshold of its own, got 5/,
    );
    const { trace } = await loaded.run(pixels(8), { thresholds });
    for (const { macs } of trace) expect(macs).toBe(loaded.card.fullMacs);
    await loaded.close();
  });

  test('below the cheapest path, or no number, is one clear error', async () => {
    const least = exitCosts(certified.net)[0]!;
    await expect(model.run(pixels(1), { maxMacs: least - 1 })).rejects.toThrow(`which takes ${least} MACs`);
    await expect(model.run(pixels(1), { maxMacs: Number.NaN })).rejects.toMatchObject({ code: 'usage' });
  });
});

describe('drift', () => {
  test('inputs like the certify split are as expected, others are not', async () => {
    const fresh = await load(toBytes(certified));
    expect(() => fresh.drift()).toThrow(/no input has been run/);
    await fresh.run(pixels(150, 12)); // the certify split itself
    expect(fresh.drift()).toMatchObject({ drifted: false });
    expect(fresh.drift().live).toEqual(certified.chosen.shares);
    await fresh.run(pixels(500), { thresholds: never }); // another setting does not count
    expect(fresh.drift().live).toEqual(certified.chosen.shares);

    const { exits } = { exits: (await fresh.run(pixels(150), { budget: 1 })).answers.map((a) => a.exit) };
    expect(new Set(exits)).toEqual(new Set(['final']));
    expect(fresh.drift({ budget: 1 }).live).toEqual([0, 0, 1]);
    await fresh.close();

    const other = await load(toBytes(certified));
    const black = new Uint8Array(300 * 128); // all leave at one place
    await other.run(black);
    expect(other.drift()).toMatchObject({ drifted: true });
    await other.close();
  });

  test('needs a certificate, and exits', async () => {
    expect(() => plain.drift()).toThrow(/"shirts" is not certified/);
    const made = net({ input: shape, classes: 3, name: 'skipping', onWarning() {} }, (x) =>
      classify(skip(conv(x, 4), (t) => conv(t, 4))),
    );
    const { points, chosen, ...rest } = certified;
    const moved = { ...points[0]!, thresholds: { skip1: 0 }, shares: [1] };
    const skipping = await load(
      toBytes({
        ...rest,
        ...modelOf(made),
        points: [moved],
        chosen: moved,
        hash: bindingHash(modelOf(made).weights, modelOf(made).preprocessing, [moved]),
      }),
    );
    expect(() => skipping.drift()).toThrow(/"skipping" has no exits, and a drift check compares where inputs leave/);
    await skipping.close();
  });
});

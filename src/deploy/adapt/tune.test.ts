import { beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, subset, takeBatch } from '../../data/index.ts';
import {
  argmaxAt,
  costTable,
  cut,
  type Model,
  observations,
  parametersOf,
  zeroLossSampleSize,
} from '../../dynamic/index.ts';
import { encodeModel, input, type NDArray, ndarray, sizeOf, toOnnx } from '../../graph/index.ts';
import { sgd } from '../../nn/index.ts';
import { compile } from '../../runtime/index.ts';
import { load } from '../load.ts';
import { readCard } from '../read-card.ts';
import { type Adapted, adapt } from './adapt.ts';
import { assess } from './assess.ts';
import { calibrated } from './calibrated.ts';
import { type Claim, goalOf, type Referred } from './claim.ts';
import { expected } from './expected.ts';
import { exported, images, teacher } from './fixtures/classifier.ts';
import { type Foreign, readForeign } from './foreign.ts';
import { withExits } from './heads.ts';
import { type ExitPlan, planExits } from './plan.ts';
import { prove } from './prove.ts';
import { harmless, referenceAnswers } from './reference.ts';
import { relativeSteps } from './relative.ts';
import { beforeOriginal, between, tune } from './tune.ts';

type Weights = ReadonlyMap<string, NDArray>;
const session = { intraOpNumThreads: 1 };

let original: Uint8Array;
let foreign: Foreign;
let plan: ExitPlan;
/** With heads that have learned a little. */
let heads: Weights;
let data: Dataset;
let fresh: Dataset;
beforeAll(async () => {
  const made = await teacher();
  original = exported(made, { softmax: true, output: 'probs' });
  foreign = readForeign(original);
  data = images(1200, 5);
  fresh = images(500, 6);
  const frozen = await adapt(original, { data, maxDisagreement: 0.3, epochs: 3, views: 1, selectBy: 'macs', session });
  const all = planExits(foreign);
  const kept = frozen.plan.exits.map((e) => e.name);
  plan = { ...all, exits: all.exits.filter((e) => kept.includes(e.name)) };
  heads = frozen.candidate.weights;
});

const { shape, mean, std } = images(1, 1);
const modelOf = (net: Model['net'], weights: Weights): Model => ({
  net,
  weights,
  classes: foreign.classes,
  preprocessing: { shape, scale: 1 / 255, mean, std },
});

const start = (): Model => modelOf(withExits(foreign, plan.exits, 'adapted'), heads);

/** A little noise on the original's own weights, as a bad training might leave them. */
const disturbed = (weights: Weights, by: number): Weights =>
  new Map(
    [...weights].map(([name, w]): [string, NDArray] =>
      foreign.weights.has(name) && w.dims.length > 1
        ? [
            name,
            ndarray(
              w.dtype,
              w.dims,
              (w.data as Float32Array).map((v, i) => v * (1 + by * Math.sin(7 * i))),
            ),
          ]
        : [name, w],
    ),
  );

describe('a backbone that is trained too', () => {
  let adapted: Adapted;
  beforeAll(async () => {
    adapted = await adapt(original, {
      data,
      test: fresh,
      maxHarm: 0.05,
      selectBy: 'macs',
      session,
      epochs: 4,
      views: 2,
      tune: { epochs: 2, lr: 1e-3 },
    });
  });

  it('is tried beside the frozen one, and the cheapest on the tune part is certified', async () => {
    const { summary, model, plan: chosen } = adapted;
    expect(Object.keys(summary.tried)).toEqual(['frozen', 'tuned', 'tuned, then original']);
    const least = Math.min(...Object.values(summary.tried).map((t) => t.macs));
    expect(summary.tried[summary.way]).toEqual({ macs: least });
    expect(summary.meanMacs).toBeLessThan(chosen.macs);
    expect(model!.certificate).toMatchObject({ risk: 'harm', epsilon: 0.05, n: 360 });
    expect(summary.test!.harm).toBeLessThanOrEqual(0.05);
    const { certificate, names, output } = readCard(adapted.bytes);
    expect(certificate!.message).toContain("of the original's MACs");
    expect({ names, output }).toEqual({ names: { input: 'image', output: 'probs' }, output: 'probabilities' });
  });

  it('the bound counts against the original, which the file is compared with here', async () => {
    const { held, summary, bytes } = adapted;
    const reference = await referenceAnswers(foreign, held);
    const all = Int32Array.from({ length: held.length }, (_, i) => i);
    const dynamic = await load(bytes);
    const { answers } = await dynamic.run(takeBatch(held, all).x);
    await dynamic.close();
    const harmed = answers.filter((a, i) => a.index !== held.labels[i] && reference[i] === held.labels[i]).length;
    expect(summary.seen).toBeCloseTo(harmed / held.length, 10);
  });
});

describe('training', () => {
  it('moves the backbone towards the labels, and keeps near the original where these are its own answers', async () => {
    const begin = start();
    const answers = await referenceAnswers(foreign, data);
    const weights = await tune(
      {
        original: modelOf(cut(begin.net), foreign.weights),
        start: begin,
        images: { ...data, labels: answers, classes: [...foreign.classes] },
      },
      { epochs: 1, lr: 1e-3 },
    );
    const moved = [...foreign.weights].filter(([name, w]) => !w.data.every((v, i) => v === weights.get(name)!.data[i]));
    expect(moved.length).toBeGreaterThan(5);
    const seen = await observations(modelOf(begin.net, weights), { ...fresh, classes: [...foreign.classes] });
    const want = await referenceAnswers(foreign, fresh);
    const agree = (column: number) =>
      want.filter((a, i) => a === seen.answers[i * seen.names.length + column]).length / want.length;
    for (const column of seen.names.keys()) expect(agree(column)).toBeGreaterThan(0.5);
    expect(agree(seen.names.length - 1)).toBeGreaterThan(0.85);
  });

  it('shifts and mirrors images only where the original does not mind', async () => {
    // Left and right are classes here: a mirrored image is of another one. Up and down are not touched by a mirror.
    expect(await harmless(foreign, data, {})).not.toHaveProperty('flip');
    const upright = subset(
      data,
      Array.from(data.labels).flatMap((l, i) => (l % 2 === 0 ? [i] : [])),
    );
    expect(await harmless(foreign, upright, {})).toHaveProperty('flip', true);
  });
});

describe('weights between two trained ones', () => {
  it('lie on the line from one to the other', () => {
    const [a, b] = [start().weights, disturbed(start().weights, 0.5)];
    expect(between(a, b, 1)).toBe(b);
    const half = between(a, b, 0.5);
    for (const [name, { data: values }] of half)
      for (const i of [0, values.length - 1])
        expect(values[i]).toBeCloseTo((Number(a.get(name)!.data[i]) + Number(b.get(name)!.data[i])) / 2, 6);
  });
});

describe('relative steps', () => {
  it('move each weight by its own size: a model that takes pixels 0 to 255 is tuned as one that takes 0 to 1', async () => {
    const net = withExits(foreign, plan.exits, 'adapted');
    const sized = relativeSteps(sgd({ momentum: 0 }), net, foreign.weights);
    const trained = parametersOf(net).filter((p) => p.role !== 'statistic');
    const size = trained.reduce((sum, p) => sum + sizeOf(p.shape), 0);
    const [param, gradient] = [input('param', [size]), input('gradient', [size])];
    const o = { param, gradient, slots: [], lr: input('lr', []), step: input('step', []), decay: gradient };
    const { param: next } = sized.update(o);
    const runner = await compile(encodeModel(toOnnx({ next })));
    const out = await runner.run({
      param: ndarray('float32', [size], new Float32Array(size)),
      gradient: ndarray('float32', [size], new Float32Array(size).fill(1)),
      lr: ndarray('float32', [], [1]),
    });
    await runner.close();
    let at = 0;
    for (const { name, shape: own } of trained) {
      const value = foreign.weights.get(name)?.data as Float32Array | undefined;
      const rms = value ? Math.max(1e-3, Math.hypot(...value) / Math.sqrt(value.length)) : 1;
      expect(out.next!.data[at]).toBeCloseTo(-rms, 5);
      at += sizeOf(own);
    }
  });
});

describe('tuned exits before the whole original', () => {
  it('answer as the original wherever nobody leaves, whatever became of the tuned copy, and pay for both', async () => {
    const begin = start();
    const { net, weights } = beforeOriginal(foreign, plan.exits, 'both', disturbed(begin.weights, 0.5));
    const seen = await observations(modelOf(net, weights), fresh);
    const last = seen.names.length - 1;
    const want = await referenceAnswers(foreign, fresh);
    for (let i = 0; i < fresh.length; i++) expect(seen.answers[i * seen.names.length + last]).toBe(want[i]);
    const whole = costTable(net).reduce((sum, r) => sum + r.macs, 0);
    const shared = costTable(begin.net).reduce((sum, r) => sum + r.macs, 0);
    expect(whole / shared).toBeGreaterThan(1.2);
  });
});

describe('a certificate against the original', () => {
  const claim: Claim = { risk: 'disagreement', epsilon: 0.05, delta: 0.1 };
  const refer = async (set: Dataset) => ({ images: set, reference: await referenceAnswers(foreign, set) });

  const assessed = async (model: Model, tuning: Referred, of: Claim) =>
    assess(
      model,
      calibrated(model, await observations(model, tuning.images, { session }), tuning, of),
      tuning,
      goalOf(of, tuning.images.length),
    );

  it('is refused where the last answer itself has drifted away', async () => {
    const begin = start();
    const drifted = modelOf(begin.net, disturbed(begin.weights, 3));
    const found = await assessed(drifted, await refer(images(200, 21)), claim);
    expect(expected(found, goalOf(claim, 300), plan.macs).macs).toBe(plan.macs);
    const { certificate, model, meanMacs } = await prove(found, await refer(images(300, 22)), claim, plan.macs);
    expect(certificate.fullModelKept).toBe(true);
    expect([model, meanMacs]).toEqual([undefined, plan.macs]);
  });

  it('counts the drift of the last answer with what the exits add', async () => {
    const begin = start();
    const drifted = modelOf(begin.net, disturbed(begin.weights, 0.15));
    const wide = { ...claim, epsilon: 0.4 };
    const held = await refer(images(400, 22));
    const found = await assessed(drifted, await refer(images(400, 21)), wide);
    const { certificate } = await prove(found, held, wide, plan.macs);
    const seen = await observations(drifted, held.images);
    const width = seen.names.length;
    const exits = width - 1;
    const points = [...certificate.points, ...(certificate.stoppedAt ? [certificate.stoppedAt] : [])];
    const finite = points.filter((p) => p.counts.length <= exits + 2);
    expect(finite.length).toBeGreaterThan(1);
    for (const p of finite) {
      let lost = 0;
      for (let i = 0; i < seen.n; i++) {
        const e = Array.from({ length: exits }, (_, k) => k).find(
          (k) => seen.scores[i * exits + k]! > p.thresholds[k]!,
        );
        const logits = seen.logits[e ?? exits]!;
        if (argmaxAt(logits, i * 4, 4) !== held.reference[i]) lost++;
      }
      expect(p.risk).toBeCloseTo(lost / seen.n, 10);
    }
    expect(points[0]!.risk).toBeGreaterThan(0);
  });

  it('the budget chooses the safest certified point that keeps it', async () => {
    const begin = start();
    const wide = { ...claim, epsilon: 0.9 };
    expect(zeroLossSampleSize(wide)).toBeLessThan(100);
    const found = await assessed(begin, await refer(images(300, 21)), wide);
    const held = await refer(images(300, 22));
    const fast = await prove(found, held, wide, plan.macs);
    const asked = await prove(found, held, wide, plan.macs, { budget: 0.8 });
    expect(fast.meanMacs).toBeLessThan(asked.meanMacs);
    expect(asked.meanMacs).toBeLessThanOrEqual(0.8 * plan.macs);
    const { points, chosen } = asked.model!;
    const before = points.filter((p) => p.certified).slice(0, points.indexOf(chosen));
    const full = costTable(begin.net).reduce((sum, r) => sum + r.macs, 0);
    for (const p of before) expect(p.budget * full).toBeGreaterThan(0.8 * plan.macs);
  });
});

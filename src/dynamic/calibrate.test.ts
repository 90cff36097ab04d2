import { beforeAll, describe, expect, it } from 'vitest';
import { seeded } from '../../test/support/random.ts';
import { outputsOf, runAll } from '../../test/support/run.ts';
import { dataset } from '../data/index.ts';
import {
  concat,
  fullLike,
  ndarray,
  reduceMax,
  reduceMean,
  slice,
  sub,
  type Tensor,
  unsqueeze,
} from '../graph/index.ts';
import { linear, materialize } from '../nn/index.ts';
import { certify } from './calibrate.ts';
import { exitCosts } from './exit-costs.ts';
import { argmaxAt } from './logits.ts';
import { sparse } from './lower/sparse.ts';
import type { CertifiedModel, Model } from './model.ts';
import { exit, net, select } from './net.ts';
import { observations } from './observations.ts';
import { decodeTrace, traceKey } from './trace.ts';
import { decisionsOf, parametersOf } from './traced.ts';

const CLASSES = 3;
const identity = (gain: number) => (shape: readonly number[]) => ({
  kind: 'value' as const,
  value: ndarray(
    'float32',
    shape,
    Array.from({ length: CLASSES ** 2 }, (_, i) => (i % (CLASSES + 1) === 0 ? gain : 0)),
  ),
});
const part = (x: Tensor, k: number): Tensor => slice(x, [{ axis: 1, start: CLASSES * k, end: CLASSES * (k + 1) }]);
const read = (gain: number, k: number) => (x: Tensor) => linear(part(x, k), CLASSES, { init: identity(gain) });

/** Each input brings three opinions along: two noisy ones for the exits, a better one for the end. */
const opinions = net({ input: [9] }, (x) => {
  x = exit(x, { head: read(4, 0) }); // four times too sure: what the temperature is for
  x = exit(x, { head: read(1, 1) });
  for (const name of ['more', 'work']) x = linear(x, 9, { name, init: eye });
  return read(1, 2)(x);
});
function eye(shape: readonly number[]) {
  const values = Array.from({ length: 81 }, (_, i) => (i % 10 === 0 ? 1 : 0));
  return { kind: 'value' as const, value: ndarray('float32', shape, values) };
}

function population(n: number, seed: number) {
  const random = seeded(seed);
  const inputs = new Float32Array(n * 9);
  const labels: number[] = [];
  for (let i = 0; i < n; i++) {
    const label = Math.floor(random() * CLASSES);
    const ease = 6 * random();
    labels.push(label);
    for (const [k, noise] of [2.5, 1.5, 1].entries())
      for (let c = 0; c < CLASSES; c++)
        inputs[i * 9 + k * CLASSES + c] = (c === label ? ease : 0) + noise * 2 * (random() - 0.5);
  }
  return { inputs, labels };
}
const split = (n: number, seed: number, labelled = true) => {
  const { inputs, labels } = population(n, seed);
  return dataset({ inputs, shape: [9], classes: ['a', 'b', 'c'], ...(labelled ? { labels } : {}) });
};

const model: Model = {
  net: opinions,
  weights: materialize(parametersOf(opinions), 1),
  classes: ['a', 'b', 'c'],
  preprocessing: { shape: [9], scale: 1, mean: [0], std: [1] },
};

describe('observations', () => {
  it('hold scores, answers and logits of every exit, whatever the batch', async () => {
    const data = split(50, 1);
    const seen = await observations(model, data, { batch: 50 });
    const progress: number[] = [];
    const pieces = await observations(model, data, { batch: 16, onProgress: (done) => progress.push(done) });
    expect(progress).toEqual([16, 32, 48, 50]);
    expect(pieces.answers).toEqual(seen.answers);
    expect(seen).toMatchObject({ n: 50, decisions: ['exit1', 'exit2'], names: ['exit1', 'exit2', 'final'] });
    for (let i = 0; i < 50; i++) {
      for (const [k, gain] of [4, 1, 1].entries()) {
        const logits = Array.from(data.inputs.slice(i * 9 + 3 * k, i * 9 + 3 * k + 3), (v) => gain * v);
        for (const [c, v] of logits.entries()) expect(seen.logits[k]![i * CLASSES + c]).toBeCloseTo(v, 4);
        expect(seen.answers[i * 3 + k]).toBe(argmaxAt(logits, 0, CLASSES));
        if (k === 2) continue;
        const top = Math.max(...logits);
        const score = -Math.log(logits.reduce((s, v) => s + Math.exp(v - top), 0));
        expect(seen.scores[i * 2 + k]).toBeCloseTo(score, 5);
        expect(pieces.scores[i * 2 + k]).toBeCloseTo(score, 5);
      }
    }
  });

  it('refuse data of another shape or with other classes', async () => {
    const wrong = dataset({ inputs: new Float32Array(8), shape: [4], labels: [0, 1], classes: ['a', 'b', 'c'] });
    await expect(observations(model, wrong)).rejects.toThrow(/the net takes inputs \[9\], data has \[4\]/);
    const few = dataset({ inputs: new Float32Array(18), shape: [9], labels: [0, 1] });
    await expect(observations(model, few)).rejects.toThrow(/the net answers with 3 classes, data has 2/);
  });

  it('argmaxAt takes the first of equals', () => {
    expect(argmaxAt([9, 1, 3, 3, 2], 1, 4)).toBe(1);
    expect(argmaxAt([1], 0, 1)).toBe(0);
  });
});

describe('certify', () => {
  const held = split(1500, 3);
  let certified: CertifiedModel;
  beforeAll(async () => {
    certified = await certify(model, { tune: split(1500, 2), data: held, risk: 'harm', epsilon: 0.05, delta: 0.1 });
  });

  it('finds that the first exit is four times too sure, and says so by its temperature alone', () => {
    const temperature = (name: string) => certified.weights.get(`${name}/temperature`)!.data[0]!;
    expect(Number(temperature('exit1')) / Number(temperature('exit2'))).toBeGreaterThan(3);
    for (const [name, value] of model.weights)
      if (!name.endsWith('temperature')) expect(certified.weights.get(name)).toBe(value);
    expect(model.weights.get('exit1/temperature')!.data[0]).toBe(1);
  });

  it('goes from the full net to bolder points, the certified ones first', () => {
    const { points, chosen, certificate } = certified;
    expect(points[0]).toMatchObject({ budget: 1, risk: 0, certified: true, shares: [0, 0, 1] });
    expect(points[0]!.thresholds).toEqual({ exit1: Number.POSITIVE_INFINITY, exit2: Number.POSITIVE_INFINITY });
    const flags = points.map((p) => p.certified);
    expect(flags.lastIndexOf(true)).toBe(certificate.points.length - 1);
    expect(flags.indexOf(false) === -1 || flags.indexOf(false) === certificate.points.length).toBe(true);
    expect(points).toContain(chosen);
    expect(chosen.budget).toBe(Math.min(...points.filter((p) => p.certified).map((p) => p.budget)));
    expect(chosen.budget).toBeLessThan(0.8);
    expect(certificate).toMatchObject({ risk: 'harm', epsilon: 0.05, delta: 0.1, n: 1500 });
  });

  it('says of its points what the lowered net then does: shares, mean MACs, harm', async () => {
    const key = traceKey(opinions);
    const x = ndarray('float32', [held.length, 9], held.inputs as Float32Array);
    const full = exitCosts(opinions).at(-1)!;
    const [whole] = await runAll(outputsOf(sparse(opinions)), certified.weights, [x]);
    for (const point of [certified.chosen, certified.points[1]!]) {
      const [ran] = await runAll(outputsOf(sparse(opinions, point.thresholds)), certified.weights, [x]);
      const traces = decodeTrace(ran!.trace!, key);
      expect(traces.reduce((s, t) => s + t.macs, 0) / held.length / full).toBeCloseTo(point.budget, 9);
      const left = [0, 0, 0];
      let harm = 0;
      for (const [i, { rows }] of traces.entries()) {
        const at = rows.findIndex((r) => r.value === 1);
        left[at < 0 ? 2 : at]!++;
        const answer = (logits: ArrayLike<number | bigint>) => argmaxAt(logits as Float32Array, i * CLASSES, CLASSES);
        const label = held.labels[i]!;
        if (answer(ran!.output!.data) !== label && answer(whole!.output!.data) === label) harm++;
      }
      expect(left.map((c) => c / held.length)).toEqual(point.shares);
      expect(harm / held.length).toBeCloseTo(point.risk, 12);
    }
  });

  it('binds the certificate to weights, thresholds and preprocessing', async () => {
    const again = await certify(model, { tune: split(1500, 2), data: held, risk: 'harm', epsilon: 0.05, delta: 0.1 });
    expect(again.hash).toBe(certified.hash);
    const weights = new Map(model.weights).set('more/bias', ndarray('float32', [9], new Float32Array(9).fill(1e-6)));
    const moved = await certify({ ...model, weights }, { tune: split(1500, 2), data: held, epsilon: 0.05 });
    expect(moved.hash).not.toBe(certified.hash);
  });

  it('needs no labels for disagreement, and leaves temperatures alone then', async () => {
    const options = { tune: split(800, 4, false), data: split(800, 5, false), epsilon: 0.05 };
    const plain = await certify(model, { ...options, risk: 'disagreement' });
    expect(plain.certificate.risk).toBe('disagreement');
    expect(plain.weights.get('exit1/temperature')).toEqual(model.weights.get('exit1/temperature'));
    expect(plain.chosen.budget).toBeLessThan(1);
    await expect(certify(model, options)).rejects.toThrow(/label/);
  });

  it('refuses a net without decisions, and too few inputs', async () => {
    const options = { tune: held, data: held, epsilon: 0.05 };
    const still = net({ input: [9] }, read(1, 2));
    await expect(certify({ ...model, net: still }, options)).rejects.toThrow(/no decisions.*put exits in it/);
    await expect(certify(model, { ...options, data: split(10, 9) })).rejects.toMatchObject({ code: 'certificate' });
  });
});

it('exitCosts are the MACs up to each exit, with the heads before it', () => {
  expect(exitCosts(opinions)).toEqual([9, 18, 18 + 2 * 81 + 9]);
  expect(decisionsOf(opinions)).toHaveLength(2);
});

/** How far the largest of an opinion's three numbers stands out: what a gate may know without labels. */
const sureness = (x: Tensor, k: number): Tensor => sub(reduceMax(part(x, k), [1]), reduceMean(part(x, k), [1]));

const threshold = net({ input: [9] }, (x) => {
  const work = (t: Tensor) => ['more', 'work'].reduce((y, name) => linear(y, 9, { name, init: eye }), t);
  return select({
    name: 'gate',
    family: 'skip',
    score: sureness(x, 0),
    options: { run: () => read(1, 2)(work(x)), skip: () => read(1, 0)(x) },
  });
});

/** One of three ways: the best opinion is the dearest. */
const argmax = net({ input: [9] }, (x) => {
  const works = (count: number) => (t: Tensor) =>
    Array.from({ length: count }, (_, i) => `work${i}`).reduce((y, name) => linear(y, 9, { name, init: eye }), t);
  const sure = (k: number) => unsqueeze(sureness(x, k), [1]);
  return select({
    name: 'gate',
    score: concat([fullLike(sure(0), 2), sure(1), sure(0)], 1),
    options: { full: () => read(1, 2)(works(3)(x)), half: () => read(1, 1)(works(1)(x)), none: () => read(1, 0)(x) },
  });
});

/** A gate in front of an exit. */
const both = net({ input: [9] }, (x) => {
  const work = (t: Tensor) => linear(t, 9, { name: 'work', init: eye });
  x = select({ name: 'gate', score: sub(1.5, sureness(x, 2)), options: { run: () => work(x), skip: () => x } });
  x = exit(x, { head: read(1, 0) });
  return read(1, 2)(linear(linear(x, 9, { name: 'more', init: eye }), 9, { name: 'again', init: eye }));
});

describe.each([
  ['a gate with a threshold', threshold],
  ['a gate with three options', argmax],
  ['a gate in front of an exit', both],
])('a certified net: %s', (_, made) => {
  const gated: Model = { ...model, net: made, weights: materialize(parametersOf(made), 1) };
  const held = split(1500, 3);
  let certified: CertifiedModel;
  beforeAll(async () => {
    certified = await certify(gated, { tune: split(1500, 2), data: held, risk: 'harm', epsilon: 0.05, delta: 0.1 });
  });

  it('has cheaper points than the full one, in order', () => {
    const proven = certified.points.filter((p) => p.certified);
    expect(proven.length).toBeGreaterThan(2);
    expect(certified.chosen.budget).toBeLessThan(0.95);
    for (const [i, p] of certified.points.entries())
      if (i > 0) expect(p.budget).toBeLessThanOrEqual(certified.points[i - 1]!.budget + 1e-9);
  });

  it('says of its points what the lowered net then does', async () => {
    const key = traceKey(made);
    const x = ndarray('float32', [held.length, 9], held.inputs as Float32Array);
    const full = exitCosts(made).at(-1)!;
    const answer = (logits: ArrayLike<number | bigint>, i: number) =>
      argmaxAt(logits as Float32Array, i * CLASSES, CLASSES);
    const [whole] = await runAll(outputsOf(sparse(made, certified.points[0]!.thresholds)), certified.weights, [x]);
    for (const point of [certified.chosen, certified.points[1]!, certified.points.at(-1)!]) {
      const [ran] = await runAll(outputsOf(sparse(made, point.thresholds)), certified.weights, [x]);
      const traces = decodeTrace(ran!.trace!, key);
      expect(traces.reduce((s, t) => s + t.macs, 0) / held.length / full).toBeCloseTo(point.budget, 6);
      if (!point.certified) continue;
      let harm = 0;
      for (const [i, label] of held.labels.entries())
        if (answer(ran!.output!.data, i) !== label && answer(whole!.output!.data, i) === label) harm++;
      expect(harm / held.length).toBeCloseTo(point.risk, 12);
    }
  });
});

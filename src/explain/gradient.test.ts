import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { randomInput, realise } from '../../test/support/build-net.ts';
import { largestDifference } from '../../test/support/difference.ts';
import { normal, seeded } from '../../test/support/random.ts';
import { type Case, randomCase, runs } from '../../test/support/random-nets.ts';
import { outputsOf, runAll } from '../../test/support/run.ts';
import { toBytes } from '../deploy/index.ts';
import {
  decisionsOf,
  exit,
  masked,
  mixture,
  net,
  observe,
  parametersOf,
  sparse,
  thresholdName,
} from '../dynamic/index.ts';
import {
  decodeModel,
  encodeModel,
  type NDArray,
  ndarray,
  sizeOf,
  stripDefaults,
  toNumbers,
  toOnnx,
} from '../graph/index.ts';
import { classify, conv, materialize, residual } from '../nn/index.ts';
import { compile } from '../runtime/index.ts';
import { shape, smoothModel } from './fixtures/smooth.ts';
import { decisionGradient, type GradientGraph, SALIENCY_KEY } from './gradient.ts';

const floats = (dims: readonly number[], data: Float32Array): NDArray => ({ dtype: 'float32', dims, data });

/** Runs a gradient graph with all its defaults fed or, without `feeds`, as it is. */
async function run(bytes: Uint8Array, input: NDArray, feeds: Record<string, NDArray> = {}) {
  const runner = await compile(stripDefaults(bytes, Object.keys(feeds)), { intraOpNumThreads: 1 });
  try {
    return await runner.run({ input, ...feeds });
  } finally {
    await runner.close();
  }
}

/** A random direction for each row, of length about 1, and the rows moved by +-h along it. */
function moved(x: NDArray, h: number, seed: number): { direction: Float32Array; plus: NDArray; minus: NDArray } {
  const random = seeded(seed);
  const size = x.data.length / x.dims[0]!;
  const direction = Float32Array.from({ length: x.data.length }, () => normal(random) / Math.sqrt(size));
  const shift = (by: number) =>
    floats(
      x.dims,
      (x.data as Float32Array).map((v, i) => v + by * direction[i]!),
    );
  return { direction, plus: shift(h), minus: shift(-h) };
}

const rowDots = (a: NDArray, b: Float32Array): number[] => {
  const [n] = a.dims;
  const size = b.length / n!;
  const values = toNumbers(a);
  return Array.from({ length: n! }, (_, r) =>
    values.slice(r * size, (r + 1) * size).reduce((sum, v, i) => sum + v * b[r * size + i]!, 0),
  );
};

describe('the gradient graph', () => {
  const model = smoothModel();
  const rows = 5;
  const x = randomInput(model.net, rows, 4);
  const thresholds = { skip: 0, route: [0, 0, 0], early: 0 };
  let made: GradientGraph;
  beforeAll(() => {
    made = decisionGradient(model, { thresholds });
  });

  it('gives every decision and answer, in plain ONNX without control flow, every weight at most once', () => {
    expect(made.targets.map((t) => t.saliency)).toEqual([
      'decision/skip',
      'decision/route',
      'decision/early',
      'answer/early',
      'answer/final',
    ]);
    expect(made.flat).toEqual([]);
    const { opsets, irVersion, graph, metadata } = decodeModel(made.bytes);
    expect({ opsets, irVersion }).toEqual({ opsets: { '': 17 }, irVersion: 8 });
    expect(graph.nodes.filter((n) => ['If', 'Loop', 'Compress'].includes(n.op))).toEqual([]);
    const wanted = parametersOf(model.net).map((p) => p.name);
    expect(
      graph.initializers
        .map((t) => t.name)
        .filter((n) => wanted.includes(n))
        .sort(),
    ).toEqual([...wanted].sort());
    expect(JSON.parse(metadata[SALIENCY_KEY]!)).toMatchObject({ flat: [], defaults: made.defaults });
    expect([...made.defaults].sort()).toEqual(['class', 'route/threshold', 'skip/threshold']);
  });

  it('agrees with finite differences for confidences, gate logits, routers and class logits', async () => {
    const h = 4e-3;
    for (const seed of [1, 2, 3]) {
      const { direction, plus, minus } = moved(x, h, seed);
      const [at, up, down] = [await run(made.bytes, x), await run(made.bytes, plus), await run(made.bytes, minus)];
      for (const { saliency, value } of made.targets) {
        expect(at[saliency]!.dims).toEqual([rows, ...shape]);
        const slopes = toNumbers(up[value]!).map((v, i) => (v - toNumbers(down[value]!)[i]!) / (2 * h));
        const along = rowDots(at[saliency]!, direction);
        expect(Math.max(...along.map(Math.abs)), saliency).toBeGreaterThan(1e-3);
        for (const [r, slope] of slopes.entries())
          expect(Math.abs(slope - along[r]!), `${saliency}, row ${r}`).toBeLessThan(1e-3 + 0.01 * Math.abs(slope));
      }
    }
  });

  it('follows the option that each input takes, at the thresholds that are fed', async () => {
    const never = ndarray('float32', [], [Number.POSITIVE_INFINITY]);
    const always = ndarray('float32', [], [Number.NEGATIVE_INFINITY]);
    const skipped = await run(made.bytes, x, { 'skip/threshold': never });
    const ran = await run(made.bytes, x, { 'skip/threshold': always });
    expect(largestDifference(toNumbers(skipped['decision/skip']!), toNumbers(ran['decision/skip']!))).toBe(0);
    expect(largestDifference(toNumbers(skipped['decision/early']!), toNumbers(ran['decision/early']!))).toBeGreaterThan(
      1e-3,
    );
  });

  it('explains the class that is asked for; by itself, the one that the answer names', async () => {
    const size = sizeOf(shape);
    const own = await run(made.bytes, x);
    const byClass: Record<string, NDArray>[] = [];
    for (const k of [0, 1, 2]) byClass.push(await run(made.bytes, x, { class: ndarray('int64', [], [k]) }));
    for (let r = 0; r < rows; r++) {
      const logits = byClass.map((out) => toNumbers(out['answer/final/value']!)[r]!);
      const best = logits.indexOf(Math.max(...logits));
      const part = (out: (typeof byClass)[number]) => toNumbers(out['answer/final']!).slice(r * size, (r + 1) * size);
      expect(toNumbers(own['answer/final/value']!)[r]).toBe(logits[best]);
      expect(largestDifference(part(own), part(byClass[best]!))).toBe(0);
      expect(largestDifference(part(own), part(byClass[(best + 1) % 3]!))).toBeGreaterThan(1e-4);
    }
  });

  it('holds only what its targets need', () => {
    const early = decisionGradient(model, { targets: ['decision/skip'] });
    const names = decodeModel(early.bytes).graph.initializers.map((t) => t.name);
    expect(names).toContain('gate/weight');
    expect(names.filter((n) => n.startsWith('skip/') || n.startsWith('route') || n.startsWith('early'))).toEqual([]);
    expect(early.defaults).toEqual([]);
    expect(early.bytes.length).toBeLessThan(made.bytes.length / 2);
  });
});

describe('a net with ReLU, batch norm and projections', () => {
  const made = net({ input: [1, 12, 12], classes: 4, name: 'shirts' }, (x) => {
    x = conv(x, 8, { norm: 'batch', activation: 'relu' });
    for (const [width, policy] of [
      [8, 'confidence'],
      [12, 'entropy'],
      [12, 'patience'],
    ] as const)
      x = exit(residual(x, width, { stride: width === 12 ? 2 : 1 }), { head: classify, policy });
    return classify(x);
  });
  const model = { net: made, weights: materialize(parametersOf(made), 9) };
  const x = randomInput(made, 3, 2);

  it('has the scores of calibration as values', async () => {
    const { bytes, targets } = decisionGradient(model);
    const out = await run(bytes, x);
    const seen = observe(made);
    const scores = Object.fromEntries(seen.scores.map((s) => [`decision/${s.decision}/value`, s.score]));
    const [expected] = await runAll(scores, model.weights, [x]);
    for (const { kind, value } of targets.filter((t) => t.kind === 'decision')) {
      expect(kind).toBe('decision');
      expect(largestDifference(toNumbers(out[value]!), toNumbers(expected![value]!))).toBeLessThan(1e-5);
    }
  });

  it('agrees with finite differences in the mean over directions that cross no corner', async () => {
    const { bytes, targets } = decisionGradient(model);
    const at = await run(bytes, x);
    const errors: number[] = [];
    for (let seed = 0; seed < 12; seed++) {
      const h = 1e-3;
      const { direction, plus, minus } = moved(x, h, seed);
      const [up, down] = [await run(bytes, plus), await run(bytes, minus)];
      for (const { saliency, value } of targets) {
        const along = rowDots(at[saliency]!, direction);
        const slopes = toNumbers(up[value]!).map((v, i) => (v - toNumbers(down[value]!)[i]!) / (2 * h));
        errors.push(...slopes.map((s, r) => Math.abs(s - along[r]!) / (0.05 + Math.abs(s))));
      }
    }
    errors.sort((a, b) => a - b);
    expect(errors[Math.floor(errors.length / 2)]).toBeLessThan(0.01);
    expect(errors[Math.floor(0.9 * errors.length)]).toBeLessThan(0.1);
  });

  it('sets scores aside that only count, and refuses to explain them', () => {
    expect(decisionGradient(model).flat).toEqual(['decision/exit3']);
    expect(() => decisionGradient(model, { targets: ['decision/exit3'] })).toThrow(/decision\/exit3.*steps.*rise/);
  });

  it('names what there is where a target is unknown', () => {
    expect(() => decisionGradient(model, { targets: ['exit1'] })).toThrow(/no "exit1".*decision\/exit1.*answer\/final/);
  });
});

/** Thresholds between the scores of a batch, so that both sides are taken; sparse and masked then agree. */
async function between({ net: of, weights, x }: ReturnType<typeof realise>) {
  const { targets, bytes } = decisionGradient({ net: of, weights }, {});
  const out = await run(bytes, x);
  const found: Record<string, number> = {};
  for (const decision of decisionsOf(of)) {
    const target = targets.find((t) => t.saliency === `decision/${decision.name}`);
    if (!target || decision.rule !== 'threshold') continue;
    const sorted = toNumbers(out[target.value]!).sort((a, b) => a - b);
    const middle = Math.floor(sorted.length / 2);
    found[decision.name] = sorted.length > 1 ? (sorted[middle - 1]! + sorted[middle]!) / 2 : sorted[0]! - 1;
  }
  return found;
}

describe('from the shipped file alone', () => {
  it.each(['rows', 'branch'] as const)('the gradients are those of the model it came from (%s)', async (form) => {
    const model = smoothModel(5);
    const x = randomInput(model.net, form === 'rows' ? 6 : 1, 8);
    const thresholds = { skip: 0.1, route: [0.1, 0, 0], early: -0.9 };
    const { output, trace } = sparse(model.net, thresholds, { form });
    const file = encodeModel(toOnnx({ logits: output, trace: trace! }, { weights: model.weights }));
    const fromFile = decisionGradient(file);
    const fromModel = decisionGradient(model, { thresholds });
    expect(fromFile.targets.map((t) => t.saliency).sort()).toEqual(
      ['answer/answer', 'decision/early', 'decision/route', 'decision/skip'].sort(),
    );
    const [a, b] = [await run(fromFile.bytes, x), await run(fromModel.bytes, x)];
    for (const name of ['decision/early', 'decision/route', 'decision/skip'])
      for (const output of [name, `${name}/value`])
        expect(largestDifference(toNumbers(a[output]!), toNumbers(b[output]!)), output).toBeLessThan(1e-5);
    // The answer is that of the exit where the row left, else the last one.
    const left = toNumbers(b['decision/early/value']!).map((score) => score > thresholds.early);
    const size = sizeOf(shape);
    for (const [r, early] of left.entries()) {
      const expected = toNumbers(b[early ? 'answer/early' : 'answer/final']!).slice(r * size, (r + 1) * size);
      const got = toNumbers(a['answer/answer']!).slice(r * size, (r + 1) * size);
      expect(largestDifference(got, expected)).toBeLessThan(1e-5);
    }
    if (form === 'rows') expect(new Set(left).size).toBe(2);
    const thresholdInputs = decisionsOf(model.net).map(thresholdName);
    expect(fromFile.defaults).toEqual(expect.arrayContaining(thresholdInputs));
  });

  it('reads what save wrote', () => {
    const { net: of, weights } = smoothModel();
    const preprocessing = { shape, scale: 1, mean: [0, 0], std: [1, 1] };
    const { targets } = decisionGradient(toBytes({ net: of, weights, classes: ['a', 'b', 'c'], preprocessing }));
    expect(targets.map((t) => t.name).sort()).toEqual(['answer', 'early', 'route', 'skip']);
  });

  it('explains a classifier without decisions', async () => {
    const plain = net({ input: [5], classes: 2 }, (x) => classify(x, { name: 'top' }));
    const weights = materialize(parametersOf(plain), 2);
    const { bytes } = decisionGradient(encodeModel(toOnnx({ y: plain.output }, { weights })));
    const out = await run(bytes, ndarray('float32', [1, 5], [1, 2, 3, 4, 5]), { class: ndarray('int64', [], [1]) });
    expect(toNumbers(out['answer/answer']!)).toEqual(toNumbers(weights.get('top/weight')!).slice(5));
  });

  it('refuses files of another kind in a sentence', () => {
    const { net: of, weights } = smoothModel();
    const two = encodeModel(toOnnx({ trace: masked(of).output }, { weights }));
    expect(() => decisionGradient(two)).toThrow(/output float32 \[N, classes\] is expected, the file has none/);
    expect(() => decisionGradient(two, { thresholds: { skip: 1 } })).toThrow(/thresholds were given for a file/);
  });

  it('holds for any net, weights, thresholds and inputs', { timeout: 60_000 }, async () => {
    const property = async (given: Case): Promise<void> => {
      // Dropping units or weights is a step: such nets are refused, below.
      fc.pre(!/"kind":"(channels|mixture)"/.test(JSON.stringify(given.plan)));
      const real = realise(given);
      const thresholds = await between(real);
      const file = encodeModel(toOnnx(outputsOf(sparse(real.net, thresholds)), { weights: real.weights }));
      const fromFile = decisionGradient(file);
      const model = decisionGradient(real, { thresholds });
      const [a, b] = [await run(fromFile.bytes, real.x), await run(model.bytes, real.x)];
      for (const { saliency, value, kind } of fromFile.targets.filter((t) => t.kind === 'decision'))
        for (const name of [value, saliency]) {
          const [p, q] = [toNumbers(a[name]!), toNumbers(b[name]!)];
          const scale = Math.max(1, ...q.map(Math.abs));
          expect(largestDifference(p, q) / scale, `${kind} ${name}`).toBeLessThan(1e-3);
        }
    };
    await fc.assert(fc.asyncProperty(randomCase([1, 2, 7]), property), { numRuns: runs(8), seed: 5 });
  });

  it('refuses a net that drops weights, by the name of the operator', () => {
    const made = net({ input: [1, 6, 6], classes: 2 }, (x) => classify(mixture(x, 4, { kernels: 2, threshold: 0.1 })));
    const model = {
      ...{ net: made, weights: materialize(parametersOf(made), 1), classes: ['a', 'b'] },
      preprocessing: { shape: [1, 6, 6], scale: 1, mean: [0], std: [1] },
    };
    expect(() => decisionGradient(model)).toThrow(/Weigh in "mixture1.*no gradient: dropping weights/);
  });
});

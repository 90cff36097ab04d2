import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { largestDifference } from '../../test/support/difference.ts';
import { fresh, gradients, input, mul, ndarray, type Tensor } from '../graph/index.ts';
import { bothGradients, numbers, run, wave } from './fixtures/run.ts';
import {
  accuracy,
  binaryCrossEntropy,
  crossEntropy,
  distillation,
  entropy,
  klDivergence,
  type LossOptions,
  mse,
} from './losses.ts';

const rows = [
  [2, -1, 0.5],
  [0.1, 0.2, 0.3],
  [-4, 6, 1],
  [0, 0, 0],
];
const others = [
  [1, 1, -2],
  [0.5, -0.7, 3],
  [2, 2, 2],
  [-1, 4, 0],
];
const labelList = [0, 2, 2, 1];
const logits = ndarray('float32', [4, 3], rows.flat());
const second = ndarray('float32', [4, 3], others.flat());
const labels = ndarray('int64', [4], labelList);

const softmaxOf = (row: readonly number[], t = 1): number[] => {
  const e = row.map((v) => Math.exp((v - Math.max(...row)) / t));
  return e.map((v) => v / e.reduce((a, b) => a + b, 0));
};
const mean = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
const dotOf = (a: readonly number[], b: readonly number[]): number => a.reduce((s, v, i) => s + v * b[i]!, 0);
const logOf = (v: readonly number[]): number[] => v.map(Math.log);

const x = input('x', ['N', 3]);
const y = input('y', ['N', 3]);
const l = input('labels', ['N'], 'int64');
/** The values for each row, their sum and their mean, from one run. */
async function allReductions(build: (o: LossOptions) => Tensor, feeds: Record<string, typeof logits>) {
  const r = await run({ none: build({ reduction: 'none' }), sum: build({ reduction: 'sum' }), mean: build({}) }, feeds);
  return { none: Array.from(r.none!.data, Number), sum: Number(r.sum!.data[0]), mean: Number(r.mean!.data[0]) };
}

describe('values', () => {
  const cases: [string, (o: LossOptions) => Tensor, Record<string, typeof logits>, number[]][] = [
    [
      'cross entropy',
      (o) => crossEntropy(x, l, o),
      { x: logits, labels },
      rows.map((row, i) => -Math.log(softmaxOf(row)[labelList[i]!]!)),
    ],
    [
      'cross entropy with smoothing',
      (o) => crossEntropy(x, l, { ...o, smoothing: 0.1 }),
      { x: logits, labels },
      rows.map((row, i) => {
        const target = row.map((_, c) => (c === labelList[i] ? 0.9 : 0) + 0.1 / 3);
        return -dotOf(target, logOf(softmaxOf(row)));
      }),
    ],
    ['mse', (o) => mse(x, y, o), { x: logits, y: second }, rows.flat().map((v, i) => (v - others.flat()[i]!) ** 2)],
    [
      'binary cross entropy',
      (o) => binaryCrossEntropy(x, y, o),
      {
        x: logits,
        y: ndarray(
          'float32',
          [4, 3],
          others.flat().map((v) => (v > 0.6 ? 1 : v > 0 ? 0.25 : 0)),
        ),
      },
      rows.flat().map((v, i) => {
        const t = others.flat()[i]! > 0.6 ? 1 : others.flat()[i]! > 0 ? 0.25 : 0;
        const p = 1 / (1 + Math.exp(-v));
        return -t * Math.log(p) - (1 - t) * Math.log(1 - p);
      }),
    ],
    [
      'divergence',
      (o) => klDivergence(x, y, o),
      { x: logits, y: second },
      rows.map((row, i) => {
        const [p, q] = [softmaxOf(row), softmaxOf(others[i]!)];
        return dotOf(p, logOf(p)) - dotOf(p, logOf(q));
      }),
    ],
    [
      'distillation',
      (o) => distillation(x, y, { ...o, temperature: 3 }),
      { x: logits, y: second },
      rows.map((row, i) => {
        const [teacher, student] = [softmaxOf(others[i]!, 3), softmaxOf(row, 3)];
        return 9 * (dotOf(teacher, logOf(teacher)) - dotOf(teacher, logOf(student)));
      }),
    ],
    ['entropy', (o) => entropy(x, o), { x: logits }, rows.map((row) => -dotOf(softmaxOf(row), logOf(softmaxOf(row))))],
    ['accuracy', (o) => accuracy(x, l, o), { x: logits, labels }, [1, 1, 0, 0]],
  ];
  test.each(cases)('%s', async (_, build, feeds, expected) => {
    const got = await allReductions(build, feeds);
    expect(largestDifference(got.none, expected)).toBeLessThan(2e-6);
    expect(got.sum).toBeCloseTo(mean(expected) * expected.length, 4);
    expect(got.mean).toBeCloseTo(mean(expected), 5);
  });

  test('smoothing spreads over all classes, the right one too, as PyTorch does', async () => {
    const feeds = { x: ndarray('float32', [1, 3], [2, -1, 0.5]), labels: ndarray('int64', [1], [0]) };
    const [v] = await numbers(crossEntropy(x, l, { smoothing: 0.3 }), feeds);
    const normaliser = Math.log(Math.exp(2) + Math.exp(-1) + Math.exp(0.5));
    expect(v).toBeCloseTo(normaliser - (0.8 * 2 + 0.1 * -1 + 0.1 * 0.5), 6);
  });
});

test('the gradients of all losses agree with central differences', async () => {
  const feeds = { y: second, labels };
  const targets = ndarray('float32', [4, 3], second.data as Float32Array);
  const losses: [(t: Tensor) => Tensor, Record<string, typeof logits>][] = [
    [(t) => crossEntropy(t, input('labels', [4], 'int64')), { labels }],
    [(t) => crossEntropy(t, input('labels', [4], 'int64'), { smoothing: 0.2, reduction: 'sum' }), { labels }],
    [(t) => mse(t, input('y', [4, 3])), { y: feeds.y }],
    [(t) => binaryCrossEntropy(t, input('y', [4, 3])), { y: targets }],
    [(t) => klDivergence(t, input('y', [4, 3])), { y: feeds.y }],
    [(t) => klDivergence(input('y', [4, 3]), t), { y: feeds.y }],
    [(t) => distillation(t, input('y', [4, 3]), { temperature: 2 }), { y: feeds.y }],
    [(t) => entropy(t), {}],
  ];
  for (const [loss, given] of losses) {
    const [walked, differences] = await bothGradients(loss, logits, given);
    expect(Math.max(...walked.map(Math.abs))).toBeGreaterThan(0.01);
    expect(largestDifference(walked, differences)).toBeLessThan(2e-3);
  }
});

test('the teacher of a distillation gets no gradient, both sides of a divergence do', async () => {
  const teacher = input('y', [4, 3]);
  const student = input('x', [4, 3]);
  const [kept] = gradients(distillation(student, mul(teacher, 2)), [teacher]);
  const [flows] = gradients(klDivergence(mul(teacher, 2), student), [teacher]);
  expect((await numbers(kept!, {})).every((v) => v === 0)).toBe(true);
  expect((await numbers(flows!, { x: logits, y: second })).some((v) => Math.abs(v) > 0.01)).toBe(true);
});

test('huge logits give finite losses and gradients', async () => {
  const huge = ndarray('float32', [2, 3], [1e4, -1e4, 0, -3e4, 3e4, 3e4]);
  const two = ndarray('int64', [2], [1, 1]);
  const t = input('x', [2, 3]);
  const given = input('labels', [2], 'int64');
  const losses = {
    smoothed: crossEntropy(t, given, { smoothing: 0.1 }),
    binary: binaryCrossEntropy(t, mul(t, 0)),
    entropy: entropy(t),
    divergence: klDivergence(t, mul(t, 0.5)),
  };
  const slopes = Object.entries(losses).map(([name, loss]) => [`d ${name}`, gradients(loss, [t])[0]!] as const);
  const results = await run({ ...losses, ...Object.fromEntries(slopes) }, { x: huge, labels: two });
  for (const [name, { data }] of Object.entries(results))
    expect([name, Array.from(data, Number).every(Number.isFinite)]).toEqual([name, true]);
  const [wrong] = await numbers(crossEntropy(t, given), { x: huge, labels: two });
  expect(wrong).toBeCloseTo((2e4 + Math.log(2)) / 2, 0);
});

test('random rows: losses stand in their theoretical bounds', async () => {
  const t = x;
  const graph = fresh(() => ({
    entropy: entropy(t, { reduction: 'none' }),
    kl: klDivergence(t, y, { reduction: 'none' }),
    ce: crossEntropy(t, l, { reduction: 'none' }),
  }));
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 1e6 }), async (n, phase) => {
      const r = await run(graph, {
        x: wave([n, 3], phase),
        y: wave([n, 3], phase + 1),
        labels: ndarray(
          'int64',
          [n],
          Array.from({ length: n }, (_, i) => i % 3),
        ),
      });
      for (const v of r.entropy!.data) expect(Number(v)).toBeLessThanOrEqual(Math.log(3) + 1e-6);
      for (const v of r.kl!.data) expect(Number(v)).toBeGreaterThanOrEqual(-1e-6);
      for (const v of r.ce!.data) expect(Number(v)).toBeGreaterThan(0);
    }),
    { numRuns: 10 },
  );
});

test('refusals name the loss, what came and what was expected', () => {
  expect(() => crossEntropy(x, input('labels', ['N']))).toThrow(/crossEntropy: labels are int64.*float32/);
  expect(() => crossEntropy(x, input('labels', ['M'], 'int64'))).toThrow(/each row of logits \[N, 3\].*\[M\]/);
  expect(() => crossEntropy(input('x', [2, 3, 4]), l)).toThrow(/logits \[N, classes\] are expected, got \[2, 3, 4\]/);
  expect(() => crossEntropy(x, l, { smoothing: 1.5 })).toThrow(/smoothing from 0 to 1/);
  expect(() => mse(x, input('y', [3]))).toThrow(/mse: equal shapes are expected, got \[N, 3\] and \[3\]/);
  expect(() => distillation(x, y, { temperature: 0 })).toThrow(/temperature above 0/);
});

test('a label outside of the classes is refused, not silently free', async () => {
  const feeds = { x: ndarray('float32', [1, 3], [0, 0, 0]), labels: ndarray('int64', [1], [3]) };
  await expect(numbers(crossEntropy(x, l), feeds)).rejects.toThrow();
});

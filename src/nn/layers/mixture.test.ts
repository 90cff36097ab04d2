import { describe, expect, test } from 'vitest';
import { largestDifference } from '../../../test/support/difference.ts';
import {
  fresh,
  input,
  mul,
  type NDArray,
  ndarray,
  sumAll,
  summary,
  type Tensor,
  toNumbers,
} from '../../graph/index.ts';
import { convolution, imageOf } from '../fixtures/naive.ts';
import { bothGradients, numbers, run, type Weights, wave } from '../fixtures/run.ts';
import { paramsOf } from '../params.ts';
import { mixtureConv, routing } from './index.ts';

const [kernels, outputs, channels] = [3, 4, 2];
const weight = wave([kernels, outputs, channels, 3, 3], 1);
const bias = wave([kernels, outputs], 2);
const weights: Weights = new Map([
  ['mix/weight', weight],
  ['mix/bias', bias],
]);

const build = (form: 'outputs' | 'kernel', rows: string | number = 'N'): Tensor =>
  fresh(() =>
    mixtureConv(input('x', [rows, channels, 5, 6]), outputs, {
      kernels,
      weights: input('w', [rows, kernels]),
      form,
      stride: 2,
      name: 'mix',
    }),
  );

/** sum over k of w_k (kernel_k * image + bias_k), each convolution by plain loops. */
function mixed(image: readonly number[], w: readonly number[]): number[] {
  const of = (k: number) => {
    const own = toNumbers(weight).slice(k * outputs * channels * 9, (k + 1) * outputs * channels * 9);
    const each = Array.from({ length: outputs }, (_, o) =>
      imageOf(own.slice(o * channels * 9, (o + 1) * channels * 9), [channels, 3, 3]),
    );
    const biases = toNumbers(bias).slice(k * outputs, (k + 1) * outputs);
    return convolution(imageOf(image, [channels, 5, 6]), each, biases, {
      stride: 2,
      dilation: 1,
      groups: 1,
      pads: [1, 1, 1, 1],
    }).flat(2);
  };
  const parts = w.map((_, k) => of(k));
  return parts[0]!.map((_, i) => w.reduce((sum, share, k) => sum + share * parts[k]![i]!, 0));
}

describe('mixtureConv', () => {
  const [x, w] = [wave([3, channels, 5, 6], 3), wave([3, kernels], 4)];
  const image = (n: number): NDArray =>
    ndarray('float32', [1, channels, 5, 6], toNumbers(x).slice(n * 60, (n + 1) * 60));
  const shares = (n: number): number[] => toNumbers(w).slice(n * kernels, (n + 1) * kernels);

  test('weighs the outputs of all kernels, each row by its own weights', async () => {
    const y = build('outputs');
    expect(y.shape).toEqual(['N', outputs, 3, 3]);
    const want = [0, 1, 2].flatMap((n) => mixed(toNumbers(image(n)), shares(n)));
    expect(largestDifference(await numbers(y, { x, w }, weights), want)).toBeLessThan(1e-5);
    const none = await run({ result: y }, { x: wave([0, channels, 5, 6]), w: wave([0, kernels]) }, weights);
    expect(none.result!.dims).toEqual([0, outputs, 3, 3]);
  });

  test('mixes the kernels first for a batch of one, with the same parameters and result', async () => {
    const y = build('kernel', 1);
    expect(paramsOf([y]).map(({ name, shape }) => [name, shape])).toEqual(
      paramsOf([build('outputs')]).map(({ name, shape }) => [name, shape]),
    );
    for (const n of [0, 1, 2]) {
      const own = ndarray('float32', [1, kernels], shares(n));
      const got = await numbers(y, { x: image(n), w: own }, weights);
      expect(largestDifference(got, mixed(toNumbers(image(n)), shares(n)))).toBeLessThan(1e-5);
    }
  });

  test.each(['outputs', 'kernel'] as const)('gradients agree with central differences, form %s', async (form) => {
    const by = wave([1, outputs, 3, 3], 5);
    const loss = (image: (t: Tensor) => Tensor, share: (t: Tensor) => Tensor) => (t: Tensor) => {
      const y = mixtureConv(image(t), outputs, { kernels, weights: share(t), form, stride: 2, name: 'mix' });
      return sumAll(mul(mul(y, y), input('by', [1, outputs, 3, 3])));
    };
    const own = ndarray('float32', [1, kernels], shares(0));
    const byWeights = loss(
      () => input('image', [1, channels, 5, 6]),
      (t) => t,
    );
    const [walked, differences] = await bothGradients(byWeights, own, { by, image: image(0) });
    expect(Math.max(...walked.map(Math.abs))).toBeGreaterThan(0.1);
    expect(largestDifference(walked, differences)).toBeLessThan(5e-3);
    const byImage = loss(
      (t) => t,
      () => input('w', [1, kernels]),
    );
    const [first, second] = await bothGradients(byImage, image(0), { by, w: own });
    expect(largestDifference(first, second)).toBeLessThan(5e-3);
  });

  test('counts what each form does', () => {
    const one = 9 * outputs * channels * 9;
    expect(summary([build('outputs')]).macs).toBe(kernels * one + kernels * outputs * 9);
    expect(summary([build('kernel', 1)]).macs).toBe(one + kernels * outputs * channels * 9 + kernels * outputs);
  });

  test('has a bias or a normalisation, and refuses what does not fit', () => {
    const t = input('x', ['N', channels, 5, 6]);
    const w3 = input('w', ['N', kernels]);
    const make = (options: Partial<Parameters<typeof mixtureConv>[2]>) =>
      fresh(() => mixtureConv(t, 4, { kernels, weights: w3, ...options }));
    expect(paramsOf([make({ norm: 'batch', activation: 'relu' })]).some((p) => p.name === 'mixtureConv1/bias')).toBe(
      false,
    );
    expect(() => make({ kernels: 4 })).toThrow('mixtureConv "mixtureConv1": weights should be [N, 4], got [N, 3]');
    expect(() => make({ form: 'kernel' })).toThrow(
      /mixes one kernel for one input, but the batch is \[N, 2, 5, 6\]; use form 'outputs'/,
    );
    expect(() => make({ form: 'sum' as 'kernel' })).toThrow(/form should be 'outputs' or 'kernel', got "sum"/);
  });
});

describe('routing', () => {
  test('is a softmax of logits over the temperature, or a sigmoid of each', async () => {
    const x = wave([2, 6], 1);
    const logits = async () => {
      const y = fresh(() => routing(input('x', ['N', 6]), 3, { activation: 'sigmoid', hidden: 0, name: 'r' }));
      expect(paramsOf([y]).map((p) => p.name)).toEqual(['r/weigh/weight', 'r/weigh/bias']);
      return (await numbers(y, { x })).map((p) => Math.log(p / (1 - p)));
    };
    const raw = await logits();
    const rows = [raw.slice(0, 3), raw.slice(3)];
    const soft = (values: number[]) => {
      const terms = values.map(Math.exp);
      return terms.map((v) => v / terms.reduce((a, b) => a + b, 0));
    };
    const shares = (temperature: number | Tensor) =>
      fresh(() => routing(input('x', ['N', 6]), 3, { temperature, hidden: 0, name: 'r' }));
    for (const t of [1, 30])
      expect(
        largestDifference(
          await numbers(shares(t), { x }),
          rows.flatMap((row) => soft(row.map((v) => v / t))),
        ),
      ).toBeLessThan(1e-5);
    const fed = await numbers(shares(input('t', [])), { x, t: ndarray('float32', [], [2]) });
    expect(
      largestDifference(
        fed,
        rows.flatMap((row) => soft(row.map((v) => v / 2))),
      ),
    ).toBeLessThan(1e-5);
  });

  test('pools images and tokens, and refuses impossible temperatures', () => {
    for (const shape of [
      ['N', 32, 4, 4],
      ['N', 'T', 32],
      ['N', 32],
    ] as const) {
      const y = fresh(() => routing(input('x', shape), 4, { name: 'r' }));
      expect(y.shape).toEqual(['N', 4]);
      expect(paramsOf([y])[0]!.shape).toEqual([8, 32]);
    }
    for (const temperature of [0, -1, Number.NaN])
      expect(() => fresh(() => routing(input('x', ['N', 8]), 4, { temperature }))).toThrow(/a temperature above 0/);
  });
});

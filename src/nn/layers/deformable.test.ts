import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { largestDifference } from '../../../test/support/difference.ts';
import {
  convolve,
  fresh,
  gradients,
  input,
  mul,
  ndarray,
  order,
  sumAll,
  summary,
  type Tensor,
  toNumbers,
} from '../../graph/index.ts';
import { imageOf } from '../fixtures/naive.ts';
import { bothGradients, numbers, run, type Weights, wave } from '../fixtures/run.ts';
import { paramsOf } from '../params.ts';
import { conv, deformableConv, deformedConvolve } from './index.ts';

interface Plain {
  readonly dims: readonly [channels: number, height: number, width: number];
  readonly kernel: readonly [number, number];
  readonly stride: number;
  readonly dilation: number;
  readonly padding: number;
}

/** Value of a plane between pixels: the four around it, those outside being 0. */
function between(plane: readonly (readonly number[])[], y: number, x: number): number {
  const [top, left] = [Math.floor(y), Math.floor(x)];
  const [down, right] = [y - top, x - left];
  const pixel = (i: number, j: number): number => plane[i]?.[j] ?? 0;
  const upper = (1 - right) * pixel(top, left) + right * pixel(top, left + 1);
  const lower = (1 - right) * pixel(top + 1, left) + right * pixel(top + 1, left + 1);
  return (1 - down) * upper + down * lower;
}

/** Deformable convolution of one image by plain loops. */
function deformed(
  x: readonly number[],
  weight: readonly number[],
  offset: (channel: number, position: number) => number,
  modulation: (place: number, position: number) => number,
  outputs: number,
  { dims, kernel: [kh, kw], stride, dilation, padding }: Plain,
): number[] {
  const [channels, height, width] = dims;
  const image = imageOf(x, dims);
  const rows = Math.floor((height + 2 * padding - dilation * (kh - 1) - 1) / stride) + 1;
  const columns = Math.floor((width + 2 * padding - dilation * (kw - 1) - 1) / stride) + 1;
  const result: number[] = [];
  for (let o = 0; o < outputs; o++)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        let sum = 0;
        for (let c = 0; c < channels; c++)
          for (let k = 0; k < kh * kw; k++) {
            const at = row * columns + column;
            const y = row * stride - padding + Math.floor(k / kw) * dilation + offset(2 * k, at);
            const x2 = column * stride - padding + (k % kw) * dilation + offset(2 * k + 1, at);
            sum += weight[(o * channels + c) * kh * kw + k]! * modulation(k, at) * between(image[c]!, y, x2);
          }
        result.push(sum);
      }
  return result;
}

describe('deformedConvolve', () => {
  test('agrees with plain loops for any kernel, stride, dilation, padding, offsets and modulation', async () => {
    const cases = fc.record({
      kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
      stride: fc.integer({ min: 1, max: 2 }),
      dilation: fc.integer({ min: 1, max: 2 }),
      padding: fc.integer({ min: 0, max: 2 }),
      far: fc.constantFrom(0.5, 3, 40),
      modulated: fc.boolean(),
      phase: fc.nat(1000),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ far, modulated, phase, ...how }) => {
        const dims = [2, 5, 6] as const;
        const [outputs, places] = [3, how.kernel[0] * how.kernel[1]];
        const weight = wave([outputs, 2, ...how.kernel], phase);
        const plain = fresh(() => {
          const t = input('x', ['N', ...dims]);
          return convolve(t, input('w', weight.dims), undefined, how);
        });
        const [height, width] = plain.shape.slice(2) as [number, number];
        const size = height * width;
        const y = fresh(() => {
          const modulation = modulated ? { modulation: input('m', ['N', places, height, width]) } : {};
          const offset = input('offset', ['N', 2 * places, height, width]);
          return deformedConvolve(input('x', ['N', ...dims]), input('w', weight.dims), undefined, offset, {
            ...how,
            ...modulation,
          });
        });
        expect(y.shape).toEqual(['N', outputs, height, width]);
        const x = wave([2, ...dims], phase + 1);
        const offset = wave([2, 2 * places, height, width], phase + 2);
        const shifts = ndarray(
          'float32',
          offset.dims,
          toNumbers(offset).map((v) => v * far),
        );
        const m = wave([2, places, height, width], phase + 3);
        const got = await numbers(y, { x, w: weight, offset: shifts, ...(modulated ? { m } : {}) });
        const [image, moved, weighed] = [x, shifts, m].map(toNumbers) as [number[], number[], number[]];
        const want = [0, 1].flatMap((n) =>
          deformed(
            image.slice(n * 60, (n + 1) * 60),
            toNumbers(weight),
            (channel, at) => moved[(n * 2 * places + channel) * size + at]!,
            (k, at) => (modulated ? weighed[(n * places + k) * size + at]! : 1),
            outputs,
            { dims, ...how },
          ),
        );
        expect(largestDifference(got, want)).toBeLessThan(1e-4);
      }),
      { numRuns: 40 },
    );
  });

  test('gradients by image, offsets, modulation and weight agree with central differences', async () => {
    const shapes = { x: [1, 2, 3, 4], offset: [1, 8, 2, 3], m: [1, 4, 2, 3], w: [2, 2, 2, 2] } as const;
    const names = Object.keys(shapes) as (keyof typeof shapes)[];
    const values = Object.fromEntries(names.map((name, i) => [name, wave(shapes[name], i)])) as Record<
      keyof typeof shapes,
      ReturnType<typeof wave>
    >;
    // Positions a little off whole pixels, so that no difference steps over a kink.
    const off = toNumbers(values.offset).map((v) => (Math.round(v * 3) + 0.3 + 0.4 * Math.abs(v)) / 1);
    values.offset = ndarray('float32', shapes.offset, off);
    const by = wave([1, 2, 2, 3], 9);
    for (const name of names) {
      const loss = (t: Tensor): Tensor => {
        const at = (other: keyof typeof shapes) => (other === name ? t : input(`_${other}`, shapes[other]));
        const y = deformedConvolve(at('x'), at('w'), undefined, at('offset'), { modulation: at('m') });
        return sumAll(mul(mul(y, y), input('by', [1, 2, 2, 3])));
      };
      const feeds = Object.fromEntries(names.filter((n) => n !== name).map((n) => [`_${n}`, values[n]]));
      const [walked, differences] = await bothGradients(loss, values[name], { by, ...feeds });
      expect(Math.max(...walked.map(Math.abs)), name).toBeGreaterThan(0.05);
      expect(largestDifference(walked, differences), name).toBeLessThan(1e-2);
    }
  }, 20_000);

  test('second derivatives: the slope of the gradient by the offsets along a direction', async () => {
    const by = wave([1, 1, 2, 2], 1);
    const slope = (t: Tensor): Tensor => {
      const y = deformedConvolve(input('image', [1, 1, 3, 3]), input('w', [1, 1, 2, 2]), undefined, t);
      const [g] = gradients(sumAll(mul(mul(y, y), input('by', [1, 1, 2, 2]))), [t]);
      return sumAll(mul(g!, input('along', [1, 8, 2, 2])));
    };
    const at = ndarray(
      'float32',
      [1, 8, 2, 2],
      toNumbers(wave([1, 8, 2, 2], 2)).map((v) => 0.5 + 0.3 * v),
    );
    const feeds = { by, image: wave([1, 1, 3, 3], 3), w: wave([1, 1, 2, 2], 4), along: wave([1, 8, 2, 2], 5) };
    const [walked, differences] = await bothGradients(slope, at, feeds);
    expect(Math.max(...walked.map(Math.abs))).toBeGreaterThan(0.1);
    expect(largestDifference(walked, differences)).toBeLessThan(1e-2);
  });

  test('refuses what does not fit', () => {
    const x = input('x', ['N', 2, 4, 4]);
    const make = (w: number[], offset: (string | number)[]) => () =>
      fresh(() => deformedConvolve(x, input('w', w), undefined, input('o', offset), { padding: 1 }));
    expect(make([3, 2, 3, 3], ['N', 9, 4, 4])).toThrow(/offset should be \[N, 18, 4, 4\], got \[N, 9, 4, 4\]/);
    expect(make([3, 1, 3, 3], ['N', 18, 4, 4])).toThrow(/weight should be \[3, 2, 3, 3\], got \[3, 1, 3, 3\]/);
  });
});

describe('deformableConv', () => {
  const options = { stride: 2, dilation: 1, norm: 'batch', activation: 'relu' } as const;

  test.each([true, false])(
    'begins as the ordinary convolution of the same weights (modulated: %s)',
    async (modulated) => {
      const make = (build: (t: Tensor) => Tensor) => fresh(() => build(input('x', ['N', 3, 7, 6])));
      const y = make((t) => deformableConv(t, 5, { ...options, modulated, name: 'c' }));
      const plain = make((t) => conv(t, 5, { ...options, name: 'c' }));
      expect(y.shape).toEqual(plain.shape);
      const weights: Weights = new Map([['c/weight', wave([5, 3, 3, 3], 1)]]);
      const x = wave([2, 3, 7, 6], 2);
      const want = await numbers(plain, { x }, weights);
      expect(Math.max(...want)).toBeGreaterThan(0.5);
      expect(largestDifference(await numbers(y, { x }, weights), want)).toBeLessThan(1e-5);
      expect((await run({ result: y }, { x: wave([0, 3, 7, 6]) }, weights)).result!.dims).toEqual([0, 5, 4, 3]);
    },
  );

  test('bias, kernels of two sizes and every padding are those of conv', async () => {
    for (const how of [
      { kernel: [1, 3] },
      { kernel: 2 },
      { padding: 'valid' },
      { padding: [1, 0, 2, 1] },
      { dilation: 2 },
    ] as const) {
      const make = (layer: typeof conv | typeof deformableConv) =>
        fresh(() => layer(input('x', ['N', 2, 6, 5]), 3, { ...how, name: 'c' }));
      const x = wave([1, 2, 6, 5], 1);
      const weights: Weights = new Map([['c/bias', wave([3], 4)]]);
      expect(
        largestDifference(
          await numbers(make(deformableConv), { x }, weights),
          await numbers(make(conv), { x }, weights),
        ),
      ).toBeLessThan(1e-5);
    }
  });

  test('learned offsets and modulation move what it reads', async () => {
    const y = fresh(() => deformableConv(input('x', ['N', 1, 1, 4]), 1, { kernel: [1, 1], bias: false, name: 'c' }));
    const x = ndarray('float32', [1, 1, 1, 4], [1, 2, 4, 8]);
    const weights: Weights = new Map([
      ['c/weight', ndarray('float32', [1, 1, 1, 1], [1])],
      // y by 0, x by half a pixel, modulation 2 sigmoid(0) = 1.
      ['c/offset/bias', ndarray('float32', [3], [0, 0.5, 0])],
    ]);
    expect(largestDifference(await numbers(y, { x }, weights), [1.5, 3, 6, 4])).toBeLessThan(1e-5);
    weights.set('c/offset/bias', ndarray('float32', [3], [0, 0.5, Math.log(3)]));
    expect(largestDifference(await numbers(y, { x }, weights), [2.25, 4.5, 9, 6])).toBeLessThan(1e-5);
  });

  test('offsets and modulation learn although they start at zero', async () => {
    const slope = fresh(() => {
      const y = deformableConv(input('x', [1, 2, 5, 5]), 2, { name: 'c' });
      const learned = order([y]).find((node) => node.attrs.name === 'c/offset/bias');
      return gradients(sumAll(mul(y, input('by', [1, 2, 5, 5]))), [learned!.outputs[0]!])[0]!;
    });
    const got = await numbers(slope, { x: wave([1, 2, 5, 5], 1), by: wave([1, 2, 5, 5], 2) });
    expect(got.length).toBe(27);
    expect(Math.min(...got.map(Math.abs))).toBeGreaterThan(1e-4);
  });

  test('names its parameters, and counts two convolutions', () => {
    const y = fresh(() => deformableConv(input('x', ['N', 2, 5, 5]), 2, { name: 'c' }));
    expect(paramsOf([y]).map(({ name, shape }) => [name, shape])).toEqual([
      ['c/weight', [2, 2, 3, 3]],
      ['c/bias', [2]],
      ['c/offset/weight', [27, 2, 3, 3]],
      ['c/offset/bias', [27]],
    ]);
    expect(summary([y]).macs).toBe(25 * 18 * 2 + 25 * 18 * 27);
  });

  test('refuses what is no image', () => {
    expect(() => fresh(() => deformableConv(input('x', ['N', 3, 9]), 4))).toThrow(
      /deformableConv "deformableConv1": an image \[N, C, H, W\] is expected, got \[N, 3, 9\]/,
    );
    expect(() => fresh(() => deformableConv(input('x', ['N', 3, 'H', 9]), 4))).toThrow(/known/);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Dense } from '../../../../test/graph/dense.ts';
import * as naive from '../../../../test/graph/windows.ts';
import { seeded } from '../../../../test/support/random.ts';
import { blockSize, compile } from '../../../runtime/index.ts';
import { type NDArray, ndarray, sizeOf, toNumbers } from '../../array.ts';
import { gradients } from '../../differentiate.ts';
import { encodeModel } from '../../onnx/index.ts';
import { type ConvOptions, convAttrs, convolve } from '../../ops/conv.ts';
import { add, mul, relu, sub } from '../../ops/elementwise.ts';
import { input } from '../../ops/leaf.ts';
import { globalAveragePool } from '../../ops/pool.ts';
import { reduceSum, sumAll } from '../../ops/reduce.ts';
import type { Tensor } from '../../tensor.ts';
import { toOnnx } from '../../write.ts';
import { order } from '../order.ts';
import { simplify } from '../simplify.ts';
import { blocked } from './index.ts';
import type { BlockSize } from './layout.ts';

const block = await blockSize();

test('an x64 machine has blocked operators', () => {
  if (process.arch === 'x64') expect(block).toBeDefined();
});

const values = (shape: readonly number[], seed: number): NDArray => {
  const random = seeded(seed);
  return ndarray(
    'float32',
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => random() * 2 - 1),
  );
};

async function run(outputs: readonly Tensor[], feeds: Record<string, NDArray>): Promise<number[][]> {
  const named = Object.fromEntries(outputs.map((t, i) => [`y${i}`, t]));
  const runner = await compile(encodeModel(toOnnx(named)), { intraOpNumThreads: 1 });
  try {
    const results = await runner.run(feeds);
    return outputs.map((t, i) => {
      expect(results[`y${i}`]!.dims).toEqual(t.shape);
      return toNumbers(results[`y${i}`]!);
    });
  } finally {
    await runner.close();
  }
}

/** Largest difference, relative to the largest number. */
function difference(a: readonly number[], b: readonly number[]): number {
  const scale = a.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-6);
  return a.reduce((worst, v, i) => {
    const d = Math.abs(v - b[i]!) / scale;
    return d <= worst ? worst : Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
  }, 0);
}

async function expectSame(outputs: readonly Tensor[], feeds: Record<string, NDArray>): Promise<void> {
  const plain = await run(outputs, feeds);
  const fast = await run(simplify(blocked(outputs, { block: block! })), feeds);
  plain.forEach((numbers, i) => {
    expect(difference(numbers, fast[i]!), `output ${i}`).toBeLessThan(1e-5);
  });
}

/** A convolution and its gradients by input and weight, on inputs "x", "w" and cotangent "g". */
function threeMaps(x: readonly number[], w: readonly number[], options: ConvOptions) {
  const [tx, tw] = [input('x', x), input('w', w)];
  const y = convolve(tx, tw, undefined, options);
  const g = input('g', y.shape);
  const feeds = { x: values(x, 1), w: values(w, 2), g: values(y.shape as number[], 3) };
  return { outputs: [y, ...gradients(sumAll(mul(y, g)), [tx, tw])], feeds };
}

const names = (outputs: readonly Tensor[]): Set<string> =>
  new Set(order(outputs).map(({ op }) => (op.domain === 'com.microsoft.nchwc' ? `blocked ${op.name}` : op.name)));

describe.skipIf(!block)('blocked', () => {
  const b: BlockSize = block ?? 16;

  test.each<[string, number[], number[], ConvOptions]>([
    ['3x3', [b, b, 6, 5], [2 * b, b, 3, 3], { padding: 1 }],
    ['3x3, stride 2, even', [b, b, 8, 6], [b, b, 3, 3], { padding: 1, stride: 2 }],
    ['3x3, stride 2, odd', [2 * b, 2 * b, 7, 7], [b, 2 * b, 3, 3], { padding: 1, stride: 2 }],
    ['1x1', [b, b, 4, 4], [2 * b, b, 1, 1], {}],
    ['1x1, stride 2', [b, b, 6, 7], [2 * b, b, 1, 1], { stride: 2 }],
    ['an odd batch', [b + b / 2 + 1, b, 5, 4], [b, b, 3, 3], { padding: 1 }],
    ['5x3, pads of each side differ', [b, b, 6, 6], [b, b, 5, 3], { padding: [2, 0, 1, 2] }],
    ['14x14', [b, 3 * b, 14, 14], [2 * b, 3 * b, 3, 3], { padding: 1 }],
  ])('%s: all three maps work in blocks', async (_, x, w, options) => {
    const { outputs, feeds } = threeMaps(x, w, options);
    const used = names(blocked(outputs, { block: b }));
    expect(used).toContain('blocked Conv');
    for (const plain of ['Conv', 'ConvInputGradient', 'ConvWeightGradient']) expect(used).not.toContain(plain);
    await expectSame(outputs, feeds);
  });

  test('an image of 1 or 3 channels: forward and weight gradient', async () => {
    for (const channels of [1, 3]) {
      const { outputs, feeds } = threeMaps([b, channels, 9, 8], [b, channels, 3, 3], { padding: 1, stride: 2 });
      const [y, , dw] = outputs as [Tensor, Tensor, Tensor];
      const used = names(blocked([y, dw], { block: b }));
      for (const plain of ['Conv', 'ConvWeightGradient']) expect(used).not.toContain(plain);
      await expectSame([y, dw], feeds);
    }
  });

  test('any shape at all', { timeout: 120_000 }, async () => {
    const size = fc.integer({ min: 1, max: 9 });
    const channels = fc.constantFrom(1, 3, 5, b - 1, b, b + 2, 2 * b);
    const shapes = fc.record({
      n: fc.constantFrom(1, 3, b / 2, b, b + 1, 2 * b - 1, 2 * b),
      i: channels,
      o: channels,
      hw: fc.tuple(size, size),
      kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
      stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
      pads: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 4, maxLength: 4 }),
      dilation: fc.constantFrom(1, 1, 2),
      groups: fc.constantFrom('one', 'one', 'one', 'depthwise'),
    });
    await fc.assert(
      fc.asyncProperty(shapes, async ({ n, i, o, hw, kernel, stride, pads, dilation, groups }) => {
        fc.pre(hw.every((d, j) => d + pads[j]! + pads[j + 2]! >= dilation * (kernel[j]! - 1) + 1));
        const single = groups === 'depthwise';
        const weight = [single ? i : o, single ? 1 : i, ...kernel];
        const options = { stride, dilation, padding: pads, groups: single ? i : 1 };
        const { outputs, feeds } = threeMaps([n, i, ...hw], weight, options);
        await expectSame(outputs, feeds);
      }),
      { numRuns: 60 },
    );
  });

  test('gradients are the central differences of convolution by its definition', async () => {
    const [x, w, options] = [[b, b, 4, 3], [b, b, 3, 3], { padding: 1, stride: 2 }] as [
      number[],
      number[],
      ConvOptions,
    ];
    const { outputs, feeds } = threeMaps(x, w, options);
    const [, dx, dw] = await run(simplify(blocked(outputs, { block: b })), feeds);
    const attrs = convAttrs(w.slice(2), options);
    const asDense = (a: NDArray): Dense => ({ dims: a.dims, data: toNumbers(a) });
    const g = toNumbers(feeds.g);
    const loss = (p: Dense, q: Dense): number =>
      naive.conv(p, q, undefined, attrs).data.reduce((s, v, i) => s + v * g[i]!, 0);
    const moved = (a: Dense, d: Dense, h: number): Dense => ({ ...a, data: a.data.map((v, i) => v + h * d.data[i]!) });
    const [px, pw, ex, ew] = [feeds.x, feeds.w, values(x, 4), values(w, 5)].map(asDense) as [
      Dense,
      Dense,
      Dense,
      Dense,
    ];
    const along = (gradient: number[], d: Dense): number => gradient.reduce((s, v, i) => s + v * d.data[i]!, 0);
    expect(along(dx!, ex)).toBeCloseTo((loss(moved(px, ex, 0.1), pw) - loss(moved(px, ex, -0.1), pw)) / 0.2, 2);
    expect(along(dw!, ew)).toBeCloseTo((loss(px, moved(pw, ew, 0.1)) - loss(px, moved(pw, ew, -0.1))) / 0.2, 2);
  });

  test('what lies between convolutions stays in blocks, and joins them', async () => {
    const [x, v, w, s, o] = [
      input('x', [b, b, 5, 4]),
      input('v', [b, b, 3, 3]),
      input('w', [b, b, 3, 3]),
      input('s', [b, 1, 1]),
      input('o', [1, b, 1, 1]),
    ];
    const first = convolve(x, v, undefined, { padding: 1 });
    const scaled = add(mul(sub(first, o), s), o);
    const second = convolve(relu(scaled), w, undefined, { padding: 1 });
    const y = relu(add(second, first));
    const outputs = [y, globalAveragePool(y), reduceSum(y, [0, 2, 3]), ...gradients(sumAll(mul(y, y)), [v, w, s, o])];
    const lowered = blocked(outputs, { block: b });
    const nodes = order(lowered);
    // The sum, the offsets and both Relus are done by convolutions.
    expect(nodes.filter((n) => n.op.name === 'Relu')).toEqual([]);
    // Only y itself leaves the blocks.
    expect(nodes.filter((n) => n.op.name === 'ReorderOutput')).toHaveLength(1);
    const shapes: Record<string, readonly number[]> = { x: [b, b, 5, 4], v: [b, b, 3, 3], w: [b, b, 3, 3] };
    Object.assign(shapes, { s: [b, 1, 1], o: [1, b, 1, 1] });
    await expectSame(
      outputs,
      Object.fromEntries(Object.entries(shapes).map(([name, shape], i) => [name, values(shape, i + 1)])),
    );
  });
});

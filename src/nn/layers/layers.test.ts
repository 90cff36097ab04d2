import { describe, expect, test } from 'vitest';
import { largestDifference } from '../../../test/support/difference.ts';
import { DynaError } from '../../errors.ts';
import { type DType, fresh, input, ndarray, scope, type Tensor, toNumbers, toOnnx } from '../../graph/index.ts';
import { currentClasses, withClasses } from '../context.ts';
import { imageOf } from '../fixtures/naive.ts';
import { numbers, run, wave } from '../fixtures/run.ts';
import { materialize } from '../init.ts';
import { paramsOf } from '../params.ts';
import {
  activate,
  batchNorm,
  classify,
  conv,
  Dropout,
  dropout,
  dropoutRate,
  flatten,
  layerNorm,
  linear,
  residual,
} from './index.ts';

const image = (dtype: DType = 'float32') => input('x', ['N', 3, 8, 8], dtype);
const namesOf = (build: () => Tensor): string[] => fresh(() => paramsOf([build()]).map((p) => p.name));
const failure = (build: () => unknown): DynaError => {
  try {
    fresh(build);
  } catch (error) {
    if (error instanceof DynaError) return error;
    throw error;
  }
  throw new Error('no error was thrown');
};

describe('linear', () => {
  const weight = ndarray('float32', [2, 3], [1, 2, 3, 4, 5, 6]);
  const bias = ndarray('float32', [2], [0.5, -100]);
  const weights = new Map([
    ['linear1/weight', weight],
    ['linear1/bias', bias],
  ]);

  test('matrices and any leading axes, with and without bias', async () => {
    const x = ndarray('float32', [2, 3], [1, 0, -1, 1, 1, 1]);
    expect(
      await numbers(
        fresh(() => linear(input('x', ['N', 3]), 2)),
        { x },
        weights,
      ),
    ).toEqual([-1.5, -102, 6.5, -85]);
    const tokens = { ...x, dims: [1, 2, 1, 3] };
    const deep = fresh(() => linear(input('x', ['N', 2, 1, 3]), 2));
    expect(deep.shape).toEqual(['N', 2, 1, 2]);
    expect(await numbers(deep, { x: tokens }, weights)).toEqual([-1.5, -102, 6.5, -85]);
    const bare = fresh(() => linear(input('x', ['N', 3]), 2, { bias: false, activation: 'relu' }));
    expect(await numbers(bare, { x }, weights)).toEqual([0, 0, 6, 15]);
    expect(paramsOf([bare]).map((p) => p.name)).toEqual(['linear1/weight']);
  });
});

test('activations by name agree with their formulas', async () => {
  const x = ndarray('float32', [7], [-5, -2, -0.5, 0, 0.5, 2, 5]);
  const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));
  const formulas: [Parameters<typeof activate>[1], (v: number) => number, number][] = [
    ['relu', (v) => Math.max(v, 0), 1e-7],
    ['leakyRelu', (v) => (v < 0 ? 0.01 * v : v), 1e-7],
    ['elu', (v) => (v < 0 ? Math.expm1(v) : v), 1e-6],
    // the tanh form differs from the exact one by up to 5e-4
    ['gelu', (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))), 1e-3],
    ['silu', (v) => v * sigmoid(v), 1e-6],
    ['hardSwish', (v) => (v * Math.min(6, Math.max(0, v + 3))) / 6, 1e-6],
    ['sigmoid', sigmoid, 1e-6],
    ['tanh', Math.tanh, 1e-6],
    ['softplus', (v) => Math.log(1 + Math.exp(v)), 1e-6],
    ['identity', (v) => v, 0],
    [false, (v) => v, 0],
  ];
  const t = input('x', [7]);
  for (const [name, formula, tolerance] of formulas) {
    const got = name === false ? toNumbers(x) : await numbers(activate(t, name), { x });
    expect([name, largestDifference(got, toNumbers(x).map(formula)) <= tolerance]).toEqual([name, true]);
  }
  expect(activate(t, false)).toBe(t);
  expect(() => activate(t, 'swish' as 'silu')).toThrow(/no activation "swish"; use one of relu, /);
});

describe('residual', () => {
  test('is the sum of its branch and its shortcut', async () => {
    const x = wave([2, 3, 8, 8], 1);
    const parts = fresh(() => {
      const t = image();
      const block = residual(t, 6, { stride: 2 });
      return scope('residual1', () => {
        const y = conv(t, 6, { stride: 2, norm: 'batch', activation: 'relu', name: 'conv1' });
        const branch = conv(y, 6, { norm: 'batch', name: 'conv2' });
        return { block, branch, shortcut: conv(t, 6, { kernel: 1, stride: 2, norm: 'batch', name: 'shortcut' }) };
      });
    });
    const weights = materialize(paramsOf([parts.block]), 3);
    const [block, branch, shortcut] = [
      await numbers(parts.block, { x }, weights),
      await numbers(parts.branch, { x }, weights),
      await numbers(parts.shortcut, { x }, weights),
    ];
    expect(parts.block.shape).toEqual(['N', 6, 4, 4]);
    const sum = branch!.map((v, i) => Math.max(0, v + shortcut![i]!));
    expect(sum.some((v) => v > 0.1)).toBe(true);
    expect(largestDifference(block!, sum)).toBeLessThan(1e-5);
  });

  test('keeps its input as shortcut where the shape stays; zeroInit begins as that shortcut', async () => {
    const x = wave([1, 3, 8, 8], 2);
    const plain = fresh(() => residual(image(), 3));
    expect(paramsOf([plain]).some((p) => p.name.includes('shortcut'))).toBe(false);
    const still = await numbers(
      fresh(() => residual(image(), 3, { zeroInit: true })),
      { x },
    );
    expect(still).toEqual(toNumbers(x).map((v) => Math.max(0, v)));
    expect(await numbers(plain, { x })).not.toEqual(still);
  });

  test('projects and normalises its shortcut where only the stride changes the shape', () => {
    const y = fresh(() => residual(image(), 3, { stride: 2 }));
    expect(y.shape).toEqual(['N', 3, 4, 4]);
    const shortcut = paramsOf([y]).flatMap((p) => (p.name.includes('shortcut') ? [p.name] : []));
    expect(shortcut).toEqual(
      ['weight', 'norm/scale', 'norm/bias', 'norm/mean', 'norm/variance'].map((name) => `residual1/shortcut/${name}`),
    );
  });

  test('a bottleneck is 1x1, 3x3 with the stride, 1x1', () => {
    const y = fresh(() => residual(image(), 16, { bottleneck: true, stride: 2, zeroInit: true }));
    expect(y.shape).toEqual(['N', 16, 4, 4]);
    const shapes = paramsOf([y]).flatMap((p) => (p.role === 'weight' ? [[p.name, ...p.shape]] : []));
    expect(shapes).toEqual([
      ['residual1/conv1/weight', 4, 3, 1, 1],
      ['residual1/conv2/weight', 4, 4, 3, 3],
      ['residual1/conv3/weight', 16, 4, 1, 1],
      ['residual1/shortcut/weight', 16, 3, 1, 1],
    ]);
    expect(failure(() => residual(image(), 6, { bottleneck: true })).message).toMatch(/divide by 4, got 6/);
    expect(failure(() => residual(image(), 8, { norm: 'group', zeroInit: true })).code).toBe('usage');
  });
});

describe('classify', () => {
  test('is a linear map of the means over positions', async () => {
    const x = wave([1, 3, 8, 8], 5);
    const y = fresh(() => classify(image(), { classes: 2 }));
    const [weight, bias] = [wave([2, 3], 1), wave([2], 2)];
    const got = await numbers(
      y,
      { x },
      new Map([
        ['classify1/weight', weight],
        ['classify1/bias', bias],
      ]),
    );
    const means = imageOf(x.data as Float32Array, [3, 8, 8]).map((m) => m.flat().reduce((a, b) => a + b, 0) / 64);
    const expected = [0, 1].map(
      (o) => means.reduce((s, m, i) => s + m * Number(weight.data[o * 3 + i]), 0) + Number(bias.data[o]),
    );
    expect(largestDifference(got, expected)).toBeLessThan(1e-6);
  });

  test('takes the classes of the net that is traced', () => {
    const shape = (classes: number) => withClasses(classes, () => fresh(() => classify(image()).shape));
    expect(shape(7)).toEqual(['N', 7]);
    withClasses(3, () => {
      expect(withClasses(4, currentClasses)).toBe(4);
      expect(() =>
        withClasses(5, () => {
          throw new Error('a trace that fails');
        }),
      ).toThrow('a trace that fails');
      expect(currentClasses()).toBe(3);
    });
    expect(failure(() => classify(image())).message).toMatch(
      /classify "classify1": .*classify\(x, \{ classes: 10 \}\)/,
    );
    expect(() => withClasses(0, () => 1)).toThrow(/from 1 on, got 0/);
  });

  test('refuses what is neither an image nor a vector', () => {
    const error = failure(() => classify(input('x', ['N', 5, 6]), { classes: 2 }));
    expect(error.message).toMatch(/\[N, C\] or \[N, C, H, W\] are expected, got \[N, 5, 6\]; pool/);
  });
});

describe('dropout', () => {
  test('is the identity in a plain file, whose node names its rate', async () => {
    const y = fresh(() => dropout(image(), { rate: 0.25 }));
    expect(y.node.op).toBe(Dropout);
    expect([y.node.scope, dropoutRate(y.node)]).toEqual(['dropout1', 0.25]);
    const x = wave([2, 3, 8, 8], 1);
    expect(await numbers(y, { x })).toEqual(toNumbers(x));
    const [node] = toOnnx({ y }).graph.nodes;
    expect([node!.op, node!.domain, node!.inputs.length, node!.attributes]).toEqual(['Dropout', '', 2, {}]);
  });

  test('refuses impossible rates', () => {
    for (const rate of [-0.1, 1, Number.NaN])
      expect(failure(() => dropout(image(), { rate })).message).toMatch(/dropout "dropout1": a rate from 0 to 1/);
  });
});

describe('names', () => {
  test('unnamed layers are numbered by kind and place', () => {
    const names = namesOf(() => {
      let x = conv(image(), 4);
      x = residual(x, 4);
      x = residual(x, 8, { stride: 2, norm: batchNorm });
      x = scope('head', () => linear(flatten(conv(x, 2)), 5));
      return layerNorm(linear(x, 2));
    });
    expect(names.filter((name) => name.endsWith('weight'))).toEqual([
      'conv1/weight',
      'residual1/conv1/weight',
      'residual1/conv2/weight',
      'residual2/conv1/weight',
      'residual2/conv2/weight',
      'residual2/shortcut/weight',
      'head/conv1/weight',
      'head/linear1/weight',
      'linear1/weight',
    ]);
    expect(names).toContain('residual2/conv1/batchNorm1/scale');
    expect(names).toContain('residual1/conv2/norm/variance');
  });

  test('a named layer in between shifts no other name, and no other value', () => {
    const build = (extra: boolean) => () => {
      let x = conv(image(), 4);
      if (extra) x = residual(conv(x, 4, { name: 'extra' }), 4, { name: 'more' });
      return classify(residual(conv(x, 4), 4), { classes: 3 });
    };
    const [without, widened] = [namesOf(build(false)), namesOf(build(true))];
    expect(widened.filter((name) => !/^(extra|more)\//.test(name))).toEqual(without);
    const valuesOf = (extra: boolean) => fresh(() => materialize(paramsOf([build(extra)()]), 11));
    const [before, after] = [valuesOf(false), valuesOf(true)];
    for (const [name, value] of before) expect(after.get(name)).toEqual(value);
  });

  test('two layers of one name are refused with that name', () => {
    const error = failure(() => paramsOf([linear(linear(input('x', ['N', 3]), 3, { name: 'fc' }), 3, { name: 'fc' })]));
    expect([error.code, error.message]).toEqual(['graph', expect.stringMatching(/named "fc\/weight"; give each/)]);
  });
});

describe('errors', () => {
  test('name the innermost layer and begin at the line of the user', () => {
    const build = () => scope('stage1', () => residual(input('x', ['N', 784]), 16, { name: 'block' }));
    const error = failure(build);
    expect(error.code).toBe('shape');
    expect(error.message).toBe(
      'conv "stage1/block/conv1": an input [N, C, H, W] or [N, C, L] is expected, got [N, 784]; reshape it first',
    );
    expect(error.fix).toBe('reshape it first');
    const frames = error.stack!.split('\n').filter((line) => line.trim().startsWith('at '));
    expect(frames[0]).toMatch(/residual\.ts/);
    expect(frames[1]).toMatch(/layers\.test\.ts/);
  });

  test.each<[string, () => unknown, RegExp]>([
    ['channels', () => conv(image(), 0), /^conv "conv1": channels should be a whole number from 1 on, got 0/],
    ['groups', () => conv(image(), 4, { groups: 2 }), /^conv "conv1": 3 channels in and 4 out do not divide into 2/],
    ['kernel', () => conv(image(), 4, { kernel: [3] }), /^conv "conv1": kernel should have 2 number/],
    ['size', () => conv(image(), 4, { kernel: 9, padding: 0 }), /^conv "conv1": Conv: a kernel of 9 .* into 8/],
    ['norm', () => conv(image(), 4, { norm: 'layer' as 'group' }), /^conv "conv1": there is no normalisation "layer"/],
    [
      'axis',
      () => linear(input('x', ['N', 'T']), 4),
      /^linear "linear1": the number of features .* got "T" in \[N, T\]/,
    ],
    ['rank', () => linear(input('x', [4]), 4), /^linear "linear1": an input \[N, \.\.\., features\]/],
    ['channels of a norm', () => batchNorm(input('x', ['N'])), /^batchNorm "batchNorm1": an input \[N, C, \.\.\.\]/],
  ])('%s', (_, build, message) => {
    expect(failure(build).message).toMatch(message);
  });

  test('a mistake of another kind passes as it is', () => {
    const norm = () => {
      throw new TypeError('not ours');
    };
    expect(() => conv(image(), 4, { norm })).toThrow(TypeError);
  });
});

test('a small net runs at any batch size, none included', async () => {
  const logits = fresh(() => {
    let x = conv(image(), 8, { norm: 'group', activation: 'silu' });
    x = residual(dropout(x, { rate: 0.1 }), 16, { stride: 2 });
    return classify(x, { classes: 4 });
  });
  const all = await numbers(logits, { x: wave([3, 3, 8, 8]) });
  const { result } = await run({ result: logits }, { x: wave([0, 3, 8, 8]) });
  expect([all.length, result!.dims]).toEqual([12, [0, 4]]);
  const first = await numbers(logits, { x: wave([1, 3, 8, 8]) });
  expect(largestDifference(first, all.slice(0, 4))).toBeLessThan(1e-5);
});

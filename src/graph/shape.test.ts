import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { calls } from '../../test/graph/calls.ts';
import { DynaError } from '../errors.ts';
import { compile } from '../runtime/index.ts';
import * as g from './index.ts';
import { broadcastShapes, normalizeAxis } from './shape.ts';

test('inferred shapes are what ONNX Runtime returns', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(calls, { minLength: 1, maxLength: 60, size: 'max' }), async (list) => {
      const results = list.flatMap((c) => c.make().map((t) => ({ name: c.name, t })));
      const outputs = Object.fromEntries(results.map(({ t }, i) => [`y${i}`, t]));
      const bytes = g.encodeModel(g.toOnnx(outputs));
      const runner = await compile(bytes, { graphOptimizationLevel: 'disabled', intraOpNumThreads: 1 });
      const got = await runner.run({});
      await runner.close();
      for (const [i, { name, t }] of results.entries()) expect(got[`y${i}`]!.dims, name).toEqual(t.shape);
    }),
    { numRuns: 30 },
  );
});

const x = (...shape: (number | string)[]) => g.input('x', shape);
const y = (...shape: (number | string)[]) => g.input('y', shape);
const i64 = (...shape: (number | string)[]) => g.input('i', shape, 'int64');
const bool = (...shape: (number | string)[]) => g.input('b', shape, 'bool');
const wide = (...shape: (number | string)[]) => g.input('w', shape, 'float64');
const window = { ...g.convAttrs([2, 2], {}), output_padding: [0, 0] };
const { group, ...poolWindow } = g.convAttrs([2, 2], {});

describe('calls that cannot be are refused where they are made, with both shapes', () => {
  const rows: [string, () => unknown, string | RegExp][] = [
    ['Add', () => g.add(x(2, 3), y(4)), 'Add: shapes [2, 3] and [4] do not broadcast'],
    ['Add, two names', () => g.add(x('N', 3), y('M', 3)), 'Add: shapes [N, 3] and [M, 3] do not broadcast'],
    ['Add, a name and a number', () => g.add(x('N'), y(4)), 'Add: shapes [N] and [4] do not broadcast'],
    ['Mul, dtypes', () => g.mul(x(2), i64(2)), 'Mul: inputs have different types, float32 and int64'],
    ['Where, condition', () => g.where(x(2), x(2), y(2)), 'Where: the condition must be bool, got float32'],
    ['Where', () => g.where(bool(3), x(2), y(2)), 'Where: shapes [3] and [2] do not broadcast'],
    ['And', () => g.and(x(2), bool(2)), /bool/],
    ['Not', () => g.not(x(2)), 'Not expects bool, got float32'],
    ['MatMul', () => g.matMul(x(2, 3), y(4, 5)), 'MatMul: inner sizes 3 and 4 of [2, 3] and [4, 5] differ'],
    ['MatMul, stacks', () => g.matMul(x(2, 2, 3), y(3, 3, 2)), 'MatMul: shapes [2] and [3] do not broadcast'],
    ['MatMul, vectors', () => g.matMul(x(3), y(3, 2)), 'MatMul expects matrices, got [3] and [3, 2]'],
    ['MatMul, dtypes', () => g.matMul(x(2, 3), wide(3, 2)), 'MatMul: inputs have different types, float32 and float64'],
    ['FusedMatMul', () => g.fusedMatMul(x(2, 3), y(3, 2), { transA: 1 }), 'FusedMatMul: inner sizes 2 and 3'],
    ['Gemm', () => g.gemm(x(2, 3), y(2, 4)), 'Gemm: inner sizes 3 and 2 of [2, 3] and [2, 4] differ'],
    ['Gemm, rank', () => g.gemm(x(2, 3, 1), y(3, 4)), 'Gemm expects matrices, got [2, 3, 1] and [3, 4]'],
    [
      'Gemm, bias',
      () => g.gemm(x(1, 3), y(3, 4), g.input('c', [5])),
      'Gemm bias: shapes [1, 4] and [5] do not broadcast',
    ],
    [
      'Gemm, a bias that is too large',
      () => g.gemm(x(1, 3), y(3, 4), g.input('c', [2, 4])),
      'a bias [2, 4] does not broadcast to the product [1, 4]',
    ],
    [
      'Conv, channels',
      () => g.convolve(x('N', 3, 8, 8), y(4, 2, 3, 3), undefined),
      'the weight [4, 2, 3, 3] with 1 group(s) expects 2 channels, got [N, 3, 8, 8]',
    ],
    ['Conv, rank', () => g.convolve(x('N', 784), y(4, 1, 3, 3), undefined), 'got [N, 784] and [4, 1, 3, 3]'],
    [
      'Conv, kernel',
      () => g.convolve(x(1, 1, 2, 8), y(1, 1, 3, 3), undefined),
      'a kernel of 3 (dilation 1) does not fit into 2 with pads 0 and 0',
    ],
    [
      'Conv, groups',
      () => g.convolve(x(1, 4, 4, 4), y(3, 2, 1, 1), undefined, { groups: 2 }),
      '3 output channels do not divide into 2 groups',
    ],
    [
      'Conv, bias',
      () => g.convolve(x(1, 1, 4, 4), y(3, 1, 1, 1), g.input('c', [2])),
      'a bias [3] is expected, got [2]',
    ],
    [
      'Conv, named size',
      () => g.convolve(x(1, 1, 'H', 4), y(3, 1, 1, 1), undefined),
      'Conv needs known spatial sizes, got "H"',
    ],
    [
      'Conv, kernel_shape',
      () => g.apply(g.Conv, [x(1, 1, 4, 4), y(1, 1, 3, 3)], window),
      'kernel_shape [2, 2] differs from the weight [1, 1, 3, 3]',
    ],
    [
      'ConvTranspose, channels',
      () => g.apply(g.ConvTranspose, [x(1, 3, 4, 4), y(2, 1, 2, 2)], window),
      'the weight [2, 1, 2, 2] expects 2 channels, got [1, 3, 4, 4]',
    ],
    [
      'ConvTranspose, rank',
      () => g.apply(g.ConvTranspose, [x(1, 3, 4), y(3, 1, 2)], window),
      'does not fit [1, 3, 4] and the weight [3, 1, 2]',
    ],
    [
      'ConvTranspose, bias',
      () => g.apply(g.ConvTranspose, [x(1, 2, 4, 4), y(2, 1, 2, 2), g.input('c', [2])], window),
      'a bias [1] is expected, got [2]',
    ],
    ['MaxPool', () => g.maxPool(x(1, 1, 2, 2), 3), 'MaxPool: a kernel of 3 (dilation 1) does not fit into 2'],
    [
      'MaxPool, rank',
      () => g.apply(g.MaxPool, [x(1, 4)], { ...poolWindow, ceil_mode: 0 }),
      'MaxPool expects 4 axes, got [1, 4]',
    ],
    [
      'AveragePool, dilation',
      () => g.averagePool(x(1, 1, 5, 5), 2, { dilation: 2 }),
      'AveragePool with dilations [2, 2] is not supported',
    ],
    [
      'BatchNormalization',
      () => g.batchNormalize(x('N', 3, 2, 2), y(3), y(3), y(4), y(3)),
      'of [N, 3, 2, 2] expects vectors of 3, got [4]',
    ],
    [
      'BatchNormalization in training',
      () =>
        g.applyAll(g.BatchNormTraining, [x('N', 3), y(3), y(3), y(3), y(3)], {
          epsilon: 0,
          momentum: 0.9,
          training_mode: 1,
        }),
      'momentum 0, got 0.9',
    ],
    [
      'LayerNormalization',
      () => g.layerNormalize(x('N', 3), y(4), y(4)),
      'of [N, 3] from axis -1 expects [3], got [4]',
    ],
    ['Softmax', () => g.softmax(x(2, 3), 2), 'Softmax: axis 2 is outside a tensor of rank 2'],
    ['ReduceSum', () => g.reduceSum(x(2, 3), [-3]), 'reduction: axis -3 is outside a tensor of rank 2'],
    ['ArgMax', () => g.argMax(x(2, 3), 2), 'ArgMax: axis 2 is outside a tensor of rank 2'],
    ['Reshape', () => g.reshape(x(2, 3), [4]), 'Reshape: [2, 3] has not as many elements as [4]'],
    ['Reshape, -1', () => g.reshape(x(2, 3), [4, -1]), 'Reshape: [2, 3] does not divide into [4, -1]'],
    ['Reshape, -1 twice', () => g.reshape(x(2, 3), [-1, -1]), 'only one -1 can be inferred, got [-1, -1]'],
    [
      'Reshape, -1 beside 0',
      () => g.reshape(x(0, 3), [0, -1]),
      '-1 cannot be inferred beside 0 in [0, -1], from [0, 3]',
    ],
    ['Reshape, 0', () => g.reshape(x(2), [2, 0]), 'Reshape: 0 copies axis 1, but the input is [2]'],
    ['Reshape, a name', () => g.reshape(x('N', 2), [4]), 'Reshape: [N, 2] has not as many elements as [4]'],
    ['Reshape, a name twice', () => g.reshape(x('N', 'N'), [0]), 'Reshape: [N, N] has not as many elements as [0]'],
    ['Flatten', () => g.flatten(x(2, 3), 3), 'Flatten: axis 3 is outside a tensor of rank 2'],
    ['Transpose', () => g.transpose(x(2, 3), [0, 0]), 'Transpose: [0, 0] is no order of the axes of [2, 3]'],
    ['Squeeze', () => g.squeeze(x(2, 3), [1]), 'Squeeze: axis 1 of [2, 3] is not 1'],
    [
      'Squeeze, no axes',
      () => g.apply(g.Squeeze, [x('N', 1)], {}),
      'Squeeze of [N, 1]: whether a named axis is 1 is not known',
    ],
    ['Unsqueeze', () => g.unsqueeze(x(2), [3]), 'Unsqueeze: axis 3 is outside a tensor of rank 2'],
    ['Expand', () => g.apply(g.Expand, [x(2, 3), g.ints([4, 3])], {}), 'Expand: [2, 3] cannot become [4, 3]'],
    ['Split', () => g.split(x(2, 5), [2, 2], 1), 'Split: sizes [2, 2] do not add up to axis 1 of [2, 5]'],
    ['Concat', () => g.concat([x(2, 3), y(3, 3)], 1), 'Concat on axis 1: [3, 3] does not fit [2, 3]'],
    ['Concat, dtypes', () => g.concat([x(2), i64(2)], 0), 'Concat: int64 among float32'],
    [
      'Slice, named axis',
      () => g.slice(x('N', 2), [{ axis: 0, start: 0, end: 1 }]),
      'Slice along the named axis "N" of [N, 2]',
    ],
    ['Slice, step', () => g.slice(x(4), [{ axis: 0, start: 0, end: 1, step: 0 }]), 'Slice with a step of 0'],
    ['Pad', () => g.pad(x(2, 3), [1, 1]), 'Pad of [2, 3] needs 4 numbers, got 2'],
    [
      'Pad, mode',
      () => g.apply(g.Pad, [x(2), g.ints([1, 0])], { mode: 'reflect' }),
      'Pad with mode "reflect" is not supported',
    ],
    ['Gather', () => g.gather(x(2, 3), i64(1), 2), 'Gather: axis 2 is outside a tensor of rank 2'],
    [
      'GatherElements',
      () => g.gatherElements(x(2, 3), i64(3, 1), 1),
      'an index [3, 1] does not fit [2, 3] along axis 1',
    ],
    ['GatherND', () => g.apply(g.GatherND, [x(2), i64(4, 2)], {}), 'GatherND: an index [4, 2] has no place in [2]'],
    [
      'ScatterElements',
      () => g.scatterElements(x(3, 2), i64(1, 2), y(2, 2), 0),
      'an index [1, 2] and updates [2, 2] do not fit [3, 2]',
    ],
    [
      'ScatterElements, reduction',
      () => g.scatterElements(x(3), i64(1), y(1), 0, 'mul' as 'add'),
      'the reduction "mul" is not supported',
    ],
    [
      'ScatterND',
      () => g.scatterNd(x(4, 2), i64(3, 1), y(3, 3)),
      'ScatterND into [4, 2] by an index [3, 1] expects updates [3, 2], got [3, 3]',
    ],
    [
      'Compress',
      () => g.compress(x(4, 2), bool(4, 1), 'rows'),
      'Compress: the condition must be bool [rows], got bool[4, 1]',
    ],
    ['OneHot', () => g.apply(g.OneHot, [i64(2), i64(1), y(2)], { axis: -1 }), 'the depth of OneHot must be a constant'],
    ['OneHot, one label', () => g.oneHot(i64(), 3), 'OneHot of a single label [] is not supported'],
    [
      'If',
      () => g.branch(bool(), [x(2)], [y(3)]),
      'If: result 0 is float32[2] of Input in one branch and float32[3] of Input in the other',
    ],
    ['If, condition', () => g.branch(x(), [x(2)], [y(2)]), 'If: the condition must be bool, got float32'],
    [
      'param',
      () => g.param('w', [2, -1], { kind: 'constant', value: 0 }),
      'parameter "w" needs a shape of whole numbers, got [2, -1]',
    ],
    ['too few inputs', () => g.apply(g.Add, [x(2)], {}), 'Add takes 2 inputs, got 1'],
    ['a missing input', () => g.apply(g.Add, [x(2), undefined], {}), 'Add: input 1 is required and missing'],
    ['PRelu', () => g.prelu(x(2, 3), y(2)), /\[2, 3\] and \[2\] do not broadcast/],
  ];
  test.each(rows)('%s', (_, make, sentence) => {
    expect(make).toThrow(DynaError);
    expect(make).toThrow(sentence);
  });
});

test('a named axis broadcasts with 1 and with itself, and keeps its name', () => {
  expect(broadcastShapes(['N', 1, 3], [4, 1], 'here')).toEqual(['N', 4, 3]);
  expect(broadcastShapes(['N'], ['N'], 'here')).toEqual(['N']);
  expect(broadcastShapes([1, 0], [5, 1], 'here')).toEqual([5, 0]);
  expect(normalizeAxis(-1, 3, 'here')).toBe(2);
  expect(() => normalizeAxis(0.5, 3, 'here')).toThrow('here: axis 0.5');
});

test('names follow sizes through shapes', () => {
  expect(g.reshape(x('N', 4), [0, 2, 2]).shape).toEqual(['N', 2, 2]);
  expect(g.reshape(x('N', 4), [-1, 4]).shape).toEqual(['N', 4]);
  expect(g.reshape(x('N', 'N'), [0, -1]).shape).toEqual(['N', 'N']);
  expect(g.reshape(x('N', 4), [-1]).shape).toEqual(['4*N']);
  expect(g.flatten(x('N', 2, 3)).shape).toEqual(['N', 6]);
  expect(g.concat([x('N', 2), y('M', 2)], 0).shape).toEqual(['N+M', 2]);
});

test('multiply-accumulates of one item, counted by hand', () => {
  const macs = (t: g.Tensor): number => t.node.op.macs(t.node);
  expect(macs(g.convolve(x('N', 3, 8, 8), y(16, 3, 3, 3), undefined, { padding: 1, stride: 2 }))).toBe(16 * 4 * 4 * 27);
  expect(macs(g.convolve(x('N', 8, 5, 5), y(8, 1, 3, 3), undefined, { groups: 8 }))).toBe(8 * 3 * 3 * 9);
  expect(macs(g.apply(g.ConvTranspose, [x('N', 4, 3, 3), y(4, 2, 2, 2)], window))).toBe(4 * 9 * 2 * 4);
  expect(macs(g.matMul(x('N', 5, 7), y(7, 3)))).toBe(5 * 7 * 3);
  expect(macs(g.fusedMatMul(x('N', 7, 5), y(3, 7), { transA: 1, transB: 1 }))).toBe(5 * 7 * 3);
  expect(macs(g.gemm(x('N', 7), y(3, 7), undefined, { transB: 1 }))).toBe(21);
  expect(macs(g.relu(x('N', 7)))).toBe(0);
  // A batch axis that was joined with another one keeps what is known of it.
  expect(macs(g.matMul(g.reshape(x('N', 5, 7), [-1, 7]), y(7, 3)))).toBe(5 * 7 * 3);
  expect(g.itemSize(['197*N', 'N+M', 2])).toBe(394);
});

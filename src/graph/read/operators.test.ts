import { describe, expect, test } from 'vitest';
import { expectSame, f32, float, floats, i64, model, node, type Parts, value } from '../../../test/graph/models.ts';
import type { OnnxModel, OnnxNode } from '../index.ts';
import { readableOperators } from '../read.ts';

interface Row extends Parts {
  readonly name: string;
  readonly nodes: OnnxNode[];
  readonly sizes?: number[];
  readonly tolerance?: number;
}

const image = [value('x', ['N', 3, 7, 6])];
const images = (c: number, h: number, w: number) => [value('x', ['N', c, h, w])];
const row = (name: string, nodes: OnnxNode | OnnxNode[], parts: Omit<Row, 'name' | 'nodes'> = {}): Row => ({
  name,
  nodes: Array.isArray(nodes) ? nodes : [nodes],
  ...parts,
});
const bool = [value('y', undefined, 'bool')];
const int = [value('y', undefined, 'int64')];

const unary = [
  'Neg',
  'Abs',
  'Sign',
  'Floor',
  'Ceil',
  'Exp',
  'Reciprocal',
  'Sin',
  'Cos',
  'Erf',
  'Tanh',
  'Sigmoid',
].concat(
  ['Softplus', 'Relu', 'HardSwish', 'Round', 'Identity', 'Softsign', 'LeakyRelu', 'Elu', 'HardSigmoid', 'Selu', 'Celu'],
  [
    'ThresholdedRelu',
    'Dropout',
    'Softmax',
    'LogSoftmax',
    'Flatten',
    'Transpose',
    'ReduceSum',
    'ReduceMean',
    'ReduceMax',
  ],
  ['ReduceMin', 'ReduceL1', 'ReduceL2', 'ReduceSumSquare', 'ReduceLogSumExp'],
);
const binary = ['Add', 'Sub', 'Mul', 'Div', 'Min', 'Max', 'Sum', 'Mean', 'PRelu', 'Pow', 'CastLike'];
const comparisons = ['Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Equal'];
const logical = ['And', 'Or', 'Xor'];

const rows: Row[] = [
  ...unary.map((op) => row(`${op} with its defaults`, node(op, ['x']))),
  ...['Sqrt', 'Log', 'ReduceLogSum'].map((op) => row(op, [node('Exp', ['x'], 'e'), node(op, ['e'])])),
  ...binary.map((op) =>
    row(op, [node('Abs', ['x'], 'a'), node(op, op === 'PRelu' ? ['x', 'w'] : ['a', 'w'])], {
      stored: [f32('w', [4])],
      ...(op === 'CastLike' ? { stored: [i64('w', [1])], outputs: int } : {}),
    }),
  ),
  ...comparisons.map((op) => row(op, node(op, ['x', 'w']), { stored: [f32('w', [4])], outputs: bool })),
  ...logical.map((op) =>
    row(op, node(op, ['x', 'z']), {
      inputs: [value('x', ['N', 4], 'bool'), value('z', ['N', 4], 'bool')],
      outputs: bool,
    }),
  ),
  row('Not', node('Not', ['x']), { inputs: [value('x', ['N'], 'bool')], outputs: bool }),
  row('Where', [node('Greater', ['x', 'w'], 'c'), node('Where', ['c', 'x', 'w'])], { stored: [f32('w', [4])] }),
  row('Pow with an int exponent', node('Pow', ['x', 'two']), { stored: [i64('two', [2], [])] }),
  row('Sum of three', node('Sum', ['x', 'x', 'w']), { stored: [f32('w', [1, 4])] }),
  row('Mean of one', node('Mean', ['x'])),
  row('LeakyRelu 0.3', node('LeakyRelu', ['x'], 'y', { alpha: float(0.3) })),
  row('Selu with constants', node('Selu', ['x'], 'y', { alpha: float(1.5), gamma: float(0.7) })),
  row('Celu 2', node('Celu', ['x'], 'y', { alpha: float(2) })),
  row('Mish', node('Mish', ['x']), { opset: 18, tolerance: 1e-5 }),
  row('Gelu', node('Gelu', ['x']), { opset: 20, tolerance: 1e-5 }),
  row('Gelu by tanh', node('Gelu', ['x'], 'y', { approximate: 'tanh' }), { opset: 20, tolerance: 1e-5 }),
  row('Gelu of com.microsoft', node('Gelu', ['x'], 'y', {}, 'com.microsoft'), { tolerance: 1e-5 }),
  row('FusedMatMul', node('FusedMatMul', ['x', 'w'], 'y', { transB: 1, alpha: float(0.5) }, 'com.microsoft'), {
    stored: [f32('w', [5, 4])],
  }),
  row('Clip by inputs', node('Clip', ['x', 'low', 'high']), { stored: [f32('low', [], [-1]), f32('high', [], [0.5])] }),
  row('Clip without a lower limit', node('Clip', ['x', '', 'high']), { stored: [f32('high', [], [0.5])] }),
  row('Clip by attributes', node('Clip', ['x'], 'y', { min: float(-0.5), max: float(6) }), { opset: 10 }),
  row('Cast to int64', node('Cast', ['x'], 'y', { to: 7 }), { outputs: int }),
  row('Dropout before 12', node('Dropout', ['x'], 'y', { ratio: float(0.4) }), { opset: 7 }),
  row('Dropout with inputs', node('Dropout', ['x', 'r', 't']), {
    stored: [f32('r', [], [0.5]), { name: 't', dtype: 'bool', dims: [], data: Uint8Array.of(0) }],
  }),
  row('Dropout with its mask', node('Dropout', ['x'], ['y', 'mask']), {
    outputs: [value('y', undefined), value('mask', undefined, 'bool')],
  }),
  row('Dropout of old files, with a mask that nothing uses', node('Dropout', ['x'], ['y', 'mask']), { opset: 9 }),
  row('MatMul', node('MatMul', ['x', 'w']), { stored: [f32('w', [4, 3])] }),
  row('MatMul by a vector', node('MatMul', ['x', 'w']), { stored: [f32('w', [4])] }),
  row('MatMul of a vector', node('MatMul', ['v', 'w']), { inputs: [value('v', [4])], stored: [f32('w', [2, 4, 3])] }),
  row('Gemm', node('Gemm', ['x', 'w', 'b'], 'y', { transB: 1, alpha: float(0.5), beta: float(2) }), {
    stored: [f32('w', [3, 4]), f32('b', [3])],
  }),
  row('Gemm without bias', node('Gemm', ['x', 'w']), { opset: 11, stored: [f32('w', [4, 3])] }),

  row('Conv with its defaults', node('Conv', ['x', 'w']), { inputs: image, stored: [f32('w', [4, 3, 3, 2])] }),
  ...['SAME_UPPER', 'SAME_LOWER', 'VALID'].flatMap((auto_pad) => [
    row(`Conv ${auto_pad}`, node('Conv', ['x', 'w', 'b'], 'y', { auto_pad, strides: [2, 2] }), {
      inputs: images(3, 7, 8),
      stored: [f32('w', [4, 3, 3, 4]), f32('b', [4])],
    }),
    row(`MaxPool ${auto_pad}`, node('MaxPool', ['x'], 'y', { auto_pad, kernel_shape: [3, 2], strides: [2, 1] }), {
      inputs: image,
    }),
    row(
      `AveragePool ${auto_pad}`,
      node('AveragePool', ['x'], 'y', { auto_pad, kernel_shape: [2, 2], strides: [2, 2] }),
      {
        inputs: image,
      },
    ),
  ]),
  row('Conv by groups, dilated', node('Conv', ['x', 'w'], 'y', { group: 3, dilations: [2, 1], pads: [2, 0, 1, 1] }), {
    inputs: image,
    stored: [f32('w', [6, 1, 3, 3])],
  }),
  row('Conv over one axis', node('Conv', ['x', 'w'], 'y', { strides: [2] }), {
    inputs: [value('x', ['N', 2, 9])],
    stored: [f32('w', [3, 2, 3])],
  }),
  row(
    'ConvTranspose',
    node('ConvTranspose', ['x', 'w', 'b'], 'y', { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 0] }),
    { inputs: images(3, 4, 5), stored: [f32('w', [3, 2, 3, 3]), f32('b', [2])] },
  ),
  row('MaxPool by ceil', node('MaxPool', ['x'], 'y', { kernel_shape: [2, 3], strides: [2, 2], ceil_mode: 1 }), {
    inputs: image,
  }),
  row('MaxPool with indices', node('MaxPool', ['x'], ['v', 'y'], { kernel_shape: [2, 2] }), {
    inputs: image,
    outputs: int,
  }),
  row('AveragePool with pads', node('AveragePool', ['x'], 'y', { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }), {
    inputs: image,
  }),
  row(
    'AveragePool that counts pads',
    node('AveragePool', ['x'], 'y', { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 }),
    { inputs: image },
  ),
  row('GlobalAveragePool', node('GlobalAveragePool', ['x']), { inputs: image }),
  row('GlobalMaxPool', node('GlobalMaxPool', ['x']), { inputs: image }),

  ...[7, 9, 14].map((opset) =>
    row(`BatchNormalization of opset ${opset}`, node('BatchNormalization', ['x', 's', 'b', 'm', 'v']), {
      opset,
      inputs: image,
      stored: [f32('s', [3]), f32('b', [3]), f32('m', [3]), f32('v', [3], [0.5, 1, 2])],
    }),
  ),
  row(
    'BatchNormalization in training',
    node('BatchNormalization', ['x', 's', 'b', 'm', 'v'], ['y', 'mean', 'var'], {
      training_mode: 1,
      momentum: float(0.8),
    }),
    {
      inputs: image,
      outputs: [value('y', undefined), value('mean', undefined), value('var', undefined)],
      stored: [f32('s', [3]), f32('b', [3]), f32('m', [3]), f32('v', [3], [0.5, 1, 2])],
    },
  ),
  row('LayerNormalization', node('LayerNormalization', ['x', 's', 'b']), { stored: [f32('s', [4]), f32('b', [4])] }),
  row(
    'LayerNormalization without bias',
    node('LayerNormalization', ['x', 's'], 'y', { epsilon: float(0.1), axis: 1 }),
    {
      stored: [f32('s', [4])],
    },
  ),
  row('InstanceNormalization', node('InstanceNormalization', ['x', 's', 'b'], 'y', { epsilon: float(1e-3) }), {
    inputs: image,
    stored: [f32('s', [3]), f32('b', [3])],
    tolerance: 1e-5,
  }),
  row('GroupNormalization', node('GroupNormalization', ['x', 's', 'b'], 'y', { num_groups: 2 }), {
    opset: 21,
    inputs: images(4, 3, 3),
    stored: [f32('s', [4]), f32('b', [4])],
    tolerance: 1e-5,
  }),
  row('GroupNormalization for groups', node('GroupNormalization', ['x', 's', 'b'], 'y', { num_groups: 2 }), {
    opset: 18,
    inputs: images(4, 3, 3),
    stored: [f32('s', [2]), f32('b', [2])],
    tolerance: 1e-5,
  }),
  ...['Softmax', 'LogSoftmax'].flatMap((op) => [
    row(`${op} 11, flattening`, node(op, ['x'], 'y', { axis: 1 }), { opset: 11, inputs: image }),
    row(`${op} 11, last axis`, node(op, ['x'], 'y', { axis: -1 }), { opset: 11, inputs: image }),
    row(`${op} 13`, node(op, ['x'], 'y', { axis: 1 }), { inputs: image }),
  ]),

  ...['ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceL2', 'ReduceProd'].flatMap((op) => [
    row(`${op} 11`, node(op, ['x'], 'y', { axes: [1, -1], keepdims: 0 }), { opset: 11, inputs: image }),
    row(`${op} 18`, node(op, ['x', 'axes'], 'y', { keepdims: 0 }), {
      opset: 18,
      inputs: image,
      stored: [i64('axes', [2])],
    }),
    row(`${op} of nothing`, node(op, ['x'], 'y', { noop_with_empty_axes: 1 }), { opset: 18 }),
  ]),
  row('ReduceLogSumExp', node('ReduceLogSumExp', ['x'], 'y', { axes: [1], keepdims: 0 }), { tolerance: 1e-5 }),
  row('ArgMax', node('ArgMax', ['x'], 'y', { axis: 1, keepdims: 0 }), { outputs: int }),
  row('ArgMin', node('ArgMin', ['x'], 'y', { axis: -1 }), { outputs: int }),
  row('CumSum', node('CumSum', ['x', 'a'], 'y', { reverse: 1, exclusive: 1 }), { stored: [i64('a', [1], [])] }),

  row('Reshape', node('Reshape', ['x', 's']), { inputs: image, stored: [i64('s', [0, -1, 3])] }),
  row('Reshape that joins the batch', node('Reshape', ['x', 's']), { inputs: image, stored: [i64('s', [-1, 6])] }),
  row('Flatten at 2', node('Flatten', ['x'], 'y', { axis: 2 }), { inputs: image }),
  row('Transpose', node('Transpose', ['x'], 'y', { perm: [0, 2, 3, 1] }), { inputs: image }),
  row('Squeeze 11', node('Squeeze', ['x'], 'y', { axes: [1] }), { opset: 11, inputs: [value('x', ['N', 1, 3])] }),
  row('Squeeze 13', node('Squeeze', ['x', 'a']), { inputs: [value('x', ['N', 1, 3])], stored: [i64('a', [-2])] }),
  row('Squeeze of all', node('Squeeze', ['x']), { inputs: [value('x', [1, 3, 1])] }),
  row('Unsqueeze 11', node('Unsqueeze', ['x'], 'y', { axes: [0, 3] }), { opset: 11 }),
  row('Unsqueeze 13', node('Unsqueeze', ['x', 'a']), { stored: [i64('a', [1])] }),
  row('Expand', node('Expand', ['x', 's']), { stored: [i64('s', [3, 1, 4])] }),
  row('Split 11', node('Split', ['x'], ['y', 'z'], { axis: 1, split: [1, 3] }), {
    opset: 11,
    outputs: [value('y', undefined), value('z', undefined)],
  }),
  row('Split 13', node('Split', ['x', 's'], ['z', 'y'], { axis: -1 }), { stored: [i64('s', [3, 1])] }),
  row('Split in equal parts', node('Split', ['x'], ['z', 'y'], { axis: 1 })),
  row('Split 18 in unequal parts', node('Split', ['x'], ['z', 'a', 'y'], { axis: 1, num_outputs: 3 }), {
    opset: 18,
    inputs: [value('x', ['N', 7])],
  }),
  row('Concat', node('Concat', ['x', 'x'], 'y', { axis: -1 })),
  row('Concat of one', node('Concat', ['x'], 'y', { axis: 0 })),
  row('Slice 9', node('Slice', ['x'], 'y', { starts: [1, -3], ends: [2, 1000], axes: [1, 2] }), {
    opset: 9,
    inputs: image,
  }),
  row('Slice 13, backwards', node('Slice', ['x', 's', 'e', 'a', 'p']), {
    inputs: image,
    stored: [i64('s', [0, -1]), i64('e', [2 ** 40, -100]), i64('a', [0, 2]), i64('p', [1, -2])],
  }),
  row('Pad 10', node('Pad', ['x'], 'y', { pads: [0, 1, 0, 2], value: float(3) }), { opset: 10 }),
  row('Pad 17', node('Pad', ['x', 'p', 'v']), { stored: [i64('p', [0, -1, 0, 2]), f32('v', [], [0.5])] }),
  row('Pad 18 of some axes', node('Pad', ['x', 'p', '', 'a']), {
    opset: 18,
    stored: [i64('p', [1, 2]), i64('a', [-1])],
  }),
  row('Gather', node('Gather', ['x', 'i'], 'y', { axis: 1 }), { stored: [i64('i', [3, -4, 1])] }),
  row('GatherElements', node('GatherElements', ['x', 'i'], 'y', { axis: 1 }), {
    inputs: [value('x', ['N', 4]), value('i', ['N', 2], 'int64')],
  }),
  row('GatherND', node('GatherND', ['w', 'i']), {
    inputs: [value('i', ['N', 1], 'int64')],
    stored: [f32('w', [3, 2])],
  }),
  ...['Scatter', 'ScatterElements'].map((op) =>
    row(op, node(op, ['x', 'i', 'u'], 'y', { axis: 1 }), {
      opset: op === 'Scatter' ? 10 : 16,
      inputs: [value('x', ['N', 4]), value('u', ['N', 3])],
      stored: [],
      sizes: [1],
    }),
  ),
  row('ScatterND that adds', node('ScatterND', ['w', 'i', 'u'], 'y', { reduction: 'add' }), {
    inputs: [value('i', ['N', 1], 'int64'), value('u', ['N', 2])],
    stored: [f32('w', [3, 2])],
  }),
  row('Compress', [node('Greater', ['x', 'w'], 'c'), node('Compress', ['r', 'c'], 'y', { axis: 0 })], {
    inputs: [value('x', ['N']), value('r', ['N', 3])],
    stored: [f32('w', [1])],
  }),
  row('Compress of all elements', node('Compress', ['x', 'c']), {
    inputs: [value('x', ['N', 2]), value('c', ['M'], 'bool')],
  }),
  row('NonZero', node('NonZero', ['x']), { outputs: int }),
  row('OneHot', node('OneHot', ['x', 'd', 'v']), {
    inputs: [value('x', ['N'], 'int64')],
    stored: [i64('d', [3]), f32('v', [2], [0.1, 0.9])],
  }),
  ...([10, 17] as const).map((opset) =>
    row(`TopK of opset ${opset}`, node('TopK', ['x', 'k'], ['y', 'places']), {
      ...{ opset, stored: [i64('k', [2])] },
      outputs: [value('y', undefined), value('places', undefined, 'int64')],
    }),
  ),
  row('TopK with an attribute', node('TopK', ['x'], ['y', 'places'], { k: 3, axis: 1 }), { opset: 9 }),
  row('TopK of the smallest', node('TopK', ['x', 'k'], ['values', 'y'], { axis: 1, largest: 0 }), {
    ...{ inputs: [value('x', ['N', 4, 3])], stored: [i64('k', [2])], outputs: int },
  }),
  row('TopK of all, along the batch', node('TopK', ['x', 'k'], ['y', 'places'], { axis: 0 }), {
    ...{ inputs: [value('x', [3, 2])], stored: [i64('k', [3])] },
  }),
  row('DepthToSpace', node('DepthToSpace', ['x'], 'y', { blocksize: 2 }), { inputs: images(8, 3, 2) }),
  row('DepthToSpace CRD', node('DepthToSpace', ['x'], 'y', { blocksize: 2, mode: 'CRD' }), { inputs: images(8, 3, 2) }),
  row('SpaceToDepth', node('SpaceToDepth', ['x'], 'y', { blocksize: 2 }), { inputs: images(3, 4, 6) }),
  row('Upsample 7', node('Upsample', ['x'], 'y', { scales: floats(1, 1, 2, 3) }), { opset: 7, inputs: image }),
  row('Upsample 9, linear', node('Upsample', ['x', 's'], 'y', { mode: 'linear' }), {
    opset: 9,
    inputs: image,
    stored: [f32('s', [4], [1, 1, 2, 1.5])],
  }),
  row('Resize 10', node('Resize', ['x', 's']), { opset: 10, inputs: image, stored: [f32('s', [4], [1, 1, 2, 2])] }),
  row('Resize by scales', node('Resize', ['x', '', 's']), { inputs: image, stored: [f32('s', [4], [1, 1, 0.5, 2])] }),
  row(
    'Resize to sizes of a named batch',
    [
      node('Shape', ['x'], 'shape'),
      node('Slice', ['shape', 'zero', 'two'], 'lead'),
      node('Concat', ['lead', 'hw'], 'sizes', { axis: 0 }),
      node('Resize', ['x', '', '', 'sizes'], 'y', { mode: 'linear', coordinate_transformation_mode: 'align_corners' }),
    ],
    { inputs: image, stored: [i64('zero', [0]), i64('two', [2]), i64('hw', [14, 15])] },
  ),
  // In 64 bits 10 * 0.7 is 6.9999999 here: engines multiply in 32.
  row('Resize by 0.7', node('Resize', ['x', '', 's']), {
    inputs: images(3, 10, 10),
    stored: [f32('s', [4], [1, 1, 0.7, 0.7])],
  }),
  row(
    'Resize from 10 to 7 and from 9 to 5',
    [
      node('Shape', ['x'], 'shape'),
      node('Slice', ['shape', 'zero', 'two'], 'lead'),
      node('Concat', ['lead', 'hw'], 'sizes', { axis: 0 }),
      node('Resize', ['x', '', '', 'sizes']),
    ],
    { inputs: images(3, 10, 9), stored: [i64('zero', [0]), i64('two', [2]), i64('hw', [7, 5])] },
  ),
  row('Resize, cubic', node('Resize', ['x', '', 's'], 'y', { mode: 'cubic', cubic_coeff_a: float(-0.5) }), {
    inputs: image,
    stored: [f32('s', [4], [1, 1, 2, 2])],
  }),
  ...(
    [
      ['value', { kind: 'tensor', value: f32('', [2, 1], [1, 2]) }],
      ['value_float', float(0.5)],
      ['value_floats', floats(1, 2, 3, 4)],
    ] as const
  ).map(([key, v]) =>
    row(`Constant ${key}`, [node('Constant', [], 'c', { [key]: v }), node('Add', ['x', 'c'])], {
      inputs: [value('x', [2, 4])],
    }),
  ),
  row('Constant value_int', [node('Constant', [], 'c', { value_int: 3 }), node('Unsqueeze', ['c', 'a'], 'y')], {
    stored: [i64('a', [0])],
    outputs: int,
  }),
  row('Constant value_ints', [
    node('Constant', [], 'c', { value_ints: [1, 0] }),
    node('Transpose', ['x'], 't'),
    node('Gather', ['t', 'c']),
  ]),
  row('Tile of axes of size 1', node('Tile', ['x', 'r']), {
    inputs: [value('x', ['N', 1, 3])],
    stored: [i64('r', [1, 4, 1])],
  }),
  row('Tile of whole axes', node('Tile', ['x', 'r']), {
    inputs: [value('x', ['N', 2, 3])],
    stored: [i64('r', [1, 3, 2])],
  }),
  row(
    'Tile by the batch',
    [
      node('Shape', ['x'], 's'),
      node('Gather', ['s', 'zero'], 'n'),
      node('Concat', ['n', 'ones'], 'r', { axis: 0 }),
      node('Tile', ['w', 'r'], 't'),
      node('Concat', ['x', 't'], 'y', { axis: 1 }),
    ],
    { inputs: [value('x', ['N', 2, 3])], stored: [i64('zero', [0]), i64('ones', [1, 1]), f32('w', [1, 1, 3])] },
  ),
  row('Range', [node('Range', ['a', 'b', 'c'], 'r'), node('Add', ['x', 'r'])], {
    stored: [f32('a', [], [1]), f32('b', [], [2]), f32('c', [], [0.3])],
  }),
  ...[0, 1].flatMap((upper) => [
    row(`Trilu, upper ${upper}`, node('Trilu', ['x'], 'y', { upper }), { inputs: [value('x', ['N', 3, 4])] }),
    row(`Trilu off the diagonal, upper ${upper}`, node('Trilu', ['x', 'k'], 'y', { upper }), {
      inputs: [value('x', ['N', 4, 3])],
      stored: [i64('k', [-1], [])],
    }),
  ]),
  row('LRN', node('LRN', ['x'], 'y', { size: 3, alpha: float(0.3), beta: float(0.6), bias: float(2) }), {
    inputs: images(7, 2, 3),
  }),
  row('LRN of one channel', node('LRN', ['x'], 'y', { size: 1 }), { inputs: images(2, 2, 3) }),
  row('RMSNormalization', node('RMSNormalization', ['x', 'w'], 'y', { axis: 1, epsilon: float(0.1) }), {
    opset: 23,
    inputs: [value('x', ['N', 2, 3])],
    stored: [f32('w', [2, 3])],
  }),
  row('LpNormalization', node('LpNormalization', ['x'], 'y', { axis: 1 })),
  row('LpNormalization by sums', node('LpNormalization', ['x'], 'y', { axis: 1, p: 1 })),
  row('MeanVarianceNormalization', node('MeanVarianceNormalization', ['x'], 'y', { axes: [1, 2] }), {
    inputs: [value('x', ['N', 2, 3])],
    tolerance: 1e-5,
  }),
  row('Shrink', node('Shrink', ['x'], 'y', { lambd: float(0.4), bias: float(0.1) })),
  row('Mod of integers', node('Mod', ['x', 'm']), {
    inputs: [value('x', ['N', 4], 'int64')],
    stored: [i64('m', [3, -2, 5, -7])],
    outputs: int,
  }),
  row('Mod of negative integers', [node('Sub', ['x', 'four'], 'n'), node('Mod', ['n', 'm'])], {
    inputs: [value('x', ['N', 4], 'int64')],
    stored: [i64('four', [4], []), i64('m', [3, -2, 5, -7])],
    outputs: int,
  }),
  row('Mod as in C', node('Mod', ['x', 'm'], 'y', { fmod: 1 }), { stored: [f32('m', [4], [0.3, -0.7, 1, 2])] }),
  row('Mod of known integers folds', [node('Mod', ['a', 'm'], 'k'), node('Gather', ['x', 'k'], 'y', { axis: 1 })], {
    stored: [i64('a', [-7, 7]), i64('m', [4], [])],
  }),
  row('GridSample', node('GridSample', ['x', 'g']), {
    inputs: [value('x', ['N', 2, 4, 3]), value('g', ['N', 2, 2, 2])],
    tolerance: 1e-5,
  }),
  ...[
    ['bhid,bhjd->bhij', [2, 3, 4], [2, 5, 4]],
    ['bhij,bhjd->bihd', [2, 3, 4], [2, 4, 5]],
    ['bhij,hjd->bid', [2, 3, 4], [2, 4, 5]],
    ['bijk,bjk->bi', [2, 3, 4], [3, 4]],
    ['bij,bik', [2, 3], [2, 4]],
    ['bij,bjk->bk', [2, 3], [3, 4]],
    ['bi,bj->bij', [2], [3]],
  ].map(([equation, a, b]) =>
    row(`Einsum ${equation}`, node('Einsum', ['x', 'z'], 'y', { equation: equation as string }), {
      inputs: [
        value('x', ['N', ...(a as number[])]),
        String(equation).split(',')[1]!.startsWith('b')
          ? value('z', ['N', ...(b as number[])])
          : value('z', b as number[]),
      ],
      tolerance: 1e-5,
    }),
  ),
  row('Swish', node('Swish', ['x'], 'y', { alpha: float(1.5) }), { opset: 24 }),
  row(
    'SplitToSequence and SequenceAt',
    [
      node('SplitToSequence', ['x', 'one'], 'parts', { axis: 1 }),
      node('SequenceAt', ['parts', 'second'], 'b'),
      node('SequenceAt', ['parts', 'last'], 'd'),
      node('Sub', ['b', 'd']),
    ],
    { stored: [i64('one', [1], []), i64('second', [1], []), i64('last', [-1], [])] },
  ),
  row(
    'SplitToSequence of single elements',
    [node('SplitToSequence', ['x'], 'parts', { axis: 1, keepdims: 0 }), node('SequenceAt', ['parts', 'second'], 'y')],
    { stored: [i64('second', [1], [])] },
  ),
  row(
    "SplitToSequence as PyTorch's unbind",
    [
      node('SplitToSequence', ['x', 'one'], 'parts', { axis: 1, keepdims: 0 }),
      node('SequenceAt', ['parts', 'second'], 'y'),
    ],
    { stored: [i64('one', [1], []), i64('second', [1], [])] },
  ),
  row(
    'SplitToSequence by sizes',
    [node('SplitToSequence', ['x', 'sizes'], 'parts', { axis: 1 }), node('SequenceAt', ['parts', 'second'], 'y')],
    { stored: [i64('sizes', [1, 3]), i64('second', [1], [])] },
  ),
  row('Einsum of one', node('Einsum', ['x'], 'y', { equation: 'bij->bj' }), { inputs: [value('x', ['N', 2, 3])] }),
  ...['ArgMax', 'ArgMin'].map((op) =>
    row(
      `${op}, the last of equals`,
      [node('Round', ['x'], 'r'), node(op, ['r'], 'y', { axis: 1, select_last_index: 1 })],
      { outputs: int },
    ),
  ),
  row('ReduceMax of bools', [node('Greater', ['x', 'zero'], 'b'), node('ReduceMax', ['b', 'one'])], {
    opset: 20,
    stored: [f32('zero', [], [0]), i64('one', [1])],
    outputs: bool,
  }),
  ...[
    ['nearest', [1, 1, 2, 2]],
    ['nearest', [1, 1, 0.6, 0.6]],
    ['linear', [1, 1, 2, 1.5]],
  ].map(([mode, scales]) =>
    row(`Resize of opset 10, ${mode} by ${scales}`, node('Resize', ['x', 's'], 'y', { mode: mode as string }), {
      opset: 10,
      inputs: images(2, 5, 4),
      stored: [f32('s', [4], scales as number[])],
    }),
  ),
  row('Size of a known shape', node('Size', ['x']), { inputs: [value('x', [2, 3])], outputs: int }),
  row('Shape, part of it', node('Shape', ['x'], 'y', { start: -2 }), { opset: 15, inputs: image, outputs: int }),
  row('ConstantOfShape', [node('ConstantOfShape', ['s'], 'c'), node('Add', ['x', 'c'])], {
    stored: [i64('s', [1, 4])],
  }),
];

/** Rows whose index input must be stored, and whose indices must differ. */
const scattered = (r: Row): Row =>
  r.nodes[0]!.op.startsWith('Scatter') && r.nodes[0]!.op !== 'ScatterND'
    ? { ...r, stored: [i64('i', [2, 0, 3], [1, 3])] }
    : r;

const build = ({ nodes, ...parts }: Row): OnnxModel => model(nodes, parts);

describe('ONNX Runtime computes the same from a model and from what was read and written', () => {
  test.each(rows.map((r) => [r.name, scattered(r)] as const))('%s', async (_, r) => {
    await expectSame(build(r), r.sizes, r.tolerance);
  });
});

test('every operator that is said to be readable has a row', () => {
  const shown = new Set(rows.flatMap((r) => r.nodes.map((n) => (n.domain ? `${n.domain}.${n.op}` : n.op))));
  expect(readableOperators.filter((op) => !shown.has(op))).toEqual(['If']); // branches have tests of their own
});

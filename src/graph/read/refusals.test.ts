import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { f32, float, i64, model, node, type Parts, value } from '../../../test/graph/models.ts';
import { DynaError } from '../../errors.ts';
import { fromOnnx, type OnnxGraph, type OnnxNode } from '../index.ts';

const image = [value('x', ['N', 3, 4, 4])];

function refusal(nodes: OnnxNode | OnnxNode[], parts: Parts = {}): string {
  try {
    fromOnnx(model(Array.isArray(nodes) ? nodes : [nodes], parts));
  } catch (error) {
    expect(error).toBeInstanceOf(DynaError);
    expect((error as DynaError).code).toBe('model');
    return (error as DynaError).message;
  }
  throw new Error('it was read');
}

const graph = (over: Partial<OnnxGraph>): OnnxGraph => ({
  name: 'g',
  nodes: [],
  inputs: [],
  outputs: [],
  initializers: [],
  values: [],
  ...over,
});
const branchOf = (op: string, output: string): OnnxGraph =>
  graph({ nodes: [node(op, ['x'], output)], outputs: [value(output, undefined)] });
const If = (then: OnnxGraph, otherwise: OnnxGraph, condition = 'c') =>
  node('If', [condition], 'y', {
    then_branch: { kind: 'graph', value: then },
    else_branch: { kind: 'graph', value: otherwise },
  });
const gated = [value('x', ['N', 4]), value('c', [1], 'bool')];

describe('what is not understood is refused by its name', () => {
  test('operators: all of them at once, with what is supported', () => {
    const nodes = [
      node('LSTM', ['x'], 'a'),
      node('LSTM', ['a'], 'b'),
      node('Relu', ['b'], 'r'),
      node('Foo', ['r'], 'y', {}, 'my'),
    ];
    expect(refusal(nodes)).toMatch(
      /node "node_a" \(LSTM\) and 1 more; node "node_y" \(my\.Foo\); supported are .*Conv, /,
    );
  });

  test.each<[string, OnnxNode | OnnxNode[], Parts, RegExp]>([
    [
      'an unknown attribute',
      node('Relu', ['x'], 'y', { slope: 2 }),
      {},
      /"node_y" \(Relu\): the attribute "slope" is not/,
    ],
    ['an attribute of another kind', node('LeakyRelu', ['x'], 'y', { alpha: 1 }), {}, /"alpha" as float/],
    [
      'an attribute of older opsets',
      node('Squeeze', ['x'], 'y', { axes: [1] }),
      { inputs: [value('x', [1, 1])] },
      /"axes"/,
    ],
    ['a missing attribute', node('Concat', ['x', 'x']), {}, /"axis" is missing/],
    [
      'more of the largest than there are',
      node('TopK', ['x', 'k'], ['y', 'places']),
      { stored: [i64('k', [5])] },
      /TopK: axis 1 of \[N, 4\] holds no 5 values/,
    ],
    [
      'less than none of the largest',
      node('TopK', ['x', 'k'], ['y', 'places']),
      { stored: [i64('k', [-1])] },
      /how many is a number from 0 on, got -1/,
    ],
    [
      'as many of the largest as is fed',
      node('TopK', ['x', 'k'], ['y', 'places']),
      { inputs: [value('x', ['N', 4]), value('k', [1], 'int64')] },
      /how many are taken \(input 1, "k"\) must be constants/,
    ],
    ['too few inputs', node('Add', ['x']), {}, /"node_y" \(Add\): Add takes 2 inputs, got 1/],
    ['too many inputs', node('LeakyRelu', ['x', 'x']), {}, /at most 1 inputs here, got 2/],
    ['a left-out input', node('Add', ['', 'x']), {}, /input 0 is required and missing/],
    ['too many outputs', node('Relu', ['x'], ['y', 'z']), {}, /gives 1 output\(s\) here, the model asks for 2/],
    ['broadcasting that does not fit', node('Add', ['x', 'w']), { stored: [f32('w', [3])] }, /\[N, 4\] and \[3\]/],
    ['different types', node('Add', ['x', 'w']), { stored: [i64('w', [1])] }, /float32 and int64/],
    [
      'a kernel that differs',
      node('Conv', ['x', 'w'], 'y', { kernel_shape: [3, 3] }),
      { inputs: image, stored: [f32('w', [1, 3, 2, 2])] },
      /"kernel_shape" \[3, 3\] differs/,
    ],
    [
      'a kernel that is too large',
      node('Conv', ['x', 'w']),
      { inputs: image, stored: [f32('w', [1, 3, 9, 9])] },
      /kernel of 9 .* does not fit/,
    ],
    [
      'channels that differ',
      node('Conv', ['x', 'w']),
      { inputs: image, stored: [f32('w', [1, 2, 2, 2])] },
      /expects 2 channels/,
    ],
    [
      'a stride of 0',
      node('MaxPool', ['x'], 'y', { kernel_shape: [2, 2], strides: [0, 1] }),
      { inputs: image },
      /"strides"/,
    ],
    [
      'too few pads',
      node('MaxPool', ['x'], 'y', { kernel_shape: [2, 2], pads: [1, 1] }),
      { inputs: image },
      /"pads" must be 4/,
    ],
    [
      'unknown auto_pad',
      node('MaxPool', ['x'], 'y', { kernel_shape: [2, 2], auto_pad: 'BEST' }),
      { inputs: image },
      /BEST/,
    ],
    [
      'output_shape',
      node('ConvTranspose', ['x', 'w'], 'y', { output_shape: [8, 8] }),
      { inputs: image, stored: [f32('w', [3, 1, 2, 2])] },
      /output_shape/,
    ],
    [
      'dilated mean',
      node('AveragePool', ['x'], 'y', { kernel_shape: [2, 2], dilations: [2, 2] }),
      { opset: 19, inputs: image },
      /dilations/,
    ],
    [
      'axes that are fed',
      node('ReduceSum', ['x', 'a']),
      { inputs: [value('x', ['N', 4]), value('a', [1], 'int64')] },
      /the axes \(input 1, "a"\) must be constants/,
    ],
    ['an axis out of range', node('Softmax', ['x'], 'y', { axis: 2 }), {}, /axis 2 is outside/],
    [
      'an index out of range',
      node('Gather', ['x', 'i'], 'y', { axis: 1 }),
      { stored: [i64('i', [4])] },
      /index 4 is outside axis 1/,
    ],
    [
      'a slice of the batch',
      node('Slice', ['x', 's', 'e']),
      { stored: [i64('s', [1]), i64('e', [2])] },
      /named axis "N"/,
    ],
    [
      'edge padding',
      node('Pad', ['x', 'p'], 'y', { mode: 'edge' }),
      { stored: [i64('p', [0, 1, 0, 1])] },
      /"mode" edge/,
    ],
    ['casting to text', node('Cast', ['x'], 'y', { to: 8 }), {}, /casting to string/],
    [
      'reductions by mul',
      node('ScatterND', ['x', 'i', 'x'], 'y', { reduction: 'mul' }),
      { stored: [i64('i', [0], [1, 1])] },
      /"reduction" mul/,
    ],
    [
      'statistics by position',
      node('BatchNormalization', ['x', 's', 's', 's', 's'], 'y', { spatial: 0 }),
      { opset: 7, inputs: image, stored: [f32('s', [3])] },
      /spatial/,
    ],
    ['Squeeze of a named axis', node('Squeeze', ['x']), {}, /name the axes/],
    [
      'a NaN shape',
      node('ConvTranspose', ['x', 'w']),
      { inputs: image, stored: [f32('w', [3, 2, 2])] },
      /node "node_y" \(ConvTranspose\)/,
    ],
  ])('%s', (_, nodes, parts, message) => {
    expect(refusal(nodes, parts)).toMatch(message);
  });
});

describe('damaged wiring', () => {
  test.each<[string, OnnxNode | OnnxNode[], Parts, RegExp]>([
    ['a missing value', [node('Relu', ['ghost'])], {}, /"node_y" \(Relu\): its input "ghost" is made by nothing/],
    ['a missing output', [node('Relu', ['x'], 'z')], {}, /the output "y" is made by nothing/],
    [
      'a cycle',
      [node('Add', ['x', 'b'], 'a'), node('Relu', ['a'], 'b'), node('Relu', ['b'])],
      {},
      /depends on its own output/,
    ],
    ['a node that needs itself', [node('Add', ['x', 'y'])], {}, /"node_y" \(Add\): its input "y" depends on its own/],
    [
      'a name made twice',
      [node('Relu', ['x'], 'y'), node('Neg', ['x'], 'y')],
      {},
      /"y" is already taken by node "node_y" \(Relu\)/,
    ],
    ['a name that is an input', [node('Relu', ['x'], 'x')], {}, /"x" is already taken by an input/],
    ['an initializer twice', [node('Add', ['x', 'w'])], { stored: [f32('w', [4]), f32('w', [4])] }, /"w" twice/],
    ['an input twice', [node('Relu', ['x'])], { inputs: [value('x', [1]), value('x', [1])] }, /"x" twice/],
    [
      'an output twice',
      [node('Relu', ['x'])],
      { outputs: [value('y', undefined), value('y', undefined)] },
      /two outputs named "y"/,
    ],
    ['no outputs', [node('Relu', ['x'])], { outputs: [] }, /no outputs/],
    ['an input without rank', [node('Relu', ['x'])], { inputs: [value('x', undefined)] }, /how many axes/],
    [
      'a default of another shape',
      [node('Relu', ['x'])],
      { inputs: [value('x', [3])], stored: [f32('x', [4])] },
      /its default is float32\[4\]/,
    ],
    [
      'a declared output of another shape',
      [node('Relu', ['x'])],
      { outputs: [value('y', ['N', 5])] },
      /"node_y" \(Relu\): output 0 is declared as float32\[N, 5\], but is float32\[N, 4\]/,
    ],
    [
      'a declared output of another type',
      [node('Relu', ['x'])],
      { outputs: [value('y', ['N', 4], 'int64')] },
      /declared as int64/,
    ],
    [
      'a declared inner value',
      [node('Relu', ['x'], 'a'), node('Neg', ['a'])],
      { values: [value('a', ['N', 4, 1])] },
      /"node_a" \(Relu\): output 0/,
    ],
    [
      'the mask of an old Dropout',
      [node('Dropout', ['x'], ['a', 'mask']), node('Mul', ['a', 'mask'])],
      { opset: 7 },
      /mask of Dropout/,
    ],
    [
      'a Tile by numbers that are fed',
      node('Tile', ['x', 'r']),
      { inputs: [value('x', [2]), value('r', [1], 'int64')] },
      /known repeats are needed/,
    ],
    [
      'a Range to a fed limit',
      [node('Range', ['a', 'n', 'a'])],
      { inputs: [value('n', [], 'int64')], stored: [i64('a', [1], [])] },
      /the limit .* must be constants/,
    ],
    [
      'an endless Range',
      [node('Range', ['a', 'b', 'z'])],
      { inputs: [], stored: [i64('a', [1], []), i64('b', [5], []), i64('z', [0], [])] },
      /a range of/,
    ],
    ['an LpNormalization of 3', node('LpNormalization', ['x'], 'y', { p: 3 }), {}, /"p" must be 1 or 2/],
    ['a float remainder by the divisor', node('Mod', ['x', 'm']), { stored: [f32('m', [4])] }, /needs "fmod" 1/],
    [
      'nearest GridSample',
      node('GridSample', ['x', 'g'], 'y', { mode: 'nearest' }),
      { inputs: [...image, value('g', ['N', 2, 2, 2])] },
      /supported bilinear.* got nearest/,
    ],
    [
      'Einsum of a diagonal',
      node('Einsum', ['x'], 'y', { equation: 'ii->i' }),
      { inputs: [value('x', [3, 3])] },
      /"ii->i" is not supported/,
    ],
    ['Einsum of three', node('Einsum', ['x', 'x', 'x'], 'y', { equation: 'ij,ij,ij->i' }), {}, /is not supported/],
    [
      'Einsum of sizes that differ',
      node('Einsum', ['x', 'w'], 'y', { equation: 'ij,jk->ik' }),
      { stored: [f32('w', [1, 3])] },
      /"j" is 4 in one term and 1 in another/,
    ],
    [
      'Einsum from nowhere',
      node('Einsum', ['x'], 'y', { equation: 'ij->ik' }),
      {},
      /does not say where its results come from/,
    ],
    [
      'a sequence where a tensor is needed',
      [node('SplitToSequence', ['x'], 's', { axis: 1 }), node('Relu', ['s'])],
      {},
      /"s" is a sequence, which only SequenceAt/,
    ],
    [
      'a tensor where a sequence is needed',
      node('SequenceAt', ['x', 'i']),
      { stored: [i64('i', [0], [])] },
      /must be a sequence that the model makes/,
    ],
    [
      'a place outside a sequence',
      [node('SplitToSequence', ['x'], 's', { axis: 1 }), node('SequenceAt', ['s', 'i'])],
      { stored: [i64('i', [4], [])] },
      /position 4 is outside a sequence of 4/,
    ],
    [
      'scales of opset 10 that grow and shrink',
      node('Resize', ['x', 's']),
      { opset: 10, inputs: image, stored: [f32('s', [4], [1, 1, 2, 0.5])] },
      /grow one axis and shrink another/,
    ],
    [
      'a result in a type that nothing here has',
      node('Relu', ['x']),
      { outputs: [{ name: 'y', dtype: 'bfloat16', shape: ['N', 4] }] },
      /declared as bfloat16/,
    ],
    ['an opset that is too old', [node('Relu', ['x'])], { opset: 6 }, /opset 6; 7 to 26/],
    ['an opset that is too new', [node('Relu', ['x'])], { opset: 99 }, /opset 99/],
  ])('%s', (_, nodes, parts, message) => {
    expect(refusal(nodes, parts)).toMatch(message);
  });

  test('branches: other results, other types, captures that do not exist', () => {
    const parts = { inputs: gated };
    const two = graph({ ...branchOf('Neg', 'b'), outputs: [value('b', undefined), value('x', undefined)] });
    expect(refusal(If(branchOf('Relu', 'a'), two), parts)).toMatch(/gives 1 results, the other 2/);
    const longer = graph({ nodes: [node('Concat', ['x', 'x'], 'b', { axis: 1 })], outputs: [value('b', undefined)] });
    expect(refusal(If(branchOf('Relu', 'a'), longer), parts)).toMatch(
      /node "node_y" \(If\).*result 0 is .*\[N, 4\].*\[N, 8\]/,
    );
    const lost = graph({ nodes: [node('Relu', ['ghost'], 'b')], outputs: [value('b', undefined)] });
    expect(refusal(If(branchOf('Relu', 'a'), lost), parts)).toMatch(/"ghost" is made by nothing/);
    expect(refusal(If(branchOf('Relu', 'a'), branchOf('Neg', 'b'), 'x'), parts)).toMatch(/condition must be bool/);
    const inner = [node('Relu', ['z'], 'x2'), If(branchOf('Relu', 'a'), graph({ outputs: [value('x2', undefined)] }))];
    expect(refusal([...inner, node('Neg', ['y'], 'z')], parts)).toMatch(/depends on its own output/);
  });

  test('models with functions of their own, or without an opset', () => {
    const m = model([node('Relu', ['x'])]);
    const own = {
      name: 'F',
      domain: 'my',
      inputs: [],
      outputs: [],
      attributes: [],
      defaults: {},
      opsets: {},
      nodes: [],
      values: [],
    };
    expect(() => fromOnnx({ ...m, functions: [own] })).toThrow(/functions of its own \("F"\)/);
    expect(() => fromOnnx({ ...m, opsets: {} })).toThrow(/does not say which ONNX operator set/);
  });
});

test('a damaged graph is refused with a DynaError, never by accident', () => {
  const good = (): ReturnType<typeof model> =>
    model(
      [
        node('Conv', ['x', 'w', 'b'], 'a', { pads: [1, 1, 1, 1], strides: [2, 2] }),
        node('Relu', ['a'], 'r'),
        node('MaxPool', ['r'], 'p', { kernel_shape: [2, 2] }),
        node('Shape', ['p'], 's'),
        node('Gather', ['s', 'zero'], 'n'),
        node('Unsqueeze', ['n', 'zeros'], 'n1'),
        node('Concat', ['n1', 'minus'], 't', { axis: 0 }),
        node('Reshape', ['p', 't'], 'f'),
        node('Slice', ['f', 'zeros', 'two', 'ones'], 'g'),
        node('Gemm', ['g', 'v'], 'h', { transB: 1, alpha: float(0.5) }),
        node('Softmax', ['h'], 'y', { axis: -1 }),
      ],
      {
        inputs: structuredClone(image),
        stored: [
          f32('w', [2, 3, 3, 3]),
          f32('b', [2]),
          f32('v', [5, 2]),
          i64('zero', [0], []),
          i64('zeros', [0]),
          i64('ones', [1]),
          i64('two', [2]),
          i64('minus', [-1]),
        ],
      },
    );
  expect(fromOnnx(good()).outputs.y!.shape).toEqual(['N', 5]);
  const names = [
    'x',
    'w',
    'b',
    'v',
    'zero',
    'zeros',
    'ones',
    'two',
    'minus',
    'a',
    'r',
    'p',
    's',
    'n',
    't',
    'f',
    'h',
    'y',
    '',
  ];
  const numbers = fc.constantFrom(-2, -1, 0, 1, 2, 3, 7, 2 ** 31, Number.MAX_SAFE_INTEGER);
  const mutation = fc.oneof(
    fc.record({
      kind: fc.constant('input' as const),
      at: fc.nat(10),
      slot: fc.nat(3),
      name: fc.constantFrom(...names),
    }),
    fc.record({ kind: fc.constant('output' as const), at: fc.nat(10), name: fc.constantFrom(...names) }),
    fc.record({
      kind: fc.constant('op' as const),
      at: fc.nat(10),
      op: fc.constantFrom(
        'Add',
        'Conv',
        'Where',
        'Split',
        'Expand',
        'Resize',
        'If',
        'Compress',
        'OneHot',
        'ConstantOfShape',
        'Pad',
        'toString',
      ),
    }),
    fc.record({ kind: fc.constant('attribute' as const), at: fc.nat(10), value: fc.array(numbers, { maxLength: 5 }) }),
    fc.record({ kind: fc.constant('stored' as const), at: fc.nat(4), value: numbers }),
    fc.record({
      kind: fc.constant('shape' as const),
      axis: fc.nat(3),
      value: fc.constantFrom(0, 1, 5, 'N', 'M', null),
    }),
  );
  let read = 0;
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
      const m = good();
      const { nodes, initializers, inputs } = m.graph;
      for (const change of mutations) {
        if (change.kind === 'input') nodes[change.at]!.inputs[change.slot] = change.name;
        else if (change.kind === 'output') nodes[change.at]!.outputs[0] = change.name;
        else if (change.kind === 'op') nodes[change.at]!.op = change.op;
        else if (change.kind === 'stored')
          (initializers[3 + change.at]!.data as BigInt64Array)[0] = BigInt(change.value);
        else if (change.kind === 'shape') inputs[0]!.shape![change.axis] = change.value;
        else {
          const { attributes } = nodes[change.at]!;
          for (const [key, a] of Object.entries(attributes))
            if (a.kind === 'ints') attributes[key] = { kind: 'ints', value: change.value };
            else if (a.kind === 'int') attributes[key] = { kind: 'int', value: change.value[0] ?? 9 };
        }
      }
      for (const n of nodes) for (let i = 0; i < n.inputs.length; i++) n.inputs[i] ??= '';
      try {
        fromOnnx(m);
        read++;
      } catch (error) {
        if (!(error instanceof DynaError) || error.code !== 'model') throw error;
        const { cause } = error;
        if (cause !== undefined && !(cause instanceof DynaError)) throw cause;
      }
    }),
    { numRuns: 3000 },
  );
  expect(read).toBeGreaterThan(100);
});

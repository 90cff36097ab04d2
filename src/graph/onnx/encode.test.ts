import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allocate, type DType, ndarray, sizeOf } from '../array.ts';
import {
  decodeModel,
  encodeModel,
  forEachNode,
  nestingDepth,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValue,
  stripDefaults,
  subgraphsOf,
} from './index.ts';

const modelOf = (graph: Partial<OnnxGraph>): OnnxModel => ({
  irVersion: 8,
  opsets: { '': 17 },
  producer: 'test',
  producerVersion: '',
  docString: '',
  metadata: {},
  graph: { name: 'g', nodes: [], inputs: [], outputs: [], initializers: [], values: [], ...graph },
});

const name = fc.string({ unit: 'grapheme', maxLength: 8 });
const dtypes: DType[] = ['float32', 'float64', 'float16', 'int64', 'int32', 'int8', 'uint8', 'bool'];
const tensor: fc.Arbitrary<OnnxTensor> = fc
  .record({ name, dtype: fc.constantFrom(...dtypes), dims: fc.array(fc.nat(3), { maxLength: 4 }), seed: fc.nat(255) })
  .map(({ name, dtype, dims, seed }) => {
    const data = allocate(dtype, sizeOf(dims));
    new Uint8Array(data.buffer).forEach((_, i, bytes) => {
      bytes[i] = dtype === 'bool' ? (seed + i) % 2 : (seed * (i + 1)) % 120; // never NaN
    });
    return { name, dtype, dims, data };
  });
const value: fc.Arbitrary<OnnxValue> = fc.record({
  name,
  dtype: fc.constantFrom(...dtypes, 'string' as const, 'bfloat16' as const, 'uint64' as const),
  shape: fc.option(fc.array(fc.oneof(fc.nat(), fc.constantFrom('N', 'batch', null))), { nil: undefined }),
});
const float = fc.float({ noNaN: true });
const big = fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n });

const { graph } = fc.letrec<{ graph: OnnxGraph; node: OnnxNode; attribute: OnnxAttribute }>((tie) => ({
  attribute: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ kind: fc.constant('float' as const), value: float }),
    fc.record({ kind: fc.constant('int' as const), value: fc.maxSafeInteger() }),
    fc.record({ kind: fc.constant('bigint' as const), value: big.map((n) => -n) }),
    fc.record({ kind: fc.constant('string' as const), value: name }),
    fc.record({ kind: fc.constant('tensor' as const), value: tensor }),
    fc.record({ kind: fc.constant('floats' as const), value: fc.array(float) }),
    fc.record({ kind: fc.constant('ints' as const), value: fc.array(fc.maxSafeInteger()) }),
    fc.record({ kind: fc.constant('bigints' as const), value: fc.array(big, { minLength: 1 }) }),
    fc.record({ kind: fc.constant('strings' as const), value: fc.array(name) }),
    fc.record({ kind: fc.constant('tensors' as const), value: fc.array(tensor, { maxLength: 2 }) }),
    fc.record({ kind: fc.constant('ref' as const), value: fc.constant('outer'), type: fc.constant('ints') }),
    fc.record({ kind: fc.constant('graph' as const), value: tie('graph') }),
    fc.record({ kind: fc.constant('graphs' as const), value: fc.array(tie('graph'), { maxLength: 2 }) }),
  ) as fc.Arbitrary<OnnxAttribute>,
  node: fc.record({
    op: name,
    domain: fc.constantFrom('', 'com.microsoft'),
    name,
    inputs: fc.array(name, { maxLength: 3 }),
    outputs: fc.array(name, { maxLength: 2 }),
    attributes: fc.dictionary(name, tie('attribute'), { maxKeys: 3, noNullPrototype: true }),
  }),
  graph: fc.record({
    name,
    nodes: fc.array(tie('node'), { maxLength: 3, depthIdentifier: 'graph' }),
    inputs: fc.array(value, { maxLength: 2 }),
    outputs: fc.array(value, { maxLength: 2 }),
    initializers: fc.array(tensor, { maxLength: 3 }),
    values: fc.array(value, { maxLength: 2 }),
  }),
}));

describe('writing', () => {
  test('any model comes back as it was', () => {
    let subgraphs = 0;
    fc.assert(
      fc.property(graph, fc.dictionary(name, name, { noNullPrototype: true }), (graph, metadata) => {
        const model = { ...modelOf(graph), metadata };
        subgraphs += nestingDepth(graph);
        expect(decodeModel(encodeModel(model))).toEqual(model);
      }),
      { numRuns: 400, seed: 7 },
    );
    expect(subgraphs).toBeGreaterThan(50);
  });

  test('weights are raw bytes, written once', () => {
    const data = Float32Array.from({ length: 100_000 }, (_, i) => i);
    const bytes = Buffer.from(
      encodeModel(modelOf({ initializers: [{ name: 'w', dtype: 'float32', dims: [100_000], data }] })),
    );
    expect(bytes.length).toBeLessThan(400_100);
    expect(bytes.includes(Buffer.from(data.buffer))).toBe(true);
  });

  test('a view into a larger memory is written alone', () => {
    const data = new Float32Array([1, 2, 3, 4]).subarray(1, 3);
    const model = decodeModel(
      encodeModel(modelOf({ initializers: [{ name: 'w', dtype: 'float32', dims: [2], data }] })),
    );
    expect(model.graph.initializers[0]!.data).toEqual(new Float32Array([2, 3]));
  });

  const broken: [string, string, Partial<OnnxGraph>][] = [
    [
      'data that does not fit the shape',
      'tensor "w" of shape [3] needs 3 float32 values, got 2 in Float32Array',
      { initializers: [{ name: 'w', dtype: 'float32', dims: [3], data: new Float32Array(2) }] },
    ],
    [
      'data that does not fit the element type',
      'needs 2 int64 values, got 2 in Float32Array',
      { initializers: [{ name: 'w', dtype: 'int64', dims: [2], data: new Float32Array(2) }] },
    ],
    [
      'a fractional dimension',
      'a dimension of value "x" is 1.5, which is not a 64-bit integer',
      { inputs: [{ name: 'x', dtype: 'float32', shape: [1.5] }] },
    ],
    ['a negative dimension', 'write null', { inputs: [{ name: 'x', dtype: 'float32', shape: [-1] }] }],
    ['a sequence made by hand', 'can only be copied', { inputs: [{ name: 'x', dtype: 'sequence', shape: undefined }] }],
    ['a fractional int', 'attribute "a" is 0.5', { nodes: [nodeWith({ a: { kind: 'int', value: 0.5 } })] }],
    ['an int of 65 bits', 'not a 64-bit integer', { nodes: [nodeWith({ a: { kind: 'bigint', value: 2n ** 63n } })] }],
    ['65 levels of graphs', 'nested 65 levels', { nodes: tower(65).nodes }],
  ];
  test.each(broken)('refuses %s', (_, sentence, graph) => {
    expect(() => encodeModel(modelOf(graph))).toThrow(sentence);
  });

  test('refuses more than 2 GB before copying anything', () => {
    const huge = { length: 2 ** 29, byteLength: 2 ** 31 } as Float32Array; // as large as it says would not fit a test
    const initializers = [{ name: 'w', dtype: 'float32' as const, dims: [2 ** 29], data: huge }];
    expect(() => encodeModel(modelOf({ initializers }))).toThrow('the model takes 2.0 GB');
    const inner = { name: 'g', nodes: [], inputs: [], outputs: [], values: [], initializers };
    expect(() => encodeModel(modelOf({ nodes: [nodeWith({ body: { kind: 'graph', value: inner } })] }))).toThrow(
      '2.0 GB',
    );
  });
});

function nodeWith(attributes: Record<string, OnnxAttribute>, op = 'Op'): OnnxNode {
  return { op, domain: '', name: '', inputs: [], outputs: [], attributes };
}

/** `levels` graphs, each in the only node of the one around it. */
function tower(levels: number): OnnxGraph {
  let { graph } = modelOf({});
  for (let i = 0; i < levels; i++)
    graph = { ...graph, nodes: [nodeWith({ g: { kind: 'graph', value: graph } }, `level${i}`)] };
  return graph;
}

describe('walking', () => {
  test('every node is visited once, outer ones first, with its depth', () => {
    const two = nodeWith(
      { a: { kind: 'graph', value: tower(1) }, b: { kind: 'graphs', value: [tower(0), tower(2)] } },
      'top',
    );
    const seen: string[] = [];
    forEachNode(modelOf({ nodes: [two, nodeWith({}, 'last')] }).graph, (node, graph, depth) => {
      expect(graph.nodes).toContain(node);
      seen.push(`${node.op}@${depth}`);
    });
    expect(seen).toEqual(['top@0', 'level0@1', 'level1@1', 'level0@2', 'last@0']);
    expect(subgraphsOf(two)).toHaveLength(3);
  });

  test('depth', () => {
    for (const levels of [0, 1, 31, 64]) expect(nestingDepth(tower(levels))).toBe(levels);
    expect(nestingDepth(decodeModel(encodeModel(modelOf({ nodes: tower(64).nodes }))).graph)).toBe(64);
  });
});

describe('stripDefaults', () => {
  const model = modelOf({
    inputs: ['x', 'limit', 'scale'].map((name) => ({ name, dtype: 'float32', shape: [1] })),
    initializers: ['limit', 'weight', 'scale'].map((name) => ({ name, ...ndarray('float32', [1], [name.length]) })),
  });
  const bytes = encodeModel(model);
  const left = (m: OnnxModel) => m.graph.initializers.map(({ name }) => name);

  test.each([[[]], [['limit']], [['scale']], [['scale', 'limit']]])('of %j, in a model and in bytes alike', (names) => {
    const stripped = stripDefaults(model, names);
    expect(left(stripped)).toEqual(['limit', 'weight', 'scale'].filter((name) => !names.includes(name)));
    expect(stripped.graph.inputs).toEqual(model.graph.inputs);
    expect(stripDefaults(bytes, names)).toEqual(encodeModel(stripped));
    expect(left(model)).toHaveLength(3);
    expect(decodeModel(bytes)).toEqual(model);
  });

  test.each([
    ['weight', 'has no input "weight" (its inputs: "x", "limit", "scale")'],
    ['nothing', 'has no input "nothing"'],
    ['x', 'the input "x" of the model has no default'],
  ])('refuses %s', (name, sentence) => {
    expect(() => stripDefaults(model, ['limit', name])).toThrow(sentence);
    expect(() => stripDefaults(bytes, ['limit', name])).toThrow(sentence);
  });

  test('refuses bytes that are no model', () => {
    expect(() => stripDefaults(Buffer.from('not onnx'), ['x'])).toThrow('not a');
    expect(() => stripDefaults(new Uint8Array(0), ['x'])).toThrow('it has 0 graphs');
    expect(() => stripDefaults(bytes.subarray(0, 60), ['limit'])).toThrow('not a readable ONNX model');
  });
});

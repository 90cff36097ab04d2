import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  expectClose,
  expectSame,
  f32,
  feedsFor,
  i64,
  model,
  node,
  roundTrip,
  runOrt,
  value,
} from '../../test/graph/models.ts';
import { seeded } from '../../test/support/random.ts';
import * as g from './index.ts';

type Layer = (x: g.Tensor) => g.Tensor;

const normal = { kind: 'normal', std: 1 } as const;
const weight = (name: string, shape: number[]) =>
  g.apply(g.Param, [], {
    name: g.scoped(name),
    dtype: 'float32',
    shape,
    init: normal,
    role: 'weight',
  });
const channels = (x: g.Tensor) => x.shape[1] as number;
const size = (x: g.Tensor) => Math.min(x.shape[2] as number, x.shape[3] as number);
const image = (x: g.Tensor) => x.rank === 4;

/** One layer of a random net: what does not fit the present tensor leaves it as it is. */
const layer = fc.record({
  kind: fc.constantFrom(
    'conv',
    'depthwise',
    'norm',
    'max',
    'mean',
    'act',
    'residual',
    'scale',
    'flatten',
    'if',
    'none',
  ),
  width: fc.integer({ min: 1, max: 5 }),
  kernel: fc.constantFrom(1, 2, 3),
  stride: fc.constantFrom(1, 2),
  pad: fc.constantFrom(0, 1),
  act: fc.constantFrom<Layer>(
    g.relu,
    g.sigmoid,
    g.gelu,
    g.silu,
    g.hardSwish,
    (x) => g.leakyRelu(x, 0.2),
    (x) => g.clip(x, 0, 6),
  ),
});
type LayerSpec = typeof layer extends fc.Arbitrary<infer T> ? T : never;

function build(x: g.Tensor, l: LayerSpec): g.Tensor {
  const fits = image(x) && size(x) + 2 * l.pad >= l.kernel;
  const options = { stride: l.stride, padding: l.pad };
  switch (l.kind) {
    case 'conv':
      return fits
        ? g.convolve(x, weight('w', [l.width, channels(x), l.kernel, l.kernel]), weight('b', [l.width]), options)
        : x;
    case 'depthwise': {
      const own = { ...options, groups: channels(x) };
      return fits ? g.convolve(x, weight('w', [channels(x), 1, l.kernel, l.kernel]), undefined, own) : x;
    }
    case 'norm': {
      const v = (name: string) => weight(name, [channels(x)]);
      return image(x) ? g.batchNormalize(x, v('scale'), v('bias'), v('mean'), g.abs(v('variance'))) : x;
    }
    case 'max':
      return fits && l.kernel > l.pad ? g.maxPool(x, l.kernel, options) : x;
    case 'mean':
      return image(x) ? g.globalAveragePool(x) : x;
    case 'act':
      return l.act(x);
    case 'residual':
      return g.add(x, g.mul(g.tanh(x), 0.5));
    case 'scale':
      return g.div(x, g.add(g.reduceSum(g.abs(x), [1], true), 1));
    case 'flatten':
      return image(x) ? g.flatten(x) : x;
    case 'if':
      return image(x) ? x : gated(x);
    default:
      return x;
  }
}

let gates = 0;
/** The shipped form of a decision: the rows that go on are compressed, worked on inside the branch and put back. */
function gated(x: g.Tensor): g.Tensor {
  const name = `gate${gates++}`;
  return g.scope(name, () => {
    const score = g.reduceMean(x, [1]);
    const goes = g.greater(score, g.input(`${name}.threshold`, [1], 'float32', g.ndarray('float32', [1], [0])));
    const any = g.greater(g.reduceMax(g.cast(goes, 'float32'), [0]), 0);
    const rows = g.compress(x, goes, `${name}.rows`);
    const worked = g.add(rows, g.gemm(g.relu(rows), weight('w', [x.shape[1] as number, x.shape[1] as number])));
    return g.branch(any, [g.scatterNd(x, g.rowsWhere(goes, `${name}.rows`), worked)], [g.identity(x)])[0]!;
  });
}

function valuesOf(outputs: readonly g.Tensor[], seed: number): Map<string, g.NDArray> {
  const random = seeded(seed);
  const params = g.order(outputs).filter((n) => n.op.leaf === 'param');
  return new Map(
    params.map(({ attrs }) => {
      const length = g.sizeOf(attrs.shape);
      return [
        attrs.name,
        g.ndarray(
          'float32',
          attrs.shape,
          Array.from({ length }, () => random() * 2 - 1),
        ),
      ];
    }),
  );
}

function randomNet(layers: readonly LayerSpec[], classes: number) {
  return g.fresh(() => {
    gates = 0;
    let x: g.Tensor = g.input('x', ['N', 2, 6, 5]);
    for (const [i, l] of layers.entries()) x = g.scope(`layer${i}`, () => build(x, l));
    const flat = image(x) ? g.flatten(g.scope('pool', () => g.globalAveragePool(x))) : x;
    const gate = g.scope('gate', () => gated(flat));
    return g.scope('head', () => {
      const logits = g.gemm(gate, weight('w', [gate.shape[1] as number, classes]), weight('b', [classes]));
      return { logits, probabilities: g.softmax(logits) };
    });
  });
}

describe('what our own builders make comes back the same', () => {
  test('random nets with decisions, at several batch sizes, through bytes twice', async () => {
    const nets = fc.tuple(fc.array(layer, { maxLength: 7 }), fc.integer({ min: 1, max: 4 }), fc.integer());
    await fc.assert(
      fc.asyncProperty(nets, async ([layers, classes, seed]) => {
        const outputs = randomNet(layers, classes);
        const weights = valuesOf(Object.values(outputs), seed);
        const written = g.toOnnx(outputs, { weights });
        const { once, twice, bytes } = roundTrip(written);
        expect(new Set(once.weights.keys())).toEqual(new Set(weights.keys()));
        expect(once.inputs.map(String)).toEqual(twice.inputs.map(String));
        for (const n of [3, 1]) {
          const feeds = feedsFor(written.graph.inputs, n, seed);
          expectClose(await runOrt(bytes, feeds), await runOrt(g.encodeModel(written), feeds));
        }
      }),
      { numRuns: 40 },
    );
  });

  test('names, structure and bytes stay as they are from the first round on', () => {
    const outputs = randomNet([{ kind: 'conv', width: 3, kernel: 3, stride: 1, pad: 1, act: g.relu }], 4);
    const weights = valuesOf(Object.values(outputs), 1);
    const written = g.toOnnx(outputs, { weights });
    const { once, bytes } = roundTrip(written);
    const first = g.toOnnx(once.outputs, { weights: once.weights });
    expect(first.graph.nodes.map((n) => n.name)).toEqual(written.graph.nodes.map((n) => n.name));
    expect(g.encodeModel(first)).toEqual(bytes);
    const scopes = g.order(Object.values(once.outputs)).flatMap((n) => (n.op.leaf ? [] : [n.scope]));
    expect(new Set(scopes)).toEqual(new Set(['layer0', 'pool', '', 'gate/gate0', 'head']));
  });

  test('decisions inside decisions keep their branches, rows and thresholds', async () => {
    const outputs = g.fresh(() => {
      gates = 0;
      const x = g.input('x', ['N', 3]);
      const inner = (t: g.Tensor): g.Tensor => gated(g.mul(t, 1.5));
      const goes = g.greater(g.reduceMean(x, [1]), -0.2);
      const any = g.greater(g.reduceMax(g.cast(goes, 'float32'), [0]), 0);
      const deep = inner(g.compress(x, goes, 'outer.rows'));
      return { y: g.branch(any, [g.scatterNd(x, g.rowsWhere(goes, 'outer.rows'), deep)], [x])[0]! };
    });
    const written = g.toOnnx(outputs, { weights: valuesOf([outputs.y], 3) });
    const { once, bytes } = roundTrip(written);
    expect(g.nesting(g.placement(Object.values(once.outputs)))).toBe(2);
    const named = g.order(Object.values(once.outputs)).filter((n) => n.op === (g.Compress as unknown));
    expect(named.map((n) => n.attrs.rows)).toEqual(['outer.rows', 'gate0.rows']);
    const threshold = once.inputs.find((t) => t.node.attrs.name === 'gate0.threshold')!;
    expect(threshold.node.attrs.fallback).toEqual(g.ndarray('float32', [1], [0]));
    for (const limit of [-9, 0, 9]) {
      const feeds = { ...feedsFor([value('x', ['N', 3])], 5), 'gate0.threshold': g.ndarray('float32', [1], [limit]) };
      expectClose(await runOrt(bytes, feeds), await runOrt(g.encodeModel(written), feeds));
    }
  });

  test('an imported net can be trained: gradients reach all its parameters', () => {
    const x = g.input('x', ['N', 2, 6, 5]);
    const y = g.fresh(() => build(build(build(x, spec('conv')), spec('act')), { ...spec('norm'), width: 3 }));
    const read = roundTrip(g.toOnnx({ y }, { weights: valuesOf([y], 2) })).once;
    const params = g.order(Object.values(read.outputs)).filter((n) => n.op.leaf === 'param');
    const roles = Object.fromEntries(params.map((n) => [n.attrs.name, n.attrs.role]));
    // The variance passes through Abs in this net, so only the mean is seen to be a statistic.
    expect(roles).toEqual({ w: 'weight', b: 'bias', scale: 'bias', bias: 'bias', mean: 'statistic', variance: 'bias' });
    const loss = g.sumAll(read.outputs.y!);
    for (const d of g.gradients(
      loss,
      params.map((n) => n.outputs[0]!),
    ))
      expect(d.shape.length).toBeGreaterThan(0);
  });
});

const spec = (kind: LayerSpec['kind']): LayerSpec => ({ kind, width: 3, kernel: 3, stride: 1, pad: 1, act: g.relu });

describe('inputs, outputs and stored tensors', () => {
  test('inputs keep order, names and types; axes without a name get their own', () => {
    const inputs = [value('b', ['N', null]), value('a', [null, 4]), value('unused', [2], 'int64')];
    const read = g.fromOnnx(model([node('Relu', ['a'])], { inputs }));
    expect(read.inputs.map((t) => [t.node.attrs.name, t.dtype, t.shape])).toEqual([
      ['b', 'float32', ['N', 'b.1']],
      ['a', 'float32', ['a.0', 4]],
      ['unused', 'int64', [2]],
    ]);
    expect(read.outputs.y!.shape).toEqual(['a.0', 4]);
  });

  test('a stored tensor that is an input too is its default; before IR 4 it is a weight', async () => {
    const parts = { inputs: [value('x', ['N', 4]), value('w', [4])], stored: [f32('w', [4])] };
    const read = await expectSame(model([node('Mul', ['x', 'w'])], parts));
    expect(read.inputs[1]!.node.attrs.fallback).toEqual(g.ndarray('float32', [4], parts.stored[0]!.data));
    expect(read.weights.size).toBe(0);
    const old = g.fromOnnx(model([node('Mul', ['x', 'w'])], { ...parts, ir: 3 }));
    expect([old.inputs.length, [...old.weights.keys()], old.notes.length]).toEqual([1, ['w'], 1]);
  });

  test('limits and scalars are constants, floats parameters, and what is unused is told', () => {
    const stored = [f32('w', [4]), f32('half', [], [0.5]), f32('low', [], [0]), f32('spare', [9]), i64('axes', [1])];
    const nodes = [
      node('Mul', ['x', 'w'], 'a'),
      node('Mul', ['a', 'half'], 'b'),
      node('Clip', ['b', 'low'], 'c'),
      node('ReduceSum', ['c', 'axes'], 'd'),
      node('Dropout', ['d']),
    ];
    const { weights, notes } = g.fromOnnx(model(nodes, { stored }));
    expect([...weights.keys()]).toEqual(['w']);
    expect(notes.join('\n')).toMatch(/1 stored tensors are not used, first "spare"/);
    expect(notes.join('\n')).toMatch(/stored scalar was read as a constant/);
    expect(notes.join('\n')).toMatch(/Dropout does nothing/);
  });

  test('nodes may stand in any order', async () => {
    const m = model([node('Tanh', ['b']), node('Exp', ['a'], 'b'), node('Neg', ['x'], 'a')]);
    const { outputs } = g.fromOnnx(m);
    expect(g.order(Object.values(outputs)).map((n) => n.op.name)).toEqual(['Input', 'Neg', 'Exp', 'Tanh']);
  });

  test('two outputs of one value, and outputs that are inputs or weights', async () => {
    const outputs = ['y', 'z', 'w'].map((name) => value(name, undefined));
    await expectSame(model([node('Relu', ['x'], 'y'), node('Identity', ['y'], 'z')], { outputs: outputs.slice(0, 2) }));
    const read = g.fromOnnx(
      model([node('Relu', ['x'], 'y')], { outputs: [outputs[0]!, outputs[2]!], stored: [f32('w', [2])] }),
    );
    expect(read.outputs.w!.node.op.leaf).toBe('param');
  });
});

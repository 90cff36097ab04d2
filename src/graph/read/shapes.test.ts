import { describe, expect, test } from 'vitest';
import { expectSame, f32, i64, model, node, value } from '../../../test/graph/models.ts';
import { over, productOf, times } from '../dims.ts';
import { fromOnnx, type Imported, type OnnxAttribute, type OnnxNode, order } from '../index.ts';
import { targetShape } from './sizes.ts';

const image = [value('x', ['N', 3, 4, 4])];
const opsOf = (read: Imported) => order(Object.values(read.outputs)).flatMap((n) => (n.op.leaf ? [] : [n.op.name]));
const target = (read: Imported) => read.outputs.y!.node.inputs[1]!.node.attrs.value?.data;

/** Shape -> Gather 0: how exporters ask for the batch. */
const batch: OnnxNode[] = [node('Shape', ['x'], 'shape'), node('Gather', ['shape', 'zero'], 'n')];
const zero = i64('zero', [0], []);
const axis0 = i64('axis0', [0]);

describe('shape arithmetic is folded, also through a batch that has only a name', () => {
  test('x.view(x.size(0), -1): the batch is copied, the rest becomes a number', async () => {
    const nodes = [
      ...batch,
      node('Unsqueeze', ['n', 'axis0'], 'n1'),
      node('Concat', ['n1', 'rest'], 'target', { axis: 0 }),
      node('Reshape', ['x', 'target']),
    ];
    const read = await expectSame(model(nodes, { inputs: image, stored: [zero, axis0, i64('rest', [-1])] }));
    expect(opsOf(read)).toEqual(['Reshape']);
    expect(target(read)).toEqual(BigInt64Array.of(0n, 48n));
    expect(read.outputs.y!.shape).toEqual(['N', 48]);
  });

  test('sizes that are multiplied and compared, as Keras joins and spreads axes', async () => {
    const nodes = [
      node('Shape', ['x'], 'shape'),
      node('Gather', ['shape', 'first'], 'outer'),
      node('ReduceProd', ['outer'], 'rows', { keepdims: 1 }),
      node('Max', ['rest', 'rest'], 'most'),
      node('Concat', ['rows', 'most'], 'target', { axis: 0 }),
      node('Reshape', ['x', 'target']),
    ];
    const stored = [i64('first', [0, 1]), i64('rest', [16])];
    const read = await expectSame(model(nodes, { inputs: image, stored }));
    expect(opsOf(read)).toEqual(['Reshape']);
    expect(read.outputs.y!.shape).toEqual(['3*N', 16]);
  });

  test('the same in opset 11, with axes as attributes and a cast', async () => {
    const nodes = [
      ...batch,
      node('Cast', ['n'], 'c', { to: 6 }),
      node('Cast', ['c'], 'd', { to: 7 }),
      node('Unsqueeze', ['d'], 'n1', { axes: [0] }),
      node('Concat', ['n1', 'rest'], 'target', { axis: 0 }),
      node('Reshape', ['x', 'target']),
    ];
    const read = await expectSame(model(nodes, { opset: 11, inputs: image, stored: [zero, i64('rest', [-1])] }));
    expect(target(read)).toEqual(BigInt64Array.of(0n, 48n));
  });

  test('a batch joined with an axis and taken apart again', async () => {
    const nodes = [
      ...batch,
      node('Mul', ['n', 'three'], 'n3'),
      node('Unsqueeze', ['n3', 'axis0'], 'n3v'),
      node('Concat', ['n3v', 'sixteen'], 'joined', { axis: 0 }),
      node('Reshape', ['x', 'joined'], 'rows'),
      node('Relu', ['rows'], 'r'),
      node('Reshape', ['r', 'shape']),
    ];
    const stored = [zero, axis0, i64('three', [3], []), i64('sixteen', [16])];
    const read = await expectSame(model(nodes, { inputs: image, stored }));
    expect(opsOf(read).filter((op) => op === 'Concat' || op === 'Gather')).toEqual([]);
    expect(read.outputs.y!.shape).toEqual(['N', 3, 4, 4]);
  });

  test('two named axes stay computed, with their names', async () => {
    const nodes = [
      node('Shape', ['x'], 'shape'),
      node('Slice', ['shape', 'axis0', 'two'], 'lead'),
      node('Concat', ['two', 'lead', 'three'], 'target', { axis: 0 }),
      node('Transpose', ['x'], 't', { perm: [2, 0, 1] }),
      node('Reshape', ['t', 'target']),
    ];
    const stored = [axis0, i64('two', [2]), i64('three', [3])];
    const read = await expectSame(model(nodes, { inputs: [value('x', ['N', 'T', 6])], stored }), [2, 3]);
    expect(read.outputs.y!.shape).toEqual([2, 'N', 'T', 3]);
  });

  test("Expand of a class token to the batch (PyTorch's form with Equal and Where)", async () => {
    const nodes = [
      ...batch,
      node('Unsqueeze', ['n', 'axis0'], 'n1'),
      node('Concat', ['n1', 'minus', 'minus'], 'wanted', { axis: 0 }),
      node('ConstantOfShape', ['three'], 'ones', { value: { kind: 'tensor', value: i64('', [1]) } }),
      node('Mul', ['ones', 'minus'], 'marks'),
      node('Equal', ['wanted', 'marks'], 'open'),
      node('Where', ['open', 'ones', 'wanted'], 'target'),
      node('Expand', ['token', 'target']),
    ];
    const stored = [zero, axis0, i64('minus', [-1]), i64('three', [3]), f32('token', [1, 1, 5])];
    const read = await expectSame(model(nodes, { inputs: image, stored }));
    expect(read.outputs.y!.shape).toEqual(['N', 1, 5]);
  });

  test('a condition on a known size takes its branch', async () => {
    const branch = (op: string) => ({
      name: op,
      nodes: [op === 'Squeeze' ? node(op, ['x', 'one'], 'squeezed') : node('Identity', ['x'], 'same')],
      inputs: [],
      outputs: [value(op === 'Squeeze' ? 'squeezed' : 'same', undefined)],
      initializers: [],
      values: [],
    });
    const nodes = [
      node('Shape', ['x'], 'shape'),
      node('Gather', ['shape', 'one'], 'width'),
      node('Equal', ['width', 'one'], 'narrow'),
      node('If', ['narrow'], 'y', {
        then_branch: { kind: 'graph', value: branch('Squeeze') },
        else_branch: { kind: 'graph', value: branch('Identity') },
      }),
    ];
    const read = await expectSame(model(nodes, { inputs: [value('x', ['N', 1, 3])], stored: [i64('one', [1])] }));
    expect(opsOf(read)).toEqual(['Squeeze']);
  });

  test('a fixed batch in the target contradicts a named one', () => {
    const m = model([node('Reshape', ['x', 's'])], { inputs: image, stored: [i64('s', [1, 48])] });
    expect(() => fromOnnx(m)).toThrow(/node "node_y" \(Reshape\): .*has not as many elements/);
  });

  test('a target that nothing is known of needs the declared shape', async () => {
    const inputs = [value('x', ['N', 4]), value('s', [2], 'int64')];
    expect(() => fromOnnx(model([node('Reshape', ['x', 's'])], { inputs }))).toThrow(/does not declare the result/);
    const read = fromOnnx(model([node('Reshape', ['x', 's'])], { inputs, outputs: [value('y', ['M', 2])] }));
    expect(read.outputs.y!.shape).toEqual(['M', 2]);
  });
});

describe('names of sizes', () => {
  test.each(['2', 's0 + 1', '(N)', '2 * N', 'a/b'])(
    '%s is no arithmetic of ours and gets a name of its own',
    async (name) => {
      const inputs = [value('x', [name, 2, 4]), value('z', [name, 8])];
      const stored = [i64('target', [0, 8])];
      const read = await expectSame(
        model([node('Reshape', ['x', 'target'], 'r'), node('Add', ['r', 'z'])], { inputs, stored }),
      );
      const [axis] = read.outputs.y!.shape;
      expect(axis).toMatch(/^size/);
      expect(read.inputs.map((t) => t.shape[0])).toEqual([axis, axis]);
    },
  );

  test('products stay, as our own files have them', () => {
    const read = fromOnnx(model([node('Relu', ['x'])], { inputs: [value('x', ['4*N', 2])] }));
    expect(read.outputs.y!.shape).toEqual(['4*N', 2]);
  });
});

describe('numbers that no double holds', () => {
  const far = {
    kind: 'tensor',
    value: { name: '', dtype: 'int64', dims: [], data: BigInt64Array.of(2n ** 63n - 1n) },
  } as const;
  test('"to the end" stays the end on its way through Cast and Reshape', async () => {
    const nodes = [
      node('Constant', [], 'far', { value: far }),
      node('Cast', ['far'], 'cast', { to: 7 }),
      node('Reshape', ['cast', 'minus'], 'end'),
      node('Slice', ['x', 'axis0', 'end', 'axis0'], 'whole'),
      node('Slice', ['whole', 'one', 'end', 'one']),
    ];
    const stored = [i64('minus', [-1]), axis0, i64('one', [1])];
    const read = await expectSame(model(nodes, { inputs: image, stored }));
    expect(read.outputs.y!.shape).toEqual(['N', 2, 4, 4]);
  });

  test.each(['value_ints', 'value_int'])('arithmetic on them gives what the engine gives (%s)', async (attribute) => {
    const odd = 2n ** 53n + 1n;
    const stored = { name: 'base', dtype: 'int64', dims: [1], data: BigInt64Array.of(odd - 1n) } as const;
    const given = attribute === 'value_ints' ? { kind: 'bigints', value: [odd] } : { kind: 'bigint', value: odd };
    const nodes = [
      node('Constant', [], 'odd', { [attribute]: given as OnnxAttribute }),
      node('Add', ['odd', 'one'], 'sum'),
      node('Sub', ['sum', 'base'], 'two'),
      node('Cast', ['two'], 'factor', { to: 1 }),
      node('Mul', ['x', 'factor']),
    ];
    await expectSame(model(nodes, { stored: [stored, i64('one', [1])] }));
  });
});

describe('sizes as conditions', () => {
  test.each([3, 256])('the size %i as a truth value is 1', async (size) => {
    const nodes = [
      node('Shape', ['x'], 'shape'),
      node('Gather', ['shape', 'one'], 'size'),
      node('Cast', ['size'], 'flag', { to: 9 }),
      node('Cast', ['flag'], 'factor', { to: 1 }),
      node('Mul', ['x', 'factor']),
    ];
    await expectSame(model(nodes, { inputs: [value('x', ['N', size])], stored: [i64('one', [1], [])] }));
  });

  test('a named size may be 0: its truth value stays computed', async () => {
    const nodes = [
      ...batch,
      node('Cast', ['n'], 'flag', { to: 9 }),
      node('Where', ['flag', 'one', 'two'], 'factor'),
      node('Cast', ['factor'], 'scale', { to: 1 }),
      node('ReduceSum', ['x'], 'sum', { keepdims: 0 }),
      node('Add', ['sum', 'scale']),
    ];
    await expectSame(model(nodes, { stored: [zero, i64('one', [1], []), i64('two', [2], [])] }), [2, 0]);
  });
});

describe('sizes that may be names', () => {
  test('products and quotients', () => {
    expect(times('N', 4)).toBe('4*N');
    expect(times('4*N', 'M')).toBe('4*N*M');
    expect(times('N', 0)).toBe(0);
    expect(times('N', -1)).toBeUndefined();
    expect(over('12*N*M', '3*N')).toBe('4*M');
    expect(over('N', 'N')).toBe(1);
    expect(over('N', 2)).toBeUndefined();
    expect(over('N', 'M')).toBeUndefined();
    expect(over(-7, 2)).toBe(-3);
    expect(over(7, 0)).toBeUndefined();
    expect(productOf([2, 'A+B', 3])).toBe('6*(A+B)');
    expect(over('6*(A+B)', 6)).toBe('A+B');
    expect(over('A+2*B', 2)).toBeUndefined();
    expect(productOf(['2*A+B'])).toBe('2*A+B');
    expect(over(times('2*A+B', 'N'), 'N')).toBe('2*A+B');
  });

  test('what a Reshape gives', () => {
    expect(targetShape(['N', 3, 4], [0, -1])).toEqual(['N', 12]);
    expect(targetShape(['N', 3, 4], [-1, 4])).toEqual(['3*N', 4]);
    expect(targetShape(['3*N', 4], ['N', -1])).toEqual(['N', 12]);
    expect(targetShape(['N', 4], [undefined, 2])).toEqual(['2*N', 2]);
    expect(targetShape(['N', 4], [undefined, -1])).toBeUndefined();
    expect(targetShape(['N', 4], [-1, 3])).toBeUndefined();
    expect(targetShape([7], [-1, 2])).toBeUndefined();
  });
});

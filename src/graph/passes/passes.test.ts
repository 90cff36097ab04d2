import { describe, expect, test } from 'vitest';
import { compile } from '../../runtime/index.ts';
import {
  add,
  apply,
  branch,
  Cast,
  cast,
  concat,
  constant,
  constantOf,
  div,
  encodeModel,
  equal,
  expandLike,
  flatten,
  forEachNode,
  gather,
  gradients,
  input,
  ints,
  mul,
  ndarray,
  nesting,
  type OnnxGraph,
  order,
  param,
  placement,
  reduceSum,
  reshape,
  reshapeLike,
  scalar,
  shapeOf,
  simplify,
  slice,
  substitute,
  sumAll,
  type Tensor,
  tanh,
  toNumbers,
  toOnnx,
  unsqueeze,
  where,
} from '../index.ts';

const folded = (t: Tensor) => constantOf(simplify([t])[0]);
const weight = (name: string, shape: number[] = [2]) => param(name, shape, { kind: 'constant', value: 1 });

describe('folding', () => {
  test('keeps the largest int64, which exporters write for "to the end"', () => {
    const far = constant({ dtype: 'int64', dims: [2], data: new BigInt64Array([2n ** 63n - 1n, -(2n ** 63n)]) });
    const list = concat([unsqueeze(gather(far, ints([1, 0])), [0]), unsqueeze(far, [0])], 1);
    expect(folded(list)!.data).toEqual(new BigInt64Array([-(2n ** 63n), 2n ** 63n - 1n, 2n ** 63n - 1n, -(2n ** 63n)]));
    const data = constant(ndarray('int64', [4], [5, 6, 7, 8]));
    const cut = slice(data, [{ axis: 0, start: 1, end: 2 ** 63 }]);
    expect(toNumbers(folded(cut)!)).toEqual([6, 7, 8]);
    expect(toNumbers(folded(add(cut, 1))!)).toEqual([7, 8, 9]);
    expect(folded(cast(scalar(Number.POSITIVE_INFINITY), 'int64'))!.data[0]).toBe(2n ** 63n - 1n);
    expect(folded(cast(scalar(Number.NaN), 'int64'))!.data[0]).toBe(0n);
  });

  const int64 = (...v: bigint[]) => constant({ dtype: 'int64', dims: [v.length], data: BigInt64Array.from(v) });
  const odd = 2n ** 53n + 1n; // the first whole number that no double holds

  test.each<[string, Tensor]>([
    ['a sum', add(int64(odd), int64(1n))],
    ['a sum of numbers that doubles hold', add(int64(odd - 2n), int64(2n))],
    ['a product that wraps', mul(int64(2n ** 40n), int64(2n ** 40n))],
    ['a product of 32 bits that wraps', mul(constant(ndarray('int32', [], [0x7fffffff])), 0x7fffffff)],
    ['a comparison', equal(int64(odd), int64(odd - 1n))],
    ['a cast to 32 bits', cast(int64(odd), 'int32')],
    ['a cast to floats', cast(int64(odd), 'float64')],
  ])('leaves %s that doubles would get wrong to the engine', (_, t) => {
    expect(folded(t)).toBeUndefined();
  });

  test('moves whole numbers of 64 bits exactly', () => {
    const list = int64(odd, -odd, 7n);
    const moved = [reshape(list, [3, 1]), gather(list, ints([2, 0, 1])), concat([list, list], 0), cast(list, 'int64')];
    expect(moved.map((t) => Array.from(folded(t)!.data as BigInt64Array))).toEqual([
      [odd, -odd, 7n],
      [7n, odd, -odd],
      [odd, -odd, 7n, odd, -odd, 7n],
      [odd, -odd, 7n],
    ]);
    expect(folded(expandLike(int64(odd), input('x', [2, 2])))!.data).toEqual(BigInt64Array.of(odd, odd, odd, odd));
    const condition = constant(ndarray('bool', [3], [1, 0, 1]));
    expect(folded(where(condition, list, int64(-1n)))!.data).toEqual(BigInt64Array.of(odd, -1n, 7n));
  });

  test('a cast to bool is 1 for all but 0', () => {
    for (const dtype of ['int64', 'int32', 'float32', 'float64'] as const)
      expect(folded(cast(constant(ndarray(dtype, [4], [0, 256, -1, 5])), 'bool'))!.data).toEqual(
        Uint8Array.of(0, 1, 1, 1),
      );
    expect(folded(cast(constant(ndarray('float32', [3], [0.5, Number.NaN, -0])), 'bool'))!.data).toEqual(
      Uint8Array.of(1, 1, 0),
    );
  });

  test('reads and writes float16 as numbers, not as bits', () => {
    const halves = cast(constant(ndarray('float32', [3], [1.5, -2, 0.1])), 'float16');
    expect(folded(halves)!.data).toEqual(new Uint16Array([0x3e00, 0xc000, 0x2e66]));
    expect(toNumbers(folded(cast(mul(halves, 2), 'float32'))!)).toEqual([3, -4, 0.199951171875]);
    expect(toNumbers(folded(cast(slice(halves, [{ axis: 0, start: 0, end: 1 }]), 'float32'))!)).toEqual([1.5]);
  });

  test('integers divide towards zero, bytes wrap around', () => {
    const n = constant(ndarray('int32', [2], [7, -7]));
    expect(toNumbers(folded(div(n, constant(ndarray('int32', [], [2]))))!)).toEqual([3, -3]);
    expect(toNumbers(folded(add(constant(ndarray('uint8', [], [250])), 10))!)).toEqual([4]);
  });

  test('known shapes are constants; unknown ones stay', () => {
    expect(toNumbers(folded(shapeOf(input('x', [2, 3])))!)).toEqual([2, 3]);
    expect(folded(shapeOf(input('x', ['N', 3])))).toBeUndefined();
  });

  test('makes no large constant out of small ones, and none out of what it cannot evaluate', () => {
    const big = add(
      constant(ndarray('float32', [1000, 1], new Float32Array(1000))),
      constant(ndarray('float32', [1000], new Float32Array(1000))),
    );
    expect(folded(big)).toBeUndefined();
    expect(folded(reduceSum(scalar(1), []))).toBeDefined();
    expect(folded(reduceSum(constant(ndarray('float32', [2], [1, 2])), [0]))).toBeUndefined();
  });

  test('equal constants and nodes become one; 0 and -0, dtypes and shapes stay apart', () => {
    const x = input('x', [1]);
    const nodes = (...list: Tensor[]): number => order(simplify(list)).length;
    expect(nodes(mul(x, scalar(2)), mul(x, scalar(2)))).toBe(3);
    expect(nodes(div(x, scalar(0)), div(x, scalar(-0)))).toBe(5);
    expect(nodes(mul(x, scalar(2)), mul(x, constant(ndarray('float32', [1], [2]))))).toBe(5);
    expect(nodes(apply(Cast, [x], { to: 'int64' }), apply(Cast, [x], { to: 'int32' }))).toBe(3);
  });
});

describe('other sizes by substitution', () => {
  test('shapes that follow another tensor follow it to its new sizes', async () => {
    const x = input('x', ['N', 2]);
    const row = input('row', [1, 2]);
    const y = add(mul(expandLike(row, x), x), reshapeLike(flatten(unsqueeze(x, [2])), x));
    const loss = sumAll(tanh(y));
    const outputs = [y, ...gradients(loss, [x, row])];
    const one = substitute(outputs, new Map([[x, input('x', [3, 2])]]));
    expect(one.map((t) => t.shape)).toEqual([
      [3, 2],
      [3, 2],
      [1, 2],
    ]);
    const other = substitute(outputs, new Map([[x, input('x', ['rows', 2])]]));
    expect(other[0]!.shape).toEqual(['rows', 2]);
    const named = Object.fromEntries([...outputs, ...one].map((t, i) => [`y${i}`, t]));
    const run = async (list: Tensor[]) => {
      const runner = await compile(encodeModel(toOnnx(Object.fromEntries(list.map((t, i) => [`y${i}`, t])))));
      const got = await runner.run({
        x: ndarray('float32', [3, 2], [1, 2, 3, 4, 5, 6]),
        row: ndarray('float32', [1, 2], [0.5, -0.5]),
      });
      await runner.close();
      return Object.values(got).map(toNumbers);
    };
    expect(Object.keys(named).length).toBe(6);
    expect(await run(simplify(one))).toEqual(await run(outputs));
  });
});

describe('branches', () => {
  const graphsOf = (graph: OnnxGraph): Map<string, string[]> => {
    const list = new Map([[graph.name, graph.initializers.map((t) => t.name)]]);
    forEachNode(graph, (_, g) =>
      list.set(
        g.name,
        g.initializers.map((t) => t.name),
      ),
    );
    return list;
  };

  test('a weight of one branch lies in it, one of both lies around them, one of the outside stays outside', () => {
    const x = input('x', [2]);
    const c = input('c', [], 'bool');
    const [own, shared, outer] = ['own', 'shared', 'outer'].map((n) => weight(n)) as [Tensor, Tensor, Tensor];
    const [r] = branch(c, [mul(mul(x, own), mul(shared, outer))], [mul(x, shared)]);
    const weights = new Map(['own', 'shared', 'outer'].map((n) => [n, ndarray('float32', [2], [1, 2])]));
    const graphs = graphsOf(toOnnx({ r: r!, o: mul(x, outer) }, { weights, name: 'net' }).graph);
    expect(Object.fromEntries(graphs)).toEqual({ net: ['shared', 'outer'], 'if/then': ['own'], 'if/else': [] });
  });

  test('nested: each weight in its own branch, run on every way', async () => {
    const x = input('x', [2]);
    const [c, d] = [input('c', [], 'bool'), input('d', [], 'bool')];
    const names = ['a', 'b', 'e'];
    const [a, b, e] = names.map((n) => weight(n)) as [Tensor, Tensor, Tensor];
    const inner = branch(d, [mul(x, a)], [mul(x, b)])[0]!;
    const [r] = branch(c, [tanh(inner)], [mul(x, e)]);
    expect(nesting(placement([r!]))).toBe(2);
    const weights = new Map(names.map((n, i) => [n, ndarray('float32', [2], [i + 1, i + 1])]));
    const model = toOnnx({ r: r! }, { weights });
    expect(model.graph.initializers).toEqual([]);
    const runner = await compile(encodeModel(model));
    const at = async (p: number, q: number) => {
      const got = await runner.run({
        x: ndarray('float32', [2], [0.1, 0.2]),
        c: ndarray('bool', [], [p]),
        d: ndarray('bool', [], [q]),
      });
      return toNumbers(got.r!)[1]!;
    };
    expect(await at(1, 1)).toBeCloseTo(Math.tanh(0.2), 6);
    expect(await at(1, 0)).toBeCloseTo(Math.tanh(0.4), 6);
    expect(await at(0, 1)).toBeCloseTo(0.6, 6);
    await runner.close();
  });

  test('simplifying shares work with what encloses it, never between branches beside each other', () => {
    const x = input('x', [2]);
    const [c, d] = [input('c', [], 'bool'), input('d', [], 'bool')];
    const work = () => tanh(mul(x, 2));
    const ran = (t: Tensor[]): string[] => {
      const model = toOnnx(Object.fromEntries(simplify(t).map((r, i) => [`r${i}`, r])));
      return model.graph.nodes.map((n) => n.op).filter((op) => op === 'Tanh');
    };
    const first = branch(c, [work()], [x])[0]!;
    const second = branch(d, [add(work(), 1)], [x])[0]!;
    expect(ran([first, second])).toEqual([]);
    expect(ran([first, second, work()])).toEqual(['Tanh']);
    expect(ran([work(), first, second])).toEqual(['Tanh']);
    expect(order(simplify([work(), first, second])).filter((n) => n.op.name === 'Tanh').length).toBe(1);
    expect(
      order(simplify([branch(c, [add(work(), branch(d, [work()], [x])[0]!)], [x])[0]!])).filter(
        (n) => n.op.name === 'Tanh',
      ).length,
    ).toBe(1);
  });

  test('results that nobody computes inside: inputs, outer values, constants, one value twice', async () => {
    const x = input('x', [2]);
    const c = input('c', [], 'bool');
    const outer = mul(x, 2);
    const inside = tanh(outer);
    const three = constant(ndarray('float32', [2], [3, 3]));
    const r = branch(c, [x, outer, inside, inside], [outer, three, three, x]);
    const runner = await compile(encodeModel(toOnnx({ ...Object.fromEntries(r.map((t, i) => [`r${i}`, t])), outer })));
    const at = async (v: number) => {
      const got = await runner.run({ x: ndarray('float32', [2], [0, 1]), c: ndarray('bool', [], [v]) });
      return [0, 1, 2, 3].map((i) => toNumbers(got[`r${i}`]!)[1]);
    };
    expect(await at(0)).toEqual([2, 3, 3, 1]);
    expect((await at(1)).map((v) => Math.fround(v!))).toEqual([
      1,
      2,
      Math.fround(Math.tanh(2)),
      Math.fround(Math.tanh(2)),
    ]);
    await runner.close();
  });
});

test('a chain of 5,000 nodes overflows no stack in any pass', () => {
  const x = input('x', [2]);
  const c = input('c', [], 'bool');
  let y: Tensor = x;
  for (let i = 0; i < 2500; i++) y = mul(add(y, 0.001), 1.0001);
  const [r] = branch(c, [y], [x]);
  const [g] = gradients(sumAll(y), [x]);
  expect(order([r!]).length).toBe(10_003);
  const simple = simplify([r!, g!]);
  const [moved] = substitute([y], new Map([[x, tanh(x)]]));
  const placed = placement([moved!]);
  expect(placed.nodes.length).toBe(10_002);
  expect(nesting(placement(Array.from({ length: 3 }, () => r!)))).toBe(1);
  const model = toOnnx({ r: simple[0]!, g: simple[1]! });
  expect(encodeModel(model).length).toBeGreaterThan(100_000);
});

import { describe, expect, test } from 'vitest';
import { compile } from '../runtime/index.ts';
import {
  add,
  apply,
  averagePool,
  branch,
  Clip,
  Compress,
  cast,
  clip,
  concat,
  encodeModel,
  exp,
  GatherND,
  gather,
  gradients,
  greater,
  identity,
  input,
  ints,
  max,
  maxPool,
  min,
  mul,
  type NDArray,
  ndarray,
  OneHot,
  type Operator,
  operators,
  order,
  Pad,
  param,
  pow,
  reduceMax,
  refuse,
  relu,
  scope,
  sign,
  sqrt,
  sub,
  sumAll,
  type Tensor,
  tanh,
  toNumbers,
  toOnnx,
  where,
} from './index.ts';

async function values(
  outputs: Record<string, Tensor>,
  feeds: Record<string, NDArray>,
): Promise<Record<string, number[]>> {
  const runner = await compile(encodeModel(toOnnx(outputs)), { intraOpNumThreads: 2 });
  const used = new Set(runner.inputs.map((s) => s.name));
  const got = await runner.run(Object.fromEntries(Object.entries(feeds).filter(([name]) => used.has(name))));
  await runner.close();
  return Object.fromEntries(Object.entries(got).map(([name, a]) => [name, toNumbers(a)]));
}

const floats = (...v: number[]): NDArray => ndarray('float32', [v.length], v);

describe('the walk', () => {
  const x = input('x', [3]);

  test('adds up over several uses, and serves a target twice asked for', async () => {
    const y = add(mul(x, x), add(x, tanh(x)));
    const [a, b] = gradients(sumAll(y), [x, x]);
    const got = await values({ a: a!, b: b! }, { x: floats(0.5, -1, 2) });
    const want = [0.5, -1, 2].map((v) => 2 * v + 2 - Math.tanh(v) ** 2);
    for (const name of ['a', 'b']) for (const [i, v] of got[name]!.entries()) expect(v).toBeCloseTo(want[i]!, 5);
  });

  test('gives zeros where the loss does not depend on a target', async () => {
    const lost = input('lost', ['N', 2]);
    const rounded = cast(cast(x, 'int64'), 'float32');
    const [a, b, c] = gradients(sumAll(add(rounded, sign(x))), [lost, x, scope('w', () => input('w', [2]))]);
    const got = await values(
      { a: a!, b: b!, c: c! },
      { x: floats(1, 2, 3), lost: ndarray('float32', [2, 2], [1, 2, 3, 4]) },
    );
    expect(got).toEqual({ a: [0, 0, 0, 0], b: [0, 0, 0], c: [0, 0] });
  });

  test('takes any tensor as a target: an intermediate one, the loss itself', async () => {
    const inner = exp(x);
    const loss = sumAll(mul(inner, inner));
    const [a, b, c] = gradients(loss, [inner, loss, x]);
    expect(b!.shape).toEqual([]);
    const got = await values({ a: a!, b: b!, c: c! }, { x: floats(0, 1, -1) });
    [0, 1, -1].forEach((v, i) => {
      expect(got.a![i]).toBeCloseTo(2 * Math.exp(v), 4);
      expect(got.c![i]).toBeCloseTo(2 * Math.exp(2 * v), 4);
    });
    expect(got.b).toEqual([1]);
  });

  test('a loss that is no scalar stands for the sum of its elements', async () => {
    const [g] = gradients(mul(x, 3), [x]);
    expect(await values({ g: g! }, { x: floats(1, 2, 3) })).toEqual({ g: [3, 3, 3] });
  });

  test('sums over every axis along which a target was broadcast', async () => {
    const a = input('a', [2, 1, 1]);
    const s = input('s', []);
    const row = input('row', ['N', 1]);
    const big = input('big', [2, 'N', 3]);
    const y = mul(big, add(add(mul(row, s), a), s));
    const got = gradients(sumAll(y), [a, s, row]);
    expect(got.map((t) => t.shape)).toEqual([[2, 1, 1], [], ['N', 1]]);
    const numbers = Array.from({ length: 12 }, (_, i) => i + 1);
    const feeds = {
      a: ndarray('float32', [2, 1, 1], [0, 0]),
      s: ndarray('float32', [], [2]),
      row: ndarray('float32', [2, 1], [1, 10]),
      big: ndarray('float32', [2, 2, 3], numbers),
    };
    const result = await values({ da: got[0]!, ds: got[1]!, drow: got[2]! }, feeds);
    expect(result.drow).toEqual([2 * (1 + 2 + 3 + 7 + 8 + 9), 2 * (4 + 5 + 6 + 10 + 11 + 12)]);
    expect(result.ds).toEqual([2 * 30 + 11 * 48]);
    expect(result.da).toEqual([21, 57]);
  });

  test('refuses a loss that is no float', () => {
    expect(() => gradients(cast(x, 'int64'), [x])).toThrow(/loss must be a float tensor, got int64\[3\]/);
  });

  test('a rule that gives a wrong shape is caught', () => {
    const bad: Operator = { ...(identityOperator() as Operator), name: 'Bad', gradient: [({ g }) => sumAll(g)] };
    expect(() => gradients(apply(bad, [x], {}), [x])).toThrow('a rule gave the cotangent [] for float32[3] of Input');
  });

  const identityOperator = () => identity(x).node.op;
});

describe('what has no gradient says so', () => {
  const x = input('x', [4, 2]);
  const w = () => param('w', [2], { kind: 'constant', value: 1 });
  const limit = param('limit', [], { kind: 'constant', value: 1 });
  const onOff = w();

  test('with the place in the net', () => {
    const mystery: Operator = { ...identity(x).node.op, name: 'Mystery', gradient: [refuse('nobody knows it')] };
    const [y, p] = scope('stem', () => {
      const p = w();
      return [scope('block', () => apply(mystery, [mul(x, p)], {})), p] as const;
    });
    expect(() => gradients(sumAll(y), [p])).toThrow('Mystery in "stem/block" has no gradient: nobody knows it');
    // It stands beside the path to x when only x's other use is asked for.
    expect(() => gradients(sumAll(add(y, mul(x, 2))), [input('free', [])])).not.toThrow();
  });

  const refusals: [string, number, () => readonly [Tensor, Tensor], RegExp][] = [
    [
      'If',
      1,
      () => [branch(input('c', [], 'bool'), [mul(x, 2)], [x])[0]!, x],
      /If has no gradient: .*before it is lowered/,
    ],
    ['Clip', 1, () => [apply(Clip, [x, limit], {}), limit], /learned lower limit/],
    ['Clip', 2, () => [apply(Clip, [x, undefined, limit], {}), limit], /learned upper limit/],
    ['Pad', 2, () => [apply(Pad, [x, ints([1, 0, 0, 0]), limit], {}), limit], /learned value/],
    ['OneHot', 2, () => [apply(OneHot, [cast(x, 'int64'), ints([3]), onOff], { axis: -1 }), onOff], /learned values/],
  ];
  test.each(refusals)('%s, input %i', (_, __, make, sentence) => {
    const [y, target] = make();
    expect(() => gradients(sumAll(y), [target])).toThrow(sentence);
  });

  test('no other operator of the table refuses', () => {
    const inTable = operators.flatMap((op) => {
      const rules = typeof op.gradient === 'function' ? [0, 1].map(op.gradient) : op.gradient;
      return rules.flatMap((r, i) => (r && typeof r === 'object' ? [`${op.name} ${i}`] : []));
    });
    const tested = refusals.map(([name, i]) => `${name} ${i}`);
    expect(inTable.filter((r) => r !== 'If 0')).toEqual(expect.arrayContaining(tested));
    expect(inTable.filter((r) => r !== 'If 0' && !tested.includes(r))).toEqual([]);
  });

  test.each([
    ['AveragePool with ceil_mode', () => averagePool(input('i', [1, 1, 5, 5]), 2, { ceilMode: true })],
    ['Concat along a named axis', () => concat([input('i', ['N', 2]), input('j', ['M', 2])], 0)],
    [
      'Compress is differentiable along axis 0 only',
      () => apply(Compress, [input('i', [2, 3]), input('m', [3], 'bool')], { axis: 1, rows: 'r' }),
    ],
    ['GatherND from [4, N, 2]', () => apply(GatherND, [input('i', [4, 'N', 2]), input('at', [3, 2], 'int64')], {})],
  ] as const)('%s', (sentence, make) => {
    const y = make();
    const target = order([y]).find((n) => n.op.leaf === 'input' && n.outputs[0]!.dtype === 'float32')!.outputs[0]!;
    expect(() => gradients(sumAll(y), [target])).toThrow(sentence);
  });
});

describe('at kinks, ties and poles', () => {
  test('one choice each, as documented', async () => {
    const x = input('x', [3]);
    const y = input('y', [3]);
    const grads = (out: Tensor): Tensor[] => gradients(sumAll(out), [x, y]);
    const outputs: Record<string, Tensor> = {};
    const all: Record<string, Tensor> = {
      max: max(x, y),
      min: min(x, y),
      relu: relu(sub(x, y)),
      top: mul(reduceMax(concat([x, y], 0), [0]), 1),
      clip: clip(x, 1, 2),
      pow: pow(x, y),
      zero: where(greater(x, 0), sqrt(x), 0),
    };
    for (const [name, t] of Object.entries(all))
      grads(t).forEach((g, i) => {
        outputs[`${name}${i}`] = g;
      });
    const got = await values(outputs, { x: floats(1, 0, 2), y: floats(1, 0, 2) });
    expect(got.max0).toEqual([1, 1, 1]);
    expect(got.max1).toEqual([0, 0, 0]);
    expect(got.min0).toEqual([1, 1, 1]);
    expect(got.min1).toEqual([0, 0, 0]);
    expect(got.relu0).toEqual([0, 0, 0]);
    expect(got.top0).toEqual([0, 0, 0.5]);
    expect(got.top1).toEqual([0, 0, 0.5]);
    expect(got.clip0).toEqual([1, 0, 1]);
    expect(got.pow0).toEqual([1, 0, 4]);
    expect(got.pow1!.map((v) => Math.round(v * 1e4) / 1e4)).toEqual([0, 0, 2.7726]);
  });

  test('a maximum that stands in several windows gets the sum, also on several threads', async () => {
    const x = input('x', [1, 1, 3, 3]);
    const [g] = gradients(sumAll(maxPool(x, 2, { stride: 1 })), [x]);
    const got = await values({ g: g! }, { x: ndarray('float32', [1, 1, 3, 3], [0, 0, 0, 0, 9, 0, 0, 0, 0]) });
    expect(got.g).toEqual([0, 0, 0, 0, 4, 0, 0, 0, 0]);
  });

  test('rows that are taken thousands of times lose nothing on several threads', async () => {
    const table = input('table', [4, 64]);
    const index = input('index', ['N'], 'int64');
    const [g] = gradients(sumAll(gather(table, index)), [table]);
    const [h] = gradients(sumAll(apply(GatherND, [table, input('pairs', ['N', 2], 'int64')], {})), [table]);
    const n = 20_000;
    const places = (each: number, of: (i: number) => number) =>
      ndarray(
        'int64',
        each === 1 ? [n] : [n, each],
        Array.from({ length: n * each }, (_, i) => of(i)),
      );
    const zeros = ndarray('float32', [4, 64], new Float32Array(256));
    const runner = await compile(encodeModel(toOnnx({ g: g!, h: h! })), { intraOpNumThreads: 2 });
    for (let repeat = 0; repeat < 3; repeat++) {
      const got = await runner.run({
        table: zeros,
        index: places(1, (i) => i % 4),
        pairs: places(2, (i) => (i % 2 ? 3 : 2)),
      });
      expect(new Set(toNumbers(got.g!))).toEqual(new Set([n / 4]));
      expect(toNumbers(got.h!).filter((v) => v !== 0)).toEqual([n]);
    }
    await runner.close();
  });
});

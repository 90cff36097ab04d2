import { expect, test } from 'vitest';
import {
  apply,
  encodeModel,
  greater,
  input,
  log,
  mul,
  type NDArray,
  ndarray,
  neg,
  type Operator,
  relu,
  softmax,
  sub,
  Tanh,
  type Tensor,
  where,
} from '../../src/graph/index.ts';
import { f32, model, node, value } from '../graph/models.ts';
import { checkGradients } from './gradients.ts';
import type { Case } from './load.ts';
import { type Outcome, runCase } from './run.ts';

// The judge of the conformance tests, judged: it must tell right from wrong.

const x = ndarray('float32', [2, 3], [-1.5, 0.25, 0.5, 1, 2, -0.75]);
const caseOf = (nodes: Parameters<typeof model>[0], inputs: Case['inputs'], want: NDArray, parts = {}): Case => ({
  name: 'case',
  op: nodes[0]!.op,
  bytes: encodeModel(model(nodes, { inputs: [value('x', [2, 3])], ...parts })),
  inputs,
  outputs: [want],
});
const why = (o: Outcome): string => (o.verdict === 'pass' ? '' : o.why);
const tanh = ndarray('float32', [2, 3], Float32Array.from(x.data as Float32Array, Math.tanh));

test('a right case passes, with its gradient', async () => {
  const outcome = await runCase(caseOf([node('Tanh', ['x'])], [x], tanh));
  expect(outcome).toMatchObject({ verdict: 'pass', stored: [], gradients: { inputs: 1, elements: 6, kinks: 0 } });
});

test('numbers that ONNX Runtime gives for the original too are told apart', async () => {
  const off = ndarray(
    'float32',
    [2, 3],
    Float32Array.from(tanh.data as Float32Array, (v) => v + 0.01),
  );
  const outcome = await runCase(caseOf([node('Tanh', ['x'])], [x], off));
  expect([outcome.verdict, why(outcome)]).toEqual([
    'engine',
    expect.stringMatching(/^ONNX Runtime gives other numbers for the original too: element 0/),
  ]);
});

test('another shape or element type than the case says is wrong', async () => {
  const flat = await runCase(caseOf([node('Tanh', ['x'])], [x], ndarray('float32', [6], tanh.data)));
  expect([flat.verdict, why(flat)]).toEqual(['wrong', 'y: inferred float32[2, 3], expected float32[6]']);
  const long = await runCase(caseOf([node('Tanh', ['x'])], [x], ndarray('int64', [2, 3], new BigInt64Array(6))));
  expect(why(long)).toMatch(/expected int64\[2,3\]/);
});

test('inputs that must be known are stored, and named; what is not understood is refused', async () => {
  const target = ndarray('int64', [2], [3, 2]);
  const parts = { inputs: [value('x', [2, 3]), value('s', [2], 'int64')] };
  const want = ndarray('float32', [3, 2], x.data);
  const reshaped = await runCase(caseOf([node('Reshape', ['x', 's'])], [x, target], want, parts));
  expect(reshaped).toMatchObject({ verdict: 'pass', stored: ['s'] });
  const unknown = await runCase(caseOf([node('Foo', ['x'])], [x], want, { stored: [f32('w', [1])] }));
  expect([unknown.verdict, why(unknown)]).toEqual([
    'refused',
    'the model uses operators that are not supported: node "node_y" (Foo)',
  ]);
});

const report = (build: (x: Tensor) => Tensor, feed = x) => {
  const t = input('x', [2, 3]);
  return checkGradients({ inputs: [t], outputs: { y: build(t) }, weights: new Map(), notes: [] }, { x: feed });
};

test('a wrong gradient is found', async () => {
  const wrong: Operator<Record<never, never>> = { ...Tanh, gradient: [({ g, y }) => mul(g, mul(y[0]!, y[0]!))] };
  expect((await report((t) => apply(wrong, [t], {}))).wrong).toMatch(/^gradient by x, element 0: .* instead of/);
  const forgotten: Operator<Record<never, never>> = { ...Tanh, gradient: [null] };
  expect((await report((t) => apply(forgotten, [t], {}))).wrong).toMatch(/: 0 instead of/);
});

test('kinks say nothing, and only they are left out', async () => {
  const touching = ndarray('float32', [2, 3], [-1, 0, 1, 0.002, 2, -2]);
  expect(await report(relu, touching)).toMatchObject({ elements: 4, kinks: 2 });
});

test('NaN in a gradient is wrong, but for values that are not finite on the way', async () => {
  const masked = (t: Tensor): Tensor => where(greater(t, 5), softmax(sub(t, Number.POSITIVE_INFINITY)), 0);
  expect(await report(masked)).toMatchObject({ notFinite: 6, elements: 0 });
  const spoilt: Operator<Record<never, never>> = { ...Tanh, gradient: [({ g }) => log(neg(mul(g, g)))] };
  expect((await report((t) => apply(spoilt, [t], {}))).wrong).toMatch(/: NaN instead of/);
});

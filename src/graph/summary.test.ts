import { expect, test } from 'vitest';
import { f32, i64, model, node, value } from '../../test/graph/models.ts';
import * as g from './index.ts';
import { BatchNormalization, Conv, fromOnnx, param } from './index.ts';
import { summary } from './summary.ts';

const init = { kind: 'constant', value: 0 } as const;

test('counts a small net as one does by hand', () => {
  const x = g.input('x', ['N', 3, 8, 8]);
  const conv = g.convolve(x, param('w', [16, 3, 3, 3], init), param('b', [16], init), { stride: 2, padding: 1 });
  const v = (name: string, role: 'bias' | 'statistic') => param(name, [16], init, role);
  const normed = g.batchNormalize(
    conv,
    v('scale', 'bias'),
    v('shift', 'bias'),
    v('mean', 'statistic'),
    v('var', 'statistic'),
  );
  const deep = g.convolve(g.relu(normed), param('d', [16, 1, 3, 3], init), undefined, { padding: 1, groups: 16 });
  const logits = g.gemm(g.flatten(g.globalAveragePool(g.relu(deep))), param('fc', [16, 10], init));
  const s = summary([logits, g.argMax(logits, 1)]);
  const [first, second, last] = [4 * 4 * 16 * 3 * 9, 4 * 4 * 16 * 9, 160];
  expect(s.macs).toBe(first + second + last);
  expect(s.parameters).toEqual({ trained: 16 * 27 + 16 + 32 + 144 + 160, statistics: 32, tensors: 8 });
  expect(s.constants).toBe(0);
  expect(s.differentiable).toBe(true);
  expect(s.operators.map((o) => [o.name, o.count, o.macs, o.differentiable])).toEqual([
    ['ArgMax', 1, 0, 'flat'],
    [BatchNormalization.name, 1, 0, 'yes'],
    [Conv.name, 2, first + second, 'yes'],
    ['Flatten', 1, 0, 'yes'],
    ['Gemm', 1, last, 'yes'],
    ['GlobalAveragePool', 1, 0, 'yes'],
    ['Relu', 2, 0, 'yes'],
  ]);
});

test('an operator is refused for what reaches it, not for what it could be given', () => {
  const x = g.input('x', ['N', 4]);
  const limit = param('limit', [], init);
  expect(summary([g.clip(x, 0, 6)]).differentiable).toBe(true);
  const learned = summary([g.apply(g.Clip, [x, limit], {})]);
  expect([learned.differentiable, learned.operators[0]!.differentiable]).toEqual([false, 'no']);
});

test('an imported model counts as its layers say', () => {
  const read = fromOnnx(
    model([node('Gemm', ['x', 'w', 'b'], 'h', { transB: 1 }), node('Gather', ['h', 'i'], 'y', { axis: 1 })], {
      inputs: [value('x', ['batch', 7])],
      stored: [f32('w', [5, 7]), f32('b', [5]), i64('i', [0, 2])],
    }),
  );
  const s = summary(Object.values(read.outputs));
  expect([s.macs, s.parameters.trained, s.constants]).toEqual([35, 40, 2]);
});

import { test } from 'vitest';
import { expectFile, listing } from '../../test/graph/listing.ts';
import {
  add,
  applyAll,
  BatchNormTraining,
  convolve,
  flatten,
  fresh,
  gelu,
  gemm,
  globalAveragePool,
  gradients,
  input,
  layerNormalize,
  logSoftmax,
  matMul,
  meanAll,
  mul,
  neg,
  order,
  param,
  reduceSum,
  relu,
  scope,
  simplify,
  softmax,
  type Tensor,
  transpose,
} from './index.ts';

const weight = (name: string, shape: number[]): Tensor => param(name, shape, { kind: 'normal', std: 0.1 });
const conv = (name: string, x: Tensor, out: number, kernel: number, stride: number): Tensor =>
  scope(name, () => {
    const w = weight('weight', [out, x.shape[1] as number, kernel, kernel]);
    const y = convolve(x, w, undefined, { stride, padding: (kernel - 1) / 2 });
    const [scale, bias, mean, variance] = ['scale', 'bias', 'mean', 'variance'].map((n) => weight(n, [out]));
    return applyAll(BatchNormTraining, [y, scale, bias, mean, variance], {
      epsilon: 1e-5,
      momentum: 0,
      training_mode: 1,
    })[0]!;
  });

const weightsOf = (t: Tensor): Tensor[] =>
  order([t])
    .filter((n) => n.op.leaf === 'param' && !/mean|variance/.test(n.attrs.name))
    .map((n) => n.outputs[0]!);

function check(name: string, make: () => { result: Tensor; loss: Tensor }): void {
  test(`${name}: the traced graph and its gradient are as they were`, () => {
    fresh(() => {
      const { result, loss } = make();
      const params = weightsOf(loss);
      const simple = simplify([loss, ...gradients(loss, params)]);
      const names = ['loss', ...params.map((p) => `d ${p.node.attrs.name}`)];
      const file = (kind: string) => new URL(`../../test/golden/${name}-${kind}.json`, import.meta.url).pathname;
      expectFile(file('forward'), listing({ result }));
      expectFile(file('gradient'), listing(Object.fromEntries(names.map((n, i) => [n, simple[i]!]))));
    });
  });
}

check('residual', () => {
  const image = input('image', ['N', 1, 8, 8]);
  const labels = input('labels', ['N', 10]);
  const stem = relu(conv('stem', image, 4, 3, 1));
  const block = scope('block', () => {
    const inner = conv('second', relu(conv('first', stem, 8, 3, 2)), 8, 3, 1);
    return relu(add(inner, conv('shortcut', stem, 8, 1, 2)));
  });
  const result = scope('head', () =>
    gemm(flatten(globalAveragePool(block)), weight('weight', [10, 8]), weight('bias', [10]), { transB: 1 }),
  );
  return { result, loss: neg(meanAll(reduceSum(mul(labels, logSoftmax(result)), [1]))) };
});

check('attention', () => {
  const x = input('tokens', ['N', 5, 6]);
  const normed = scope('norm', () => layerNormalize(x, weight('scale', [6]), weight('bias', [6])));
  const [q, k, v] = ['q', 'k', 'v'].map((n) => scope(n, () => matMul(normed, weight('weight', [6, 6])))) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const mixed = matMul(softmax(mul(matMul(q, transpose(k, [0, 2, 1])), 6 ** -0.5)), v);
  const result = scope('mlp', () => gelu(matMul(add(x, mixed), weight('weight', [6, 3]))));
  return { result, loss: meanAll(mul(result, result)) };
});

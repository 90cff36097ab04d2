import { elementName, isDType } from '../onnx/elements.ts';
import { forEachNode, type OnnxGraph } from '../onnx/index.ts';
import * as e from '../ops/elementwise.ts';
import { numberAt } from '../ops/evaluate.ts';
import { constant, constantOf, scalar } from '../ops/leaf.ts';
import { FusedMatMul, Gemm, MatMul } from '../ops/linear.ts';
import { PRelu } from '../ops/more.ts';
import { fullLike, squeeze, unsqueeze } from '../ops/reshape.ts';
import { apply, applyAll, type Operator, type Tensor } from '../tensor.ts';
import type { Call, Converter, Converters } from './call.ts';

/** The operator of the same name, which has no attributes. */
const plain =
  (op: Operator<Record<never, never>>): Converter =>
  (c) =>
    applyAll(op, c.all(), {});

const plainOperators = [
  [e.Add, e.Sub, e.Mul, e.Div, e.Greater, e.GreaterOrEqual, e.Less, e.LessOrEqual, e.Equal, e.And, e.Or, e.Not],
  [e.Neg, e.Abs, e.Sign, e.Floor, e.Ceil, e.Exp, e.Log, e.Sqrt, e.Reciprocal, e.Sin, e.Cos, e.Erf, e.Tanh],
  [e.Sigmoid, e.Softplus, e.Relu, e.HardSwish, e.Where, PRelu, e.Round],
].flat();

/** An operator of any number of inputs, as a chain of one with two. */
const chain =
  (op: (a: Tensor, b: Tensor) => Tensor) =>
  (c: Call): readonly [Tensor] => {
    if (c.node.inputs.length === 0) c.refuse('it has no inputs');
    return [c.all().reduce(op)];
  };

const alpha = (c: Call, fallback: number): number => c.attributes.float('alpha', fallback);

/** The limits of Clip: inputs from opset 11 on, attributes before. */
function clip(c: Call): readonly Tensor[] {
  const x = c.input(0);
  if (c.opset >= 11) return [apply(e.Clip, [x, c.limit(1), c.limit(2)], {})];
  const [low, high] = [c.attributes.float('min'), c.attributes.float('max')];
  return [e.clip(x, low, high)];
}

/** MatMul of vectors (numpy's rule): a missing axis is put in and taken out again. */
function matMul(c: Call): readonly Tensor[] {
  const [a, b] = [c.input(0), c.input(1)];
  if (a.rank === 0 || b.rank === 0) c.refuse('a scalar is no matrix');
  const y = apply(MatMul, [a.rank === 1 ? unsqueeze(a, [0]) : a, b.rank === 1 ? unsqueeze(b, [1]) : b], {});
  const added = [...(a.rank === 1 ? [y.rank - 2] : []), ...(b.rank === 1 ? [y.rank - 1] : [])];
  return [added.length > 0 ? squeeze(y, added) : y];
}

function fusedMatMul(c: Call): readonly Tensor[] {
  if (c.attributes.int('transBatchA', 0) !== 0 || c.attributes.int('transBatchB', 0) !== 0)
    c.refuse('"transBatchA" and "transBatchB" are not supported');
  const attrs = {
    transA: c.attributes.flag('transA', 0),
    transB: c.attributes.flag('transB', 0),
    alpha: alpha(c, 1),
  };
  return [apply(FusedMatMul, [c.input(0), c.input(1)], attrs)];
}

/** x Phi(x), or its approximation 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). */
function gelu(c: Call): readonly Tensor[] {
  const x = c.input(0);
  const form = c.attributes.string('approximate', 'none');
  if (form === 'none') return [e.gelu(x)];
  if (form !== 'tanh') c.refuse(`"approximate" ${form} is not known`);
  const inner = e.mul(e.add(x, e.mul(e.mul(x, e.mul(x, x)), 0.044715)), Math.sqrt(2 / Math.PI));
  return [e.mul(e.mul(x, 0.5), e.add(e.tanh(inner), 1))];
}

const elu = (x: Tensor, a: number): Tensor => apply(e.Elu, [x], { alpha: a });

/** A power's exponent may be of another type than its base; ours are of one type, so that it has a gradient. */
function power(c: Call): readonly Tensor[] {
  const [x, y] = [c.input(0), c.limit(1)!];
  const value = constantOf(y);
  if (!value || value.dtype === x.dtype || value.data.length !== 1) return [e.pow(x, y)];
  return [e.pow(x, value.dims.length === 0 ? scalar(numberAt(value, 0), x.dtype) : e.cast(constant(value), x.dtype))];
}

function cast(c: Call): readonly Tensor[] {
  c.attributes.ignore('saturate', 'round_mode'); // float8 only
  const number = c.attributes.int('to') ?? c.refuse('the attribute "to" is missing');
  const to = elementName(number);
  if (!to || !isDType(to)) c.refuse(`casting to ${to ?? `element type ${number}`} is not supported`);
  return [e.cast(c.input(0), to)];
}

const isUsed = (graph: OnnxGraph, name: string): boolean => {
  let used = graph.outputs.some((v) => v.name === name);
  forEachNode(graph, (node) => {
    used ||= node.inputs.includes(name);
  });
  return used;
};

function dropout(c: Call): readonly Tensor[] {
  c.attributes.ignore('ratio', 'seed');
  if (c.given(2) && c.number(2, 'training_mode') !== 0) c.refuse('a Dropout in training mode cannot be read');
  if (c.given(1)) c.value(1);
  c.env.session.count('a Dropout does nothing in inference and was left out');
  const x = c.input(0);
  if (!c.asks(1)) return [x];
  // All elements stay. Before opset 10 nothing is said of the mask in inference, but old files name it all the same.
  if (c.opset < 10 && isUsed(c.env.session.model.graph, c.node.outputs[1]!))
    c.refuse('the mask of Dropout (output 1) before opset 10 is not supported');
  return [x, fullLike(x, 1, 'bool')];
}

export const elementwise: Converters = {
  ...Object.fromEntries(plainOperators.map((op) => [op.name, plain(op)])),
  Identity: (c) => [c.input(0)],
  Pow: power,
  Min: chain(e.min),
  Max: chain(e.max),
  Sum: chain(e.add),
  Mean: (c) => [e.div(chain(e.add)(c)[0], c.node.inputs.length)],
  Xor: (c) => [e.not(e.equal(c.input(0), c.input(1)))],
  Clip: clip,
  Cast: cast,
  CastLike: (c) => [e.cast(c.input(0), c.input(1).dtype)],
  Dropout: dropout,
  LeakyRelu: (c) => [apply(e.LeakyRelu, [c.input(0)], { alpha: alpha(c, 0.01) })],
  Elu: (c) => [elu(c.input(0), alpha(c, 1))],
  HardSigmoid: (c) => [
    apply(e.HardSigmoid, [c.input(0)], { alpha: alpha(c, 0.2), beta: c.attributes.float('beta', 0.5) }),
  ],
  // gamma (x, or alpha (exp(x) - 1) below 0), Klambauer et al. 2017
  Selu: (c) => [e.mul(elu(c.input(0), alpha(c, 1.6732632423543772)), c.attributes.float('gamma', 1.0507009873554805))],
  // x, or alpha (exp(x / alpha) - 1) below 0
  Celu: (c) => [e.mul(elu(e.div(c.input(0), alpha(c, 1)), 1), alpha(c, 1))],
  ThresholdedRelu: (c) => {
    const x = c.input(0);
    return [e.where(e.greater(x, alpha(c, 1)), x, 0)];
  },
  Softsign: (c) => [e.div(c.input(0), e.add(e.abs(c.input(0)), 1))],
  Mish: (c) => [e.mul(c.input(0), e.tanh(e.softplus(c.input(0))))],
  Gelu: gelu,
  'com.microsoft.Gelu': (c) => [e.gelu(c.input(0))],
  'com.microsoft.FusedMatMul': fusedMatMul,
  MatMul: matMul,
  Gemm: (c) => {
    const bias = c.optional(2);
    const inputs = [c.input(0), c.input(1), ...(bias ? [bias] : [])];
    const trans = { transA: c.attributes.flag('transA', 0), transB: c.attributes.flag('transB', 0) };
    return [apply(Gemm, inputs, { alpha: alpha(c, 1), beta: c.attributes.float('beta', 1), ...trans })];
  },
};

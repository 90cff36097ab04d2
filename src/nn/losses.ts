import { DynaError } from '../errors.ts';
import {
  add,
  argMax,
  cast,
  div,
  equal,
  exp,
  formatShape,
  gatherElements,
  logSoftmax,
  meanAll,
  mul,
  neg,
  reduceMean,
  reduceSum,
  softplus,
  squeeze,
  sub,
  sumAll,
  type Tensor,
  unsqueeze,
} from '../graph/index.ts';
import { sameShape } from '../graph/shape.ts';
import { stopGradient } from './stop-gradient.ts';

export interface LossOptions {
  /** 'mean' (default): a scalar; 'sum': a scalar; 'none': one value for each row (mse, binary: for each element). */
  readonly reduction?: 'mean' | 'sum' | 'none';
}

const reduce = (values: Tensor, { reduction = 'mean' }: LossOptions): Tensor =>
  reduction === 'none' ? values : reduction === 'sum' ? sumAll(values) : meanAll(values);

function checkLogits(logits: Tensor, what: string): void {
  if (logits.rank !== 2)
    throw new DynaError('shape', `${what}: logits [N, classes] are expected, got ${formatShape(logits.shape)}`);
}

function checkLabels(logits: Tensor, labels: Tensor, what: string): void {
  checkLogits(logits, what);
  if (labels.dtype !== 'int64')
    throw new DynaError('dtype', `${what}: labels are int64 class numbers, got ${labels.dtype}`);
  if (!sameShape(labels.shape, logits.shape.slice(0, 1)))
    throw new DynaError(
      'shape',
      `${what}: one label for each row of logits ${formatShape(logits.shape)} is expected, got ${formatShape(labels.shape)}`,
    );
}

function checkEqual(a: Tensor, b: Tensor, what: string): void {
  if (a.dtype !== b.dtype)
    throw new DynaError('dtype', `${what}: both tensors should have one type, got ${a.dtype} and ${b.dtype}`);
  if (!sameShape(a.shape, b.shape))
    throw new DynaError(
      'shape',
      `${what}: equal shapes are expected, got ${formatShape(a.shape)} and ${formatShape(b.shape)}`,
    );
}

export interface CrossEntropyOptions extends LossOptions {
  /** Share of the target that is spread evenly over all classes; 0 by default. */
  readonly smoothing?: number;
}

/**
 * -(1 - s) log p[label] - s mean over classes of log p, with p = softmax(logits), in nats
 * (label smoothing s: Szegedy et al. 2015, arXiv:1512.00567).
 *
 * @param logits [N, classes]
 * @param labels int64 [N], 0 to classes - 1; the engine refuses larger ones when the graph runs, and counts negative ones from
 *   the last class: keep unlabelled inputs (-1) out
 * @returns a scalar, or [N] with reduction 'none'
 * @throws DynaError 'shape' | 'dtype' | 'usage'
 * @example const loss = crossEntropy(logits, labels, { smoothing: 0.1 })
 */
export function crossEntropy(logits: Tensor, labels: Tensor, options: CrossEntropyOptions = {}): Tensor {
  checkLabels(logits, labels, 'crossEntropy');
  const { smoothing = 0 } = options;
  if (!(smoothing >= 0 && smoothing <= 1))
    throw new DynaError('usage', `crossEntropy: a smoothing from 0 to 1 is expected, got ${smoothing}`);
  const logP = logSoftmax(logits, 1);
  const right = squeeze(gatherElements(logP, unsqueeze(labels, [1]), 1), [1]);
  const target = smoothing === 0 ? right : add(mul(right, 1 - smoothing), mul(reduceMean(logP, [1]), smoothing));
  return reduce(neg(target), options);
}

/**
 * (prediction - target)^2.
 *
 * @param prediction any shape
 * @param target the same shape
 * @returns a scalar (the mean of all elements), or the same shape with reduction 'none'
 * @throws DynaError 'shape' | 'dtype'
 * @example const loss = mse(forecast, target)
 */
export function mse(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkEqual(prediction, target, 'mse');
  const error = sub(prediction, target);
  return reduce(mul(error, error), options);
}

/**
 * -t log p - (1 - t) log(1 - p) with p = sigmoid(logit), as t softplus(-x) + (1 - t) softplus(x), which is exact for
 * large logits too.
 *
 * @param logits any shape
 * @param targets the same shape and type, 0 to 1
 * @returns a scalar, or the same shape with reduction 'none'
 * @throws DynaError 'shape' | 'dtype'
 * @example const loss = binaryCrossEntropy(gateLogits, shouldExit)
 */
export function binaryCrossEntropy(logits: Tensor, targets: Tensor, options: LossOptions = {}): Tensor {
  checkEqual(logits, targets, 'binaryCrossEntropy');
  const values = add(mul(targets, softplus(neg(logits))), mul(sub(1, targets), softplus(logits)));
  return reduce(values, options);
}

/**
 * KL(p || q) = sum over classes of p (log p - log q), for p = softmax(pLogits) and q = softmax(qLogits), in nats
 * (Kullback & Leibler 1951). The gradient flows into both.
 *
 * @param pLogits [N, classes], where the expectation is taken
 * @param qLogits [N, classes]
 * @returns a scalar, or [N] with reduction 'none'
 * @throws DynaError 'shape' | 'dtype'
 * @example const drift = klDivergence(full, early)
 */
export function klDivergence(pLogits: Tensor, qLogits: Tensor, options: LossOptions = {}): Tensor {
  checkLogits(pLogits, 'klDivergence');
  checkEqual(pLogits, qLogits, 'klDivergence');
  const logP = logSoftmax(pLogits, 1);
  return reduce(reduceSum(mul(exp(logP), sub(logP, logSoftmax(qLogits, 1))), [1]), options);
}

export interface DistillationOptions extends LossOptions {
  /** Softens both distributions; 4 by default. */
  readonly temperature?: number;
}

/**
 * T^2 KL(softmax(teacher / T) || softmax(student / T)); the factor keeps the gradient's size whatever T is
 * (Hinton et al. 2015, arXiv:1503.02531). No gradient flows into the teacher.
 *
 * @param student logits [N, classes]
 * @param teacher logits [N, classes]
 * @returns a scalar, or [N] with reduction 'none'
 * @throws DynaError 'shape' | 'dtype' | 'usage'
 * @example const loss = distillation(earlyLogits, lastLogits, { temperature: 3 })
 */
export function distillation(student: Tensor, teacher: Tensor, options: DistillationOptions = {}): Tensor {
  const { temperature = 4 } = options;
  if (!(temperature > 0 && Number.isFinite(temperature)))
    throw new DynaError('usage', `distillation: a temperature above 0 is expected, got ${temperature}`);
  const loss = klDivergence(div(stopGradient(teacher), temperature), div(student, temperature), options);
  return mul(loss, temperature ** 2);
}

/**
 * -sum over classes of p log p with p = softmax(logits), in nats: 0 when sure, log(classes) when lost (Shannon 1948).
 *
 * @param logits [N, classes]
 * @returns a scalar, or [N] with reduction 'none'
 * @throws DynaError 'shape'
 * @example const confusion = entropy(logits, { reduction: 'none' })
 */
export function entropy(logits: Tensor, options: LossOptions = {}): Tensor {
  checkLogits(logits, 'entropy');
  const logP = logSoftmax(logits, 1);
  return reduce(neg(reduceSum(mul(exp(logP), logP), [1])), options);
}

/**
 * 1 where the largest logit stands at the label, else 0; of equal logits the first counts. Has no gradient.
 *
 * @param logits [N, classes]
 * @param labels int64 [N]
 * @returns a float scalar, or [N] with reduction 'none'
 * @throws DynaError 'shape' | 'dtype'
 * @example const outputs = { loss, accuracy: accuracy(logits, labels) }
 */
export function accuracy(logits: Tensor, labels: Tensor, options: LossOptions = {}): Tensor {
  checkLabels(logits, labels, 'accuracy');
  return reduce(cast(equal(argMax(logits, 1), labels), logits.dtype), options);
}

import { DynaError } from '../errors.ts';
import {
  abs,
  add,
  cast,
  div,
  equal,
  formatShape,
  max,
  mul,
  neg,
  pow,
  type Shape,
  sameShape,
  sigmoid,
  softplus,
  sub,
  sumAll,
  type Tensor,
} from '../graph/index.ts';

function expectShape(t: Tensor, wanted: Shape, what: string): void {
  if (!sameShape(t.shape, wanted))
    throw new DynaError('shape', `${what} should be ${formatShape(wanted)}, got ${formatShape(t.shape)}`);
}

function expectMaps(t: Tensor, what: string): void {
  if (t.rank !== 4)
    throw new DynaError('shape', `${what}: maps [N, C, H, W] are expected, got ${formatShape(t.shape)}`);
}

/** A sum shared among the objects of the batch; a batch without objects counts as one. */
const perObject = (sum: Tensor, count: Tensor): Tensor => div(sum, max(count, 1));

export interface HeatLossOptions {
  /** How much less what is already right counts; 2 by default. */
  readonly alpha?: number;
  /** How much less the surroundings of a centre count as wrong; 4 by default. */
  readonly beta?: number;
}

/**
 * Penalty-reduced focal loss of centre maps, with p = sigmoid(logit) and target t, summed and divided by the number of
 * centres (t = 1): -(1 - p)^alpha log p at centres, -(1 - t)^beta p^alpha log(1 - p) elsewhere (Law & Deng 2018,
 * arXiv:1808.01244; Zhou et al. 2019, arXiv:1904.07850; after Lin et al. 2017, arXiv:1708.02002).
 *
 * @param logits [N, classes, h, w]
 * @param target the same shape: 1 at centres, from there falling to 0 (`encodeTargets`)
 * @returns a scalar
 * @throws DynaError 'shape' | 'usage'
 * @example const loss = add(heatLoss(heat, target), mul(maskedL1(extent, wanted, mask), 0.1))
 */
export function heatLoss(logits: Tensor, target: Tensor, { alpha = 2, beta = 4 }: HeatLossOptions = {}): Tensor {
  expectMaps(logits, 'heatLoss');
  expectShape(target, logits.shape, 'heatLoss: target');
  for (const [name, value] of Object.entries({ alpha, beta }))
    if (!(value >= 0 && Number.isFinite(value)))
      throw new DynaError('usage', `heatLoss: ${name} should be 0 or more, got ${value}`);
  // Both probabilities and both logarithms come from the logit, exact where one of them rounds to 0.
  const [p, q] = [sigmoid(logits), sigmoid(neg(logits))];
  const centre = cast(equal(target, 1), logits.dtype);
  const found = mul(mul(pow(q, alpha), softplus(neg(logits))), centre);
  const around = mul(mul(pow(sub(1, target), beta), mul(pow(p, alpha), softplus(logits))), sub(1, centre));
  return perObject(sumAll(add(found, around)), sumAll(centre));
}

/**
 * |prediction - target|, the mean over the maps of each place where the mask is 1, then over those places; 0 without any.
 *
 * @param prediction [N, K, h, w]
 * @param target the same shape
 * @param mask [N, 1, h, w]: 1 where the target is known, else 0
 * @returns a scalar
 * @throws DynaError 'shape'
 * @example const loss = maskedL1(offset, wanted, mask)
 */
export function maskedL1(prediction: Tensor, target: Tensor, mask: Tensor): Tensor {
  expectMaps(prediction, 'maskedL1');
  expectShape(target, prediction.shape, 'maskedL1: target');
  const [rows, maps, ...plane] = prediction.shape;
  expectShape(mask, [rows!, 1, ...plane], 'maskedL1: mask');
  if (typeof maps !== 'number')
    throw new DynaError('shape', `maskedL1: the number of maps must be known, got "${maps}"`);
  return perObject(div(sumAll(mul(abs(sub(prediction, target)), mask)), maps), sumAll(mask));
}

import { DynaError } from '../../errors.ts';
import { formatShape, itemSize, normalizeAxis, sameShape } from '../shape.ts';
import { apply, applyAll, noMacs, type Operator, type Tensor } from '../tensor.ts';
import { add, div, exp, mul, neg, pow, sameDtype, sqrt, sub } from './elementwise.ts';
import { countOf, reduceMean, reduceSum } from './reduce.ts';
import { expandLike, reshape } from './reshape.ts';

interface BatchNormAttrs {
  readonly epsilon: number;
  readonly momentum: number;
}

const checkBatchNorm = (x: readonly Tensor[]): void => {
  sameDtype('BatchNormalization', x);
  for (const t of x.slice(1))
    if (t.rank !== 1 || t.shape[0] !== x[0]!.shape[1])
      throw new DynaError(
        'shape',
        `BatchNormalization of ${formatShape(x[0]!.shape)} expects vectors of ${x[0]!.shape[1]}, got ${formatShape(t.shape)}`,
      );
};

/** A vector over channels, shaped to broadcast against x [N, C, ..]. */
const overChannels = (v: Tensor, x: Tensor): Tensor => reshape(v, [1, -1, ...x.shape.slice(2).map(() => 1)]);
const allButChannels = (x: Tensor): number[] => x.shape.map((_, i) => i).filter((i) => i !== 1);
const inverseStd = (variance: Tensor, epsilon: number): Tensor => pow(sqrt(add(variance, epsilon)), -1);

/** Inference: y = scale (x - mean) / sqrt(variance + epsilon) + bias, with the running statistics as inputs 3 and 4. */
export const BatchNormalization: Operator<BatchNormAttrs> = {
  name: 'BatchNormalization',
  domain: '',
  arity: [5, 5],
  floats: ['epsilon', 'momentum'],
  infer: (x) => {
    checkBatchNorm(x);
    return [{ dtype: x[0]!.dtype, shape: x[0]!.shape }];
  },
  gradient: [
    ({ g, x, attrs }) => mul(g, overChannels(mul(x[1]!, inverseStd(x[4]!, attrs.epsilon)), x[0]!)),
    ({ g, x, attrs }) => {
      const centred = sub(x[0]!, overChannels(x[3]!, x[0]!));
      return mul(reduceSum(mul(g, centred), allButChannels(x[0]!)), inverseStd(x[4]!, attrs.epsilon));
    },
    ({ g, x }) => reduceSum(g, allButChannels(x[0]!)),
    ({ g, x, attrs }) => neg(mul(reduceSum(g, allButChannels(x[0]!)), mul(x[1]!, inverseStd(x[4]!, attrs.epsilon)))),
    // d/dv scale (x - m) (v + e)^(-1/2) = -1/2 scale (x - m) (v + e)^(-3/2)
    ({ g, x, attrs }) => {
      const centred = sub(x[0]!, overChannels(x[3]!, x[0]!));
      const total = reduceSum(mul(g, centred), allButChannels(x[0]!));
      return mul(mul(total, x[1]!), mul(pow(inverseStd(x[4]!, attrs.epsilon), 3), -0.5));
    },
  ],
  // ORT folds it into a multiply-add, and counting convention leaves it out, as for every elementwise operator.
  macs: noMacs,
};

/**
 * Training: normalises by the batch's own statistics. Outputs: y, the batch's mean, its biased variance (Ioffe & Szegedy 2015).
 * Inputs 3 and 4 (running statistics) are what ONNX's signature asks for; momentum 0 makes outputs 1 and 2 the batch's own.
 */
export const BatchNormTraining: Operator<BatchNormAttrs & { training_mode: 1 }> = {
  name: 'BatchNormalization',
  domain: '',
  arity: [5, 5],
  floats: ['epsilon', 'momentum'],
  couplesBatch: true,
  infer: (x, { momentum }) => {
    checkBatchNorm(x);
    if (momentum !== 0)
      throw new DynaError('graph', `BatchNormalization in training is supported with momentum 0, got ${momentum}`, {
        fix: 'blend the running statistics outside of it',
      });
    const statistic = { dtype: x[0]!.dtype, shape: x[3]!.shape };
    return [{ dtype: x[0]!.dtype, shape: x[0]!.shape }, statistic, statistic];
  },
  gradient: [
    // With xhat = (x - mean) / std and M values a channel:
    // dx = scale / std (g - mean(g) - xhat mean(g xhat)) + dmean / M + 2 (x - mean) dvar / M
    //    = a g + b (x - mean) + c, with a, b, c vectors over channels
    ({ gs, x, y, attrs }) => {
      const axes = allButChannels(x[0]!);
      const count = countOf(x[0]!, axes);
      const centred = sub(x[0]!, overChannels(y[1]!, x[0]!));
      let slope: Tensor | undefined;
      let offset: Tensor | undefined;
      let scaledG: Tensor | undefined;
      if (gs[0]) {
        const r = inverseStd(y[2]!, attrs.epsilon);
        const a = mul(x[1]!, r);
        const sumG = reduceSum(gs[0], axes);
        const sumGX = reduceSum(mul(gs[0], centred), axes);
        scaledG = mul(gs[0], overChannels(a, x[0]!));
        slope = neg(div(mul(mul(a, mul(r, r)), sumGX), count));
        offset = neg(div(mul(a, sumG), count));
      }
      if (gs[1]) offset = plus(offset, div(gs[1], count));
      if (gs[2]) slope = plus(slope, div(mul(gs[2], 2), count));
      let dx = slope && mul(centred, overChannels(slope, x[0]!));
      if (offset) dx = plus(dx, overChannels(offset, x[0]!));
      // A mean alone reaches every place alike.
      return scaledG ? plus(scaledG, dx!) : dx && expandLike(dx, x[0]!);
    },
    ({ gs, x, y, attrs }) => {
      if (!gs[0]) return undefined;
      const centred = sub(x[0]!, overChannels(y[1]!, x[0]!));
      return mul(reduceSum(mul(gs[0], centred), allButChannels(x[0]!)), inverseStd(y[2]!, attrs.epsilon));
    },
    ({ gs, x }) => gs[0] && reduceSum(gs[0], allButChannels(x[0]!)),
    null,
    null,
  ],
  macs: noMacs,
  // ONNX Runtime's operator writes its statistics over inputs 3 and 4 even where others read them afterwards. Written out
  // it is as fast, and the backward walk shares x - mean.
  expand: ([x, scale, bias], { epsilon }) => {
    const axes = allButChannels(x!);
    const count = countOf(x!, axes);
    const mean = div(reduceSum(x!, axes), count);
    const centred = sub(x!, overChannels(mean, x!));
    const variance = div(reduceSum(mul(centred, centred), axes), count);
    const slope = mul(scale!, inverseStd(variance, epsilon));
    return [add(mul(centred, overChannels(slope, x!)), overChannels(bias!, x!)), mean, variance];
  },
};

const plus = (a: Tensor | undefined, b: Tensor): Tensor => (a ? add(a, b) : b);

/** y = scale (x - mean) / sqrt(variance + epsilon) + bias over the axes from `axis` on (Ba et al. 2016). */
export const LayerNormalization: Operator<{ axis: number; epsilon: number }> = {
  name: 'LayerNormalization',
  domain: '',
  arity: [2, 3],
  floats: ['epsilon'],
  optionalFrom: 1,
  infer: ([x, scale, bias], { axis }) => {
    sameDtype('LayerNormalization', bias ? [x!, scale!, bias] : [x!, scale!]);
    const at = normalizeAxis(axis, x!.rank, 'LayerNormalization');
    for (const t of bias ? [scale!, bias] : [scale!])
      if (!sameShape(t.shape, x!.shape.slice(at)))
        throw new DynaError(
          'shape',
          `LayerNormalization of ${formatShape(x!.shape)} from axis ${axis} expects ${formatShape(x!.shape.slice(at))}, got ${formatShape(t.shape)}`,
        );
    const statistic = { dtype: x!.dtype, shape: x!.shape.map((d, i) => (i < at ? d : 1)) };
    return [{ dtype: x!.dtype, shape: x!.shape }, statistic, statistic];
  },
  // With r = 1 / std (output 2), xhat = (x - mean) r, d = g scale and M normalised values:
  // dx = r (d - mean(d) - xhat mean(d xhat)) + dmean / M - r^2 xhat dr / M
  gradient: [
    ({ gs, x, y, attrs }) => {
      const axes = x[0]!.shape.map((_, i) => i).slice(normalizeAxis(attrs.axis, x[0]!.rank, 'LayerNormalization'));
      const hat = mul(sub(x[0]!, y[1]!), y[2]!);
      const count = countOf(x[0]!, axes);
      let dx: Tensor | undefined;
      if (gs[0]) {
        const d = mul(gs[0], x[1]!);
        const spread = sub(sub(d, reduceMean(d, axes, true)), mul(hat, reduceMean(mul(d, hat), axes, true)));
        dx = mul(spread, y[2]!);
      }
      if (gs[1]) dx = plus(dx, expandLike(div(gs[1], count), x[0]!));
      if (gs[2]) dx = plus(dx, neg(mul(hat, div(mul(gs[2], mul(y[2]!, y[2]!)), count))));
      return dx;
    },
    ({ gs, x, y }) => gs[0] && mul(gs[0], mul(sub(x[0]!, y[1]!), y[2]!)),
    ({ gs }) => gs[0],
  ],
  macs: noMacs,
};

/** exp(x) / sum exp(x) along an axis. */
export const Softmax: Operator<{ axis: number }> = {
  name: 'Softmax',
  domain: '',
  arity: [1, 1],
  infer: ([x], { axis }) => {
    normalizeAxis(axis, x!.rank, 'Softmax');
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  // dx = y (g - sum(g y))
  gradient: [
    ({ g, y, attrs }) => {
      const axis = normalizeAxis(attrs.axis, g.rank, 'Softmax');
      return mul(y[0]!, sub(g, reduceSum(mul(g, y[0]!), [axis], true)));
    },
  ],
  macs: noMacs,
};

/** x - log sum exp(x) along an axis. */
export const LogSoftmax: Operator<{ axis: number }> = {
  ...Softmax,
  name: 'LogSoftmax',
  // dx = g - exp(y) sum(g)
  gradient: [
    ({ g, y, attrs }) => {
      const axis = normalizeAxis(attrs.axis, g.rank, 'LogSoftmax');
      return sub(g, mul(exp(y[0]!), reduceSum(g, [axis], true)));
    },
  ],
};

/** e^x over its sum along `axis`. */
export const softmax = (x: Tensor, axis = -1): Tensor => apply(Softmax, [x], { axis });
/** Logarithm of softmax, exact where softmax itself would round to 0. */
export const logSoftmax = (x: Tensor, axis = -1): Tensor => apply(LogSoftmax, [x], { axis });
/** (x - mean) / sqrt(variance + epsilon) over the axes from `axis` on, times scale plus bias (Ba et al. 2016). */
export const layerNormalize = (x: Tensor, scale: Tensor, bias: Tensor, axis = -1, epsilon = 1e-5): Tensor => {
  if (itemSize(scale.shape) === 0) throw new DynaError('shape', 'LayerNormalization over nothing');
  return applyAll(LayerNormalization, [x, scale, bias], { axis, epsilon })[0]!;
};
/** (x - mean) / sqrt(variance + epsilon), channel by channel, times scale plus bias (Ioffe & Szegedy 2015). */
export const batchNormalize = (
  x: Tensor,
  scale: Tensor,
  bias: Tensor,
  mean: Tensor,
  variance: Tensor,
  epsilon = 1e-5,
  momentum = 0.9,
): Tensor => apply(BatchNormalization, [x, scale, bias, mean, variance], { epsilon, momentum });

import { DynaError } from '../../errors.ts';
import {
  abs,
  add,
  div,
  gemm,
  type Init,
  mul,
  ndarray,
  param,
  reduceSum,
  relu,
  sigmoid,
  softmax,
  type Tensor,
} from '../../graph/index.ts';
import { heNormal, ones } from '../init.ts';
import { checkCount, type LayerOptions, layer, sizeOfAxis } from './layer.ts';
import { linear } from './linear.ts';
import { batchNorm, layerNorm } from './norm.ts';
import { pooled } from './pooled.ts';

export interface GateOptions extends LayerOptions {
  /** Features between the two linear maps; 16 by default. */
  readonly hidden?: number;
  /** How many logits; 1 by default. */
  readonly outputs?: number;
  /** Where the logits start, one for each; by default log(0.85 / 0.15) for one, 0 for each of several. */
  readonly bias?: readonly number[];
  /** 'layer' by default. */
  readonly norm?: 'layer' | 'batch';
}

/** sigmoid of it is 0.85: a gate that starts mostly open lets the layers behind it learn first. */
const MOSTLY_OPEN = Math.log(0.85 / 0.15);

/**
 * A small policy: what the input says on the whole, through linear, norm, ReLU, linear (ConvNet-AIG; Veit & Belongie
 * 2018, arXiv:1711.11503). The last weights start near zero, so that at first the bias alone decides.
 *
 * The norm is LayerNorm, unlike the paper's BatchNorm: it looks at one input only and keeps no statistics. A gate inside
 * of a decision meets just those inputs that got there, and running statistics of another population would move every
 * choice behind it.
 *
 * Parameters: reduce/weight [hidden, F], reduce/bias, norm/..., weight [outputs, hidden], bias [outputs].
 *
 * @param x [N, C, H, W], [N, T, D] or [N, F]
 * @returns logits [N, outputs]
 * @throws DynaError 'shape' | 'usage', with the layer's name
 * @example const score = reshape(gate(x), [0]) // [N]: the second option where it is above the threshold
 * @example const logits = gate(x, { outputs: 2, bias: [0.1, 2] }) // skip, run: as in the paper
 */
export const gate = (x: Tensor, options: GateOptions = {}): Tensor =>
  layer('gate', options, () => {
    const { hidden = 16, outputs = 1, norm = 'layer' } = options;
    checkCount(hidden, 'hidden');
    checkCount(outputs, 'outputs');
    const starts = options.bias ?? (outputs === 1 ? [MOSTLY_OPEN] : new Array<number>(outputs).fill(0));
    if (starts.length !== outputs || !starts.every(Number.isFinite))
      throw new DynaError('usage', `bias should be ${outputs} finite number(s), one for each output, got [${starts}]`);
    const normalize = { layer: layerNorm, batch: batchNorm }[norm];
    if (!normalize) throw new DynaError('usage', `a gate's norm is 'layer' or 'batch', got "${norm}"`);
    const features = linear(pooled(x), hidden, { name: 'reduce' });
    const active = relu(normalize(features, { name: 'norm' }));
    const weight = param('weight', [outputs, hidden], { kind: 'normal', std: 0.001 });
    const start: Init = { kind: 'value', value: ndarray('float32', [outputs], starts) };
    return gemm(active, weight, param('bias', [outputs], start, 'bias'), { transB: 1 });
  });

/** Keeps an input of zeros from being divided by zero. */
const TINY = 1e-6;

export interface RoutingOptions extends LayerOptions {
  /** 'softmax' (default): shares that sum to 1 (DyConv); 'sigmoid': each for itself (CondConv). */
  readonly activation?: 'softmax' | 'sigmoid';
  /** Divides the logits, from above 0 on; a high one, near 30, lets all kernels learn at first (DyConv). 1 by default. */
  readonly temperature?: number | Tensor;
  /** Features between the two linear maps; a quarter of the input's by default, at least 4; 0: one linear map only. */
  readonly hidden?: number;
}

/**
 * How much of each of K kernels an input wants, from what it says on the whole (Yang et al. 2019, CondConv,
 * arXiv:1904.04971; Chen et al. 2019, DyConv, arXiv:1912.03458).
 *
 * Parameters: reduce/weight, reduce/bias (unless `hidden` is 0), weigh/weight, weigh/bias.
 *
 * @param x [N, C, H, W], [N, T, D] or [N, F]
 * @param count how many kernels
 * @returns weights [N, count], 0 to 1
 * @throws DynaError 'shape' | 'usage', with the layer's name
 * @example x = mixtureConv(x, 64, { kernels: 4, weights: routing(x, 4, { temperature: 30 }) })
 */
export const routing = (x: Tensor, count: number, options: RoutingOptions = {}): Tensor =>
  layer('routing', options, () => {
    const { activation = 'softmax', temperature = 1 } = options;
    checkCount(count, 'the number of kernels');
    if (typeof temperature === 'number' && !(temperature > 0 && Number.isFinite(temperature)))
      throw new DynaError('usage', `a temperature above 0 is expected, got ${temperature}`);
    const shares = { softmax: (t: Tensor) => softmax(t, 1), sigmoid }[activation];
    if (!shares) throw new DynaError('usage', `routing's activation is 'softmax' or 'sigmoid', got "${activation}"`);
    const features = pooled(x);
    const { hidden = Math.max(4, Math.floor(sizeOfAxis(features, 1, 'the number of features') / 4)) } = options;
    const reduced = hidden === 0 ? features : linear(features, hidden, { activation: 'relu', name: 'reduce' });
    const logits = linear(reduced, count, { name: 'weigh' });
    return shares(temperature === 1 ? logits : div(logits, temperature));
  });

/**
 * How much each channel that a convolution of `x` would make is worth computing: the mean size of every channel of x, relative
 * to that of all channels, a linear map, ReLU. The bias starts at 1, so that at first all are worth the same (Gao et al. 2018,
 * FBS, arXiv:1810.05331).
 *
 * The paper maps the sizes themselves. Saliencies multiply channels, whose sizes make the next layer's saliencies: over a few
 * layers that grows without bound at the learning rates that batch normalisation allows. Relative sizes have no scale.
 *
 * Parameters: weight [channels, C], bias [channels].
 *
 * @param x [N, C, H, W], [N, T, D] or [N, F]
 * @param channels how many are judged
 * @returns saliency [N, channels], 0 or more
 * @throws DynaError 'shape' | 'usage', with the layer's name
 * @example const saliency = channelSaliency(x, 64) // for the 64 channels of conv(x, 64)
 */
export const channelSaliency = (x: Tensor, channels: number, options: LayerOptions = {}): Tensor =>
  layer('channelSaliency', options, () => {
    checkCount(channels, 'channels');
    const sizes = pooled(abs(x));
    const count = sizeOfAxis(sizes, 1, 'the number of channels');
    // A sum, not a mean: where only the channels that an input keeps are computed, it stays the same.
    const relative = div(mul(sizes, count), add(reduceSum(sizes, [1], true), TINY));
    const shape = [channels, count];
    const weight = param('weight', shape, heNormal(shape));
    return relu(gemm(relative, weight, param('bias', [channels], ones, 'bias'), { transB: 1 }));
  });

import { DynaError } from '../../errors.ts';
import {
  add,
  batchNormalize,
  div,
  formatShape,
  type Init,
  layerNormalize,
  mul,
  param,
  reduceMean,
  reshape,
  sizeOf,
  sqrt,
  sub,
  type Tensor,
} from '../../graph/index.ts';
import { isConcrete } from '../../graph/shape.ts';
import { ones, zeros } from '../init.ts';
import { checkCount, type LayerOptions, layer, sizeOfAxis } from './layer.ts';

export interface NormOptions extends LayerOptions {
  /** Added to the variance; 1e-5 by default. */
  readonly epsilon?: number;
  /** How the scale starts; `ones` by default. `zeros` switches a residual branch off at first (Goyal et al. 2017). */
  readonly scale?: Init;
}

export interface BatchNormOptions extends NormOptions {
  /** running = momentum running + (1 - momentum) batch; 0.9 by default (PyTorch calls 1 - momentum so). */
  readonly momentum?: number;
}

export interface GroupNormOptions extends NormOptions {
  /** By default 8, or the largest divisor of 8 that divides the channels. */
  readonly groups?: number;
}

export interface LayerNormOptions extends NormOptions {
  /** The first normalised axis; -1 by default: the last axis only. */
  readonly axis?: number;
}

const scaleAndBias = (shape: readonly number[], scale: Init = ones): [Tensor, Tensor] => [
  param('scale', shape, scale, 'bias'),
  param('bias', shape, zeros, 'bias'),
];

function channelsOf(x: Tensor): number {
  if (x.rank < 2) throw new DynaError('shape', `an input [N, C, ...] is expected, got ${formatShape(x.shape)}`);
  return sizeOfAxis(x, 1, 'the number of channels (axis 1)');
}

/**
 * y = scale (x - mean) / sqrt(variance + epsilon) + bias for each channel (Ioffe & Szegedy 2015, arXiv:1502.03167).
 * As traced it uses the running statistics; a training pass replaces them by the batch's own.
 *
 * Parameters [C]: scale, bias (trained, not decayed); mean, variance (measured).
 *
 * @param x [N, C, ...]
 * @returns the shape of x
 * @throws DynaError 'shape' when there is no axis of channels or its size is unknown
 * @example x = batchNorm(conv(x, 64, { bias: false }))
 */
export const batchNorm = (x: Tensor, options: BatchNormOptions = {}): Tensor =>
  layer('batchNorm', options, () => {
    const shape = [channelsOf(x)];
    const [scale, bias] = scaleAndBias(shape, options.scale);
    const mean = param('mean', shape, zeros, 'statistic');
    const variance = param('variance', shape, ones, 'statistic');
    return batchNormalize(x, scale, bias, mean, variance, options.epsilon, options.momentum);
  });

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/**
 * Normalises every input alone, over groups of neighbouring channels and all positions; then scale and bias for each
 * channel (Wu & He 2018, arXiv:1803.08494). Trains and runs alike, at any batch size.
 *
 * @param x [N, C, ...]
 * @returns the shape of x
 * @throws DynaError 'shape' when the channels do not divide into the groups
 * @example x = groupNorm(conv(x, 64), { groups: 16 })
 */
export const groupNorm = (x: Tensor, options: GroupNormOptions = {}): Tensor =>
  layer('groupNorm', options, () => {
    const channels = channelsOf(x);
    const { groups = gcd(channels, 8), epsilon = 1e-5 } = options;
    checkCount(groups, 'groups');
    if (channels % groups !== 0)
      throw new DynaError('shape', `${channels} channels do not divide into ${groups} groups`);
    const inner = x.shape.slice(1);
    if (!isConcrete(inner))
      throw new DynaError('shape', `all sizes but the batch's must be known, got ${formatShape(x.shape)}`);
    const grouped = reshape(x, [0, groups, sizeOf(inner) / groups]);
    const centred = sub(grouped, reduceMean(grouped, [2], true));
    const variance = reduceMean(mul(centred, centred), [2], true);
    const normal = reshape(div(centred, sqrt(add(variance, epsilon))), [0, ...inner]);
    const [scale, bias] = scaleAndBias([channels], options.scale);
    const over = [channels, ...inner.slice(1).map(() => 1)];
    return add(mul(normal, reshape(scale, over)), reshape(bias, over));
  });

/**
 * y = scale (x - mean) / sqrt(variance + epsilon) + bias, mean and variance over the last axes of every input alone
 * (Ba et al. 2016, arXiv:1607.06450).
 *
 * @param x [N, ..., features]
 * @returns the shape of x
 * @throws DynaError 'shape' when a normalised axis has no known size
 * @example tokens = add(tokens, multiHeadAttention(layerNorm(tokens), { heads: 4 }))
 */
export const layerNorm = (x: Tensor, options: LayerNormOptions = {}): Tensor =>
  layer('layerNorm', options, () => {
    const { axis = -1, epsilon } = options;
    const shape = x.shape.slice(axis);
    if (!isConcrete(shape))
      throw new DynaError('shape', `the normalised axes (from ${axis} on) must be known in ${formatShape(x.shape)}`);
    const [scale, bias] = scaleAndBias(shape, options.scale);
    return layerNormalize(x, scale, bias, axis, epsilon);
  });

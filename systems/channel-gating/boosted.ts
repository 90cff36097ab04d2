import { conv, type Tensor } from 'dynaneural';
import { keep } from 'dynaneural/dynamic';
import { add, mul, param, relu, sub, unsqueeze } from 'dynaneural/graph';
import { batchNorm, linear, ones, pooled, zeros } from 'dynaneural/nn';

export const common = { norm: 'batch', activation: 'relu' } as const;

/** Of the normalised means: the many weights that make one gain then move it no faster than a scale of its own would be moved. */
export const STEADY = 0.125;

/** By how much a gain differs from 1 where its channel is foretold to say twice as much as it does on average. */
export const PART = 0.25;

export interface BoostedOptions {
  readonly channels: number;
  readonly stride: number;
  /** How many channels each input keeps. */
  readonly count: number;
  /** So many of the first are kept by all. */
  readonly always: number;
  readonly name: string;
}

/**
 * A convolution of which each input keeps some channels (feature boosting and suppression, Gao et al. 2019,
 * arXiv:1810.05331): a linear map of the means of the channels that come in gives a gain for each channel that would go out.
 * Gains multiply the channels, so that they learn through the winners; times what a channel is worth on average, they rank
 * them.
 *
 * Two things differ from `keepChannels`, for nets that were trained before they are gated: the means are normalised, and a
 * channel hands on its difference from what it usually says, so that to drop it is to say the usual, not nothing.
 *
 * Parameters: means/..., saliency/weight, saliency/bias, level [channels] (measured), conv/..., usual [channels, 1, 1].
 *
 * @param x [N, C, H, W]
 * @returns [N, channels, H / stride, W / stride]
 */
export function boosted(x: Tensor, { channels, stride, count, always, name }: BoostedOptions): Tensor {
  let gain: Tensor | undefined;
  const score = (): Tensor => {
    const means = mul(batchNorm(pooled(x), { name: 'means' }), STEADY);
    gain = relu(linear(means, channels, { name: 'saliency' }));
    const level = param('level', [channels], ones, 'statistic');
    return mul(level, relu(add(mul(sub(gain, 1), 1 / PART), 1)));
  };
  const values = () => {
    const said = conv(x, channels, { ...common, stride, name: 'conv' });
    const usual = param('usual', [channels, 1, 1], zeros, 'bias');
    return [{ x: mul(sub(said, usual), unsqueeze(gain!, [2, 3])), axis: 1 }];
  };
  return keep({ name, family: 'channels', learns: 'winners', rule: { count }, always, score, values }).values[0]!;
}

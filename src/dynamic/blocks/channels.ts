import { DynaError } from '../../errors.ts';
import { formatShape, mul, type Tensor, unsqueeze } from '../../graph/index.ts';
import { type ConvLayerOptions, channelSaliency, conv } from '../../nn/index.ts';
import { type KeepRule, type KeptValue, keep } from '../units.ts';
import { policyIn } from './parts.ts';

export interface KeepChannelsOptions extends Omit<ConvLayerOptions, 'name'> {
  /** How much each output channel matters to an input, [N, channels], from 0 on; `channelSaliency` by default. */
  readonly saliency?: ((x: Tensor, channels: number) => Tensor) | Tensor;
  /** The share of channels that is kept (those of the highest saliency), or another rule; half by default. */
  readonly keep?: number | KeepRule;
  readonly name?: string;
}

/**
 * A convolution whose output channels are gated by what an input says (feature boosting and suppression, Gao et al. 2019,
 * FBS, arXiv:1810.05331): each channel is multiplied by its saliency, and those that do not win are dropped. Learns through
 * the winners.
 *
 * Files for one input compute kept output channels from kept input channels only, in this convolution and in the next;
 * files for batches put dropped channels to zero.
 *
 * @param x [N, C, H, W]
 * @param channels how many channels come out, dropped ones as zeros
 * @returns [N, channels, H / stride, W / stride]
 * @throws DynaError 'usage' for a share outside of (0, 1] or counts above `channels`, 'shape' where the saliency does not fit
 * @example
 * for (const width of [64, 128, 256]) x = keepChannels(x, width, { keep: 0.5, stride: 2, norm: 'batch', activation: 'relu' })
 */
export function keepChannels(x: Tensor, channels: number, options: KeepChannelsOptions = {}): Tensor {
  const { saliency: given, keep: wanted = 0.5, name, ...own } = options;
  const rule: KeepRule = typeof wanted === 'number' ? { share: wanted } : wanted;
  let worth: Tensor | undefined;
  const score = (): Tensor => {
    const saliency = typeof given === 'function' ? (t: Tensor) => given(t, channels) : given;
    const policy = 'saliency' in options ? { saliency: saliency! } : {};
    worth = policyIn(policy, 'saliency', x, (t) => channelSaliency(t, channels));
    if (worth.rank !== 2 || worth.shape[1] !== channels)
      throw new DynaError(
        'shape',
        `the saliency should be [N, ${channels}], one number for each channel, got ${formatShape(worth.shape)}`,
      );
    return worth;
  };
  const values = (): KeptValue[] => {
    const y = conv(x, channels, { activation: 'relu', ...own, name: 'conv' });
    const axes = y.shape.slice(2).map((_, i) => i + 2);
    return [{ x: mul(y, unsqueeze(worth!, axes)), axis: 1 }];
  };
  const how = { family: 'channels', learns: 'winners', rule } as const;
  return keep({ ...how, ...(name === undefined ? {} : { name }), score, values }).values[0]!;
}

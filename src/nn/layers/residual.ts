import { DynaError } from '../../errors.ts';
import { add, type Tensor } from '../../graph/index.ts';
import { zeros } from '../init.ts';
import { type Activation, activate } from './activation.ts';
import { conv, type Norm } from './conv.ts';
import { checkCount, type LayerOptions, layer, sizeOfAxis } from './layer.ts';
import { batchNorm } from './norm.ts';

export interface ResidualOptions extends LayerOptions {
  /** Of the first 3x3 convolution (in a bottleneck, the only one); 1 by default. */
  readonly stride?: number;
  /** 1x1 to a quarter of the channels, 3x3, 1x1 back, instead of 3x3, 3x3. */
  readonly bottleneck?: boolean;
  /** 'batch' by default. */
  readonly norm?: Norm;
  /** 'relu' by default. */
  readonly activation?: Activation;
  /** The last batch normalisation starts with scale 0, so that the block begins as its shortcut (Goyal et al. 2017). */
  readonly zeroInit?: boolean;
}

/**
 * y = activation(f(x) + shortcut(x)), where f is conv-norm-activation-conv-norm and the shortcut is x itself, or a
 * 1x1 convolution with normalisation where the shape changes (He et al. 2015, arXiv:1512.03385; the bottleneck
 * strides in its 3x3 convolution).
 *
 * Parameters: conv1/weight, conv1/norm/..., conv2/..., (conv3/..., ) shortcut/weight, shortcut/norm/...
 *
 * @param x [N, C, H, W]
 * @param channels how many channels come out
 * @returns [N, channels, H / stride, W / stride]
 * @throws DynaError 'shape' | 'usage', with the name of the layer inside
 * @example x = residual(x, 128, { stride: 2 })
 */
export const residual = (x: Tensor, channels: number, options: ResidualOptions = {}): Tensor =>
  layer('residual', options, () => {
    const { stride = 1, bottleneck = false, norm = 'batch', activation = 'relu', zeroInit = false } = options;
    checkCount(channels, 'channels');
    if (zeroInit && norm !== 'batch')
      throw new DynaError('usage', "zeroInit needs norm: 'batch'", { fix: 'give a norm function with a zero scale' });
    const last: Norm = zeroInit ? (y) => batchNorm(y, { scale: zeros, name: 'norm' }) : norm;
    let y = x;
    if (bottleneck) {
      if (channels % 4 !== 0) throw new DynaError('shape', `a bottleneck's channels must divide by 4, got ${channels}`);
      y = conv(y, channels / 4, { kernel: 1, norm, activation });
      y = conv(y, channels / 4, { stride, norm, activation });
      y = conv(y, channels, { kernel: 1, norm: last });
    } else {
      y = conv(y, channels, { stride, norm, activation });
      y = conv(y, channels, { norm: last });
    }
    const same = stride === 1 && sizeOfAxis(x, 1, 'the number of channels (axis 1)') === channels;
    const shortcut = same ? x : conv(x, channels, { kernel: 1, stride, norm, name: 'shortcut' });
    return activate(add(y, shortcut), activation);
  });

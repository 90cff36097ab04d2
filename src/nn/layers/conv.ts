import { DynaError } from '../../errors.ts';
import { type ConvOptions, convolve, formatShape, param, type Tensor } from '../../graph/index.ts';
import { heNormal, type Initializer, zeros } from '../init.ts';
import { type Activation, activate } from './activation.ts';
import { checkCount, type LayerOptions, layer, sizeOfAxis } from './layer.ts';
import { batchNorm, groupNorm } from './norm.ts';

/** What follows a convolution: a normalisation by name (its parameters stand under ".../norm"), or any function. */
export type Norm = 'batch' | 'group' | ((x: Tensor) => Tensor);

export interface ConvLayerOptions extends LayerOptions, Omit<ConvOptions, 'padding'> {
  /** Size of the kernel, one number for all spatial axes or one for each; 3 by default. */
  readonly kernel?: number | readonly number[];
  /** 'same' (default): dilation (kernel - 1) zeros on each axis, half on either side; 'valid': none; or the zeros themselves. */
  readonly padding?: 'same' | 'valid' | number | readonly number[];
  /** On by default; off by default under a normalisation, which has its own. */
  readonly bias?: boolean;
  readonly norm?: Norm | false;
  readonly activation?: Activation | false;
  /** How the weight starts; `heNormal` by default. */
  readonly init?: Initializer;
}

export const each = (v: number | readonly number[] | undefined, rank: number, fallback: number): readonly number[] =>
  typeof v === 'object' ? v : new Array<number>(rank).fill(v ?? fallback);

export function pads(
  kernel: readonly number[],
  { padding = 'same', dilation }: ConvLayerOptions,
): number | readonly number[] {
  if (padding === 'valid') return 0;
  if (padding !== 'same') return padding;
  const total = each(dilation, kernel.length, 1).map((d, i) => d * (kernel[i]! - 1));
  return [...total.map((t) => Math.floor(t / 2)), ...total.map((t) => Math.ceil(t / 2))];
}

export function normalize(x: Tensor, norm: Norm | false): Tensor {
  if (norm === false) return x;
  if (typeof norm === 'function') return norm(x);
  if (norm === 'batch') return batchNorm(x, { name: 'norm' });
  if (norm === 'group') return groupNorm(x, { name: 'norm' });
  throw new DynaError('usage', `there is no normalisation "${norm}"`, {
    fix: "use 'batch', 'group', false or a function of a tensor",
  });
}

/**
 * Convolution over one or two spatial axes: y[n, o] = sum over i of x[n, i] * weight[o, i] + bias[o], a
 * cross-correlation; then the normalisation and the activation, where asked for.
 *
 * Parameters: weight [channels, C / groups, kernel...], bias [channels]; those of the normalisation under "norm".
 *
 * @param x [N, C, H, W] or [N, C, L]
 * @param channels how many channels come out
 * @returns [N, channels, H / stride, W / stride] with the default padding (rounded up)
 * @throws DynaError 'shape' | 'usage', with the layer's name, where input, kernel and groups do not fit
 * @example
 * x = conv(x, 32)
 * x = conv(x, 64, { stride: 2, norm: 'batch', activation: 'relu', name: 'down' })
 */
export const conv = (x: Tensor, channels: number, options: ConvLayerOptions = {}): Tensor =>
  layer('conv', options, () => {
    const { stride, dilation, groups = 1, norm = false, activation = false, init = heNormal } = options;
    const rank = x.rank - 2;
    if (rank !== 1 && rank !== 2)
      throw new DynaError('shape', `an input [N, C, H, W] or [N, C, L] is expected, got ${formatShape(x.shape)}`, {
        fix: 'reshape it first',
      });
    checkCount(channels, 'channels');
    checkCount(groups, 'groups');
    const kernel = each(options.kernel, rank, 3);
    for (const k of kernel) checkCount(k, 'kernel');
    for (const [what, list] of Object.entries({ kernel, stride, dilation }))
      if (typeof list === 'object' && list.length !== rank)
        throw new DynaError('usage', `${what} should have ${rank} number(s), one for each spatial axis, got [${list}]`);
    const inputs = sizeOfAxis(x, 1, 'the number of channels (axis 1)');
    if (inputs % groups !== 0 || channels % groups !== 0)
      throw new DynaError('shape', `${inputs} channels in and ${channels} out do not divide into ${groups} groups`);
    const shape = [channels, inputs / groups, ...kernel];
    const weight = param('weight', shape, init(shape));
    const bias = (options.bias ?? norm === false) ? param('bias', [channels], zeros, 'bias') : undefined;
    const spatial = { stride: stride ?? 1, dilation: dilation ?? 1, groups, padding: pads(kernel, options) };
    return activate(normalize(convolve(x, weight, bias, spatial), norm), activation);
  });

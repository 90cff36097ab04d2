import { DynaError } from '../../errors.ts';
import {
  convolve,
  formatShape,
  isConcrete,
  matMul,
  param,
  reshape,
  type Tensor,
  unsqueeze,
} from '../../graph/index.ts';
import { heNormal, zeros } from '../init.ts';
import { activate } from './activation.ts';
import { type ConvLayerOptions, each, normalize, pads } from './conv.ts';
import { checkCount, layer, sizeOfAxis } from './layer.ts';

export interface MixtureConvOptions extends Omit<ConvLayerOptions, 'groups'> {
  /** How many kernels are mixed. */
  readonly kernels: number;
  /** [N, kernels]: how much of each, for every input its own; see `routing`. */
  readonly weights: Tensor;
  /**
   * Two ways to the same result. 'outputs' (default): one convolution gives the outputs of all kernels, then they are
   * weighed; for batches and training. 'kernel': the kernels are mixed first, then one convolution; for a batch of one.
   */
  readonly form?: 'outputs' | 'kernel';
}

/**
 * y = sum over k of w_k (weight_k * x + bias_k), with weights w of the input's own (Yang et al. 2019, CondConv,
 * arXiv:1904.04971; Chen et al. 2019, DyConv, arXiv:1912.03458).
 *
 * MACs: 'outputs' K convolutions and K for each value weighed; 'kernel' one convolution and K for each number of a kernel.
 *
 * Parameters: weight [K, channels, C, kh, kw], bias [K, channels]; those of the normalisation under "norm".
 *
 * @param x [N, C, H, W]
 * @param channels how many channels come out
 * @returns [N, channels, H / stride, W / stride] with the default padding (rounded up)
 * @throws DynaError 'shape' | 'usage', with the layer's name; for form 'kernel' where the batch is not 1
 * @example x = mixtureConv(x, 64, { kernels: 4, weights: routing(x, 4), norm: 'batch', activation: 'relu' })
 */
export const mixtureConv = (x: Tensor, channels: number, options: MixtureConvOptions): Tensor =>
  layer('mixtureConv', options, () => {
    const { kernels, weights, form = 'outputs', norm = false, activation = false, init = heNormal } = options;
    const { stride = 1, dilation = 1 } = options;
    if (x.rank !== 4 || !isConcrete(x.shape.slice(1)))
      throw new DynaError('shape', `an image [N, C, H, W] of known size is expected, got ${formatShape(x.shape)}`);
    checkCount(channels, 'channels');
    checkCount(kernels, 'kernels');
    if (weights.rank !== 2 || weights.shape[0] !== x.shape[0] || weights.shape[1] !== kernels)
      throw new DynaError(
        'shape',
        `weights should be ${formatShape([x.shape[0]!, kernels])}, got ${formatShape(weights.shape)}`,
      );
    const kernel = each(options.kernel, 2, 3);
    for (const k of kernel) checkCount(k, 'kernel');
    const one = [channels, sizeOfAxis(x, 1, 'the number of channels (axis 1)'), ...kernel];
    const master = param('weight', [kernels, ...one], init(one));
    const hasBias = options.bias ?? norm === false;
    const biases = hasBias ? param('bias', [kernels, channels], zeros, 'bias') : undefined;
    const spatial = { stride, dilation, padding: pads(kernel, options) };
    const parts = { x, weights, master, biases, one, spatial };
    const mix = { outputs: mixOutputs, kernel: mixKernels }[form];
    if (!mix) throw new DynaError('usage', `form should be 'outputs' or 'kernel', got "${form}"`);
    return activate(normalize(mix(parts), norm), activation);
  });

interface Parts {
  readonly x: Tensor;
  readonly weights: Tensor;
  readonly master: Tensor;
  readonly biases: Tensor | undefined;
  /** Shape of one kernel, [channels, C, kh, kw]. */
  readonly one: readonly number[];
  readonly spatial: { readonly stride: number | readonly number[]; readonly padding: number | readonly number[] };
}

function mixOutputs({ x, weights, master, biases, one, spatial }: Parts): Tensor {
  const kernels = master.shape[0] as number;
  const [channels, ...rest] = one as [number, ...number[]];
  const all = kernels * channels;
  const y = convolve(x, reshape(master, [all, ...rest]), biases && reshape(biases, [all]), spatial);
  const [height, width] = y.shape.slice(2) as [number, number];
  // [N, 1, K] times [N, K, everything]: each row weighs its own outputs.
  const mixed = matMul(unsqueeze(weights, [1]), reshape(y, [0, kernels, channels * height * width]));
  return reshape(mixed, [0, channels, height, width]);
}

function mixKernels({ x, weights, master, biases, one, spatial }: Parts): Tensor {
  if (x.shape[0] !== 1)
    throw new DynaError(
      'usage',
      `form 'kernel' mixes one kernel for one input, but the batch is ${formatShape(x.shape)}`,
      { fix: "use form 'outputs', or trace for a fixed batch of one" },
    );
  const kernels = master.shape[0] as number;
  const size = one.reduce((a, b) => a * b, 1);
  const weight = reshape(matMul(weights, reshape(master, [kernels, size])), one);
  const bias = biases && reshape(matMul(weights, biases), [one[0]!]);
  return convolve(x, weight, bias, spatial);
}

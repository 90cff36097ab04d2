import { DynaError } from '../../errors.ts';
import {
  add,
  type ConvOptions,
  constant,
  convAttrs,
  convolve,
  formatShape,
  gridSample,
  isConcrete,
  mul,
  ndarray,
  param,
  reshape,
  reverse,
  type Shape,
  sameShape,
  sigmoid,
  split,
  type Tensor,
  transpose,
  windowShape,
} from '../../graph/index.ts';

import { heNormal, zeros } from '../init.ts';
import { activate } from './activation.ts';
import { type ConvLayerOptions, conv, each, normalize, pads } from './conv.ts';
import { checkCount, layer, sizeOfAxis } from './layer.ts';

export interface DeformedConvolveOptions extends Omit<ConvOptions, 'groups'> {
  /** Multiplies what each place of the kernel reads: [N, kh kw, H', W']. */
  readonly modulation?: Tensor;
}

function expectShape(t: Tensor, wanted: Shape, what: string): void {
  if (!sameShape(t.shape, wanted))
    throw new DynaError('shape', `${what} should be ${formatShape(wanted)}, got ${formatShape(t.shape)}`);
}

/**
 * y[o, p] = sum over c and k of weight[o, c, k] m[k, p] x[c, p + k + offset[k, p]], where x is read between pixels
 * bilinearly, and is zero outside (Dai et al. 2017, arXiv:1703.06211; with modulation m Zhu et al. 2018,
 * arXiv:1811.11168). With offsets 0 it is `convolve`. Plain ONNX: GridSample reads, a 1x1 convolution sums.
 *
 * @param x [N, C, H, W]
 * @param weight [O, C, kh, kw]
 * @param bias [O]
 * @param offset [N, 2 kh kw, H', W'] in pixels: y and x of the kernel's first place, then of the second, as in ONNX's
 *   DeformConv
 * @returns [N, O, H', W']
 * @throws DynaError 'shape' where they do not fit
 * @example const y = deformedConvolve(x, weight, undefined, conv(x, 18), { padding: 1 })
 */
export function deformedConvolve(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  offset: Tensor,
  { modulation, ...options }: DeformedConvolveOptions = {},
): Tensor {
  if (x.rank !== 4 || !isConcrete(x.shape.slice(1)) || weight.rank !== 4)
    throw new DynaError(
      'shape',
      `an image [N, C, H, W] of known size and a weight [O, C, kh, kw] are expected, got ${formatShape(x.shape)} and ${formatShape(weight.shape)}`,
    );
  const [outputs, channels, kh, kw] = weight.shape as readonly [number, number, number, number];
  expectShape(weight, [outputs, x.shape[1]!, kh, kw], 'weight');
  const attrs = convAttrs([kh, kw], options);
  const [rows, columns] = windowShape(x.shape, attrs, 'deformedConvolve') as [number, number];
  const [places, positions] = [kh * kw, rows * columns];
  const of = (channelsOf: number): Shape => [x.shape[0]!, channelsOf, rows, columns];
  expectShape(offset, of(2 * places), 'offset');
  if (modulation) expectShape(modulation, of(places), 'modulation');

  const size = x.shape.slice(2) as [number, number];
  const steps = constant(ndarray('float32', [2], [2 / size[1], 2 / size[0]]));
  // GridSample wants (x, y) for each position, offsets come as (y, x) for each place.
  const shifts = transpose(reverse(reshape(offset, [0, places, 2, positions]), 2), [0, 1, 3, 2]);
  const grid = add(mul(shifts, steps), regular(size, attrs, [rows, columns]));
  let read = gridSample(x, grid);
  if (modulation) read = mul(read, reshape(modulation, [0, 1, places, positions]));
  const joined = channels * places;
  return convolve(reshape(read, [0, joined, rows, columns]), reshape(weight, [outputs, joined, 1, 1]), bias);
}

/** Where an ordinary convolution reads, as GridSample counts: [kh kw, H' W', 2], (x, y). */
function regular(
  [height, width]: readonly [number, number],
  { kernel_shape, strides, pads: around, dilations }: ReturnType<typeof convAttrs>,
  [rows, columns]: readonly [number, number],
): Tensor {
  const [kh, kw] = kernel_shape as readonly [number, number];
  const values: number[] = [];
  const share = (pixel: number, of: number): number => (2 * pixel + 1) / of - 1;
  for (let i = 0; i < kh; i++)
    for (let j = 0; j < kw; j++)
      for (let row = 0; row < rows; row++)
        for (let column = 0; column < columns; column++)
          values.push(
            share(column * strides[1]! + j * dilations[1]! - around[1]!, width),
            share(row * strides[0]! + i * dilations[0]! - around[0]!, height),
          );
  return constant(ndarray('float32', [kh * kw, rows * columns, 2], values));
}

export interface DeformableConvOptions extends Omit<ConvLayerOptions, 'groups'> {
  /** Also weighs what each place of the kernel reads (version 2); on by default. */
  readonly modulated?: boolean;
}

/**
 * Deformable convolution: each position learns where its kernel looks, from the image itself (Dai et al. 2017,
 * arXiv:1703.06211), and how much each place counts (Zhu et al. 2018, arXiv:1811.11168). Offsets start at 0 and the
 * modulation, 2 sigmoid(.), at 1: it begins as an ordinary convolution, and can take over a trained one's weights.
 *
 * MACs are those of the two convolutions; the bilinear reads (about 8 for each value read) are not counted.
 *
 * Parameters: weight [channels, C, kh, kw], bias [channels], offset/weight [3 kh kw, C, kh, kw] (2 kh kw offsets, then
 * the modulation), offset/bias; those of the normalisation under "norm".
 *
 * @param x [N, C, H, W]
 * @param channels how many channels come out
 * @returns [N, channels, H / stride, W / stride] with the default padding (rounded up)
 * @throws DynaError 'shape' | 'usage', with the layer's name
 * @example x = deformableConv(x, 64, { norm: 'batch', activation: 'relu' })
 */
export const deformableConv = (x: Tensor, channels: number, options: DeformableConvOptions = {}): Tensor =>
  layer('deformableConv', options, () => {
    const { stride = 1, dilation = 1, modulated = true, norm = false, activation = false, init = heNormal } = options;
    if (x.rank !== 4) throw new DynaError('shape', `an image [N, C, H, W] is expected, got ${formatShape(x.shape)}`);
    checkCount(channels, 'channels');
    const kernel = each(options.kernel, 2, 3);
    for (const k of kernel) checkCount(k, 'kernel');
    const shape = [channels, sizeOfAxis(x, 1, 'the number of channels (axis 1)'), ...kernel];
    const weight = param('weight', shape, init(shape));
    const bias = (options.bias ?? norm === false) ? param('bias', [channels], zeros, 'bias') : undefined;
    const places = kernel[0]! * kernel[1]!;
    const padding = pads(kernel, options);
    const where = { kernel, stride, dilation, padding };
    const learned = conv(x, (modulated ? 3 : 2) * places, { ...where, init: () => zeros, name: 'offset' });
    const [offset, logits] = modulated ? split(learned, [2 * places, places], 1) : [learned];
    const modulation = logits && mul(sigmoid(logits), 2);
    const { kernel: _, ...spatial } = where;
    const y = deformedConvolve(x, weight, bias, offset!, modulation ? { ...spatial, modulation } : spatial);
    return activate(normalize(y, norm), activation);
  });

import { DynaError } from '../../errors.ts';
import { sizeOf } from '../array.ts';
import { formatShape, isConcrete } from '../shape.ts';
import { apply, applyAll, noMacs, type Operator, type Tensor } from '../tensor.ts';
import { type ConvOptions, ConvTranspose, convAttrs, convolve, windowShape } from './conv.ts';
import { div } from './elementwise.ts';
import { fill } from './evaluate.ts';
import { scatterElements } from './indexing.ts';
import { constant } from './leaf.ts';
import { countOf } from './reduce.ts';
import { expandLike, reshape, reshapeLike, zerosLike } from './reshape.ts';

interface PoolAttrs {
  readonly kernel_shape: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
  readonly ceil_mode: 0 | 1;
}

const pooled = (x: Tensor, a: PoolAttrs, what: string) => {
  if (x.rank !== a.kernel_shape.length + 2)
    throw new DynaError('shape', `${what} expects ${a.kernel_shape.length + 2} axes, got ${formatShape(x.shape)}`);
  return [x.shape[0]!, x.shape[1]!, ...windowShape(x.shape, a, what, a.ceil_mode === 1)];
};

/** Largest value of each window; output 1 holds its place, counted through the whole tensor. */
export const MaxPool: Operator<PoolAttrs> = {
  name: 'MaxPool',
  domain: '',
  optionalFrom: 1,
  arity: [1, 1],
  infer: ([x], attrs) => {
    const shape = pooled(x!, attrs, 'MaxPool');
    return [
      { dtype: x!.dtype, shape },
      { dtype: 'int64', shape },
    ];
  },
  // Each cotangent goes to the place of its maximum; a place that won several windows gets the sum.
  gradient: [
    ({ g, x, y }) => {
      const flatX = reshape(x[0]!, [-1]);
      return reshapeLike(scatterElements(zerosLike(flatX), reshape(y[1]!, [-1]), reshape(g, [-1]), 0, 'add'), x[0]!);
    },
  ],
  macs: noMacs,
};

/** Mean of each window. */
export const AveragePool: Operator<PoolAttrs & { count_include_pad: 0 | 1 }> = {
  name: 'AveragePool',
  domain: '',
  arity: [1, 1],
  // The attribute came with opset 19; without it a window is dense.
  internal: ['dilations'],
  infer: ([x], attrs) => {
    if (attrs.dilations.some((d) => d !== 1))
      throw new DynaError('graph', `AveragePool with dilations [${attrs.dilations.join(', ')}] is not supported`);
    return [{ dtype: x!.dtype, shape: pooled(x!, attrs, 'AveragePool') }];
  },
  // Each cotangent, divided by the size of its window, spreads over the window: a transposed convolution with ones.
  gradient: [
    ({ g, x, attrs: { ceil_mode, count_include_pad, ...a } }) => {
      if (ceil_mode) throw new DynaError('gradient', 'AveragePool with ceil_mode has no gradient here');
      const channels = x[0]!.shape[1] as number;
      const ones = (shape: readonly number[]) =>
        constant({ dtype: g.dtype, dims: shape, data: fill(g.dtype, sizeOf(shape), () => 1) });
      const kernel = ones([channels, 1, ...a.kernel_shape]);
      const size = sizeOf(a.kernel_shape);
      const spatial = x[0]!.shape.slice(2) as number[];
      const one = ones([1, 1, ...spatial]);
      const counts =
        count_include_pad || a.pads.every((p) => p === 0)
          ? size
          : convolve(one, ones([1, 1, ...a.kernel_shape]), undefined, {
              stride: a.strides,
              padding: a.pads,
              dilation: a.dilations,
            });
      const rank = spatial.length;
      const out = g.shape.slice(2) as number[];
      const output_padding = a.kernel_shape.map(
        (k, i) =>
          spatial[i]! -
          (a.strides[i]! * (out[i]! - 1) + a.dilations[i]! * (k - 1) + 1 - a.pads[i]! - a.pads[i + rank]!),
      );
      return apply(ConvTranspose, [div(g, counts), kernel], { ...a, group: channels, output_padding });
    },
  ],
  macs: noMacs,
};

/** Mean over all spatial positions, which stay as axes of size 1. */
export const GlobalAveragePool: Operator<Record<never, never>> = {
  name: 'GlobalAveragePool',
  domain: '',
  arity: [1, 1],
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape.map((d, i) => (i < 2 ? d : 1)) }],
  gradient: [({ g, x }) => expandLike(div(g, countOf(x[0]!, x[0]!.shape.map((_, i) => i).slice(2))), x[0]!)],
  macs: noMacs,
};

export interface PoolOptions extends Omit<ConvOptions, 'groups'> {
  ceilMode?: boolean;
}

const poolAttrs = (size: number | readonly number[], x: Tensor, options: PoolOptions): PoolAttrs => {
  const rank = x.rank - 2;
  const kernel = typeof size === 'number' ? new Array<number>(rank).fill(size) : [...size];
  if (!isConcrete(kernel)) throw new DynaError('shape', 'a pooling window needs a known size');
  const { group, ...attrs } = convAttrs(kernel, { ...options, stride: options.stride ?? kernel });
  return { ...attrs, ceil_mode: options.ceilMode ? 1 : 0 };
};

/** Largest value of each window; the stride is the window by default. */
export const maxPool = (x: Tensor, size: number | readonly number[], options: PoolOptions = {}): Tensor =>
  applyAll(MaxPool, [x], poolAttrs(size, x, options))[0]!;
/** Mean of each window (padding does not count); the stride is the window by default. */
export const averagePool = (x: Tensor, size: number | readonly number[], options: PoolOptions = {}): Tensor =>
  apply(AveragePool, [x], { ...poolAttrs(size, x, options), count_include_pad: 0 });
/** [N, C, H, W] -> [N, C, 1, 1]. */
export const globalAveragePool = (x: Tensor): Tensor => apply(GlobalAveragePool, [x], {});

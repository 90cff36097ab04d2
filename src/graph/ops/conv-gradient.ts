import { DynaError } from '../../errors.ts';
import { formatShape, itemSize } from '../shape.ts';
import { apply, type Operator, type Tensor } from '../tensor.ts';
import { Conv, type ConvAttrs, windowShape } from './conv.ts';
import { plainInputGradient, plainWeightGradient } from './conv-gradient-plain.ts';

// The three bilinear maps of one trilinear form T(g, x, w) = <g, Conv(x, w)>: Conv is its derivative by g, and these
// are those by x and by w. Each one's derivatives are the other two, so that they may be differentiated again and
// again. They are pseudo-operators: how they are computed best depends on the engine, so a pass chooses.

export interface ConvInputGradientAttrs extends ConvAttrs {
  /** Spatial sizes of Conv's input; a stride may leave them open. */
  readonly size: readonly number[];
}

/** dX of Conv: g [N, O, ..] and w [O, I / group, k..] give [N, I, size..]. */
export const ConvInputGradient: Operator<ConvInputGradientAttrs> = {
  name: 'ConvInputGradient',
  domain: 'dynaneural',
  arity: [2, 2],
  infer: ([g, w], attrs) => {
    const shape = [g!.shape[0]!, (w!.shape[1] as number) * attrs.group, ...attrs.size];
    checkCotangent(g!, [shape[0]!, w!.shape[0]!, ...windowShape(shape, attrs, 'ConvInputGradient')]);
    return [{ dtype: g!.dtype, shape }];
  },
  gradient: [
    ({ g, x, attrs: { size, ...conv } }) => apply(Conv, [g, x[1]!], conv),
    ({ g, x, attrs: { size, ...conv } }) => convWeightGradient(x[0]!, g, conv),
  ],
  macs: ({ inputs: [g, w] }) => itemSize(g!.shape) * itemSize(w!.shape.slice(1)),
  expand: ([g, w], attrs) => [plainInputGradient(g!, w!, attrs)],
};

/** dW of Conv: g [N, O, ..] and x [N, I, ..] give [O, I / group, kernel..]. */
export const ConvWeightGradient: Operator<ConvAttrs> = {
  name: 'ConvWeightGradient',
  domain: 'dynaneural',
  arity: [2, 2],
  infer: ([g, x], attrs) => {
    checkCotangent(g!, [x!.shape[0]!, g!.shape[1]!, ...windowShape(x!.shape, attrs, 'ConvWeightGradient')]);
    return [{ dtype: g!.dtype, shape: [g!.shape[1]!, (x!.shape[1] as number) / attrs.group, ...attrs.kernel_shape] }];
  },
  gradient: [
    ({ g, x, attrs }) => apply(Conv, [x[1]!, g], attrs),
    ({ g, x, attrs }) => convInputGradient(x[0]!, g, x[1]!, attrs),
  ],
  macs: ({ inputs: [g], outputs: [w] }) => itemSize(g!.shape) * itemSize(w!.shape.slice(1)),
  expand: ([g, x], attrs) => [plainWeightGradient(g!, x!, attrs)],
};

function checkCotangent(g: Tensor, expected: readonly (number | string)[]): void {
  if (g.rank !== expected.length || g.shape.some((d, i) => d !== expected[i]))
    throw new DynaError(
      'shape',
      `the gradient of Conv expects a cotangent ${formatShape(expected)}, got ${formatShape(g.shape)}`,
    );
}

/** The cotangent of Conv's input `x`, from that of its result. */
export const convInputGradient = (g: Tensor, w: Tensor, x: Tensor, attrs: ConvAttrs): Tensor =>
  apply(ConvInputGradient, [g, w], { ...attrs, size: x.shape.slice(2) as number[] });

/** The cotangent of Conv's weight, from that of its result and its input. */
export const convWeightGradient = (g: Tensor, x: Tensor, attrs: ConvAttrs): Tensor =>
  apply(ConvWeightGradient, [g, x], attrs);

import { DynaError } from '../../errors.ts';
import { type Dim, formatShape, itemSize, type Shape } from '../shape.ts';
import { apply, type Operator, type Tensor } from '../tensor.ts';
import { convInputGradient, convWeightGradient } from './conv-gradient.ts';
import { sameDtype } from './elementwise.ts';
import { reduceSum } from './reduce.ts';

/** Spatial attributes, as ONNX has them; `pads` lists all starts, then all ends. */
export interface ConvAttrs {
  readonly kernel_shape: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
  readonly group: number;
}

export interface ConvTransposeAttrs extends ConvAttrs {
  readonly output_padding: readonly number[];
}

const spatial = (d: Dim, what: string): number => {
  if (typeof d !== 'number') throw new DynaError('shape', `${what} needs known spatial sizes, got "${d}"`);
  return d;
};

/** floor((size + pads - extent) / stride) + 1 for each spatial axis, extent = dilation (kernel - 1) + 1. */
export function windowShape(shape: Shape, a: Omit<ConvAttrs, 'group'>, what: string, ceilMode = false): number[] {
  const rank = a.kernel_shape.length;
  return a.kernel_shape.map((k, i) => {
    const size = spatial(shape[i + 2]!, what);
    const room = size + a.pads[i]! + a.pads[i + rank]! - (a.dilations[i]! * (k - 1) + 1);
    if (room < 0)
      throw new DynaError(
        'shape',
        `${what}: a kernel of ${k} (dilation ${a.dilations[i]}) does not fit into ${size} with pads ${a.pads[i]} and ${a.pads[i + rank]}`,
      );
    const steps = room / a.strides[i]!;
    if (!ceilMode) return Math.floor(steps) + 1;
    // A last window that would begin in the padding at the end is dropped.
    const places = Math.ceil(steps) + 1;
    return (places - 1) * a.strides[i]! >= size + a.pads[i]! ? places - 1 : places;
  });
}

/** Y[n, o] = sum over i of X[n, i] * W[o, i] + B[o], a cross-correlation over 1 or 2 spatial axes. */
export const Conv: Operator<ConvAttrs> = {
  name: 'Conv',
  domain: '',
  arity: [2, 3],
  infer: ([x, w, b], attrs) => {
    sameDtype('Conv', b ? [x!, w!, b] : [x!, w!]);
    const rank = attrs.kernel_shape.length;
    if (x!.rank !== rank + 2 || w!.rank !== rank + 2)
      throw new DynaError(
        'shape',
        `Conv expects an input [N, C, ${rank === 1 ? 'L' : 'H, W'}] and a weight of as many axes, got ${formatShape(x!.shape)} and ${formatShape(w!.shape)}`,
      );
    if (x!.shape[1] !== (w!.shape[1] as number) * attrs.group)
      throw new DynaError(
        'shape',
        `Conv: the weight ${formatShape(w!.shape)} with ${attrs.group} group(s) expects ${(w!.shape[1] as number) * attrs.group} channels, got ${formatShape(x!.shape)}`,
      );
    if ((w!.shape[0] as number) % attrs.group !== 0)
      throw new DynaError('shape', `Conv: ${w!.shape[0]} output channels do not divide into ${attrs.group} groups`);
    if (attrs.kernel_shape.some((k, i) => k !== w!.shape[i + 2]))
      throw new DynaError(
        'shape',
        `Conv: kernel_shape [${attrs.kernel_shape.join(', ')}] differs from the weight ${formatShape(w!.shape)}`,
      );
    if (b && (b.rank !== 1 || b.shape[0] !== w!.shape[0]))
      throw new DynaError('shape', `Conv: a bias [${w!.shape[0]}] is expected, got ${formatShape(b.shape)}`);
    return [{ dtype: x!.dtype, shape: [x!.shape[0]!, w!.shape[0]!, ...windowShape(x!.shape, attrs, 'Conv')] }];
  },
  gradient: [
    ({ g, x, attrs }) => convInputGradient(g, x[1]!, x[0]!, attrs),
    ({ g, x, attrs }) => convWeightGradient(g, x[0]!, attrs),
    ({ g }) =>
      reduceSum(
        g,
        g.shape.map((_, i) => i).filter((i) => i !== 1),
      ),
  ],
  macs: ({ inputs: [, w], outputs: [y] }) => itemSize(y!.shape) * itemSize(w!.shape.slice(1)),
};

/** The transpose of Conv as a linear map: X [N, I, ..] and W [I, O / group, ..] give [N, O, ..]. */
export const ConvTranspose: Operator<ConvTransposeAttrs> = {
  name: 'ConvTranspose',
  domain: '',
  arity: [2, 3],
  infer: ([x, w, b], a) => {
    sameDtype('ConvTranspose', b ? [x!, w!, b] : [x!, w!]);
    if (x!.rank !== a.kernel_shape.length + 2 || w!.rank !== x!.rank)
      throw new DynaError(
        'shape',
        `ConvTranspose with a kernel of ${a.kernel_shape.length} axes does not fit ${formatShape(x!.shape)} and the weight ${formatShape(w!.shape)}`,
      );
    if (a.kernel_shape.some((k, i) => k !== w!.shape[i + 2]))
      throw new DynaError(
        'shape',
        `ConvTranspose: kernel_shape [${a.kernel_shape.join(', ')}] differs from the weight ${formatShape(w!.shape)}`,
      );
    if ((w!.shape[0] as number) % a.group !== 0)
      throw new DynaError('shape', `ConvTranspose: ${w!.shape[0]} channels do not divide into ${a.group} groups`);
    if (b && (b.rank !== 1 || b.shape[0] !== (w!.shape[1] as number) * a.group))
      throw new DynaError(
        'shape',
        `ConvTranspose: a bias [${(w!.shape[1] as number) * a.group}] is expected, got ${formatShape(b.shape)}`,
      );
    if (x!.shape[1] !== w!.shape[0])
      throw new DynaError(
        'shape',
        `ConvTranspose: the weight ${formatShape(w!.shape)} expects ${w!.shape[0]} channels, got ${formatShape(x!.shape)}`,
      );
    const rank = a.kernel_shape.length;
    const size = a.kernel_shape.map(
      (k, i) =>
        a.strides[i]! * (spatial(x!.shape[i + 2]!, 'ConvTranspose') - 1) +
        a.output_padding[i]! +
        a.dilations[i]! * (k - 1) +
        1 -
        a.pads[i]! -
        a.pads[i + rank]!,
    );
    return [{ dtype: x!.dtype, shape: [x!.shape[0]!, (w!.shape[1] as number) * a.group, ...size] }];
  },
  gradient: [
    ({ g, x, attrs: { output_padding, ...conv } }) => apply(Conv, [g, x[1]!], conv),
    ({ g, x, attrs: { output_padding, ...conv } }) => convWeightGradient(x[0]!, g, conv),
    ({ g }) =>
      reduceSum(
        g,
        g.shape.map((_, i) => i).filter((i) => i !== 1),
      ),
  ],
  macs: ({ inputs: [x, w] }) => itemSize(x!.shape) * itemSize(w!.shape.slice(1)),
};

export interface ConvOptions {
  stride?: number | readonly number[];
  /** Zeros around the input: one number for all sides, one for each axis, or all starts then all ends. */
  padding?: number | readonly number[];
  dilation?: number | readonly number[];
  groups?: number;
}

const perAxis = (v: number | readonly number[] | undefined, rank: number, fallback: number): number[] =>
  typeof v === 'number' ? new Array<number>(rank).fill(v) : v ? [...v] : new Array<number>(rank).fill(fallback);

/** Convolution attributes for a kernel. */
export function convAttrs(
  kernel: readonly number[],
  { stride, padding, dilation, groups = 1 }: ConvOptions,
): ConvAttrs {
  const rank = kernel.length;
  const pads = perAxis(padding, rank, 0);
  return {
    kernel_shape: [...kernel],
    strides: perAxis(stride, rank, 1),
    pads: pads.length === rank ? [...pads, ...pads] : pads,
    dilations: perAxis(dilation, rank, 1),
    group: groups,
  };
}

/** Convolution with a given weight [O, I / groups, kH, kW] and bias [O]. */
export const convolve = (x: Tensor, w: Tensor, b: Tensor | undefined, options: ConvOptions = {}): Tensor =>
  apply(Conv, b ? [x, w, b] : [x, w], convAttrs(w.shape.slice(2) as number[], options));

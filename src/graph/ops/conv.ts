import { DynaError } from '../../errors.ts';
import { type Dim, formatShape, itemSize, type Shape } from '../shape.ts';
import { apply, type Operator, type Tensor } from '../tensor.ts';
import { pad, reverse, slice } from './indexing.ts';
import { fusedMatMul } from './linear.ts';
import { reduceSum } from './reduce.ts';
import { concat, reshape, transpose } from './reshape.ts';

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
    return (ceilMode ? Math.ceil(steps) : Math.floor(steps)) + 1;
  });
}

/** Y[n, o] = sum over i of X[n, i] * W[o, i] + B[o], a cross-correlation over 1 or 2 spatial axes. */
export const Conv: Operator<ConvAttrs> = {
  name: 'Conv',
  domain: '',
  arity: [2, 3],
  infer: ([x, w, b], attrs) => {
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
    ({ g, x, attrs }) => convInputGradient(g, x[0]!, x[1]!, attrs),
    ({ g, x, attrs }) => convWeightGradient(g, x[0]!, x[1]!, attrs),
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
  infer: ([x, w], a) => {
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
    ({ g, x, attrs: { output_padding, ...conv } }) => convWeightGradient(x[0]!, g, x[1]!, conv),
    ({ g }) =>
      reduceSum(
        g,
        g.shape.map((_, i) => i).filter((i) => i !== 1),
      ),
  ],
  macs: ({ inputs: [x, w] }) => itemSize(x!.shape) * itemSize(w!.shape.slice(1)),
};

const ones = (n: number) => new Array<number>(n).fill(1);

/** dX = W^T * g. With stride 1 that is a Conv with the kernel turned around, which is faster than ConvTranspose. */
function convInputGradient(g: Tensor, x: Tensor, w: Tensor, a: ConvAttrs): Tensor {
  const rank = a.kernel_shape.length;
  if (a.strides.every((s) => s === 1)) {
    const extent = a.kernel_shape.map((k, i) => a.dilations[i]! * (k - 1));
    const pads = [...extent.map((e, i) => e - a.pads[i]!), ...extent.map((e, i) => e - a.pads[i + rank]!)];
    if (pads.every((p) => p >= 0)) return apply(Conv, [g, turned(w, a.group)], { ...a, pads });
  }
  const size = windowShape(x.shape, a, 'Conv');
  const output_padding = a.kernel_shape.map((k, i) => {
    const reached = a.strides[i]! * (size[i]! - 1) + a.dilations[i]! * (k - 1) + 1 - a.pads[i]! - a.pads[i + rank]!;
    return (x.shape[i + 2] as number) - reached;
  });
  return apply(ConvTranspose, [g, w], { ...a, output_padding });
}

/** [O, I/g, k..] -> [I, O/g, k..] with every kernel turned around. */
function turned(w: Tensor, group: number): Tensor {
  const [o, i, ...k] = w.shape as number[];
  const axes = k.map((_, j) => j);
  const kernels = k.some((size) => size > 1) ? reverse(w, ...axes.map((j) => j + 2)) : w;
  if (group === 1) return transpose(kernels, [1, 0, ...axes.map((j) => j + 2)]);
  const grouped = reshape(kernels, [group, o! / group, i!, ...k]);
  return reshape(transpose(grouped, [0, 2, 1, ...axes.map((j) => j + 3)]), [group * i!, o! / group, ...k]);
}

/**
 * dW[o, i, k] = sum over n and positions p of g[n, o, p] X[n, i, p * stride + k * dilation].
 * The shifted inputs are stacked as columns, so that one batched matrix product does the sums over positions.
 */
function convWeightGradient(g: Tensor, x: Tensor, w: Tensor, a: ConvAttrs): Tensor {
  const rank = a.kernel_shape.length;
  const [o, i] = w.shape as number[];
  const out = g.shape.slice(2) as number[];
  const positions = out.reduce((p, d) => p * d, 1);
  const padded = a.pads.some((p) => p !== 0)
    ? pad(x, [0, 0, ...a.pads.slice(0, rank), 0, 0, ...a.pads.slice(rank)])
    : x;
  const shifts = a.kernel_shape.reduce<number[][]>(
    (list, k) => list.flatMap((at) => Array.from({ length: k }, (_, j) => [...at, j])),
    [[]],
  );
  const columns = shifts.map((at) => {
    const cut = at.map((k, j) => {
      const start = k * a.dilations[j]!;
      return { axis: j + 2, start, end: start + (out[j]! - 1) * a.strides[j]! + 1, step: a.strides[j]! };
    });
    const whole = cut.every((r) => r.start === 0 && r.step === 1 && r.end === padded.shape[r.axis]);
    return reshape(whole ? padded : slice(padded, cut), [0, a.group, i!, positions]);
  });
  const stacked = concat(columns, 2); // [N, group, kernel * I, positions]
  const cotangent = reshape(g, [0, a.group, o! / a.group, positions]);
  const perItem = fusedMatMul(cotangent, stacked, { transB: 1 }); // [N, group, O/group, kernel * I]
  const summed = reshape(reduceSum(perItem, [0]), [o!, shifts.length, i!]);
  return reshape(transpose(summed, [0, 2, 1]), [o!, i!, ...a.kernel_shape]);
}

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
    dilations: dilation === undefined ? ones(rank) : perAxis(dilation, rank, 1),
    group: groups,
  };
}

/** Convolution with a given weight [O, I / groups, kH, kW] and bias [O]. */
export const convolve = (x: Tensor, w: Tensor, b: Tensor | undefined, options: ConvOptions = {}): Tensor =>
  apply(Conv, b ? [x, w, b] : [x, w], convAttrs(w.shape.slice(2) as number[], options));

import { Conv, ConvTranspose } from '../ops/conv.ts';
import { AveragePool, GlobalAveragePool, MaxPool } from '../ops/pool.ts';
import { reduceMax } from '../ops/reduce.ts';
import { formatShape, isConcrete, type Shape } from '../shape.ts';
import { apply, applyAll, type Tensor } from '../tensor.ts';
import type { Call, Converters } from './call.ts';

const spatialAxes = (x: Tensor): number[] => x.shape.map((_, i) => i).slice(2);

const list = (c: Call, name: string, length: number, fallback: number, least: number): number[] => {
  const given = c.attributes.ints(name);
  if (!given || given.length === 0) return new Array<number>(length).fill(fallback);
  if (given.length !== length || given.some((v) => v < least))
    c.refuse(`"${name}" must be ${length} numbers of at least ${least}, got [${given.join(', ')}]`);
  return given;
};

/** Kernel, strides, dilations and explicit pads, with ONNX's defaults; `auto_pad` becomes the pads that it means. */
function windowAttrs(c: Call, x: Tensor, kernel: readonly number[]) {
  const rank = kernel.length;
  if (x.rank !== rank + 2) c.refuse(`a window of ${rank} axes does not fit an input ${formatShape(x.shape)}`);
  if (kernel.some((k) => k < 1)) c.refuse(`a window of [${kernel.join(', ')}] is empty`);
  const strides = list(c, 'strides', rank, 1, 1);
  const dilations = list(c, 'dilations', rank, 1, 1);
  const pads = list(c, 'pads', 2 * rank, 0, 0);
  const auto = c.attributes.string('auto_pad', 'NOTSET');
  if (auto !== 'NOTSET' && pads.some((p) => p !== 0)) c.refuse(`"pads" and "auto_pad" (${auto}) exclude each other`);
  if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
    const sizes: Shape = x.shape.slice(2);
    if (!isConcrete(sizes)) c.refuse(`"auto_pad" needs known sizes, got ${formatShape(x.shape)}`);
    for (const [i, size] of sizes.entries()) {
      const extent = dilations[i]! * (kernel[i]! - 1) + 1;
      const total = Math.max((Math.ceil(size / strides[i]!) - 1) * strides[i]! + extent - size, 0);
      const [less, more] = [Math.floor(total / 2), Math.ceil(total / 2)];
      pads[i] = auto === 'SAME_UPPER' ? less : more;
      pads[i + rank] = auto === 'SAME_UPPER' ? more : less;
    }
  } else if (auto !== 'NOTSET' && auto !== 'VALID') c.refuse(`"auto_pad" ${auto} is not known`);
  return { kernel_shape: [...kernel], strides, pads, dilations };
}

/** The kernel of a weight [O, I, ..]; the attribute `kernel_shape` may repeat it. */
function kernelOf(c: Call, w: Tensor): readonly number[] {
  if (!isConcrete(w.shape) || w.rank < 3) c.refuse(`the weight must have known sizes [O, I, ..], got ${w}`);
  const kernel = w.shape.slice(2);
  const given = c.attributes.ints('kernel_shape');
  if (given && (given.length !== kernel.length || given.some((k, i) => k !== kernel[i])))
    c.refuse(`"kernel_shape" [${given.join(', ')}] differs from the weight ${formatShape(w.shape)}`);
  return kernel;
}

function group(c: Call): number {
  const n = c.attributes.int('group', 1);
  return n >= 1 ? n : c.refuse(`"group" must be at least 1, got ${n}`);
}

function pool(c: Call) {
  const kernel = c.attributes.ints('kernel_shape') ?? c.refuse('the attribute "kernel_shape" is missing');
  const attrs = windowAttrs(c, c.input(0), kernel);
  const ceil_mode = c.attributes.flag('ceil_mode', 0);
  if (ceil_mode === 1)
    for (const [i, k] of kernel.entries()) {
      const size = c.input(0).shape[i + 2];
      if (typeof size !== 'number') continue;
      const [start, end] = [attrs.pads[i]!, attrs.pads[i + kernel.length]!];
      const last = Math.ceil((size + start + end - (attrs.dilations[i]! * (k - 1) + 1)) / attrs.strides[i]!);
      // Versions of ONNX differ in whether such a window counts.
      if (last * attrs.strides[i]! >= size + start) c.refuse('"ceil_mode" with a last window that lies in the padding');
    }
  return { ...attrs, ceil_mode };
}

export const windows: Converters = {
  Conv(c) {
    const [x, w, b] = [c.input(0), c.input(1), c.optional(2)];
    const attrs = { ...windowAttrs(c, x, kernelOf(c, w)), group: group(c) };
    return [apply(Conv, b ? [x, w, b] : [x, w], attrs)];
  },
  ConvTranspose(c) {
    const [x, w, b] = [c.input(0), c.input(1), c.optional(2)];
    const auto = c.attributes.string('auto_pad', 'NOTSET');
    if (auto.startsWith('SAME') || c.attributes.ints('output_shape'))
      c.refuse('"output_shape" and "auto_pad" SAME are not supported', 'export it with explicit pads');
    const attrs = windowAttrs(c, x, kernelOf(c, w));
    const output_padding = list(c, 'output_padding', attrs.kernel_shape.length, 0, 0);
    const all = { ...attrs, group: group(c), output_padding };
    if ((w.shape[0] as number) % all.group !== 0)
      c.refuse(`${w.shape[0]} channels do not divide into ${all.group} groups`);
    return [apply(ConvTranspose, b ? [x, w, b] : [x, w], all)];
  },
  MaxPool(c) {
    if (c.attributes.int('storage_order', 0) !== 0)
      c.refuse('column-major indices ("storage_order") are not supported');
    return applyAll(MaxPool, [c.input(0)], pool(c));
  },
  AveragePool(c) {
    const attrs = pool(c);
    if (attrs.dilations.some((d) => d !== 1)) c.refuse('"dilations" other than 1 are not supported');
    return [
      apply(AveragePool, [c.input(0)], { ...attrs, count_include_pad: c.attributes.flag('count_include_pad', 0) }),
    ];
  },
  GlobalAveragePool: (c) => [apply(GlobalAveragePool, [images(c)], {})],
  GlobalMaxPool: (c) => [reduceMax(images(c), spatialAxes(images(c)), true)],
};

function images(c: Call): Tensor {
  const x = c.input(0);
  return x.rank >= 3 ? x : c.refuse(`it expects an input [N, C, ..], got ${formatShape(x.shape)}`);
}

import { type NDArray, ndarray, sizeOf } from '../array.ts';
import { over, productOf } from '../dims.ts';
import { constant, ints } from '../ops/leaf.ts';
import { Resize, type ResizeAttrs, scaledSize } from '../ops/more.ts';
import {
  Concat,
  ConstantOfShape,
  Expand,
  flatten,
  Reshape,
  ShapeOf,
  Split,
  squeeze,
  transpose,
  unsqueeze,
} from '../ops/reshape.ts';
import { type Dim, formatShape, isConcrete, normalizeAxis, type Shape, sameShape } from '../shape.ts';
import { apply, applyAll, type Tensor } from '../tensor.ts';
import type { Call, Converter, Converters } from './call.ts';
import { targetShape } from './sizes.ts';

/** Larger tensors of one value stay nodes. */
const largestFill = 1 << 16;

/**
 * Gives `x` the shape `wanted`. Named axes are copied (0) where they stay in place, which is the only form that holds
 * for zero rows and for any batch; one that moves is inferred (-1). Undefined where that does not say what is wanted.
 */
export function reshapeTo(x: Tensor, wanted: Shape): Tensor | undefined {
  const target = wanted.map((d, i) => (typeof d === 'number' ? d : d === x.shape[i] ? 0 : -1));
  if (wanted.includes(0) || target.filter((d) => d === -1).length > 1) return undefined;
  const y = apply(Reshape, [x, ints(target)], {});
  return sameShape(y.shape, wanted) ? y : undefined;
}

function reshape(c: Call): readonly Tensor[] {
  const x = c.input(0);
  const list = c.sizes(1);
  const fixed = list?.every((d) => typeof d === 'number') ?? false;
  const target = fixed ? ints(list as number[]) : c.input(1);
  const zeros = list?.includes(0) ?? false;
  if (c.attributes.int('allowzero', 0) !== 0 && (zeros || !list)) {
    if (!fixed) c.refuse('"allowzero" with a target that is computed is not supported');
    return [apply(Reshape, [x, target], { allowzero: 1 })];
  }
  const lost = list?.findIndex((d, i) => d === 0 && i >= x.rank) ?? -1;
  if (lost >= 0) c.refuse(`0 copies axis ${lost}, but the input is ${formatShape(x.shape)}`);
  if ((list?.filter((d) => d === -1).length ?? 0) > 1)
    c.refuse(`the target [${list!.join(', ')}] has more than one -1`);
  const wanted = (list && targetShape(x.shape, list)) ?? c.declaredShape(0);
  const y = wanted && over(productOf(wanted), productOf(x.shape)) === 1 ? reshapeTo(x, wanted) : undefined;
  if (y) return [y];
  if (fixed) return [apply(Reshape, [x, target], {})];
  if (!wanted) c.refuse('its target shape is computed when the graph runs, and the file does not declare the result');
  return [apply(Reshape, [x, target], { to: wanted })];
}

/** The shape that an input asks for: all sizes known or named; else what the file declares of the result. */
function shapeInput(c: Call, i: number): { shape: readonly Dim[]; tensor: Tensor; fixed: boolean } {
  const list = c.sizes(i);
  const known = list?.every((d) => d !== undefined) ? (list as readonly Dim[]) : c.declaredShape(0);
  if (!known) c.refuse('its shape is computed when the graph runs, and the file does not declare the result');
  const fixed = list?.every((d) => typeof d === 'number') ?? false;
  return { shape: known, tensor: fixed ? ints(list as number[]) : c.input(i), fixed };
}

function expand(c: Call): readonly Tensor[] {
  const { shape, tensor, fixed } = shapeInput(c, 1);
  return [apply(Expand, [c.input(0), tensor], fixed ? {} : { to: shape })];
}

function constantOfShape(c: Call): readonly Tensor[] {
  const stored = c.attributes.tensor('value');
  const value: NDArray = stored
    ? { dtype: stored.dtype, dims: stored.dims, data: stored.data }
    : ndarray('float32', [1], [0]);
  if (value.data.length !== 1) c.refuse(`"value" must be one number, got ${value.data.length}`);
  const { shape, tensor, fixed } = shapeInput(c, 0);
  if (isConcrete(shape) && shape.every((d) => d >= 0) && sizeOf(shape) <= largestFill && fixed) {
    const data = value.data.slice(0, 0).constructor as new (n: number) => Float32Array;
    return [constant({ dtype: value.dtype, dims: shape, data: new data(sizeOf(shape)).fill(value.data[0] as never) })];
  }
  return [apply(ConstantOfShape, [tensor], { value, ...(fixed ? {} : { to: shape }) })];
}

/** Axes as an input (opset 13 on) or as an attribute (before). */
export const axesOf = (c: Call): number[] | undefined =>
  c.opset >= 13 ? c.numbers(1, 'the axes') : c.attributes.ints('axes');

function squeezed(c: Call): readonly Tensor[] {
  const x = c.input(0);
  const axes = axesOf(c);
  if (axes) return [squeeze(x, axes)];
  if (!isConcrete(x.shape)) c.refuse(`which axes of ${formatShape(x.shape)} have size 1 is not known; name the axes`);
  return [
    squeeze(
      x,
      x.shape.flatMap((d, i) => (d === 1 ? [i] : [])),
    ),
  ];
}

/** Sizes as an input (opset 13 on) or an attribute (before), else equal parts. */
function split(c: Call): readonly Tensor[] {
  const x = c.input(0);
  const axis = normalizeAxis(c.attributes.int('axis', 0), x.rank, 'Split');
  const given = c.opset >= 13 ? c.numbers(1, 'the sizes') : c.attributes.ints('split');
  const parts = c.attributes.int('num_outputs', c.node.outputs.length);
  if (given) return applyAll(Split, [x, ints(given)], { axis });
  const size = x.shape[axis]!;
  if (typeof size !== 'number') c.refuse(`the named axis "${size}" of ${formatShape(x.shape)} cannot be divided`);
  const each = Math.ceil(size / parts);
  if (parts !== c.node.outputs.length) c.refuse(`"num_outputs" is ${parts}, but it has ${c.node.outputs.length}`);
  if (parts < 1 || each * (parts - 1) > size || (c.opset < 18 && size % parts !== 0))
    c.refuse(`${size} does not divide into ${parts} parts`);
  const sizes = Array.from({ length: parts }, (_, i) => (i < parts - 1 ? each : size - each * (parts - 1)));
  return applyAll(Split, [x, ints(sizes)], { axis });
}

function size(c: Call): readonly Tensor[] {
  const x = c.input(0);
  if (!isConcrete(x.shape)) c.refuse(`the number of elements of ${formatShape(x.shape)} is not known`);
  return [constant(ndarray('int64', [], [sizeOf(x.shape)]))];
}

/** Blocks of channels become pixels, or the other way: reshape, transpose, reshape. */
const blocks =
  (toSpace: boolean): Converter =>
  (c) => {
    const x = c.input(0);
    const b = c.attributes.int('blocksize') ?? c.refuse('the attribute "blocksize" is missing');
    const mode = toSpace ? c.attributes.string('mode', 'DCR') : 'DCR';
    const [n, ...rest] = x.shape;
    if (x.rank !== 4 || !isConcrete(rest)) c.refuse(`it expects [N, C, H, W] with known sizes, got ${x}`);
    if (mode !== 'DCR' && mode !== 'CRD') c.refuse(`"mode" ${mode} is not known`);
    const [ch, h, w] = rest as [number, number, number];
    const parts = toSpace ? [ch / (b * b)] : [h / b, w / b];
    if (b < 1 || parts.some((p) => !Number.isInteger(p))) c.refuse(`blocks of ${b} do not divide ${x}`);
    const steps: [Shape, number[], Shape] = !toSpace
      ? [
          [n!, ch, h / b, b, w / b, b],
          [0, 3, 5, 1, 2, 4],
          [n!, ch * b * b, h / b, w / b],
        ]
      : mode === 'DCR'
        ? [
            [n!, b, b, ch / (b * b), h, w],
            [0, 3, 4, 1, 5, 2],
            [n!, ch / (b * b), h * b, w * b],
          ]
        : [
            [n!, ch / (b * b), b, b, h, w],
            [0, 1, 4, 2, 5, 3],
            [n!, ch / (b * b), h * b, w * b],
          ];
    return [reshapeTo(transpose(reshapeTo(x, steps[0])!, steps[1]), steps[2])!];
  };

/** Resize by scales or to sizes; Upsample (until opset 9) and Resize 10 are its oldest form. */
function resize(c: Call): readonly Tensor[] {
  const x = c.input(0);
  const old = c.node.op === 'Upsample' || c.opset < 11;
  const a = c.attributes;
  const mode = a.string('mode', 'nearest') as ResizeAttrs['mode'];
  if (!['nearest', 'linear', 'cubic'].includes(mode)) c.refuse(`"mode" ${mode} is not supported`);
  const coordinates = old ? 'asymmetric' : a.string('coordinate_transformation_mode', 'half_pixel');
  if (coordinates.startsWith('tf_crop'))
    c.refuse('"coordinate_transformation_mode" tf_crop_and_resize is not supported');
  if (a.ints('axes') || a.int('antialias', 0) !== 0 || a.string('keep_aspect_ratio_policy', 'stretch') !== 'stretch')
    c.refuse('"axes", "antialias" and "keep_aspect_ratio_policy" are not supported');
  a.ignore('extrapolation_value');
  if (!old) c.value(1); // regions serve tf_crop_and_resize only
  const scales = resizeScales(c, x, old);
  if (scales.length !== x.rank || scales.some((s) => !(s > 0)))
    c.refuse(`${x.rank} positive scales are needed for ${formatShape(x.shape)}, got [${scales.join(', ')}]`);
  const attrs: ResizeAttrs = {
    mode,
    coordinate_transformation_mode: coordinates,
    ...(mode === 'nearest'
      ? { nearest_mode: old ? oldRounding(c, scales) : a.string('nearest_mode', 'round_prefer_floor') }
      : {}),
    ...(mode === 'cubic'
      ? { cubic_coeff_a: a.float('cubic_coeff_a', -0.75), exclude_outside: a.flag('exclude_outside', 0) }
      : {}),
  };
  a.ignore('nearest_mode', 'cubic_coeff_a', 'exclude_outside');
  return [apply(Resize, [x, undefined, constant(ndarray('float32', [scales.length], scales))], attrs)];
}

/** Before opset 11 positions are rounded down where an axis grows, and up where it shrinks. */
function oldRounding(c: Call, scales: readonly number[]): string {
  const [grows, shrinks] = [scales.some((s) => s > 1), scales.some((s) => s < 1)];
  if (grows && shrinks)
    c.refuse(`scales [${scales.join(', ')}] that grow one axis and shrink another are not supported`);
  return shrinks ? 'ceil' : 'floor';
}

function resizeScales(c: Call, x: Tensor, old: boolean): number[] {
  if (c.node.op === 'Upsample' && c.opset < 9)
    return c.attributes.floats('scales') ?? c.refuse('the attribute "scales" is missing');
  const given = c.numbers(old ? 1 : 2, 'the scales');
  if (given && given.length > 0) return given;
  const sizes = old ? undefined : c.sizes(3);
  if (!sizes || sizes.length !== x.rank) c.refuse('neither scales nor sizes are known');
  return sizes.map((out, i) => {
    const d = x.shape[i]!;
    if (out === d) return 1;
    const scale = typeof out === 'number' && typeof d === 'number' ? Math.fround(out / d) : Number.NaN;
    // Rounded to 32 bits it may fall a little short: then the next larger one serves.
    const found = [scale, Math.fround(scale * (1 + 2 ** -23))].find((s) => scaledSize(d as number, s) === out);
    return found ?? c.refuse(`axis ${i} cannot be resized from ${d} to ${out ?? '?'}`);
  });
}

export const shapes: Converters = {
  Shape(c) {
    const [start, end] = [c.attributes.int('start'), c.attributes.int('end')];
    const x = c.input(0);
    const at = (v: number) => Math.min(Math.max(v < 0 ? v + x.rank : v, 0), x.rank);
    const range = {
      ...(start === undefined ? {} : { start: at(start) }),
      ...(end === undefined ? {} : { end: at(end) }),
    };
    return [apply(ShapeOf, [x], range)];
  },
  Size: size,
  Reshape: reshape,
  Flatten: (c) => [flatten(c.input(0), c.attributes.int('axis', 1))],
  Transpose(c) {
    const x = c.input(0);
    return [transpose(x, c.attributes.ints('perm') ?? x.shape.map((_, i) => x.rank - 1 - i))];
  },
  Squeeze: squeezed,
  Unsqueeze: (c) => [unsqueeze(c.input(0), axesOf(c) ?? c.refuse('the axes are missing'))],
  Expand: expand,
  ConstantOfShape: constantOfShape,
  Split: split,
  Concat(c) {
    const axis = c.attributes.int('axis') ?? c.refuse('the attribute "axis" is missing');
    return c.node.inputs.length === 1 ? [c.input(0)] : [apply(Concat, c.all(), { axis })];
  },
  Constant: storedConstant,
  DepthToSpace: blocks(true),
  SpaceToDepth: blocks(false),
  Resize: resize,
  Upsample: resize,
};

function storedConstant(c: Call): readonly Tensor[] {
  const a = c.attributes;
  const kinds = ['value', 'value_float', 'value_floats', 'value_int', 'value_ints'];
  const kind = kinds.filter((k) => Object.hasOwn(c.node.attributes, k));
  if (kind.length !== 1)
    c.refuse(`exactly one of ${kinds.join(', ')} is supported, got ${Object.keys(c.node.attributes)}`);
  const value = kind[0] === 'value' ? a.tensor('value') : undefined;
  if (value) return [constant({ dtype: value.dtype, dims: value.dims, data: value.data })];
  if (kind[0] === 'value_float') return [constant(ndarray('float32', [], [a.float('value_float')!]))];
  const floats = a.floats('value_floats');
  if (floats) return [constant(ndarray('float32', [floats.length], floats))];
  const list = BigInt64Array.from(a.exactInts(kind[0]!));
  return [constant(ndarray('int64', kind[0] === 'value_int' ? [] : [list.length], list))];
}

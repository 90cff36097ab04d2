import * as e from '../ops/elementwise.ts';
import { gather } from '../ops/indexing.ts';
import { ints } from '../ops/leaf.ts';
import { BatchNormalization, BatchNormTraining, LayerNormalization, LogSoftmax, Softmax } from '../ops/norm.ts';
import { ArgMax, CumSum, ReduceSum, reduceMax, reduceMean, reduceMin, reduceSum } from '../ops/reduce.ts';
import { flatten, reshape, reshapeLike, squeeze } from '../ops/reshape.ts';
import { reverse } from '../ops/slicing.ts';
import { formatShape, isConcrete, normalizeAxis } from '../shape.ts';
import { apply, applyAll, type Operator, type Tensor } from '../tensor.ts';
import type { Call, Converter, Converters } from './call.ts';
import { reshapeTo } from './shapes.ts';

interface Reduction {
  readonly x: Tensor;
  /** Normalised; all of them where the file names none. */
  readonly axes: number[];
  readonly keep: boolean;
  /** True where the file says that no axes mean no reduction. */
  readonly nothing: boolean;
}

/** Axes are an input from opset 13 (ReduceSum) or 18 (the others) on, and an attribute before. */
function reduction(c: Call): Reduction {
  const x = c.input(0);
  const asInput = c.opset >= (c.node.op === 'ReduceSum' ? 13 : 18);
  const given = asInput ? c.numbers(1, 'the axes') : c.attributes.ints('axes');
  const keep = c.attributes.flag('keepdims', 1) === 1;
  const noop = asInput && c.attributes.int('noop_with_empty_axes', 0) !== 0;
  const empty = !given || given.length === 0;
  const axes = empty ? x.shape.map((_, i) => i) : given.map((a) => normalizeAxis(a, x.rank, c.node.op));
  return { x, axes, keep, nothing: empty && noop };
}

type Reduce = (x: Tensor, axes: readonly number[], keep?: boolean) => Tensor;

/** `before` is done to each element, `after` to the result. */
const reduce =
  (by: Reduce, before: (x: Tensor) => Tensor = (x) => x, after: (x: Tensor) => Tensor = (x) => x): Converter =>
  (c) => {
    const { x, axes, keep, nothing } = reduction(c);
    const each = before(x);
    return [after(nothing || axes.length === 0 ? each : by(each, axes, keep))];
  };

const sum: Reduce = (x, axes, keep) => apply(ReduceSum, [x, ints(axes)], { keepdims: keep ? 1 : 0 });
const square = (x: Tensor): Tensor => e.mul(x, x);

/** Largest or smallest; of bools (opset 20 on) by way of bytes, which older operators take. */
const extremeOf =
  (by: Reduce): Converter =>
  (c) => {
    if (c.input(0).dtype !== 'bool') return reduce(by)(c);
    return reduce(
      by,
      (x) => e.cast(x, 'uint8'),
      (x) => e.cast(x, 'bool'),
    )(c);
  };

/** log sum exp x = m + log sum exp(x - m), m = max x, so that nothing overflows. */
function logSumExp(c: Call): readonly Tensor[] {
  const { x, axes, keep, nothing } = reduction(c);
  if (nothing || axes.length === 0) return [x];
  const most = reduceMax(x, axes, true);
  const y = e.add(e.log(reduceSum(e.exp(e.sub(x, most)), axes, true)), most);
  return [keep ? y : reduceSum(y, axes)];
}

/** Factors of a product are multiplied one by one: what is meant are sizes (Keras multiplies axes so), not features. */
const MOST_FACTORS = 64;

function product(c: Call): readonly Tensor[] {
  const { x, axes, keep, nothing } = reduction(c);
  if (nothing) return [x];
  let y = x;
  for (const axis of axes) {
    const count = x.shape[axis];
    if (typeof count !== 'number' || count < 1 || count > MOST_FACTORS)
      c.refuse(`products of 1 to ${MOST_FACTORS} numbers are supported, got ${count} along axis ${axis}`);
    y = Array.from({ length: count }, (_, i) => gather(y, ints([i]), axis)).reduce((a, b) => e.mul(a, b));
  }
  return [keep || axes.length === 0 ? y : squeeze(y, axes)];
}

/** The first of the largest; the smallest is the largest of the negated, the last the first from the other end. */
const place =
  (negate: boolean): Converter =>
  (c) => {
    const x = negate ? e.neg(c.input(0)) : c.input(0);
    const axis = normalizeAxis(c.attributes.int('axis', 0), x.rank, c.node.op);
    const keepdims = c.attributes.flag('keepdims', 1);
    if (c.attributes.int('select_last_index', 0) === 0) return [apply(ArgMax, [x], { axis, keepdims })];
    const size = Number(x.shape[axis]);
    if (Number.isNaN(size)) c.refuse(`"select_last_index" along the named axis "${x.shape[axis]}" is not supported`);
    return [e.sub(size - 1, apply(ArgMax, [reverse(x, axis)], { axis, keepdims }))];
  };

/** Before opset 13, softmax runs over all axes from `axis` on together. */
const softmax =
  (op: Operator<{ axis: number }>): Converter =>
  (c) => {
    const x = c.input(0);
    const axis = normalizeAxis(c.attributes.int('axis', c.opset >= 13 ? -1 : 1), x.rank, op.name);
    if (c.opset >= 13 || axis === x.rank - 1) return [apply(op, [x], { axis })];
    const rows = apply(op, [flatten(x, axis)], { axis: -1 });
    return [reshapeTo(rows, x.shape) ?? reshapeLike(rows, x)];
  };

function batchNormalization(c: Call): readonly Tensor[] {
  const inputs = c.all();
  const attrs = {
    epsilon: c.attributes.float('epsilon', 1e-5),
    momentum: c.attributes.float('momentum', 0.9),
  };
  if (inputs.length !== 5) c.refuse(`it takes 5 inputs, got ${inputs.length}`);
  if (c.opset < 9 && c.attributes.int('spatial', 1) !== 1)
    c.refuse('statistics for each position ("spatial" 0) are not supported');
  if (c.opset >= 14 && c.attributes.int('training_mode', 0) !== 0) return trainingStatistics(inputs, attrs);
  return applyAll(BatchNormalization, inputs, attrs);
}

/** Ours gives the batch's own statistics: those that run, momentum old + (1 - momentum) new, are blended outside. */
function trainingStatistics(inputs: readonly Tensor[], { epsilon, momentum }: { epsilon: number; momentum: number }) {
  const [y, ...own] = applyAll(BatchNormTraining, inputs, { epsilon, momentum: 0, training_mode: 1 });
  if (momentum === 0) return [y!, ...own];
  const blend = (t: Tensor, i: number): Tensor => e.add(e.mul(inputs[3 + i]!, momentum), e.mul(t, 1 - momentum));
  return [y!, ...own.map(blend)];
}

function layerNormalization(c: Call): readonly Tensor[] {
  if (c.attributes.int('stash_type', 1) !== 1) c.refuse('"stash_type" other than float32 is not supported');
  const bias = c.optional(2);
  const attrs = { axis: c.attributes.int('axis', -1), epsilon: c.attributes.float('epsilon', 1e-5) };
  return applyAll(LayerNormalization, [c.input(0), c.input(1), ...(bias ? [bias] : [])], attrs);
}

/** (x - mean) / sqrt(variance + epsilon) over `axes`. */
function standardise(x: Tensor, axes: readonly number[], epsilon: number): Tensor {
  const centred = e.sub(x, reduceMean(x, axes, true));
  return e.div(centred, e.sqrt(e.add(reduceMean(square(centred), axes, true), epsilon)));
}

/** A vector over channels, shaped to broadcast against [N, C, ..]. */
const overChannels = (c: Call, v: Tensor, rank: number): Tensor =>
  v.rank === 1 && typeof v.shape[0] === 'number'
    ? reshape(v, [v.shape[0], ...new Array<number>(rank - 2).fill(1)])
    : c.refuse(`a vector over channels is expected, got ${v}`);

function instanceNormalization(c: Call): readonly Tensor[] {
  const x = c.input(0);
  if (x.rank < 3) c.refuse(`it expects [N, C, ..], got ${formatShape(x.shape)}`);
  const axes = x.shape.map((_, i) => i).slice(2);
  const [scale, bias] = [overChannels(c, c.input(1), x.rank), overChannels(c, c.input(2), x.rank)];
  return [e.add(e.mul(standardise(x, axes, c.attributes.float('epsilon', 1e-5)), scale), bias)];
}

/** Statistics over groups of channels; scale and bias are for channels from opset 21 on, and for groups before. */
function groupNormalization(c: Call): readonly Tensor[] {
  const x = c.input(0);
  c.attributes.ignore('stash_type');
  const groups = c.attributes.int('num_groups') ?? c.refuse('the attribute "num_groups" is missing');
  const [n, channels, ...rest] = x.shape;
  if (x.rank < 3 || typeof channels !== 'number' || !isConcrete(rest) || channels % groups !== 0)
    c.refuse(`it expects [N, C, ..] with known sizes and C a multiple of ${groups}, got ${x}`);
  const grouped = reshapeTo(x, [n!, groups, channels / groups, ...rest])!;
  const axes = grouped.shape.map((_, i) => i).slice(2);
  const y = standardise(grouped, axes, c.attributes.float('epsilon', 1e-5));
  const affine = (of: Tensor): Tensor =>
    e.add(e.mul(of, overChannels(c, c.input(1), of.rank)), overChannels(c, c.input(2), of.rank));
  return [c.opset >= 21 ? affine(reshapeTo(y, x.shape)!) : reshapeTo(affine(y), x.shape)!];
}

export const reductions: Converters = {
  ReduceSum: reduce(sum),
  ReduceMean: reduce(reduceMean),
  ReduceMax: extremeOf(reduceMax),
  ReduceMin: extremeOf(reduceMin),
  ReduceProd: product,
  ReduceL1: reduce(sum, e.abs),
  ReduceL2: reduce(sum, square, e.sqrt),
  ReduceSumSquare: reduce(sum, square),
  ReduceLogSum: reduce(sum, undefined, e.log),
  ReduceLogSumExp: logSumExp,
  ArgMax: place(false),
  ArgMin: place(true),
  CumSum: (c) => [
    apply(CumSum, [c.input(0), c.input(1)], {
      exclusive: c.attributes.flag('exclusive', 0),
      reverse: c.attributes.flag('reverse', 0),
    }),
  ],
  Softmax: softmax(Softmax),
  LogSoftmax: softmax(LogSoftmax),
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  InstanceNormalization: instanceNormalization,
  GroupNormalization: groupNormalization,
};

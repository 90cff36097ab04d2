import { ndarray } from '../array.ts';
import { If } from '../ops/control.ts';
import { constantNumber } from '../ops/elementwise.ts';
import {
  Compress,
  Gather,
  GatherElements,
  GatherND,
  NonZero,
  OneHot,
  ScatterElements,
  ScatterND,
} from '../ops/indexing.ts';
import { constant, constantOf, ints } from '../ops/leaf.ts';
import { reshape } from '../ops/reshape.ts';
import { Pad, slice } from '../ops/slicing.ts';
import { topK } from '../ops/top-k.ts';
import { formatShape, isConcrete, normalizeAxis } from '../shape.ts';
import { apply, applyAll, type Tensor } from '../tensor.ts';
import type { Call, Converters } from './call.ts';

/** Where "to the end" begins: exporters write INT64_MAX, INT32_MAX or less. */
const farAway = 2 ** 31 - 1;
const near = (v: number): number => Math.min(Math.max(v, -farAway), farAway);

/** Ranges as inputs (opset 10 on) or attributes (before). Ranges that take a whole axis fall away: it may be a named one. */
function sliced(c: Call): readonly Tensor[] {
  const x = c.input(0);
  const old = c.opset < 10;
  const starts = old ? c.attributes.ints('starts') : c.numbers(1, 'the starts');
  const ends = old ? c.attributes.ints('ends') : c.numbers(2, 'the ends');
  if (!starts || !ends || starts.length !== ends.length) c.refuse('it needs as many starts as ends');
  const axes = (old ? c.attributes.ints('axes') : c.numbers(3, 'the axes')) ?? starts.map((_, i) => i);
  const steps = (old ? undefined : c.numbers(4, 'the steps')) ?? starts.map(() => 1);
  if (axes.length !== starts.length || steps.length !== starts.length || steps.includes(0))
    c.refuse(`${starts.length} starts need as many axes and steps, and no step may be 0`);
  const ranges = starts.map((start, i) => ({
    axis: normalizeAxis(axes[i]!, x.rank, 'Slice'),
    start: near(start),
    end: near(ends[i]!),
    step: steps[i]!,
  }));
  const parts = ranges.filter((r) => !(r.start === 0 && r.end === farAway && r.step === 1));
  return [parts.length > 0 ? slice(x, parts) : x];
}

/** Pads as inputs (opset 11 on; for some axes only from 18 on) or attributes (before). */
function padded(c: Call): readonly Tensor[] {
  const x = c.input(0);
  const old = c.opset < 11;
  const mode = c.attributes.string('mode', 'constant');
  if (mode !== 'constant') c.refuse(`"mode" ${mode} is not supported, only constant`);
  const given = (old ? c.attributes.ints('pads') : c.numbers(1, 'the pads')) ?? c.refuse('the pads are missing');
  const axes = (old ? undefined : c.numbers(3, 'the axes'))?.map((a) => normalizeAxis(a, x.rank, 'Pad'));
  const count = axes?.length ?? x.rank;
  if (given.length !== 2 * count) c.refuse(`${2 * count} pads are needed, got ${given.length}`);
  const pads = new Array<number>(2 * x.rank).fill(0);
  for (let i = 0; i < count; i++) {
    pads[axes?.[i] ?? i] = given[i]!;
    pads[x.rank + (axes?.[i] ?? i)] = given[i + count]!;
  }
  const value = old ? c.attributes.float('value', 0) : (c.number(2, 'the value') ?? 0);
  const filler = value === 0 ? [] : [constant(ndarray(x.dtype, [], [value]))];
  if (value !== 0 && x.dtype === 'float16') c.refuse('float16 padding other than 0 is not supported');
  return [apply(Pad, [x, ints(pads), ...filler], {})];
}

/** Folding would read past the end where a stored index is out of range. */
function checkIndex(c: Call, x: Tensor, index: Tensor, axis: number): void {
  const size = x.shape[axis];
  const wrong = Array.from((constantOf(index)?.data ?? []) as ArrayLike<number | bigint>, Number).find(
    (i) => typeof size === 'number' && (i < -size || i >= size),
  );
  if (wrong !== undefined) c.refuse(`index ${wrong} is outside axis ${axis} of ${formatShape(x.shape)}`);
}

function gather(c: Call): readonly Tensor[] {
  const [x, index] = [c.input(0), c.input(1)];
  const axis = normalizeAxis(c.attributes.int('axis', 0), x.rank, 'Gather');
  checkIndex(c, x, index, axis);
  return [apply(Gather, [x, index], { axis })];
}

const axisOf = (c: Call): number => normalizeAxis(c.attributes.int('axis', 0), c.input(0).rank, c.node.op);

function reductionOf(c: Call): 'none' | 'add' {
  const name = c.attributes.string('reduction', 'none');
  return name === 'none' || name === 'add' ? name : c.refuse(`"reduction" ${name} is not supported, only none and add`);
}

const scatterElements = (c: Call): readonly Tensor[] => [
  apply(ScatterElements, [c.input(0), c.input(1), c.input(2)], { axis: axisOf(c), reduction: reductionOf(c) }),
];

/** Without an axis, the elements of all axes are taken as one row. */
function compress(c: Call): readonly Tensor[] {
  const [x, condition] = [c.input(0), c.input(1)];
  const axis = c.attributes.int('axis');
  const rows = c.env.session.rows(c.node.inputs[1]!);
  const size = x.shape[axis === undefined ? 0 : normalizeAxis(axis, x.rank, 'Compress')];
  if (axis !== undefined && condition.shape[0] !== size && isConcrete([size!, condition.shape[0]!]))
    c.refuse(`a condition ${formatShape(condition.shape)} does not fit axis ${axis} of ${formatShape(x.shape)}`);
  if (axis !== undefined) return [apply(Compress, [x, condition], { axis, rows })];
  return [apply(Compress, [reshape(x, [-1]), condition], { axis: 0, rows })];
}

function oneHot(c: Call): readonly Tensor[] {
  if (c.number(1, 'the depth') === undefined) c.refuse('the depth is missing');
  // The depth keeps its element type: the engine has this operator for some combinations of types only.
  const depth = c.limit(1)!;
  const values = c.limit(2) ?? c.refuse('the values are missing');
  const x = c.input(0);
  const axis = c.attributes.int('axis', -1);
  if (axis !== -1 && axis !== x.rank) c.refuse(`"axis" ${axis} is not supported, only the last`);
  return [apply(OneHot, [x, depth, values], { axis: -1 })];
}

/** How many is an attribute before opset 10. */
function largest(c: Call): readonly Tensor[] {
  const x = c.input(0);
  const axis = normalizeAxis(c.attributes.int('axis', -1), x.rank, 'TopK');
  const k =
    (c.opset < 10 ? c.attributes.int('k') : c.number(1, 'how many are taken')) ?? c.refuse('how many is missing');
  if (k < 0) c.refuse(`how many is a number from 0 on, got ${k}`);
  const flag = (name: string): boolean => c.attributes.flag(name, 1) === 1;
  const { values, places } = topK(x, k, { axis, largest: flag('largest'), sorted: flag('sorted') });
  return [values, places];
}

/** A condition that is known takes its branch away: exporters ask for shapes so. */
function branches(c: Call): readonly Tensor[] {
  const then = c.attributes.graph('then_branch') ?? c.refuse('the attribute "then_branch" is missing');
  const otherwise = c.attributes.graph('else_branch') ?? c.refuse('the attribute "else_branch" is missing');
  const condition = c.input(0);
  if (condition.dtype !== 'bool') c.refuse(`the condition must be bool, got ${condition.dtype}`);
  if (condition.shape.some((d) => d !== 1)) c.refuse(`the condition must be one bool, got ${condition}`);
  if (then.inputs.length + otherwise.inputs.length > 0) c.refuse('the branches of If take no inputs of their own');
  if (then.outputs.length !== otherwise.outputs.length)
    c.refuse(`one branch gives ${then.outputs.length} results, the other ${otherwise.outputs.length}`);
  const known = constantNumber(condition);
  if (known !== undefined) return c.readBranch(known !== 0 ? then : otherwise);
  const inputs = [condition, ...c.readBranch(then), ...c.readBranch(otherwise)];
  return applyAll(If, inputs, { results: then.outputs.length });
}

export const indexing: Converters = {
  Slice: sliced,
  Pad: padded,
  Gather: gather,
  GatherElements: (c) => [apply(GatherElements, [c.input(0), c.input(1)], { axis: axisOf(c) })],
  ScatterElements: scatterElements,
  Scatter: scatterElements,
  ScatterND: (c) => [apply(ScatterND, [c.input(0), c.input(1), c.input(2)], { reduction: reductionOf(c) })],
  GatherND: (c) => {
    if (c.attributes.int('batch_dims', 0) !== 0) c.refuse('"batch_dims" other than 0 are not supported');
    return [apply(GatherND, [c.input(0), c.input(1)], {})];
  },
  Compress: compress,
  NonZero: (c) => [apply(NonZero, [c.input(0)], { count: c.env.session.rows(c.node.inputs[0]!) })],
  OneHot: oneHot,
  TopK: largest,
  If: branches,
};

import {
  constantOf,
  Flatten,
  Gather,
  type Node,
  Reshape,
  type Shape,
  Split,
  type Tensor,
} from '../../../graph/index.ts';
import type { KeepNode } from '../../keep.ts';
import { leastKept } from '../kept.ts';
import { type Link, linksOf, type Place } from './links.ts';

/**
 * An axis along which the units of a decision lie: its size is outer x units x inner, and a unit's part are `outer` runs of
 * `inner` places.
 */
export interface Unit {
  readonly axis: number;
  readonly outer: number;
  readonly inner: number;
  readonly keep: KeepNode;
  /** What stands at dropped units where nothing is skipped: zeros, numbers below all others, or anything. */
  readonly dropped: 'zero' | 'low' | 'any';
}

/** What becomes of a unit axis in a node. */
export type Move =
  | { readonly how: 'each'; readonly ins: readonly Place[]; readonly outs: readonly (readonly [number, Unit])[] }
  | { readonly how: 'sum' | 'max'; readonly ins: readonly Place[] }
  /** Only units that are always kept are read. */
  | { readonly how: 'pick' };

const isOp = (node: Node, op: unknown): boolean => node.op === op;
const units = ({ keep }: Pick<Unit, 'keep'>): number => keep.attrs.decision.units;
/** The batch counts as one row: it stays in front. */
const sizes = (shape: Shape): number[] => shape.map((d) => (typeof d === 'number' ? d : 1));
const product = (values: readonly number[]): number => values.reduce((a, b) => a * b, 1);

/** Where a unit axis stands after a Reshape. */
function reshaped(from: Shape, to: Shape, unit: Unit): Unit | undefined {
  const [source, target] = [sizes(from), sizes(to)];
  const before = product(source.slice(0, unit.axis)) * unit.outer;
  const after = product(source.slice(unit.axis + 1)) * unit.inner;
  for (let axis = 0, passed = 1; axis < target.length; passed *= target[axis]!, axis++) {
    const outer = before / passed;
    const inner = target[axis]! / (outer * units(unit));
    if (!Number.isInteger(outer) || !Number.isInteger(inner)) continue;
    if (inner * product(target.slice(axis + 1)) === after) return { ...unit, axis, outer, inner };
  }
  return undefined;
}

/** Pieces of a Split that each hold whole runs of the units. */
function pieces(node: Node, unit: Unit): Unit[] | undefined {
  const run = units(unit) * unit.inner;
  const found = node.outputs.map((t) => ({ ...unit, outer: Number(t.shape[unit.axis]) / run }));
  return found.every(({ outer }) => Number.isInteger(outer) && outer === found[0]!.outer) ? found : undefined;
}

const ownAxis = (node: Node, rank: number): number => {
  const { axis } = node.attrs as { axis: number };
  return axis < 0 ? axis + rank : axis;
};

/** Does a Gather read only units that are always kept, which stay in front? */
function picksSure(node: Node, unit: Unit): boolean {
  const { decision } = unit.keep.attrs;
  const index = constantOf(node.inputs[1]);
  if (!index || unit.outer !== 1 || unit.inner !== 1 || decision.always < leastKept(decision)) return false;
  return Array.from(index.data as ArrayLike<number | bigint>, Number).every((i) => i >= 0 && i < decision.always);
}

const linkOf = (node: Node, has: (link: Link) => boolean): Link | undefined => linksOf(node).find(has);
const stands = (places: readonly Place[], index: number, axis: number): boolean =>
  places.some(([i, a]) => i === index && a === axis);

/** What a node makes of a unit axis of input `input`; undefined: it needs the whole axis. */
export function moveOf(node: Node, input: number, unit: Unit): Move | undefined {
  const t = node.inputs[input]!;
  const [first] = node.outputs;
  if (isOp(node, Reshape) || isOp(node, Flatten)) {
    const to = input === 0 ? reshaped(t.shape, first!.shape, unit) : undefined;
    return to && { how: 'each', ins: [[0, unit.axis]], outs: [[0, to]] };
  }
  if (input === 0 && isOp(node, Split) && ownAxis(node, t.rank) === unit.axis) {
    const found = pieces(node, unit);
    return found && { how: 'each', ins: [[0, unit.axis]], outs: found.map((u, k) => [k, u] as const) };
  }
  if (input === 0 && isOp(node, Gather) && ownAxis(node, t.rank) === unit.axis)
    return picksSure(node, unit) ? { how: 'pick' } : undefined;
  const link = linkOf(node, ({ ins }) => stands(ins, input, unit.axis));
  if (!link) return undefined;
  if (link.how !== 'each') return { how: link.how, ins: link.ins };
  return { how: 'each', ins: link.ins, outs: link.outs.map(([k, axis]) => [k, { ...unit, axis }] as const) };
}

/** What a node needs of its inputs to give `unit` on output `output`; undefined: it cannot be asked for some units only. */
export function pull(node: Node, output: number, unit: Unit): readonly (readonly [number, Unit])[] | undefined {
  const t = node.outputs[output]!;
  if (isOp(node, Reshape) || isOp(node, Flatten)) {
    const from = reshaped(t.shape, node.inputs[0]!.shape, unit);
    return from && [[0, from]];
  }
  if (isOp(node, Split) && ownAxis(node, t.rank) === unit.axis)
    return [[0, { ...unit, outer: unit.outer * node.outputs.length }]];
  const link = linkOf(node, ({ how, outs }) => how === 'each' && stands(outs, output, unit.axis));
  return link?.ins.map(([i, axis]) => [i, { ...unit, axis }] as const);
}

/** Whether an input really has the units on that axis (or one place, which goes with all). */
export const spans = (t: Tensor, unit: Unit): boolean => t.shape[unit.axis] === unit.outer * units(unit) * unit.inner;

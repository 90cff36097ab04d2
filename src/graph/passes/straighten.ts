import { Gather, gather } from '../ops/indexing.ts';
import { constantOf } from '../ops/leaf.ts';
import { Reshape, reshape, Transpose, transpose } from '../ops/reshape.ts';
import { Pad, pad } from '../ops/slicing.ts';
import { isConcrete, sameShape } from '../shape.ts';
import type { Node, Tensor } from '../tensor.ts';
import { rewrite, type Visitor } from './rewrite.ts';

const is = (node: Node, op: unknown): boolean => (node.op as unknown) === op;

/** What a Transpose read, and its order; undefined for other tensors. */
function turned(t: Tensor): { readonly x: Tensor; readonly perm: readonly number[] } | undefined {
  if (!is(t.node, Transpose)) return undefined;
  return { x: t.node.inputs[0]!, perm: (t.node.attrs as { perm: number[] }).perm };
}

const whole = (t: Tensor): boolean => isConcrete(t.shape) && !t.shape.includes(0);

/** Two reshapes are one; one to the same shape is none; merging or splitting the last axis goes before a Transpose. */
function reshaped(x: Tensor, to: readonly number[]): readonly Tensor[] | undefined {
  let from = x;
  while (is(from.node, Reshape) && whole(from.node.inputs[0]!)) from = from.node.inputs[0]!;
  if (sameShape(from.shape, to)) return [from];
  const t = turned(from);
  const rank = from.rank;
  const shape = from.shape as readonly number[];
  if (t && to.length === rank - 1 && to.at(-1) === shape.at(-2)! * shape.at(-1)! && starts(to, shape, rank - 2)) {
    const [a, b] = [t.perm[rank - 2]!, t.perm[rank - 1]!];
    if (b === a + 1) {
      const source = t.x.shape as readonly number[];
      const merged = reshape(t.x, [...source.slice(0, a), source[a]! * source[b]!, ...source.slice(b + 1)]);
      return [
        transpose(
          merged,
          t.perm.slice(0, -1).map((p) => (p > a ? p - 1 : p)),
        ),
      ];
    }
  }
  if (t && to.length === rank + 1 && to.at(-2)! * to.at(-1)! === shape.at(-1) && starts(to, shape, rank - 1)) {
    const a = t.perm[rank - 1]!;
    const source = t.x.shape as readonly number[];
    const apart = reshape(t.x, [...source.slice(0, a), ...to.slice(-2), ...source.slice(a + 1)]);
    return [transpose(apart, [...t.perm.slice(0, -1).map((p) => (p > a ? p + 1 : p)), a, a + 1])];
  }
  return from === x ? undefined : [reshape(from, to)];
}

const starts = (a: readonly number[], b: readonly number[], count: number): boolean =>
  a.slice(0, count).every((d, i) => d === b[i]);

/** Two Transposes are one; one that changes nothing is none. */
function transposed(x: Tensor, perm: readonly number[]): readonly Tensor[] | undefined {
  const t = turned(x);
  const all = t ? perm.map((p) => t.perm[p]!) : perm;
  const source = t ? t.x : x;
  if (all.every((p, i) => p === i)) return [source];
  return t ? [transpose(source, all)] : undefined;
}

const straight: Visitor = (node, inputs) => {
  const [x] = inputs;
  const [y] = node.outputs;
  if (!x || !y || !whole(x) || !whole(y)) return undefined;
  if (is(node, Reshape)) return reshaped(x, y.shape as number[]);
  if (is(node, Transpose)) return transposed(x, (node.attrs as { perm: number[] }).perm);
  const t = turned(x);
  if (!t) return undefined;
  if (is(node, Gather) && inputs[1]!.rank === 1) {
    const { axis } = node.attrs as { axis: number };
    return [transpose(gather(t.x, inputs[1]!, t.perm[axis < 0 ? axis + x.rank : axis]!), t.perm)];
  }
  if (is(node, Pad) && inputs.length === 2 && !(node.attrs as { mode?: string }).mode) {
    const pads = constantOf(inputs[1]);
    if (!pads) return undefined;
    const values = Array.from(pads.data as ArrayLike<number | bigint>, Number);
    const moved = new Array<number>(values.length).fill(0);
    for (const [i, p] of t.perm.entries()) {
      moved[p] = values[i]!;
      moved[p + x.rank] = values[i + x.rank]!;
    }
    return [transpose(pad(t.x, moved), t.perm)];
  }
  return undefined;
};

/**
 * Joins changes of layout: neighbouring reshapes and transposes become one or none, and selections along an axis move before
 * them, where they copy longer runs of memory. The numbers stay the same, bit for bit.
 *
 * @param outputs a graph; tensors of unknown shape are left alone
 */
export const straighten = (outputs: readonly Tensor[]): Tensor[] => rewrite(outputs, straight);

import { type NDArray, sizeOf } from '../array.ts';
import { Identity } from '../ops/elementwise.ts';
import { constant, constantOf, ints } from '../ops/leaf.ts';
import { ShapeOf } from '../ops/reshape.ts';
import { isConcrete } from '../shape.ts';
import type { Attrs, Node, Tensor } from '../tensor.ts';
import { type Block, encloses, placement } from './blocks.ts';
import { remake, rewrite, type Visitor } from './rewrite.ts';

/** Folding never makes a constant larger than this (elements), unless it replaces a larger one. */
const LARGEST_FOLD = 1 << 16;

/** Evaluates nodes whose inputs are all constants. */
export const foldConstants: Visitor = (node, inputs) => {
  if (node.op === (ShapeOf as unknown) && isConcrete(inputs[0]!.shape))
    return [ints(inputs[0]!.shape.slice(node.attrs.start ?? 0, node.attrs.end ?? inputs[0]!.rank))];
  if (node.op === (Identity as unknown)) return [inputs[0]!];
  if (!node.op.evaluate || node.op.leaf || inputs.length === 0) return undefined;
  const values = inputs.map((t) => (t ? constantOf(t) : undefined));
  if (inputs.some((t, i) => t && !values[i])) return undefined;
  const types = node.op.infer(inputs as readonly Tensor[], node.attrs);
  const largest = Math.max(LARGEST_FOLD, ...values.map((v) => (v ? sizeOf(v.dims) : 0)));
  if (!types.every((t) => isConcrete(t.shape) && sizeOf(t.shape) <= largest)) return undefined;
  return node.op.evaluate(values as NDArray[], node.attrs, types)?.map(constant);
};

const attributeKey = (attrs: Attrs): string =>
  JSON.stringify(attrs, (_, v) =>
    ArrayBuffer.isView(v)
      ? Array.from(v as unknown as ArrayLike<number | bigint>, (e) => (Object.is(e, -0) ? '-0' : String(e)))
      : typeof v === 'bigint' || (typeof v === 'number' && !Number.isFinite(v))
        ? String(v)
        : v,
  );

/** Constants up to this many elements are compared by value; larger ones by identity. */
const LARGEST_INTERNED = 1024;

/**
 * Merges nodes that compute the same, and equal constants, but never across branches that do not enclose each other:
 * the one that is left would have to be evaluated around both, even where neither branch is taken.
 */
function mergeEqual(blocks: ReadonlyMap<Node, Block>): Visitor {
  const known = new Map<string, { block: Block; outputs: readonly Tensor[] }[]>();
  const idOf = (t: Tensor | undefined): string => (t ? `${t.node.id}.${t.index}` : '');
  return (node: Node, inputs) => {
    const { op, attrs } = node;
    if (op.leaf && op.leaf !== 'constant') return undefined;
    if (op.leaf === 'constant' && sizeOf((attrs.value as NDArray).dims) > LARGEST_INTERNED) return undefined;
    const key = `${op.domain}:${op.name}(${inputs.map(idOf).join()})${attributeKey(attrs)}`;
    const block = blocks.get(node)!;
    const list = known.get(key) ?? [];
    known.set(key, list);
    const same = list.find((k) => encloses(k.block, block) || encloses(block, k.block));
    if (same) {
      if (encloses(block, same.block)) same.block = block;
      return same.outputs;
    }
    const made = remake(node, inputs);
    list.push({ block, outputs: made });
    return made;
  };
}

/** Folds constants and merges equal nodes; what nothing needs falls away by itself. */
export function simplify(outputs: readonly Tensor[]): Tensor[] {
  const folded = rewrite(outputs, foldConstants);
  return rewrite(folded, mergeEqual(placement(folded).of));
}

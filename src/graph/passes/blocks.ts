import type { Node, Tensor } from '../tensor.ts';
import { order } from './order.ts';

/** A part of the graph that runs only when `owner` takes the branch `name`. The root block always runs. */
export interface Block {
  readonly parent: Block | undefined;
  readonly owner: Node | undefined;
  readonly name: string;
  readonly depth: number;
}

export interface Placement {
  readonly root: Block;
  /** The innermost block that all uses of a node share: the laziest place where it can be evaluated. */
  readonly of: ReadonlyMap<Node, Block>;
  /** All nodes, each after its inputs. */
  readonly nodes: readonly Node[];
  /** The blocks of a node, by name. */
  child(owner: Node, name: string): Block;
}

function common(a: Block, b: Block): Block {
  let [p, q] = [a, b];
  while (p !== q) {
    if (p.depth >= q.depth) p = p.parent!;
    else q = q.parent!;
  }
  return p;
}

/** Whether `inner` is `outer` or lies in it. */
export const encloses = (outer: Block, inner: Block): boolean => common(outer, inner) === outer;

/** Places every node into a block: whatever only one branch needs belongs to that branch, weights included. */
export function placement(outputs: readonly Tensor[]): Placement {
  const nodes = order(outputs);
  const root: Block = { parent: undefined, owner: undefined, name: '', depth: 0 };
  const children = new Map<Node, Map<string, Block>>();
  const of = new Map<Node, Block>();
  const child = (owner: Node, name: string): Block => {
    const own = children.get(owner) ?? new Map<string, Block>();
    children.set(owner, own);
    const parent = of.get(owner)!;
    const block = own.get(name) ?? { parent, owner, name, depth: parent.depth + 1 };
    own.set(name, block);
    return block;
  };
  const use = (node: Node, block: Block): void => {
    const known = of.get(node);
    of.set(node, node.op.leaf === 'input' ? root : known ? common(known, block) : block);
  };
  for (const t of outputs) use(t.node, root);
  for (const node of [...nodes].reverse()) {
    const own = of.get(node)!;
    for (const [i, t] of node.inputs.entries()) {
      if (!t) continue;
      const name = node.op.block?.(node, i);
      use(t.node, name === undefined ? own : child(node, name));
    }
  }
  return { root, of, nodes, child };
}

/** How many blocks lie inside each other at the deepest place. */
export const nesting = ({ of }: Placement): number =>
  [...of.values()].reduce((deepest, b) => Math.max(deepest, b.depth), 0);

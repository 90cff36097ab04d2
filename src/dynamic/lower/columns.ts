import { type Block, type Node, type Placement, placement } from '../../graph/index.ts';
import { isExit, isSelect, type Join, optionValues } from '../decision.ts';
import type { Net } from '../traced.ts';

/**
 * One column of a trace. `option`: the number of the option that the decision took. `exits`: how many of a chain of
 * exits an input passed before it stopped (one number says it all). -1: not reached.
 */
export interface Column {
  readonly kind: 'option' | 'exits';
  readonly decisions: readonly string[];
}

/** The joins that one column stands for, outermost first. */
export type ColumnJoins = readonly [Join, ...Join[]];

/** Where the joins of a net lie, and in which order their columns stand in a trace. */
export class JoinMap {
  readonly placed: Placement;
  readonly #joins = new Map<Block, Join[]>();
  readonly #others = new Map<Block, Node[]>();

  constructor(net: Pick<Net, 'output'>) {
    this.placed = placement([net.output]);
    const put = <T extends Node>(lists: Map<Block, T[]>, node: T): void => {
      const block = this.placed.of.get(node)!;
      const list = lists.get(block);
      if (list) list.push(node);
      else lists.set(block, [node]);
    };
    for (const node of this.placed.nodes) {
      if (isSelect(node)) put(this.#joins, node);
      else if (!node.op.leaf) put(this.#others, node);
    }
  }

  joinsIn(block: Block): readonly Join[] {
    return this.#joins.get(block) ?? [];
  }

  /** What a block computes beside its joins, in the order of the net. */
  nodesIn(block: Block): readonly Node[] {
    return this.#others.get(block) ?? [];
  }

  /** The next exit of the chain that `join` belongs to: the one whose answer is what going on gives. */
  next(join: Join): Join | undefined {
    if (!isExit(join.attrs.decision)) return undefined;
    const { node } = optionValues(join.inputs, join.attrs, 0)[0]!;
    const follows = isSelect(node) && isExit(node.attrs.decision);
    return follows && this.placed.of.get(node) === this.placed.child(join, join.attrs.decision.options[0]!.name)
      ? node
      : undefined;
  }

  /** All columns, in the order of a trace. */
  columns(): ColumnJoins[] {
    return this.#columnsOf(this.placed.root, undefined);
  }

  #columnsOf(block: Block, continued: Join | undefined): ColumnJoins[] {
    const others = this.joinsIn(block).filter((j) => j !== continued);
    return [
      ...(continued ? this.#nested(continued) : []),
      ...others.flatMap((j) => [this.#chain(j), ...this.#nested(j)]),
    ];
  }

  /** The columns of decisions inside the options of `join`. */
  #nested(join: Join): ColumnJoins[] {
    const next = this.next(join);
    return join.attrs.decision.options.flatMap((o, k) =>
      this.#columnsOf(this.placed.child(join, o.name), k === 0 ? next : undefined),
    );
  }

  #chain(join: Join): ColumnJoins {
    const list: [Join, ...Join[]] = [join];
    for (let next = this.next(join); next; next = this.next(next)) list.push(next);
    return list;
  }
}

export const columnOf = (joins: ColumnJoins): Column => ({
  kind: isExit(joins[0].attrs.decision) ? 'exits' : 'option',
  decisions: joins.map((j) => j.attrs.decision.name),
});

/** What the columns of a net's trace mean. */
export const columnsOf = (net: Pick<Net, 'output'>): Column[] => new JoinMap(net).columns().map(columnOf);

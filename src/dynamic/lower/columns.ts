import {
  type Block,
  constant,
  mul,
  type Node,
  ndarray,
  order,
  type Placement,
  pad,
  placement,
  reduceSum,
  reshape,
  type Tensor,
} from '../../graph/index.ts';
import { type Decision, isExit, isSelect, type Join, type KeepDecision, optionValues } from '../decision.ts';
import { type DecidingNode, decides } from '../keep.ts';
import type { Net } from '../traced.ts';

/**
 * One column of a trace; -1: not reached. `option`: the number of the option that the decision took. `exits`: how many of a
 * chain of exits an input passed before it stopped (one number says it all). `count`: how many units were kept. `bitset`:
 * which of the (at most 24) units from `first` on, as bits. `weights`: the weight of unit `first`.
 */
export interface Column {
  readonly kind: 'option' | 'exits' | 'count' | 'bitset' | 'weights';
  readonly decisions: readonly string[];
  readonly first?: number;
  /** How many units the decision has, for all kinds but `option` and `exits`. */
  readonly units?: number;
}

/** Bits that a float32 holds exactly. */
export const BITS = 24;
/** Of more units than this a trace tells how many were kept, not which. */
const MOST_BITS = 4 * BITS;

/** The nodes that one group of columns stands for, outermost first: a chain of exits, or any other decision alone. */
export type ColumnNodes = readonly [Join, ...Join[]] | readonly [DecidingNode];

/** Where the decisions of a net lie, and in which order their columns stand in a trace. */
export class JoinMap {
  readonly placed: Placement;
  readonly #deciders = new Map<Block, DecidingNode[]>();
  readonly #others = new Map<Block, Node[]>();

  /** @param like the traced net that it was made from: passes may change the order of nodes, but not that of a trace */
  constructor(net: Pick<Net, 'output'>, like: Pick<Net, 'output'> = net) {
    this.placed = placement([net.output]);
    const put = <T extends Node>(lists: Map<Block, T[]>, node: T): void => {
      const block = this.placed.of.get(node)!;
      const list = lists.get(block);
      if (list) list.push(node);
      else lists.set(block, [node]);
    };
    for (const node of this.placed.nodes) {
      if (decides(node)) put(this.#deciders, node);
      if (!isSelect(node) && !node.op.leaf) put(this.#others, node);
    }
    if (like === net) return;
    const rank = new Map(
      order([like.output])
        .filter(decides)
        .map((n, i) => [n.attrs.decision as Decision, i]),
    );
    const place = (n: DecidingNode): number => rank.get(n.attrs.decision)!;
    for (const list of this.#deciders.values()) list.sort((a, b) => place(a) - place(b));
  }

  decidersIn(block: Block): readonly DecidingNode[] {
    return this.#deciders.get(block) ?? [];
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
  columns(): ColumnNodes[] {
    return this.#columnsOf(this.placed.root, undefined);
  }

  #columnsOf(block: Block, continued: Join | undefined): ColumnNodes[] {
    const others = this.decidersIn(block).filter((j) => j !== continued);
    return [
      ...(continued ? this.#nested(continued) : []),
      ...others.flatMap((j): ColumnNodes[] => (isSelect(j) ? [this.#chain(j), ...this.#nested(j)] : [[j]])),
    ];
  }

  /** The columns of decisions inside the options of `join`. */
  #nested(join: Join): ColumnNodes[] {
    const next = this.next(join);
    return join.attrs.decision.options.flatMap((o, k) =>
      this.#columnsOf(this.placed.child(join, o.name), k === 0 ? next : undefined),
    );
  }

  #chain(join: Join): ColumnNodes {
    const list: [Join, ...Join[]] = [join];
    for (let next = this.next(join); next; next = this.next(next)) list.push(next);
    return list;
  }
}

const upTo = (n: number, step: number): number[] => Array.from({ length: Math.ceil(n / step) }, (_, i) => i * step);

/** The columns of a group, in order. */
export function columnsOfNodes(nodes: ColumnNodes): Column[] {
  const { decision } = nodes[0].attrs;
  const decisions = nodes.map((j) => j.attrs.decision.name);
  if (decision.kind === 'select') return [{ kind: isExit(decision) ? 'exits' : 'option', decisions }];
  const { units } = decision;
  if (decision.kind === 'weigh') return upTo(units, 1).map((first) => ({ kind: 'weights', decisions, first, units }));
  if (units > MOST_BITS) return [{ kind: 'count', decisions, units }];
  return upTo(units, BITS).map((first) => ({ kind: 'bitset', decisions, first, units }));
}

/** The columns of what was kept, for a mask [N, units]: [N, 1 or more] float32. */
export function keptColumns({ units }: KeepDecision, mask: Tensor): Tensor {
  if (units > MOST_BITS) return reduceSum(mask, [1], true);
  const width = Math.min(units, BITS);
  const powers = constant(
    ndarray(
      'float32',
      [width],
      Array.from({ length: width }, (_, i) => 2 ** i),
    ),
  );
  if (units <= BITS) return reduceSum(mul(mask, powers), [1], true);
  const count = Math.ceil(units / BITS);
  const whole = units % BITS === 0 ? mask : pad(mask, [0, 0, 0, count * BITS - units]);
  return reduceSum(mul(reshape(whole, [0, count, BITS]), powers), [2]);
}

/** What the columns of a net's trace mean. */
export const columnsOf = (net: Pick<Net, 'output'>): Column[] => new JoinMap(net).columns().flatMap(columnsOfNodes);

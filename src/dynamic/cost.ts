import { bytesPerElement } from '../graph/array.ts';
import { type Block, itemSize, placement } from '../graph/index.ts';
import { isSelect } from './decision.ts';
import type { Net } from './traced.ts';

/** What computing something once for one input takes. */
export interface CostVector {
  /** Multiply-accumulates. */
  readonly macs: number;
  /** Parameters that must be read, in bytes. */
  readonly weightBytes: number;
  /** Intermediate results that are written, in bytes. */
  readonly activationBytes: number;
  /** Multiply-accumulates on integers (quantised options). */
  readonly integerOps: number;
}

/** A part of the net that runs when all of its guards hold. */
export interface RegionCost extends CostVector {
  /** Decisions and the options they must have taken, outermost first; empty: always runs. */
  readonly guard: readonly { readonly decision: string; readonly option: number }[];
}

export const noCost: CostVector = { macs: 0, weightBytes: 0, activationBytes: 0, integerOps: 0 };

/** The sum of two costs. */
export const addCosts = (a: CostVector, b: CostVector): CostVector => ({
  macs: a.macs + b.macs,
  weightBytes: a.weightBytes + b.weightBytes,
  activationBytes: a.activationBytes + b.activationBytes,
  integerOps: a.integerOps + b.integerOps,
});

function guardOf(block: Block): RegionCost['guard'] {
  if (!block.owner || !isSelect(block.owner)) return [];
  const { decision } = block.owner.attrs;
  return [
    ...guardOf(block.parent!),
    { decision: decision.name, option: decision.options.findIndex((o) => o.name === block.name) },
  ];
}

/**
 * The cost of a net, region by region, for one input. The cost of a path is the sum over the regions whose guards it
 * satisfies, so the table stays small however many paths there are.
 */
export function costTable(net: Pick<Net, 'output'>): RegionCost[] {
  const { nodes, of } = placement([net.output]);
  const regions = new Map<Block, CostVector>();
  for (const node of nodes) {
    const block = of.get(node)!;
    const outputs = node.outputs.reduce((sum, t) => sum + itemSize(t.shape) * bytesPerElement(t.dtype), 0);
    const own: CostVector =
      node.op.leaf === 'param'
        ? { ...noCost, weightBytes: outputs }
        : node.op.leaf || isSelect(node)
          ? noCost
          : { ...noCost, macs: node.op.macs(node), activationBytes: outputs };
    regions.set(block, addCosts(regions.get(block) ?? noCost, own));
  }
  return [...regions]
    .sort(([a], [b]) => a.depth - b.depth)
    .map(([block, cost]) => ({ guard: guardOf(block), ...cost }));
}

/** The cost of the path that `option` (of a decision's name; undefined: not reached) describes. */
export const pathCost = (table: readonly RegionCost[], option: (decision: string) => number | undefined): CostVector =>
  table.filter(({ guard }) => guard.every((g) => option(g.decision) === g.option)).reduce<CostVector>(addCosts, noCost);

import { bytesPerElement } from '../graph/array.ts';
import { type Block, itemSize, type Node, placement } from '../graph/index.ts';
import { isSelect } from './decision.ts';
import { decides } from './keep.ts';
import { formed, type SparseForm } from './lower/form.ts';
import { UnitPlan } from './lower/units/plan.ts';
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

/** MACs that go with how many units some decisions keep: `macs` where all are kept, times (kept / of)^power for each. */
export interface UnitCost {
  readonly units: readonly { readonly decision: string; readonly of: number; readonly power: number }[];
  readonly macs: number;
}

/** A part of the net that runs when all of its guards hold. Its cost is that of all units. */
export interface RegionCost extends CostVector {
  /** Decisions and the options they must have taken, outermost first; empty: always runs. */
  readonly guard: readonly { readonly decision: string; readonly option: number }[];
  /** The share of its MACs that fewer units save. */
  readonly units?: readonly UnitCost[];
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

/** The MACs of a node as a term of kept units; undefined where they are the same for all inputs. */
function unitCost(node: Node, plan: UnitPlan): UnitCost | undefined {
  const macs = node.op.macs(node);
  const powers = macs > 0 ? [...plan.powersOf(node)] : [];
  if (powers.length === 0) return undefined;
  const units = powers.map(([{ attrs }, power]) => ({
    ...{ decision: attrs.decision.name, of: attrs.decision.units, power },
  }));
  return { units: units.sort((a, b) => (a.decision < b.decision ? -1 : 1)), macs };
}

/** Terms of the same units as one. */
function gathered(terms: readonly UnitCost[]): UnitCost[] {
  const sums = new Map<string, UnitCost>();
  for (const term of terms) {
    const key = JSON.stringify(term.units);
    const known = sums.get(key);
    sums.set(key, known ? { ...known, macs: known.macs + term.macs } : term);
  }
  return [...sums.values()];
}

/**
 * The cost of a net, region by region, for one input. The cost of a path is the sum over the regions whose guards it
 * satisfies, so the table stays small however many paths there are.
 *
 * @param form of the file: one for a single input skips the units that it drops, one for batches only tokens by count
 */
export function costTable(net: Pick<Net, 'output'>, form: SparseForm = 'rows'): RegionCost[] {
  const output = formed(net.output, form);
  const placed = placement([output]);
  const plan = new UnitPlan([output], form, placed);
  const regions = new Map<Block, CostVector>();
  const terms = new Map<Block, UnitCost[]>();
  for (const node of placed.nodes) {
    const block = placed.of.get(node)!;
    const outputs = node.outputs.reduce((sum, t) => sum + itemSize(t.shape) * bytesPerElement(t.dtype), 0);
    const own: CostVector =
      node.op.leaf === 'param'
        ? { ...noCost, weightBytes: outputs }
        : node.op.leaf || decides(node)
          ? noCost
          : { ...noCost, macs: node.op.macs(node), activationBytes: outputs };
    regions.set(block, addCosts(regions.get(block) ?? noCost, own));
    const term = unitCost(node, plan);
    if (term) terms.set(block, [...(terms.get(block) ?? []), term]);
  }
  return [...regions]
    .sort(([a], [b]) => a.depth - b.depth)
    .map(([block, cost]) => {
      const units = gathered(terms.get(block) ?? []);
      return { guard: guardOf(block), ...cost, ...(units.length > 0 ? { units } : {}) };
    });
}

/** MACs of a region where its decisions keep so many units; undefined: all. */
export const macsOf = ({ macs, units = [] }: RegionCost, kept: (decision: string) => number | undefined): number =>
  units.reduce((sum, term) => {
    // Numerator and denominator are whole numbers, so that the MACs are too.
    const [some, all] = term.units.reduce(
      ([a, b], { decision, of, power }) => [a * (kept(decision) ?? of) ** power, b * of ** power] as const,
      [1, 1] as readonly [number, number],
    );
    return sum - term.macs + (term.macs * some) / all;
  }, macs);

/**
 * The cost of the path that `choice` (of a decision's name; undefined: not reached) describes: the number of the option that
 * was taken, or how many units were kept.
 */
export const pathCost = (table: readonly RegionCost[], choice: (decision: string) => number | undefined): CostVector =>
  table
    .filter(({ guard }) => guard.every((g) => choice(g.decision) === g.option))
    .map((r) => ({ ...r, macs: macsOf(r, choice) }))
    .reduce<CostVector>(addCosts, noCost);

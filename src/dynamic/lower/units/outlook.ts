import { bytesPerElement } from '../../../graph/array.ts';
import { placement, sizeOf } from '../../../graph/index.ts';
import type { Net } from '../../traced.ts';
import { formed, type SparseForm } from '../form.ts';
import { UnitPlan } from './plan.ts';

const forms: readonly SparseForm[] = ['rows', 'branch'];

/** How many units a decision is taken to keep where scores alone tell. */
const HALF = 0.5;

/**
 * What files of some form will not be able to do, by decision, in words: better known before a net is trained.
 */
export function refusals(net: Pick<Net, 'output'>): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const form of forms) {
    const { refused } = new UnitPlan([formed(net.output, form)], form);
    for (const [name, why] of refused)
      if (!found.has(name)) found.set(name, `decision "${name}" cannot be lowered in the form "${form}": ${why}`);
  }
  return found;
}

/**
 * How many bytes of weights a file for one input gathers anew in each run, read and written, for each decision about units: what
 * belongs to dropped channels or heads is left out of them. Weights of two decisions count half for each.
 */
export function gatheredBytes(net: Pick<Net, 'output'>): ReadonlyMap<string, number> {
  const output = formed(net.output, 'branch');
  const placed = placement([output]);
  const plan = new UnitPlan([output], 'branch', placed);
  const bytes = new Map<string, number>();
  for (const node of placed.nodes)
    for (const [i, t] of node.inputs.entries()) {
      if (t?.node.op.leaf !== 'param') continue;
      const units = plan.wantsOf(node, i);
      const shares = units.map(({ keep: { attrs } }) => {
        const { rule, own, units: all } = attrs.decision;
        return rule === 'top' ? own / all : HALF;
      });
      const kept = shares.reduce((a, b) => a * b, 1) * sizeOf(t.shape as number[]) * bytesPerElement(t.dtype);
      for (const { keep } of units) {
        const { name } = keep.attrs.decision;
        bytes.set(name, (bytes.get(name) ?? 0) + (2 * kept) / units.length);
      }
    }
  return bytes;
}

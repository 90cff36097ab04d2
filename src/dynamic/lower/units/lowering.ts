import {
  cast,
  compress,
  mul,
  type Node,
  type Placement,
  reduceSum,
  remake,
  type Tensor,
} from '../../../graph/index.ts';
import { type DecidingNode, type KeepNode, partsOfKeep, underMask, type WeighNode } from '../../keep.ts';
import { type Thresholds, thresholdInput } from '../choice.ts';
import { columnsOfNodes, keptColumns } from '../columns.ts';
import type { SparseForm } from '../form.ts';
import { keptMask, keptWeights, topCount } from '../kept.ts';
import { filled, type Part } from '../parts.ts';
import type { Rows } from '../rows.ts';
import { atMost, type Kept, Units } from './kept-units.ts';
import type { Unit } from './moves.ts';
import type { UnitPlan } from './plan.ts';
import { keptSize, placesOf, remakeShrunk, shrunk } from './shrink.ts';
import { Uniform } from './uniform.ts';

/** Who lowers the rest of the net. */
export interface Host {
  readonly placed: Placement;
  /** A traced tensor as rows see it, in the form that it is made in. */
  value(t: Tensor, rows: Rows): Tensor;
}

/** Emits decisions about units, and what comes between them with as many units as it needs. */
export class UnitLowering {
  readonly #host: Host;
  readonly #plan: UnitPlan;
  readonly #thresholds: Thresholds;
  readonly #form: SparseForm;
  readonly #units: Units;
  readonly #uniform = new Uniform();
  readonly #columns = new Map<DecidingNode, Part>();

  constructor(host: Host, plan: UnitPlan, thresholds: Thresholds, form: SparseForm) {
    this.#host = host;
    this.#plan = plan;
    this.#thresholds = thresholds;
    this.#form = form;
    this.#units = new Units(form);
  }

  /** The columns of a decision that was emitted. */
  columns(node: DecidingNode): Part {
    return this.#columns.get(node)!;
  }

  /** What is known of a tensor holds for some of its rows. */
  same(outside: Tensor, own: Tensor): void {
    this.#uniform.same(outside, own);
  }

  /** A node that decides nothing, on its inputs as it takes them. */
  emit(node: Node, rows: Rows): readonly Tensor[] {
    const inputs = node.inputs.map((_, i) => this.input(node, i, rows));
    const outputs = this.#uniform.simpler(node, inputs) ?? this.#remade(node, inputs, rows);
    this.#uniform.note(node, inputs, outputs);
    return outputs;
  }

  #remade(node: Node, inputs: readonly (Tensor | undefined)[], rows: Rows): readonly Tensor[] {
    const takes = (t: Tensor | undefined, i: number): boolean => !!t && this.#plan.wantsOf(node, i).length > 0;
    if (!node.inputs.some(takes)) return remake(node, inputs);
    const counts = (unit: Unit): Tensor => placesOf(unit, this.#keptBy(unit.keep, rows).count, mul);
    return remakeShrunk(node, inputs, (t) => this.#plan.formOf(t), counts);
  }

  /** An input of a node, with the unit axes that the node takes it with. */
  input(node: Node, i: number, rows: Rows): Tensor | undefined {
    const t = node.inputs[i];
    return t && this.supply(t, this.#plan.wantsOf(node, i), rows);
  }

  /** A tensor with the wanted unit axes: others are made whole again, missing ones shortened. */
  supply(t: Tensor, wanted: readonly Unit[], rows: Rows): Tensor {
    const had = this.#plan.formOf(t);
    const on = (list: readonly Unit[], { axis }: Unit): Unit | undefined => list.find((u) => u.axis === axis);
    // Rows of a weight before its columns: they lie together.
    const missing = wanted.filter((u) => !on(had, u)).sort((a, b) => a.axis - b.axis);
    const extra = had.filter((u) => !on(wanted, u));
    if (missing.length === 0 && extra.length === 0) return this.#host.value(t, rows);
    const key = `${t.node.id}.${t.index}:${wanted.map((u) => `${u.axis}${u.outer}.${u.inner}${u.keep.attrs.decision.name}`)}`;
    let x = rows.supplied.get(key);
    if (x) return x;
    x = this.#host.value(t, rows);
    for (const u of missing) x = this.#units.gather(x, u, this.#keptBy(u.keep, rows));
    for (const u of extra) x = this.#units.scatter(x, t.shape, u, this.#keptBy(u.keep, rows));
    rows.supplied.set(key, x);
    return x;
  }

  /** The units that rows keep: decided there, or taken along from outside. */
  #keptBy(keep: KeepNode, rows: Rows): Kept {
    const known = rows.kept.get(keep);
    if (known) return known;
    if (this.#host.placed.of.get(keep) === rows.block) {
      this.#host.value(keep.outputs[0]!, rows);
      return rows.kept.get(keep)!;
    }
    const outside = this.#keptBy(keep, rows.parent!);
    const mask = this.#form === 'rows' ? compress(outside.mask, rows.mask!, rows.name) : outside.mask;
    const own: Kept = { ...outside, mask };
    rows.kept.set(keep, own);
    return own;
  }

  /** Decides which units the rows keep; gives the mask and the values, shortened where their dropped units are skipped. */
  keep(node: KeepNode, rows: Rows): readonly Tensor[] {
    const { decision, axes } = node.attrs;
    const threshold = thresholdInput(decision, this.#thresholds);
    const parts = partsOfKeep(node.inputs, node.attrs);
    const earlier = parts.previous && this.#plan.formOf(parts.previous)[0]?.keep;
    const before = earlier && this.#keptBy(earlier, rows);
    const previous = before ? before.mask : parts.previous && this.#host.value(parts.previous, rows);
    const mask = keptMask(decision, this.supply(parts.score, [], rows), threshold, previous);
    this.#columns.set(node, { columns: keptColumns(decision, mask), width: columnsOfNodes([node]).length });
    const skips = this.#plan.skipping.has(node);
    const all = decision.rule === 'top' ? topCount(decision, threshold) : cast(reduceSum(mask, [1]), 'int64');
    const kept: Kept = { keep: node, mask, count: atMost(all, before?.count) };
    // Before the values: what they are made of may be computed for kept units only.
    if (skips) rows.kept.set(node, kept);
    const first = parts.previous ? 2 : 1;
    const values = parts.values.map((_, k) => this.input(node, first + k, rows)!);
    if (!skips) return underMask(mask, values, axes);
    const ones = this.#units.ones(kept);
    this.#uniform.is(ones, 1);
    const short = values.map((x, k): Tensor => {
      const axis = axes[k]!;
      if (x.shape[axis] === keptSize({ axis, outer: 1, inner: 1, keep: node, dropped: 'zero' })) return x;
      const narrower = this.#plan.formOf(parts.values[k]!).some((u) => u.axis === axis && u.keep === earlier);
      const unit: Unit = { axis, outer: 1, inner: 1, keep: node, dropped: 'zero' };
      return this.#units.gather(x, unit, kept, narrower ? before : undefined);
    });
    return [ones, ...short];
  }

  weigh(node: WeighNode, rows: Rows): readonly Tensor[] {
    const { decision } = node.attrs;
    const weights = keptWeights(this.input(node, 0, rows)!, thresholdInput(decision, this.#thresholds));
    this.#columns.set(node, { columns: weights, width: decision.units });
    return [weights];
  }

  /** Zeros in the form of `t`, for the rows of `like`. */
  blank(t: Tensor, like: Tensor, rows: Rows): Tensor {
    const units = this.#plan.formOf(t);
    const rest = t.shape.slice(1).map((d, i) => {
      const unit = units.find((u) => u.axis === i + 1);
      return unit ? placesOf(unit, this.#keptBy(unit.keep, rows).count, mul) : (d as number);
    });
    return filled(like, rest, 0, t.dtype, [like.shape[0]!, ...shrunk(t.shape, units).slice(1)]);
  }
}

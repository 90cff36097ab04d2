import { BATCH, type Node, order, type Placement, placement, type Tensor, Transpose } from '../../../graph/index.ts';
import { isSelect } from '../../decision.ts';
import { isKeep, type KeepNode, partsOfKeep } from '../../keep.ts';
import type { SparseForm } from '../form.ts';
import { droppedAfter } from './dropped.ts';
import { linksOf, type Place } from './links.ts';
import { moveOf, pull, spans, type Unit } from './moves.ts';

/** Why the units of a decision cannot be left out. */
class Problem {
  readonly keep: KeepNode;
  /** A sentence for the author; undefined: dropped units are put to zero instead, as the form says. */
  readonly why: string | undefined;

  constructor(keep: KeepNode, why?: string) {
    this.keep = keep;
    this.why = why;
  }
}

const nameOf = (node: Node): string => `${node.op.name}${node.scope ? ` in "${node.scope}"` : ''}`;
const onAxis = (list: readonly Unit[], axis: number): Unit | undefined => list.find((u) => u.axis === axis);

/** Which axes of which tensors hold kept units only, in a file of one form. */
export class UnitPlan {
  /** Sentences by decision: what cannot be lowered, and why. */
  readonly refused: ReadonlyMap<string, string>;
  /** Decisions whose dropped units are not computed. */
  readonly skipping: ReadonlySet<KeepNode>;
  readonly #forms = new Map<Tensor, Unit[]>();
  readonly #wants = new Map<Node, Unit[][]>();
  readonly #form: SparseForm;
  readonly #placed: Placement;
  readonly #nodes: readonly Node[];
  #active: ReadonlySet<KeepNode>;

  constructor(outputs: readonly Tensor[], form: SparseForm, placed: Placement = placement(outputs)) {
    this.#form = form;
    this.#placed = placed;
    this.#nodes = order(outputs);
    const keeps = this.#nodes.filter(isKeep);
    // In a batch each row keeps units of its own: only as many of each can be left out together.
    let active = new Set(form === 'branch' ? keeps : keeps.filter((k) => k.attrs.decision.rule === 'top'));
    const refused = new Map<string, string>();
    this.#active = active;
    for (;;) {
      const problem = this.#attempt(active, outputs) ?? this.#idle(active);
      if (!problem) break;
      if (problem.why) refused.set(problem.keep.attrs.decision.name, problem.why);
      active = new Set([...active].filter((k) => k !== problem.keep));
    }
    this.refused = refused;
    this.skipping = active;
  }

  /** The unit axes that a tensor is made with. */
  formOf(t: Tensor): readonly Unit[] {
    return this.#forms.get(t) ?? [];
  }

  /** The unit axes that a node takes its input with. */
  wantsOf(node: Node, input: number): readonly Unit[] {
    return this.#wants.get(node)?.[input] ?? [];
  }

  /** How often each decision's units are looped over by a node: its cost goes with that power of how many are kept. */
  powersOf(node: Node): ReadonlyMap<KeepNode, number> {
    const powers = new Map<KeepNode, number>();
    if (this.#active.size === 0) return powers;
    for (const { ins, outs } of linksOf(node)) {
      const unit =
        ins.map(([i, axis]) => onAxis(this.wantsOf(node, i), axis)).find((u) => u) ??
        outs.map(([k, axis]) => onAxis(this.formOf(node.outputs[k]!), axis)).find((u) => u);
      if (unit) powers.set(unit.keep, (powers.get(unit.keep) ?? 0) + 1);
    }
    return powers;
  }

  /** Leaving units out is no use where nothing that multiplies asks for fewer. */
  #idle(active: ReadonlySet<KeepNode>): Problem | undefined {
    const busy = new Set(this.#nodes.flatMap((n) => (n.op.macs(n) > 0 ? [...this.powersOf(n).keys()] : [])));
    const idle = [...active].reverse().find((k) => !busy.has(k));
    return idle && new Problem(idle);
  }

  #attempt(active: ReadonlySet<KeepNode>, outputs: readonly Tensor[]): Problem | undefined {
    this.#forms.clear();
    this.#wants.clear();
    this.#active = active;
    if (active.size === 0) return undefined;
    try {
      for (const node of this.#nodes) if (!node.op.leaf) this.#forward(node);
      for (const t of outputs) this.#whole(t);
      if (this.#form === 'branch') this.#backward(new Set(outputs));
      return undefined;
    } catch (problem) {
      if (problem instanceof Problem) return problem;
      throw problem;
    }
  }

  /** An answer is given whole. */
  #whole(t: Tensor): void {
    for (const unit of this.formOf(t))
      if (unit.dropped !== 'zero')
        throw new Problem(
          unit.keep,
          `the units that it drops reach the answer; keep units before layers that sum over them, or read what is kept`,
        );
  }

  #forward(node: Node): void {
    const wants: Unit[][] = node.inputs.map(() => []);
    this.#wants.set(node, wants);
    const forms: Unit[][] = node.outputs.map(() => []);
    const values = isKeep(node) ? this.#keep(node, wants, forms) : undefined;
    const settled = new Set<string>();
    for (const [i, t] of node.inputs.entries())
      for (const unit of t ? this.formOf(t) : []) {
        if (values && !values.has(`${i}.${unit.axis}`)) continue;
        const key = `${i}.${unit.axis}`;
        if (settled.has(key)) continue;
        this.#step(node, i, unit, wants, forms, settled);
      }
    for (const [k, t] of node.outputs.entries()) if (forms[k]!.length > 0) this.#forms.set(t, forms[k]!);
  }

  /** One unit axis of one input of a node, with the axes that it is looped over with. */
  #step(node: Node, i: number, unit: Unit, wants: Unit[][], forms: Unit[][], settled: Set<string>): void {
    const move = moveOf(node, i, unit);
    const outside = isSelect(node) && !this.#decidedBefore(unit.keep, node);
    if (!move || outside) {
      if (unit.dropped === 'zero') return; // put back among zeros
      throw new Problem(
        unit.keep,
        outside
          ? `its units are kept inside one option of "${node.attrs.decision.name}" only, but reach its join; keep units before the decision, or end them inside with a layer that sums over what is kept`
          : `${nameOf(node)} would mix kept units with dropped ones (its axis ${unit.axis} holds them); take the class token, or use the mask`,
      );
    }
    if (move.how === 'pick') {
      wants[i]!.push(unit);
      return;
    }
    const others = move.ins.flatMap(([j, axis]) => onAxis(this.formOf(node.inputs[j]!), axis) ?? []);
    const strange = others.find((u) => u.keep !== unit.keep || u.outer !== unit.outer || u.inner !== unit.inner);
    // Zeros of two decisions meet: both are put back.
    if (strange && others.every((u) => u.dropped === 'zero')) return;
    if (strange)
      throw new Problem(
        unit.keep,
        `${nameOf(node)} takes the units of "${unit.keep.attrs.decision.name}" together with those of "${strange.keep.attrs.decision.name}"; hand the later decision the mask of the earlier one`,
      );
    const states = node.inputs.map((): Unit['dropped'] | undefined => undefined);
    for (const [j, axis] of move.ins) states[j] = onAxis(this.formOf(node.inputs[j]!), axis)?.dropped ?? 'any';
    const dropped = droppedAfter(node, states);
    const meetsWhole = move.ins.some(([j, axis]) => !onAxis(this.formOf(node.inputs[j]!), axis));
    // Zeros that meet other numbers at dropped units (a shortcut, a bias) are zeros no longer: they are put back first.
    if (move.how === 'each' && unit.dropped === 'zero' && meetsWhole && dropped !== 'zero') return;
    for (const [j, axis] of move.ins) {
      const t = node.inputs[j]!;
      const own = onAxis(this.formOf(t), axis);
      const wanted: Unit = { ...unit, axis, dropped: own?.dropped ?? 'any' };
      if (!own) this.#gatherable(node, t, wanted, move.how === 'each' ? move.outs[0] : undefined);
      wants[j]!.push(wanted);
      settled.add(`${j}.${axis}`);
    }
    if (move.how === 'each') {
      for (const [k, own] of move.outs) forms[k]!.push({ ...own, dropped });
      return;
    }
    const safe = move.how === 'sum' ? states.includes('zero') : states.every((s) => s === undefined || s === 'low');
    if (safe) return;
    throw new Problem(
      unit.keep,
      `${nameOf(node)} ${move.how === 'sum' ? 'adds up' : 'takes the largest of'} kept and dropped units; multiply by the mask first, or take the class token`,
    );
  }

  #decidedBefore(keep: KeepNode, join: Node): boolean {
    const home = this.#placed.of.get(keep);
    for (let b = this.#placed.of.get(join); b; b = b.parent) if (b === home) return true;
    return false;
  }

  /** In a batch every row takes units of its own: weights cannot. */
  #gatherable(
    node: Node,
    t: Tensor,
    { keep, axis, outer, inner }: Unit,
    out: readonly [number, Unit] | undefined,
  ): void {
    if (this.#form === 'branch') return;
    const plain = outer === 1 && inner === 1;
    const byRow = t.shape[0] === BATCH && axis === 1;
    const rank = out ? node.outputs[out[0]]!.rank : 0;
    const fromAll = t.shape[0] !== BATCH && axis === 0 && out?.[1].axis === 1 && t.rank === rank - 1;
    if (!plain || !(byRow || fromAll)) throw new Problem(keep);
  }

  /** A decision about units; gives the places of its inputs that other decisions' units may pass through. */
  #keep(node: KeepNode, wants: Unit[][], forms: Unit[][]): Set<string> {
    const { attrs } = node;
    const { previous, values } = partsOfKeep(node.inputs, attrs);
    const active = this.#active.has(node);
    const earlier = previous && this.formOf(previous)[0]?.keep;
    const first = previous ? 2 : 1;
    const through = new Set<string>();
    for (const u of this.formOf(node.inputs[0]!))
      if (u.keep !== earlier && u.dropped !== 'zero')
        throw new Problem(
          u.keep,
          `"${attrs.decision.name}" scores units of it that are dropped; hand the later decision the mask of the earlier one`,
        );
    for (const [k, t] of values.entries()) {
      const axis = attrs.axes[k]!;
      const known = onAxis(this.formOf(t), axis);
      if (known && known.keep !== earlier)
        throw new Problem(
          node,
          `its units were kept by "${known.keep.attrs.decision.name}" before; hand it that decision's mask`,
        );
      // Units that are only put to zero must find the others in their places.
      if (known && !active) throw new Problem(known.keep);
      if (known) wants[first + k]!.push(known);
      else if (active && this.#form === 'branch') {
        wants[first + k]!.push({ axis, outer: 1, inner: 1, keep: node, dropped: 'any' });
      } else if (active && axis !== 1) throw new Problem(node);
      for (const u of this.formOf(t)) if (u.axis !== axis) through.add(`${first + k}.${u.axis}`);
      if (active) forms[1 + k]!.push({ axis, outer: 1, inner: 1, keep: node, dropped: 'zero' });
    }
    if (active && this.#form === 'rows' && previous && !earlier) throw new Problem(node);
    if (active) forms[0]!.push({ axis: 1, outer: 1, inner: 1, keep: node, dropped: 'zero' });
    return through;
  }

  /** What only kept units are asked of, is computed for those only. */
  #backward(results: ReadonlySet<Tensor>): void {
    const uses = new Map<Tensor, Place[]>();
    const at = new Map(this.#nodes.map((n, k) => [n, k]));
    for (const [k, node] of this.#nodes.entries())
      for (const [i, t] of node.inputs.entries()) if (t) uses.set(t, [...(uses.get(t) ?? []), [k, i]]);
    const asked = (t: Tensor): Unit[] => {
      const [first, ...rest] = (uses.get(t) ?? []).map(([k, i]) => this.wantsOf(this.#nodes[k]!, i));
      if (!first || results.has(t)) return [];
      const had = this.formOf(t);
      return first.filter(
        (u) =>
          !onAxis(had, u.axis) &&
          rest.every((r) => r.some((v) => v.axis === u.axis && v.keep === u.keep && v.inner === u.inner)),
      );
    };
    for (const node of [...this.#nodes].reverse()) {
      if (node.op.leaf || node.op.domain === 'dynaneural' || !at.has(node)) continue;
      const used = node.outputs.flatMap((t, k) => (uses.has(t) ? [k] : []));
      const [first] = used;
      if (first === undefined) continue;
      for (const unit of asked(node.outputs[first]!)) this.#pull(node, used, unit, asked);
    }
  }

  #pull(node: Node, used: readonly number[], unit: Unit, asked: (t: Tensor) => Unit[]): void {
    const all = used.every((k) => asked(node.outputs[k]!).some((u) => u.axis === unit.axis && u.keep === unit.keep));
    const needed = all ? pull(node, used[0]!, unit) : undefined;
    const wants = this.#wants.get(node)!;
    if (!needed?.every(([i, u]) => spans(node.inputs[i]!, u) && !onAxis(wants[i]!, u.axis))) return;
    // Rows of a weight lie together, its columns do not: those are taken after it is turned.
    const turns = (node.op as unknown) === Transpose && node.inputs[0]!.node.op.leaf;
    if (turns && needed[0]![1].axis !== 0) return;
    for (const [i, u] of needed) wants[i]!.push({ ...u, dropped: 'any' });
    for (const t of node.outputs) this.#forms.set(t, [...this.formOf(t), { ...unit, dropped: 'any' }]);
  }
}

import { DynaError } from '../../errors.ts';
import {
  add,
  BATCH,
  type Block,
  branch,
  compress,
  type Node,
  nesting,
  placement,
  remake,
  reshape,
  rowsWhere,
  scatterNd,
  simplify,
  split,
  type Tensor,
} from '../../graph/index.ts';
import { isExit, isSelect, type Join } from '../decision.ts';
import { isKeep, isWeigh } from '../keep.ts';
import { checkDecisions, MOST_NESTED, type Net } from '../traced.ts';
import { asColumn, type Choice, choose, type Thresholds, thresholdInput } from './choice.ts';
import { JoinMap } from './columns.ts';
import { formed, type SparseForm } from './form.ts';
import { type Lowered, pick } from './masked.ts';
import { batched, refuseMerging, tellsSizes } from './merging.ts';
import { attach, type Part, standalone, widthOf } from './parts.ts';
import { type Rows, rowsIn } from './rows.ts';
import { reblocked, shortcutsIn } from './shortcuts.ts';
import { UnitLowering } from './units/lowering.ts';
import { UnitPlan } from './units/plan.ts';

export interface SparseOptions {
  /**
   * `rows`: each region runs on the rows that take it (one input and batches alike). Of a decision that keeps the same number
   * of tokens for every row, dropped ones are not computed; other units are put to zero.
   * `branch`: plain branches for a fixed batch of one; no dropped unit is computed, neither tokens nor weights.
   */
  readonly form?: SparseForm;
}

interface Joined {
  readonly results: readonly Tensor[];
  /** Columns of the trace: the join's own, then those of decisions inside its options. */
  readonly parts: readonly Part[];
  /** Result 0 with `parts` appended, where the join put it out so. */
  readonly packed?: Tensor;
}

/** One option of a decision. */
interface Branch {
  readonly k: number;
  readonly block: Block;
  /** Which inputs of the join are its values. */
  readonly values: readonly number[];
  /** Whether it computes anything of its own. */
  readonly inside: boolean;
}

/** What an option computes on its rows, and the trace on both sides: of rows that entered it, of those that stayed. */
interface Region {
  readonly rows: Rows;
  readonly computed: readonly Tensor[];
  readonly entered: readonly Part[];
  readonly stayed: readonly Part[];
  /** Columns of that trace. */
  readonly width: number;
  readonly packed?: Tensor | undefined;
}

/** A matrix takes the trace along: one tensor less to scatter. */
const packable = (t: Tensor): boolean => t.rank === 2 && t.dtype === 'float32' && typeof t.shape[1] === 'number';

/** Emits one net in sparse form. */
class Lowering {
  readonly #map: JoinMap;
  readonly #joined = new Map<Node, Joined>();
  readonly #thresholds: Thresholds;
  readonly #form: SparseForm;
  readonly #units: UnitLowering;
  /** The maps that residual blocks of a region begin with. */
  readonly #starts = new Map<Block, ReadonlySet<Tensor>>();

  constructor(output: Tensor, net: Net, thresholds: Thresholds, form: SparseForm) {
    this.#map = new JoinMap({ output }, net);
    this.#thresholds = thresholds;
    this.#form = form;
    const { placed } = this.#map;
    const plan = new UnitPlan([output], form, placed);
    const value = (t: Tensor, rows: Rows): Tensor => this.#value(t, rows);
    this.#units = new UnitLowering({ placed, value }, plan, thresholds, form);
    for (const [name, why] of plan.refused)
      throw new DynaError('graph', `decision "${name}" cannot be lowered in the form "${form}": ${why}`, {
        fix: 'change the net so, or use the masked form',
      });
  }

  run(traced: Tensor): Lowered {
    const root = rowsIn(this.#map.placed.root, undefined, undefined, BATCH);
    this.#emitAll(root);
    const output = this.#units.supply(traced, [], root);
    const parts = this.#parts(root, undefined);
    const first = this.#map.decidersIn(root.block)[0];
    return { output, trace: first ? standalone(parts, this.#value(first.inputs[0]!, root)) : undefined };
  }

  /** The columns of the decisions of a region, but for the chain of exits that goes on in it. */
  #parts(rows: Rows, continued: Join | undefined): Part[] {
    const others = this.#map.decidersIn(rows.block).filter((j) => j !== continued);
    return others.flatMap((j) => {
      if (isSelect(j)) return this.#join(j, rows, 0).parts;
      this.#value(j.outputs[0]!, rows);
      return this.#units.columns(j);
    });
  }

  /** `t` as the region sees it: computed there, or taken from outside with the rows that are not here left out. */
  #value(t: Tensor, rows: Rows): Tensor {
    const known = rows.made.get(t);
    if (known) return known;
    const { leaf } = t.node.op;
    let found = t;
    if (leaf === 'input' || (!leaf && this.#map.placed.of.get(t.node) !== rows.block))
      found = this.#fromOutside(t, rows);
    else if (!leaf) {
      const outputs = this.#emit(t.node, rows);
      for (const [i, o] of t.node.outputs.entries()) rows.made.set(o, outputs[i]!);
      return outputs[t.index]!;
    }
    rows.made.set(t, found);
    return found;
  }

  /** Makes everything of a region in the order of the net, so that `value` never walks far back (deep nets). */
  #emitAll(rows: Rows): void {
    for (const node of this.#map.nodesIn(rows.block)) this.#value(node.outputs[0]!, rows);
  }

  #fromOutside(t: Tensor, rows: Rows): Tensor {
    if (!rows.parent) return t;
    if (this.#form === 'rows' && tellsSizes(t)) {
      refuseMerging(t.node);
      return remake(
        t.node,
        t.node.inputs.map((i) => i && this.#value(i, rows)),
      )[t.index]!;
    }
    const outside = this.#value(t, rows.parent);
    let own = outside;
    if (batched(t) && this.#form === 'rows') {
      own = compress(outside, rows.mask!, rows.name);
      this.#units.same(outside, own);
    }
    return this.#shortcuts(rows.block).has(t) ? reblocked(own) : own;
  }

  #shortcuts(block: Block): ReadonlySet<Tensor> {
    const known = this.#starts.get(block) ?? shortcutsIn(this.#map.nodesIn(block));
    this.#starts.set(block, known);
    return known;
  }

  #emit(node: Node, rows: Rows): readonly Tensor[] {
    if (isSelect(node)) return this.#join(node, rows, 0).results;
    if (isKeep(node)) return this.#units.keep(node, rows);
    if (isWeigh(node)) return this.#units.weigh(node, rows);
    if (rows.parent) refuseMerging(node);
    return this.#units.emit(node, rows);
  }

  /** `passed`: how many exits of its chain lie before this join. */
  #join(node: Join, rows: Rows, passed: number): Joined {
    const known = this.#joined.get(node);
    if (known) return known;
    const { decision } = node.attrs;
    const answers = isExit(decision);
    const score = this.#units.input(node, 0, rows)!;
    const choice = choose(decision, score, thresholdInput(decision, this.#thresholds));
    const branches = this.#branchesOf(node);
    let results = this.#outside(node, branches, rows, choice, score);
    const columns = new Map<number, Part>();
    let packed: Tensor | undefined;

    const inside = branches.filter((b) => b.inside);
    // An exit whose head lies inside answers first: what goes on carries the chain's column, on top of that answer.
    for (const taken of answers ? inside.reverse() : inside) {
      const goesOn = answers && taken.k === 0;
      const region = this.#region(taken, choice, rows, goesOn ? { node, passed } : undefined);
      const entered = this.#enter(node, region, choice, results);
      results = entered.results;
      if (goesOn) packed = entered.packed;
      if (entered.columns) columns.set(taken.k, entered.columns);
    }
    const parts = branches.flatMap(({ k }) => columns.get(k) ?? []);
    if (!answers) parts.unshift({ columns: choice.column(), width: 1 });
    else if (!columns.has(0)) parts.unshift({ columns: add(asColumn(choice.mask(0)), passed), width: 1 });
    const made: Joined = { results, parts, ...(packed && parts.length === 1 ? { packed } : {}) };
    this.#joined.set(node, made);
    return made;
  }

  #branchesOf(node: Join): Branch[] {
    return node.attrs.decision.options.map((option, k) => {
      const block = this.#map.placed.child(node, option.name);
      const { results } = node.attrs;
      const values = Array.from({ length: results }, (_, r) => 1 + k * results + r);
      const own = ({ node: n }: Tensor): boolean => this.#map.placed.of.get(n) === block && !n.op.leaf;
      const inside = values.some((i) => own(node.inputs[i]!));
      return { k, block, values, inside };
    });
  }

  /** What the options that need no region of their own give; zeros where there are none. */
  #outside(node: Join, branches: readonly Branch[], rows: Rows, choice: Choice, score: Tensor): readonly Tensor[] {
    let results: readonly Tensor[] | undefined;
    for (const { k, values } of branches.filter((b) => !b.inside)) {
      const here = values.map((i) => this.#units.input(node, i, rows)!);
      results = results ? results.map((r, i) => pick(choice.mask(k), here[i]!, r)) : here;
    }
    return results ?? node.outputs.map((t) => this.#units.blank(t, score, rows));
  }

  /** Computes a region, and the trace of its rows; `chain` where it is what goes on after an exit. */
  #region(
    { k, block, values }: Branch,
    choice: Choice,
    parent: Rows,
    chain: { readonly node: Join; readonly passed: number } | undefined,
  ): Region {
    const name = `${(block.owner as Join).attrs.decision.name}/${block.name}.rows`;
    const rows = rowsIn(block, parent, choice.mask(k), name);
    this.#emitAll(rows);
    const next = chain && this.#map.next(chain.node);
    const continued = chain && next ? this.#join(next, rows, chain.passed + 1) : undefined;
    if (continued) for (const [i, t] of continued.results.entries()) rows.made.set(next!.outputs[i]!, t);
    const computed = values.map((i) => this.#units.input(block.owner!, i, rows)!);
    const others = this.#parts(rows, continued && next);
    if (!chain) {
      const width = widthOf(others);
      return { rows, computed, entered: others, stayed: [{ value: -1, width }], width };
    }
    // Rows that stay outside: the chain stopped here, and nothing inside was reached.
    const entered = [...(continued?.parts ?? [{ value: chain.passed + 1, width: 1 }]), ...others];
    const width = widthOf(entered);
    const stayed: Part[] = [
      { value: chain.passed, width: 1 },
      { value: -1, width: width - 1 },
    ];
    return { rows, computed, entered, stayed, width, packed: others.length === 0 ? continued?.packed : undefined };
  }

  /** Runs a region on the rows that take it; its columns of the trace come out with the results. */
  #enter(
    { inputs: [score] }: Join,
    { rows, computed, entered, stayed, width, packed }: Region,
    choice: Choice,
    base: readonly Tensor[],
  ): { results: readonly Tensor[]; columns?: Part; packed?: Tensor | undefined } {
    if (width === 0) return { results: this.#guard(choice, rows, base, computed) };
    const [top, ...rest] = computed as [Tensor, ...Tensor[]];
    if (packable(top)) {
      const whole = packed ?? attach(top, entered);
      const out = this.#guard(choice, rows, [attach(base[0]!, stayed), ...base.slice(1)], [whole, ...rest]);
      const [result, own] = split(out[0]!, [top.shape[1] as number, width], 1) as [Tensor, Tensor];
      return { results: [result, ...out.slice(1)], columns: { columns: own, width }, packed: out[0] };
    }
    const own = standalone(entered, this.#value(score!, rows));
    const missing = standalone(stayed, this.#value(score!, rows.parent!));
    const out = this.#guard(choice, rows, [...base, missing], [...computed, own]);
    return { results: out.slice(0, -1), columns: { columns: out.at(-1)!, width } };
  }

  /** If any row takes the region: its results, scattered into `base`; else `base` as it is. */
  #guard(
    choice: Choice,
    { block, mask, name }: Rows,
    base: readonly Tensor[],
    computed: readonly Tensor[],
  ): readonly Tensor[] {
    const k = (block.owner as Join).attrs.decision.options.findIndex((o) => o.name === block.name);
    if (this.#form === 'branch') return branch(reshape(choice.mask(k), [1]), computed, base);
    const index = rowsWhere(mask!, name);
    return branch(
      choice.any(k),
      computed.map((t, i) => scatterNd(base[i]!, index, t)),
      base,
    );
  }
}

/**
 * The shipped form: each region runs inside an `If`, on the rows that take it, with its weights inside the branch.
 *
 * @throws DynaError 'graph' where a region merges the batch axis, or nests deeper than ONNX Runtime loads
 */
export function sparse(net: Net, thresholds: Thresholds = {}, { form = 'rows' }: SparseOptions = {}): Lowered {
  checkDecisions(net, Object.keys(thresholds));
  const traced = formed(net.output, form);
  const lowered = new Lowering(traced, net, thresholds, form).run(traced);
  const [output, trace] = simplify(lowered.trace ? [lowered.output, lowered.trace] : [lowered.output]);
  const depth = nesting(placement(trace ? [output!, trace] : [output!]));
  if (depth > MOST_NESTED)
    throw new DynaError(
      'graph',
      `the lowered net nests ${depth} branches, ONNX Runtime loads at most ${MOST_NESTED}; use fewer decisions inside each other`,
    );
  return { output: output!, trace };
}

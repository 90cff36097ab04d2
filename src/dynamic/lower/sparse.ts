import { DynaError } from '../../errors.ts';
import {
  apply,
  BATCH,
  type Block,
  branch,
  ConstantOfShape,
  cast,
  compress,
  concat,
  formatShape,
  greater,
  ints,
  type Node,
  ndarray,
  nesting,
  type Placement,
  placement,
  reduceMax,
  remake,
  reshape,
  rowsWhere,
  scatterNd,
  shapeOf,
  simplify,
  slice,
  type Tensor,
  where,
} from '../../graph/index.ts';
import { isSelect, type Join, optionValues } from '../decision.ts';
import { joinsOf, MOST_NESTED, type Net } from '../net.ts';
import { choose, type Thresholds, thresholdInput } from './choice.ts';
import type { Lowered } from './masked.ts';

export interface SparseOptions {
  /**
   * `rows`: each region runs on the rows that take it (one input and batches alike).
   * `branch`: plain branches for a fixed batch of one.
   */
  readonly form?: 'rows' | 'branch';
}

/** The rows that one region of the net works on. */
interface Rows {
  readonly block: Block;
  readonly parent: Rows | undefined;
  /** Which of the parent's rows these are. */
  readonly mask: Tensor | undefined;
  /** Name of their number, for the batch axis. */
  readonly name: string;
  /** What the region computes, by the traced tensor. */
  readonly made: Map<Tensor, Tensor>;
}

interface Joined {
  readonly results: readonly Tensor[];
  /** Own choice, then those of decisions inside the options; [rows, ..]. */
  readonly columns: Tensor;
  readonly order: readonly Node[];
}

const batched = (t: Tensor): boolean => t.shape[0] === BATCH;

/** True (a scalar) where any row is. No rows: the maximum is -Infinity, which is not above 0. */
const any = (mask: Tensor): Tensor => greater(reduceMax(cast(mask, 'float32'), [0]), 0);

/** [rows of `like`, ...rest], filled with one value. */
function filled(like: Tensor, rest: readonly number[], value: number, dtype: Tensor['dtype']): Tensor {
  const to = [like.shape[0]!, ...rest];
  const target =
    typeof to[0] === 'number' ? ints(to as number[]) : concat([shapeOf(reshape(like, [-1])), ints(rest)], 0);
  return apply(ConstantOfShape, [target], { value: ndarray(dtype, [1], [value]), to });
}

/** Emits one net in sparse form. */
class Lowering {
  private readonly placed: Placement;
  private readonly joined = new Map<Node, Joined>();
  private readonly thresholds: Thresholds;
  private readonly form: 'rows' | 'branch';

  constructor(net: Net, thresholds: Thresholds, form: 'rows' | 'branch') {
    this.placed = placement([net.output]);
    this.thresholds = thresholds;
    this.form = form;
  }

  run(net: Net): Lowered {
    const root: Rows = { block: this.placed.root, parent: undefined, mask: undefined, name: BATCH, made: new Map() };
    const output = this.value(net.output, root);
    const outer = this.joinsIn(root.block).map((node) => this.join(node, root));
    if (outer.length === 0) return { output, trace: undefined };
    const order = outer.flatMap((j) => j.order);
    const all = concat(
      outer.map((j) => j.columns),
      1,
    );
    // Columns come out in the order of regions; a trace wants them in the order of decisions.
    const wanted = joinsOf(net).map((node) => order.indexOf(node));
    const sorted = wanted.every((p, i) => p === i) ? all : reorder(all, wanted);
    return { output, trace: sorted };
  }

  /** `t` as the region sees it: computed there, or taken from outside with the rows that are not here left out. */
  private value(t: Tensor, rows: Rows): Tensor {
    const known = rows.made.get(t);
    if (known) return known;
    const home = this.placed.of.get(t.node)!;
    let found: Tensor;
    if (t.node.op.leaf) found = t.node.op.leaf === 'input' ? this.fromOutside(t, rows) : t;
    else if (home !== rows.block) found = this.fromOutside(t, rows);
    else {
      const outputs = this.emit(t.node, rows);
      for (const [i, o] of t.node.outputs.entries()) rows.made.set(o, outputs[i]!);
      return outputs[t.index]!;
    }
    rows.made.set(t, found);
    return found;
  }

  private fromOutside(t: Tensor, rows: Rows): Tensor {
    if (!rows.parent) return t;
    const outside = this.value(t, rows.parent);
    return batched(t) && this.form === 'rows' ? compress(outside, rows.mask!, rows.name) : outside;
  }

  private emit(node: Node, rows: Rows): readonly Tensor[] {
    if (isSelect(node)) return this.join(node, rows).results;
    if (rows.parent) refuseMerging(node);
    return remake(
      node,
      node.inputs.map((t) => t && this.value(t, rows)),
    );
  }

  private joinsIn(block: Block): Join[] {
    return this.placed.nodes.filter(isSelect).filter((n) => this.placed.of.get(n) === block);
  }

  private join(node: Join, rows: Rows): Joined {
    const known = this.joined.get(node);
    if (known) return known;
    const { decision } = node.attrs;
    const score = this.value(node.inputs[0]!, rows);
    const { masks, column } = choose(decision, score, thresholdInput(decision, this.thresholds));
    const options = decision.options.map((option, k) => {
      const block = this.placed.child(node, option.name);
      const values = optionValues(node.inputs, node.attrs, k);
      return {
        block,
        values,
        mask: masks[k]!,
        inside: values.some((t) => this.placed.of.get(t.node) === block && !t.node.op.leaf),
      };
    });

    let results: readonly Tensor[] | undefined;
    for (const { values, mask } of options.filter((o) => !o.inside)) {
      const here = values.map((t) => this.value(t, rows));
      results = results ? results.map((r, i) => where(spread(mask, r), here[i]!, r)) : here;
    }
    const columns = [column];
    const order: Node[] = [node];
    const first = node.outputs;
    results ??= first.map((t) => filled(score, t.shape.slice(1) as number[], 0, t.dtype));
    for (const { block, values, mask } of options.filter((o) => o.inside)) {
      const inner: Rows = { block, parent: rows, mask, name: `${decision.name}/${block.name}.rows`, made: new Map() };
      const computed = values.map((t) => this.value(t, inner));
      const nested = this.joinsIn(block).map((n) => this.join(n, inner));
      order.push(...nested.flatMap((j) => j.order));
      if (nested.length > 0)
        computed.push(
          concat(
            nested.map((j) => j.columns),
            1,
          ),
        );
      const base: Tensor[] = [...results];
      if (nested.length > 0) base.push(filled(score, [computed.at(-1)!.shape[1] as number], -1, 'float32'));
      const out = this.guard(mask, base, computed, inner.name);
      results = out.slice(0, results.length);
      if (nested.length > 0) columns.push(out.at(-1)!);
    }
    const made: Joined = { results, columns: concat(columns, 1), order };
    this.joined.set(node, made);
    return made;
  }

  /** If any row takes the region: its results, scattered into `base`; else `base` as it is. */
  private guard(mask: Tensor, base: readonly Tensor[], computed: readonly Tensor[], rows: string): readonly Tensor[] {
    if (this.form === 'branch') return branch(reshape(mask, [1]), computed, base);
    const index = rowsWhere(mask, rows);
    return branch(
      any(mask),
      computed.map((t, i) => scatterNd(base[i]!, index, t)),
      base,
    );
  }
}

const spread = (mask: Tensor, like: Tensor): Tensor =>
  like.rank === 1 ? mask : reshape(mask, [-1, ...like.shape.slice(1).map(() => 1)]);

const reorder = (columns: Tensor, wanted: readonly number[]): Tensor => {
  const pieces = wanted.map((p) => slice(columns, [{ axis: 1, start: p, end: p + 1 }]));
  return concat(pieces, 1);
};

/** Inside a region only some rows are present, so nothing may mix rows or move them to another axis. */
function refuseMerging(node: Node): void {
  const inputs = node.inputs.filter((t) => t !== undefined);
  if (!inputs.some(batched)) return;
  const bad =
    node.op.couplesBatch ||
    node.outputs.some((t) => !batched(t) || t.shape.slice(1).some((d) => typeof d === 'string'));
  if (bad)
    throw new DynaError(
      'graph',
      `${node.op.name}${node.scope ? ` in "${node.scope}"` : ''} merges the batch axis (${inputs.map((t) => formatShape(t.shape)).join(', ')} to ${node.outputs.map((t) => formatShape(t.shape)).join(', ')}) inside a region that runs only for some inputs; keep axis 0 apart there`,
    );
}

/**
 * The shipped form: each region runs inside an `If`, on the rows that take it, with its weights inside the branch.
 *
 * @throws DynaError 'graph' where a region merges the batch axis, or nests deeper than ONNX Runtime loads
 */
export function sparse(net: Net, thresholds: Thresholds = {}, { form = 'rows' }: SparseOptions = {}): Lowered {
  const lowered = new Lowering(net, thresholds, form).run(net);
  const [output, trace] = simplify(lowered.trace ? [lowered.output, lowered.trace] : [lowered.output]);
  const depth = nesting(placement([output!]));
  if (depth > MOST_NESTED)
    throw new DynaError(
      'graph',
      `the lowered net nests ${depth} branches, ONNX Runtime loads at most ${MOST_NESTED}; use fewer decisions inside each other`,
    );
  return { output: output!, trace };
}

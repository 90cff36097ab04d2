import { DynaError } from '../../errors.ts';
import {
  add,
  BATCH,
  type Block,
  branch,
  cast,
  compress,
  formatShape,
  input,
  type Node,
  nesting,
  placement,
  remake,
  reshape,
  rowsWhere,
  scatterNd,
  simplify,
  split,
  substitute,
  type Tensor,
  unsqueeze,
} from '../../graph/index.ts';
import { isSelect, type Join, optionValues } from '../decision.ts';
import { MOST_NESTED, type Net } from '../net.ts';
import { checkDecisions, choose, type Thresholds, thresholdInput } from './choice.ts';
import { JoinMap } from './columns.ts';
import { type Lowered, pick } from './masked.ts';
import { attach, filled, type Part, standalone, widthOf } from './parts.ts';

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
  /** Columns of the trace: the join's own, then those of decisions inside its options. */
  readonly parts: readonly Part[];
  /** Result 0 with `parts` appended, where the join put it out so. */
  readonly packed?: Tensor;
}

const batched = (t: Tensor): boolean => t.shape[0] === BATCH;

/** A matrix takes the trace along: one tensor less to scatter. */
const packable = (t: Tensor): boolean => t.rank === 2 && t.dtype === 'float32';

/** Emits one net in sparse form. */
class Lowering {
  private readonly map: JoinMap;
  private readonly joined = new Map<Node, Joined>();
  private readonly thresholds: Thresholds;
  private readonly form: 'rows' | 'branch';

  constructor(net: Net, thresholds: Thresholds, form: 'rows' | 'branch') {
    this.map = new JoinMap(net);
    this.thresholds = thresholds;
    this.form = form;
  }

  run(net: Net): Lowered {
    const root: Rows = {
      block: this.map.placed.root,
      parent: undefined,
      mask: undefined,
      name: BATCH,
      made: new Map(),
    };
    this.emitAll(root);
    const output = this.value(net.output, root);
    const parts = this.parts(root, undefined);
    const first = this.map.joinsIn(root.block)[0];
    return { output, trace: first ? standalone(parts, this.value(first.inputs[0]!, root)) : undefined };
  }

  /** The columns of the decisions of a region, but for the chain of exits that goes on in it. */
  private parts(rows: Rows, continued: Join | undefined): Part[] {
    const others = this.map.joinsIn(rows.block).filter((j) => j !== continued);
    return others.flatMap((j) => this.join(j, rows, 0).parts);
  }

  /** `t` as the region sees it: computed there, or taken from outside with the rows that are not here left out. */
  private value(t: Tensor, rows: Rows): Tensor {
    const known = rows.made.get(t);
    if (known) return known;
    const { leaf } = t.node.op;
    let found = t;
    if (leaf === 'input' || (!leaf && this.map.placed.of.get(t.node) !== rows.block)) found = this.fromOutside(t, rows);
    else if (!leaf) {
      const outputs = this.emit(t.node, rows);
      for (const [i, o] of t.node.outputs.entries()) rows.made.set(o, outputs[i]!);
      return outputs[t.index]!;
    }
    rows.made.set(t, found);
    return found;
  }

  /** Makes everything of a region in the order of the net, so that `value` never walks far back (deep nets). */
  private emitAll(rows: Rows): void {
    for (const node of this.map.nodesIn(rows.block)) this.value(node.outputs[0]!, rows);
  }

  private fromOutside(t: Tensor, rows: Rows): Tensor {
    if (!rows.parent) return t;
    const outside = this.value(t, rows.parent);
    return batched(t) && this.form === 'rows' ? compress(outside, rows.mask!, rows.name) : outside;
  }

  private emit(node: Node, rows: Rows): readonly Tensor[] {
    if (isSelect(node)) return this.join(node, rows, 0).results;
    if (rows.parent) refuseMerging(node);
    return remake(
      node,
      node.inputs.map((t) => t && this.value(t, rows)),
    );
  }

  /** `passed`: how many exits of its chain lie before this join. */
  private join(node: Join, rows: Rows, passed: number): Joined {
    const known = this.joined.get(node);
    if (known) return known;
    const { decision } = node.attrs;
    const score = this.value(node.inputs[0]!, rows);
    const choice = choose(decision, score, thresholdInput(decision, this.thresholds));
    const answers = decision.options[1]!.answers === true;
    const next = this.map.next(node);
    const options = decision.options.map((option, k) => {
      const block = this.map.placed.child(node, option.name);
      const values = optionValues(node.inputs, node.attrs, k);
      return {
        k,
        block,
        values,
        inside: values.some((t) => this.map.placed.of.get(t.node) === block && !t.node.op.leaf),
      };
    });

    let results: readonly Tensor[] | undefined;
    for (const { k, values } of options.filter((o) => !o.inside)) {
      const here = values.map((t) => this.value(t, rows));
      results = results ? results.map((r, i) => pick(choice.mask(k), here[i]!, r)) : here;
    }
    results ??= node.outputs.map((t) => filled(score, t.shape.slice(1) as number[], 0, t.dtype));
    const columns = new Map<number, Part>();
    let packed: Tensor | undefined;

    const inside = options.filter((o) => o.inside);
    // An exit whose head lies inside answers first: what goes on carries the chain's column, on top of that answer.
    for (const { k, block, values } of answers ? inside.reverse() : inside) {
      const inner: Rows = {
        block,
        parent: rows,
        mask: choice.mask(k),
        name: `${decision.name}/${block.name}.rows`,
        made: new Map(),
      };
      this.emitAll(inner);
      const goesOn = answers && k === 0;
      const continued = goesOn && next ? this.join(next, inner, passed + 1) : undefined;
      if (continued) for (const [i, t] of continued.results.entries()) inner.made.set(next!.outputs[i]!, t);
      const computed = values.map((t) => this.value(t, inner));
      const others = this.parts(inner, continued && next);
      // Rows that stay outside: the chain stopped here, and nothing inside was reached.
      const chain: readonly Part[] = goesOn ? (continued?.parts ?? [{ value: passed + 1, width: 1 }]) : [];
      const entered = [...chain, ...others];
      const width = widthOf(entered);
      const stayed: Part[] = goesOn
        ? [
            { value: passed, width: 1 },
            { value: -1, width: width - 1 },
          ]
        : [{ value: -1, width }];
      const [top, ...rest] = computed as [Tensor, ...Tensor[]];
      if (width === 0) results = this.guard(choice, inner, results, computed);
      else if (packable(top)) {
        const whole = continued?.packed && others.length === 0 ? continued.packed : attach(top, entered);
        const out = this.guard(choice, inner, [attach(results[0]!, stayed), ...results.slice(1)], [whole, ...rest]);
        const [result, own] = split(out[0]!, [top.shape[1] as number, width], 1) as [Tensor, Tensor];
        results = [result, ...out.slice(1)];
        packed = goesOn ? out[0]! : undefined;
        columns.set(k, { columns: own, width });
      } else {
        const like = this.value(node.inputs[0]!, inner);
        const out = this.guard(
          choice,
          inner,
          [...results, standalone(stayed, score)],
          [...computed, standalone(entered, like)],
        );
        results = out.slice(0, -1);
        columns.set(k, { columns: out.at(-1)!, width });
      }
    }
    const parts = options.flatMap(({ k }) => columns.get(k) ?? []);
    if (!answers) parts.unshift({ columns: choice.column(), width: 1 });
    else if (!columns.has(0))
      parts.unshift({ columns: add(unsqueeze(cast(choice.mask(0), 'float32'), [1]), passed), width: 1 });
    const made: Joined = { results, parts, ...(packed && parts.length === 1 ? { packed } : {}) };
    this.joined.set(node, made);
    return made;
  }

  /** If any row takes the region: its results, scattered into `base`; else `base` as it is. */
  private guard(
    choice: ReturnType<typeof choose>,
    { block, mask, name }: Rows,
    base: readonly Tensor[],
    computed: readonly Tensor[],
  ): readonly Tensor[] {
    const k = (block.owner as Join).attrs.decision.options.findIndex((o) => o.name === block.name);
    if (this.form === 'branch') return branch(reshape(choice.mask(k), [1]), computed, base);
    const index = rowsWhere(mask!, name);
    return branch(
      choice.any(k),
      computed.map((t, i) => scatterNd(base[i]!, index, t)),
      base,
    );
  }
}

const named = (t: Tensor): boolean => t.shape.some((d) => typeof d === 'string');

/** Does the operator work along axis 0 of its rows? An axis counted from the end is one of the larger shape. */
function alongRows({ attrs, inputs, outputs }: Node): boolean {
  const { axis } = attrs as { axis?: number };
  if (axis === undefined || !inputs[0] || !batched(inputs[0])) return false;
  return (axis < 0 ? axis + Math.max(inputs[0].rank, outputs[0]!.rank) : axis) === 0;
}

/** Inside a region only some rows are present, so nothing may mix rows or move them to another axis. */
function refuseMerging(node: Node): void {
  const inputs = node.inputs.filter((t) => t !== undefined);
  if (!inputs.some(named)) return;
  const apart = (t: Tensor): boolean => batched(t) && t.shape.slice(1).every((d) => typeof d === 'number');
  const bad =
    node.op.couplesBatch || alongRows(node) || !inputs.filter(named).every(apart) || !node.outputs.every(apart);
  if (bad)
    throw new DynaError(
      'graph',
      `${node.op.name}${node.scope ? ` in "${node.scope}"` : ''} merges the batch axis (${inputs.map((t) => formatShape(t.shape)).join(', ')} to ${node.outputs.map((t) => formatShape(t.shape)).join(', ')}) inside a region that runs only for some inputs; keep axis 0 apart there`,
    );
}

/** The same net for a fixed batch of one. */
function single(net: Net): Net {
  const one = input(net.input.node.attrs.name, [1, ...net.input.shape.slice(1)]);
  const [output] = substitute([net.output], new Map([[net.input, one]]));
  return { ...net, input: one, output: output! };
}

/**
 * The shipped form: each region runs inside an `If`, on the rows that take it, with its weights inside the branch.
 *
 * @throws DynaError 'graph' where a region merges the batch axis, or nests deeper than ONNX Runtime loads
 */
export function sparse(net: Net, thresholds: Thresholds = {}, { form = 'rows' }: SparseOptions = {}): Lowered {
  checkDecisions(net, Object.keys(thresholds));
  const base = form === 'branch' ? single(net) : net;
  const lowered = new Lowering(base, thresholds, form).run(base);
  const [output, trace] = simplify(lowered.trace ? [lowered.output, lowered.trace] : [lowered.output]);
  const depth = nesting(placement(trace ? [output!, trace] : [output!]));
  if (depth > MOST_NESTED)
    throw new DynaError(
      'graph',
      `the lowered net nests ${depth} branches, ONNX Runtime loads at most ${MOST_NESTED}; use fewer decisions inside each other`,
    );
  return { output: output!, trace };
}

import { DynaError } from '../errors.ts';
import type { DType, NDArray } from './array.ts';
import { Names } from './names.ts';
import { elementNumber } from './onnx/elements.ts';
import type { OnnxAttribute, OnnxGraph, OnnxModel, OnnxNode, OnnxTensor, OnnxValue } from './onnx/index.ts';
import type { ParamAttrs } from './ops/leaf.ts';
import { type Block, type Placement, placement } from './passes/blocks.ts';
import { expand } from './passes/expand.ts';
import type { Node, Tensor } from './tensor.ts';

/** Of the default domain: what older runtimes read, and what the operators here are written for. */
const OPSET = 17;

/** What a file holds besides the graph. */
export interface WriteOptions {
  /** Values of the parameters, by scoped name. */
  weights?: ReadonlyMap<string, NDArray>;
  irVersion?: number;
  metadata?: Record<string, string>;
  name?: string;
  producer?: string;
  /** Declares the shapes of all inner values, for viewers; off keeps the file small. */
  innerShapes?: boolean;
}

/** An output of the file: its name and what it gives. */
export type Outputs = Readonly<Record<string, Tensor>>;

function attribute(node: Node, key: string, value: unknown): OnnxAttribute {
  if (typeof value === 'number')
    return node.op.floats?.includes(key) ? { kind: 'float', value } : { kind: 'int', value };
  if (typeof value === 'string' && key === 'to') return { kind: 'int', value: elementNumber(value as DType) };
  if (typeof value === 'string') return { kind: 'string', value };
  if (Array.isArray(value)) return node.op.floats?.includes(key) ? { kind: 'floats', value } : { kind: 'ints', value };
  if (value && typeof value === 'object' && 'data' in value)
    return { kind: 'tensor', value: { ...(value as NDArray), name: '' } };
  throw new DynaError('graph', `${node.op.name}: attribute "${key}" cannot be written`);
}

function attributesOf(node: Node): Record<string, OnnxAttribute> {
  const list = Object.entries(node.attrs).filter(([key, v]) => v !== undefined && !node.op.internal?.includes(key));
  return Object.fromEntries(list.map(([key, v]) => [key, attribute(node, key, v)]));
}

const valueInfo = (name: string, t: { dtype: DType; shape: readonly (number | string)[] }): OnnxValue => ({
  name,
  dtype: t.dtype,
  shape: [...t.shape],
});

/**
 * Turns a graph into an ONNX model. Nodes that only one branch of an `If` needs are written inside that branch, with
 * their weights; every weight is stored once.
 *
 * @throws DynaError 'graph' for pseudo-operators that no lowering removed, parameters without values, equal names
 * @example encodeModel(toOnnx({ logits }, { weights }))
 */
export function toOnnx(asked: Outputs, options: WriteOptions = {}): OnnxModel {
  const results = expand(Object.values(asked));
  const outputs: Outputs = Object.fromEntries(Object.keys(asked).map((name, i) => [name, results[i]!]));
  const { graph, domains } = new Writer(outputs, options).write();
  return {
    irVersion: options.irVersion ?? 8,
    opsets: Object.fromEntries([...domains].map((d) => [d, d === '' ? OPSET : 1])),
    producer: options.producer ?? 'dynaneural',
    producerVersion: '',
    docString: '',
    metadata: options.metadata ?? {},
    graph,
  };
}

/** One graph on its way into a file: which block each node is written in, and what each tensor is called there. */
class Writer {
  readonly #outputs: Outputs;
  readonly #options: WriteOptions;
  readonly #placed: Placement;
  readonly #root: OnnxGraph;
  readonly #graphs = new Map<Block, OnnxGraph>();
  readonly #domains = new Set(['']);
  readonly #names = new Names();
  readonly #nameOf = new Map<Tensor, string>();
  /** Names that the outputs ask for, by tensor. */
  readonly #wanted: ReadonlyMap<Tensor, string>;
  /** Tensors that something reads. */
  readonly #used: ReadonlySet<Tensor | undefined>;

  constructor(outputs: Outputs, options: WriteOptions) {
    const results = Object.values(outputs);
    this.#outputs = outputs;
    this.#options = options;
    this.#placed = placement(results);
    this.#root = this.#graphOf(this.#placed.root);
    this.#wanted = new Map(Object.entries(outputs).map(([name, t]) => [t, name]));
    this.#used = new Set(this.#placed.nodes.flatMap((n) => n.inputs).concat(results));
  }

  write(): { graph: OnnxGraph; domains: ReadonlySet<string> } {
    this.#reserveNames();
    // A branch's block comes before its owner in the order of nodes, so its graph is complete when the owner is written.
    for (const node of this.#placed.nodes) {
      if (node.op.leaf) this.#leaf(node);
      else this.#node(node);
    }
    for (const [name, t] of Object.entries(this.#outputs)) {
      if (this.#nameOf.get(t) === name) this.#root.outputs.push(valueInfo(name, t));
      else this.#finish(this.#placed.root, t, name);
    }
    return { graph: this.#root, domains: this.#domains };
  }

  #graphOf(block: Block): OnnxGraph {
    const known = this.#graphs.get(block);
    if (known) return known;
    const name = block.owner ? `${block.owner.scope || 'if'}/${block.name}` : (this.#options.name ?? 'dynaneural');
    const made: OnnxGraph = { name, nodes: [], inputs: [], outputs: [], initializers: [], values: [] };
    this.#graphs.set(block, made);
    return made;
  }

  /** Names that others rely on come first: those of outputs, inputs and parameters. */
  #reserveNames(): void {
    for (const name of Object.keys(this.#outputs)) this.#names.reserve(name);
    for (const node of this.#placed.nodes) {
      if (node.op.leaf !== 'input' && node.op.leaf !== 'param') continue;
      const { name } = node.attrs as ParamAttrs;
      if (!this.#names.reserve(name))
        throw new DynaError('graph', `two ${node.op.leaf}s are named "${name}"; give each its own name or scope`);
      this.#nameOf.set(node.outputs[0]!, name);
    }
  }

  #leaf(node: Node): void {
    const out = node.outputs[0]!;
    if (node.op.leaf === 'input') {
      const { name, fallback } = node.attrs;
      this.#root.inputs.push(valueInfo(name, out));
      if (fallback) this.#root.initializers.push({ ...(fallback as NDArray), name });
      return;
    }
    const value =
      node.op.leaf === 'constant' ? (node.attrs.value as NDArray) : this.#options.weights?.get(node.attrs.name);
    if (!value)
      throw new DynaError('graph', `parameter "${node.attrs.name}" has no value; train the net or initialise it first`);
    const name = this.#nameOf.get(out) ?? this.#names.fresh('constant');
    this.#nameOf.set(out, name);
    this.#graphOf(this.#placed.of.get(node)!).initializers.push({ ...value, name } as OnnxTensor);
  }

  #node(node: Node): void {
    const { op, scope } = node;
    if (op.domain === 'dynaneural')
      throw new DynaError('graph', `${op.name}${scope ? ` "${scope}"` : ''} has no ONNX form; lower the net first`);
    this.#domains.add(op.domain);
    const block = this.#placed.of.get(node)!;
    const graph = this.#graphOf(block);
    const name = this.#names.fresh(scope ? `${scope}/${op.name}` : op.name);
    const outputs = this.#nameOutputs(node, name, block);
    const written: OnnxNode = {
      op: op.name,
      domain: op.domain,
      name,
      inputs: [],
      outputs,
      attributes: attributesOf(node),
    };
    for (const [i, t] of node.inputs.entries()) {
      const inside = op.block?.(node, i);
      if (inside === undefined) {
        written.inputs.push(t ? this.#nameOf.get(t)! : '');
        continue;
      }
      const body = this.#placed.child(node, inside);
      this.#finish(body, t!);
      written.attributes[`${inside}_branch`] = { kind: 'graph', value: this.#graphOf(body) };
    }
    while (written.inputs.at(-1) === '') written.inputs.pop();
    graph.nodes.push(written);
    this.#declareShapes(node, graph);
  }

  /** Outputs that nobody reads stay unnamed where the operator may leave them out. */
  #nameOutputs({ op, outputs }: Node, name: string, block: Block): string[] {
    const list = outputs.map((t, i) => {
      if (!this.#used.has(t) && i >= (op.optionalFrom ?? Number.POSITIVE_INFINITY)) return '';
      const asked = block === this.#placed.root ? this.#wanted.get(t) : undefined;
      const own =
        asked ?? (i === 0 && this.#names.reserve(`${name}:0`) ? `${name}:0` : this.#names.fresh(`${name}:${i}`));
      this.#nameOf.set(t, own);
      return own;
    });
    while (list.length > 1 && list.at(-1) === '') list.pop();
    return list;
  }

  #declareShapes({ op, outputs }: Node, graph: OnnxGraph): void {
    // Without its named batch axis the optimiser of ONNX Runtime assumes at least one row (crashes on none).
    if (!this.#options.innerShapes && !op.internal?.includes('rows')) return;
    for (const t of outputs)
      if (this.#used.has(t) && !this.#wanted.has(t)) graph.values.push(valueInfo(this.#nameOf.get(t)!, t));
  }

  /** Makes `t` an output of a block under `name`: an alias where it was computed elsewhere or is asked for twice. */
  #finish(block: Block, t: Tensor, name?: string): void {
    const graph = this.#graphOf(block);
    const own = this.#nameOf.get(t)!;
    const taken = graph.outputs.some((o) => o.name === own);
    const outer = this.#placed.of.get(t.node) !== block || t.node.op.leaf !== undefined;
    const result = name ?? (outer || taken ? this.#names.fresh(`${own}/result`) : own);
    if (result !== own)
      graph.nodes.push({ op: 'Identity', domain: '', name: result, inputs: [own], outputs: [result], attributes: {} });
    graph.outputs.push(valueInfo(result, t));
  }
}

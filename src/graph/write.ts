import { DynaError } from '../errors.ts';
import type { DType, NDArray } from './array.ts';
import { Names } from './names.ts';
import { elementNumber } from './onnx/elements.ts';
import type { OnnxAttribute, OnnxGraph, OnnxModel, OnnxNode, OnnxTensor, OnnxValue } from './onnx/index.ts';
import type { ParamAttrs } from './ops/leaf.ts';
import { type Block, placement } from './passes/blocks.ts';
import { expand } from './passes/expand.ts';
import type { Node, Tensor } from './tensor.ts';

export interface WriteOptions {
  /** Values of the parameters, by scoped name. */
  weights?: ReadonlyMap<string, NDArray>;
  /** Operator set of the default domain; 17 by default, which older runtimes read. */
  opset?: number;
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
  const placed = placement(results);
  const names = new Names();
  const nameOf = new Map<Tensor, string>();
  const graphs = new Map<Block, OnnxGraph>();
  const domains = new Set(['']);
  const empty = (name: string): OnnxGraph => ({
    name,
    nodes: [],
    inputs: [],
    outputs: [],
    initializers: [],
    values: [],
  });
  const graphOf = (block: Block): OnnxGraph => {
    const known = graphs.get(block);
    if (known) return known;
    const made = empty(block.owner ? `${block.owner.scope || 'if'}/${block.name}` : (options.name ?? 'dynaneural'));
    graphs.set(block, made);
    return made;
  };
  const root = graphOf(placed.root);

  for (const name of Object.keys(outputs))
    if (!names.reserve(name)) throw new DynaError('graph', `two outputs are named "${name}"`);
  for (const node of placed.nodes) {
    if (node.op.leaf !== 'input' && node.op.leaf !== 'param') continue;
    const { name } = node.attrs as ParamAttrs;
    if (!names.reserve(name))
      throw new DynaError('graph', `two ${node.op.leaf}s are named "${name}"; give each its own name or scope`);
    nameOf.set(node.outputs[0]!, name);
  }

  const leaf = (node: Node, graph: OnnxGraph): void => {
    const out = node.outputs[0]!;
    if (node.op.leaf === 'input') {
      root.inputs.push(valueInfo(node.attrs.name, out));
      if (node.attrs.fallback) root.initializers.push({ ...(node.attrs.fallback as NDArray), name: node.attrs.name });
      return;
    }
    const value = node.op.leaf === 'constant' ? (node.attrs.value as NDArray) : options.weights?.get(node.attrs.name);
    if (!value)
      throw new DynaError('graph', `parameter "${node.attrs.name}" has no value; train the net or initialise it first`);
    const name = nameOf.get(out) ?? names.fresh('constant');
    nameOf.set(out, name);
    graph.initializers.push({ ...value, name } as OnnxTensor);
  };

  /** Makes `t` an output of `graph` under `name`: an alias where it was computed elsewhere or is asked for twice. */
  const finish = (graph: OnnxGraph, block: Block, t: Tensor, name?: string): void => {
    const own = nameOf.get(t)!;
    const taken = graph.outputs.some((o) => o.name === own);
    const outer = placed.of.get(t.node) !== block || t.node.op.leaf !== undefined;
    const result = name ?? (outer || taken ? names.fresh(`${own}/result`) : own);
    if (result !== own)
      graph.nodes.push({ op: 'Identity', domain: '', name: result, inputs: [own], outputs: [result], attributes: {} });
    graph.outputs.push(valueInfo(result, t));
  };

  const attributesOf = (node: Node): Record<string, OnnxAttribute> => {
    const list = Object.entries(node.attrs).filter(([key, v]) => v !== undefined && !node.op.internal?.includes(key));
    return Object.fromEntries(list.map(([key, v]) => [key, attribute(node, key, v)]));
  };

  const wanted = new Map(Object.entries(outputs).map(([name, t]) => [t, name]));
  const used = new Set(placed.nodes.flatMap((n) => n.inputs).concat(results));

  // A branch's block comes before its owner in the order of nodes, so its graph is complete when the owner is written.
  for (const node of placed.nodes) {
    const block = placed.of.get(node)!;
    const graph = graphOf(block);
    if (node.op.leaf) {
      leaf(node, graph);
      continue;
    }
    if (node.op.domain === 'dynaneural')
      throw new DynaError(
        'graph',
        `${node.op.name}${node.scope ? ` "${node.scope}"` : ''} has no ONNX form; lower the net first`,
      );
    domains.add(node.op.domain);
    const path = node.scope ? `${node.scope}/${node.op.name}` : node.op.name;
    const name = names.fresh(path);
    const outs = node.outputs.map((t, i) => {
      if (!used.has(t) && i >= (node.op.optionalFrom ?? Number.POSITIVE_INFINITY)) return '';
      const direct = block === placed.root ? wanted.get(t) : undefined;
      const own = direct ?? (i === 0 && names.reserve(`${name}:0`) ? `${name}:0` : names.fresh(`${name}:${i}`));
      nameOf.set(t, own);
      return own;
    });
    while (outs.length > 1 && outs.at(-1) === '') outs.pop();
    const written: OnnxNode = {
      op: node.op.name,
      domain: node.op.domain,
      name,
      inputs: [],
      outputs: outs,
      attributes: attributesOf(node),
    };
    for (const [i, t] of node.inputs.entries()) {
      const inside = node.op.block?.(node, i);
      if (inside === undefined) {
        written.inputs.push(t ? nameOf.get(t)! : '');
        continue;
      }
      const body = graphOf(placed.child(node, inside));
      finish(body, placed.child(node, inside), t!);
      written.attributes[`${inside}_branch`] = { kind: 'graph', value: body };
    }
    while (written.inputs.at(-1) === '') written.inputs.pop();
    graph.nodes.push(written);
    // Without its named batch axis the optimiser of ONNX Runtime assumes at least one row (crashes on none).
    const named = node.outputs.filter(
      (t) => used.has(t) && (options.innerShapes || node.op.internal?.includes('rows')),
    );
    for (const t of named) if (!wanted.has(t)) graph.values.push(valueInfo(nameOf.get(t)!, t));
  }
  for (const [name, t] of Object.entries(outputs)) {
    if (nameOf.get(t) === name) root.outputs.push(valueInfo(name, t));
    else finish(root, placed.root, t, name);
  }

  const opset = options.opset ?? 17;
  return {
    irVersion: options.irVersion ?? 8,
    opsets: Object.fromEntries([...domains].map((d) => [d, d === '' ? opset : 1])),
    producer: options.producer ?? 'dynaneural',
    producerVersion: '',
    docString: '',
    metadata: options.metadata ?? {},
    graph: root,
  };
}

import { DynaError } from '../../errors.ts';
import { forEachNode, type OnnxGraph, type OnnxNode, type OnnxValue } from '../onnx/index.ts';
import { fill } from '../ops/evaluate.ts';
import { constant, constantOf } from '../ops/leaf.ts';
import { rewrite } from '../passes/rewrite.ts';
import { foldConstants } from '../passes/simplify.ts';
import { atScope } from '../scope.ts';
import type { Node, Tensor } from '../tensor.ts';
import { Call, type Converters, contradiction } from './call.ts';
import { composed } from './composed.ts';
import { einsum } from './einsum.ts';
import { elementwise } from './elementwise.ts';
import { Env, type Session } from './env.ts';
import { indexing } from './indexing.ts';
import { describe, sorted } from './order.ts';
import { reductions } from './reductions.ts';
import { sequences } from './sequences.ts';
import { shapes } from './shapes.ts';
import { windows } from './windows.ts';

/** How each operator of a file is read; a name of another domain has it in front. */
const converters: Converters = {
  ...elementwise,
  ...windows,
  ...reductions,
  ...shapes,
  ...sequences,
  ...indexing,
  ...composed,
  Einsum: einsum,
};

const nameOf = (node: OnnxNode): string => (node.domain === '' ? node.op : `${node.domain}.${node.op}`);

/** The ONNX operators that models may use, by name (those of other domains with the domain in front). */
export const readableOperators: readonly string[] = Object.keys(converters).sort();

/** The place in our graph: the node's name, less the operator that our writer and PyTorch put at its end. */
function scopeOf({ name, op }: OnnxNode): string {
  const whole = name.replace(/^\/+/, '');
  if (whole === op) return '';
  const at = whole.lastIndexOf('/');
  const last = whole.slice(at + 1);
  const isOperator = last === op || (last.startsWith(`${op}_`) && /^\d+$/.test(last.slice(op.length + 1)));
  return at >= 0 && isOperator ? whole.slice(0, at) : whole;
}

function unsupported({ model }: Session): DynaError {
  const places = new Map<string, { first: string; count: number }>();
  forEachNode(model.graph, (node) => {
    const name = nameOf(node);
    if (Object.hasOwn(converters, name)) return;
    const known = places.get(name);
    if (known) known.count++;
    else places.set(name, { first: describe(node), count: 1 });
  });
  const list = [...places.values()].map(({ first, count }) => (count === 1 ? first : `${first} and ${count - 1} more`));
  return new DynaError('model', `the model uses operators that are not supported: ${list.join('; ')}`, {
    fix: `supported are ${readableOperators.join(', ')}`,
  });
}

/** Replaces a tensor by a constant where its numbers are known. */
function settle(t: Tensor, { sizes }: Session): Tensor {
  if (constantOf(t)) return t;
  const known = sizes.of(t);
  if (known?.every(Number.isSafeInteger) && (t.dtype === 'int64' || t.dtype === 'bool'))
    return constant({
      dtype: t.dtype,
      dims: t.rank === 0 ? [] : [known.length],
      data: fill(t.dtype, known.length, (i) => known[i] as number),
    });
  if (!folds(t)) return t;
  const [folded] = rewrite([t], foldConstants);
  return constantOf(folded) ? folded! : t;
}

/** What a converter makes of one node is no more than this; larger graphs of constants are left to `simplify`. */
const LARGEST_FOLD = 100;

/** True where nothing but constants, and few nodes, stand behind a tensor. */
function folds(t: Tensor): boolean {
  const seen = new Set<Node>([t.node]);
  for (const { op, inputs, outputs } of seen) {
    if (seen.size > LARGEST_FOLD || outputs[0]!.dtype === 'float16') return false;
    if (op.leaf ? op.leaf !== 'constant' : inputs.length === 0) return false;
    for (const x of inputs) if (x) seen.add(x.node);
  }
  return true;
}

function readNode(node: OnnxNode, env: Env, declared: ReadonlyMap<string, OnnxValue>): void {
  const { session } = env;
  const name = nameOf(node);
  if (!Object.hasOwn(converters, name)) throw unsupported(session);
  const call = new Call(node, env, declared, (graph) => readGraph(graph, new Env(session, env)));
  try {
    const results = atScope(scopeOf(node), () => converters[name]!(call));
    call.finish(results);
    if ('list' in results) {
      env.define(node.outputs[0]!, { list: results.list.map((t) => settle(t, session)) });
      return;
    }
    for (const [i, t] of results.entries()) {
      if (!call.asks(i)) continue;
      call.checkDeclared(i, t);
      env.define(node.outputs[i]!, settle(t, session));
    }
  } catch (cause) {
    if (cause instanceof DynaError && cause.code === 'model') throw cause;
    throw new DynaError('model', `${describe(node)}: ${(cause as Error).message}`, { cause });
  }
}

/** Reads a graph into `env` and gives its results in their order; stored tensors named in `known` are there already. */
export function readGraph(graph: OnnxGraph, env: Env, known: ReadonlySet<string> = new Set()): Tensor[] {
  if (graph.strings?.length) throw new DynaError('model', `initializer ${graph.strings[0]!.name} holds strings`);
  for (const stored of graph.initializers) if (!known.has(stored.name)) env.define(stored.name, { stored });
  const declared = new Map([...graph.values, ...graph.outputs].map((v) => [v.name, v]));
  for (const node of sorted(graph, env.has, env.session.captures)) readNode(node, env, declared);
  const unused = env.unused();
  if (unused.length > 0) env.session.note(`${unused.length} stored tensors are not used, first "${unused[0]}"`);
  return graph.outputs.map((v) => {
    const t = env.tensor(v.name);
    if (!t) throw new DynaError('model', `the output "${v.name}" is made by nothing in the model`);
    const problem = contradiction(v, t);
    if (problem) throw new DynaError('model', `the output "${v.name}" ${problem}`);
    return t;
  });
}

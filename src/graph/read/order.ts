import { DynaError } from '../../errors.ts';
import { type OnnxGraph, type OnnxNode, subgraphsOf } from '../onnx/index.ts';
import { quote } from '../onnx/scalars.ts';

/** A node as messages name it. */
export const describe = (node: OnnxNode): string => {
  const name = node.name || node.outputs.find((o) => o !== '');
  const op = `${node.domain ? `${node.domain}.` : ''}${node.op}`;
  return `node ${quote(name ?? '')} (${/^[\w.]{1,80}$/.test(op) ? op : quote(op)})`;
};

/** Names that a graph uses and does not make: what a branch captures from outside. */
function captures(graph: OnnxGraph, known: Map<OnnxGraph, ReadonlySet<string>>): ReadonlySet<string> {
  const done = known.get(graph);
  if (done) return done;
  const own = new Set<string>();
  for (const v of [...graph.inputs, ...graph.initializers]) own.add(v.name);
  for (const node of graph.nodes) for (const name of node.outputs) own.add(name);
  const free = new Set<string>();
  const use = (name: string): void => {
    if (name !== '' && !own.has(name)) free.add(name);
  };
  for (const node of graph.nodes) {
    for (const name of node.inputs) use(name);
    for (const inner of subgraphsOf(node)) for (const name of captures(inner, known)) use(name);
  }
  for (const v of graph.outputs) use(v.name);
  known.set(graph, free);
  return free;
}

/** Computes once for a file what its branches capture. */
export type Captures = (graph: OnnxGraph) => ReadonlySet<string>;
export const capturesOf = (): Captures => {
  const known = new Map<OnnxGraph, ReadonlySet<string>>();
  return (graph) => captures(graph, known);
};

/**
 * The nodes of a graph, each after what it needs.
 *
 * @param isKnown whether a name is defined outside of the nodes (inputs, initialisers, graphs around)
 * @throws DynaError('model') for names made twice, names that nothing makes, and cycles
 */
export function sorted(graph: OnnxGraph, isKnown: (name: string) => boolean, capturesOf: Captures): OnnxNode[] {
  const maker = new Map<string, OnnxNode>();
  for (const node of graph.nodes)
    for (const name of node.outputs) {
      if (name === '') continue;
      const other = maker.get(name);
      if (other || isKnown(name))
        throw new DynaError(
          'model',
          `${describe(node)}: the name ${quote(name)} is already taken by ${other ? describe(other) : 'an input, an initializer or a graph around'}`,
          { fix: 'every value of a graph needs its own name; export the model again' },
        );
      maker.set(name, node);
    }

  const needs = (node: OnnxNode): string[] => {
    const inner = subgraphsOf(node).flatMap((g) => [...capturesOf(g)]);
    return [...node.inputs.filter((name) => name !== ''), ...inner];
  };
  const state = new Map<OnnxNode, 'open' | 'done'>();
  const list: OnnxNode[] = [];
  for (const start of graph.nodes) {
    const stack: { node: OnnxNode; needs: string[]; next: number }[] = [];
    const enter = (node: OnnxNode): void => {
      state.set(node, 'open');
      stack.push({ node, needs: needs(node), next: 0 });
    };
    if (!state.has(start)) enter(start);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const name = top.needs[top.next++];
      if (name === undefined) {
        stack.pop();
        state.set(top.node, 'done');
        list.push(top.node);
        continue;
      }
      const from = maker.get(name);
      if (!from) {
        if (isKnown(name)) continue;
        throw new DynaError(
          'model',
          `${describe(top.node)}: its input ${quote(name)} is made by nothing in the model`,
          {
            fix: 'the file is damaged or was cut: export it again',
          },
        );
      }
      if (state.get(from) === 'open')
        throw new DynaError('model', `${describe(top.node)}: its input ${quote(name)} depends on its own output`, {
          fix: 'an ONNX graph must not have cycles; export it again',
        });
      if (!state.has(from)) enter(from);
    }
  }
  return list;
}

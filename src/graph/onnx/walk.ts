import type { OnnxAttribute, OnnxGraph, OnnxNode } from './model.ts';

/** The graphs that a node carries in its attributes: branches of If, bodies of Loop and Scan. */
export const subgraphsOf = (node: OnnxNode): OnnxGraph[] => Object.values(node.attributes).flatMap(graphsIn);

function graphsIn(attribute: OnnxAttribute): OnnxGraph[] {
  if (attribute.kind === 'graph') return [attribute.value];
  return attribute.kind === 'graphs' ? attribute.value : [];
}

/**
 * Calls `visit` for every node of a graph and of the graphs inside it: a node first, then what it carries.
 *
 * @param visit gets the node, the graph that it stands in, and how many graphs lie around that one (0 at the top)
 * @example forEachNode(model.graph, (node) => ops.add(node.op))
 */
export function forEachNode(
  graph: OnnxGraph,
  visit: (node: OnnxNode, graph: OnnxGraph, depth: number) => void,
  depth = 0,
): void {
  for (const node of graph.nodes) {
    visit(node, graph, depth);
    for (const inner of subgraphsOf(node)) forEachNode(inner, visit, depth + 1);
  }
}

/**
 * How many levels of graphs lie inside a graph: 0 without control flow, 1 with an If of plain branches.
 *
 * @example nestingDepth(model.graph) <= 31 // what ONNX Runtime loads
 */
export function nestingDepth(graph: Pick<OnnxGraph, 'nodes'>): number {
  let deepest = 0;
  let level = graph.nodes.flatMap(subgraphsOf);
  while (level.length > 0) {
    deepest++;
    level = level.flatMap((inner) => inner.nodes.flatMap(subgraphsOf));
  }
  return deepest;
}

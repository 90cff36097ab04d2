import { Random } from '../../../src/data/random.ts';
import type { OnnxModel, OnnxTensor } from '../../../src/graph/onnx/index.ts';

/** Weights that mix features: of convolutions and matrix products, not biases and statistics. */
const isMatrix = ({ dtype, dims }: Pick<OnnxTensor, 'dtype' | 'dims'>): boolean =>
  dtype === 'float32' && dims.filter((d) => d > 1).length >= 2;

/** The stored matrices of a graph without branches, in the order in which its nodes first use them. */
export function matricesOf({ graph }: OnnxModel): string[] {
  const stored = new Set(graph.initializers.filter(isMatrix).map((t) => t.name));
  return [...new Set(graph.nodes.flatMap((n) => n.inputs))].filter((name) => stored.has(name));
}

/** The same graph with the values of these weights in a random order: as many, as large, and without what was learned. */
export function shuffled(model: OnnxModel, names: readonly string[], seed = 1): OnnxModel {
  const chosen = new Map(names.map((name, i) => [name, i]));
  const initializers = model.graph.initializers.map((t): OnnxTensor => {
    const at = chosen.get(t.name);
    if (at === undefined) return t;
    const data = t.data as Float32Array;
    const order = new Random(seed, at).permutation(data.length);
    return { ...t, data: Float32Array.from(order, (i) => data[i]!) };
  });
  return { ...model, graph: { ...model.graph, initializers } };
}

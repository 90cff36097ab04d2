import type { NDArray } from '../array.ts';
import { elementNumber } from '../onnx/elements.ts';
import type { OnnxAttribute, OnnxGraph, OnnxModel, OnnxNode, OnnxTensor, OnnxValue } from '../onnx/index.ts';
import { halfValue } from '../ops/half.ts';

// Models stored in 16 bits, as if they had been exported in 32: the numbers stay, what is computed becomes more exact.

const halves: ReadonlySet<string> = new Set(['float16', 'bfloat16']);
const halfNumbers = new Set([elementNumber('float16'), elementNumber('bfloat16')]);

interface Count {
  tensors: number;
  inputs: string[];
  outputs: string[];
}

function tensor<T extends NDArray>(t: T, count: Count): T {
  if (t.dtype !== 'float16') return t;
  count.tensors++;
  return { ...t, dtype: 'float32', data: Float32Array.from(t.data as Uint16Array, halfValue) };
}

const value = (v: OnnxValue): OnnxValue => (halves.has(v.dtype) ? { ...v, dtype: 'float32' } : v);

function attribute(name: string, a: OnnxAttribute, count: Count): OnnxAttribute {
  if (a.kind === 'tensor') return { ...a, value: tensor<OnnxTensor>(a.value, count) };
  if (a.kind === 'graph') return { ...a, value: graph(a.value, count) };
  // Cast, and the operators that draw or fill by element type
  if (a.kind === 'int' && (name === 'to' || name === 'dtype') && halfNumbers.has(a.value))
    return { ...a, value: elementNumber('float32') };
  return a;
}

const node = (n: OnnxNode, count: Count): OnnxNode => ({
  ...n,
  attributes: Object.fromEntries(Object.entries(n.attributes).map(([name, a]) => [name, attribute(name, a, count)])),
});

const graph = (g: OnnxGraph, count: Count): OnnxGraph => ({
  ...g,
  nodes: g.nodes.map((n) => node(n, count)),
  initializers: g.initializers.map((t) => tensor(t, count)),
  inputs: g.inputs.map(value),
  outputs: g.outputs.map(value),
  values: g.values.map(value),
});

const quoted = (names: readonly string[]): string => names.map((n) => JSON.stringify(n)).join(', ');

/**
 * The same model in float32: stored tensors, casts, inputs and outputs of float16 and bfloat16.
 *
 * @returns the model and, in sentences, what was changed; the model itself where nothing was
 * @example const { model: wide, notes } = widen(decodeModel(bytes))
 */
export function widen(model: OnnxModel): { readonly model: OnnxModel; readonly notes: readonly string[] } {
  const narrow = (list: readonly OnnxValue[]): string[] => list.flatMap((v) => (halves.has(v.dtype) ? [v.name] : []));
  const stored = new Set(model.graph.initializers.map((t) => t.name));
  const count: Count = {
    tensors: 0,
    inputs: narrow(model.graph.inputs.filter((v) => !stored.has(v.name))),
    outputs: narrow(model.graph.outputs),
  };
  const wide = { ...model, graph: graph(model.graph, count) };
  const notes: string[] = [];
  if (count.tensors > 0) notes.push(`${count.tensors} tensors were converted from float16 to float32`);
  if (count.inputs.length > 0) notes.push(`the inputs ${quoted(count.inputs)} take float32 now, not 16 bits`);
  if (count.outputs.length > 0) notes.push(`the outputs ${quoted(count.outputs)} give float32 now, not 16 bits`);
  return { model: wide, notes };
}

import { DynaError } from '../errors.ts';
import type { NDArray } from './array.ts';
import { isDType } from './onnx/elements.ts';
import type { OnnxModel, OnnxValue } from './onnx/index.ts';
import { quote } from './onnx/scalars.ts';
import { input } from './ops/leaf.ts';
import { Env, Session } from './read/env.ts';
import { readGraph } from './read/node.ts';
import { widen } from './read/widen.ts';
import type { Dim } from './shape.ts';
import type { Tensor } from './tensor.ts';

export { readableOperators } from './read/node.ts';

/** An ONNX model as our graph. */
export interface Imported {
  /** In the file's order, also those that nothing uses. */
  readonly inputs: readonly Tensor[];
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Values of the parameters, by name: what `toOnnx` takes. */
  readonly weights: ReadonlyMap<string, NDArray>;
  /** What was left out or read in another way than it stands in the file, in sentences. */
  readonly notes: readonly string[];
}

export interface ReadOptions {
  /** Reads 16-bit floats as float32, inputs and outputs too; `notes` tells. By default float16 stays as it is. */
  readonly float32?: boolean;
}

const [oldestOpset, newestOpset] = [7, 26];

/**
 * Reads an ONNX model into a graph that can be trained, changed and written again; the reverse of `toOnnx`.
 *
 * Stored float tensors become parameters under their own names (role `statistic` for the running statistics of batch
 * norms, `bias` for vectors, else `weight`); integers, scalars, limits and axes become constants; a stored tensor that
 * is also an input becomes an input with that default. Older forms of operators become the newest; shape arithmetic is
 * folded, also through a batch axis that is known by name only. Node names become scopes.
 *
 * @param given a decoded model, opset 7 to 26
 * @returns inputs, outputs by name, the parameters' values, and notes
 * @throws DynaError('model') for whatever is not understood, naming the node: unknown operators or attributes, damaged
 *   wiring, contradictory shapes
 * @example const { inputs, outputs, weights } = fromOnnx(decodeModel(readFileSync('resnet.onnx')))
 */
export function fromOnnx(given: OnnxModel, { float32 = false }: ReadOptions = {}): Imported {
  const { model, notes } = float32 ? widen(given) : { model: given, notes: [] };
  const opset = model.opsets[''];
  if (opset === undefined) throw new DynaError('model', 'the model does not say which ONNX operator set it uses');
  if (opset < oldestOpset || opset > newestOpset)
    throw new DynaError('model', `the model uses opset ${opset}; ${oldestOpset} to ${newestOpset} are supported`, {
      fix: 'export it with opset 17',
    });
  if (model.functions?.length)
    throw new DynaError('model', `the model defines functions of its own (${quote(model.functions[0]!.name)})`, {
      fix: 'inline them first',
    });
  const { graph } = model;
  const session = new Session(model, opset);
  for (const text of [...(model.notes ?? []), ...notes]) session.note(text);
  const env = new Env(session);
  const stored = new Map(graph.initializers.map((t) => [t.name, t]));
  const defaults = new Set<string>();
  const inputs: Tensor[] = [];
  for (const value of graph.inputs) {
    const fallback = stored.get(value.name);
    // Before IR 4 every stored tensor had to be listed as an input too.
    if (fallback && model.irVersion < 4) {
      session.note('stored tensors that are listed as inputs were read as weights (IR 3)');
      continue;
    }
    session.names.reserve(value.name);
    const { name, dtype, shape } = inputType(value, session);
    if (fallback && (fallback.dtype !== dtype || shape.some((d, i) => typeof d === 'number' && d !== fallback.dims[i])))
      throw new DynaError(
        'model',
        `input ${quote(name)} is ${dtype}[${shape.join(', ')}], but its default is ${fallback.dtype}[${fallback.dims.join(', ')}]`,
      );
    const initial = fallback && { dtype: fallback.dtype, dims: fallback.dims, data: fallback.data };
    const t = input(name, shape, dtype, initial);
    env.define(name, t);
    if (fallback) defaults.add(name);
    inputs.push(t);
  }
  const results = readGraph(graph, env, defaults);
  const names = graph.outputs.map((v) => v.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new DynaError('model', `the model has two outputs named ${quote(twice)}`);
  if (names.length === 0) throw new DynaError('model', 'the model has no outputs');
  return {
    inputs,
    outputs: Object.fromEntries(results.map((t, i) => [names[i]!, t])),
    weights: session.weights,
    notes: session.notes,
  };
}

/** An input's type; axes that the file leaves open get names of their own. */
function inputType({ name, dtype, shape }: OnnxValue, session: Session) {
  if (!isDType(dtype)) throw new DynaError('model', `input ${quote(name)} holds ${dtype}, which is not supported`);
  if (!shape)
    throw new DynaError('model', `input ${quote(name)} does not say how many axes it has`, {
      fix: 'export the model with the shapes of its inputs',
    });
  const dims: Dim[] = shape.map((d, i) =>
    d === null ? session.dims.fresh(`${name}.${i}`) : typeof d === 'string' ? session.dim(d) : d,
  );
  return { name, dtype, shape: dims };
}

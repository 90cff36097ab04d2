import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { DynaError } from '../../errors.ts';
import type { OnnxModel } from './model.ts';
import { GraphProtoSchema, ModelProtoSchema, TensorProtoSchema, ValueInfoProtoSchema } from './onnx_pb.ts';
import { decodeUtf8, plainBytes, quote } from './scalars.ts';
import { concatBytes, fieldsOf } from './wire.ts';

/**
 * Takes the defaults (initializers) of the named inputs out of a model, so that they become inputs which every run must
 * feed. Bindings of ONNX Runtime that ignore values for inputs with a default thereby learn to honour them.
 *
 * Encoded models are cut and joined: no weight is decoded, the bytes are copied once.
 *
 * @param names inputs of the outermost graph; each must have a default
 * @returns a new model (weights shared), or new bytes; the argument itself where `names` is empty
 * @throws DynaError('model') where a name is not an input with a default, or the bytes are not an ONNX model
 * @example const session = await InferenceSession.create(stripDefaults(bytes, ['threshold']))
 */
export function stripDefaults(model: Uint8Array, names: readonly string[]): Uint8Array;
export function stripDefaults(model: OnnxModel, names: readonly string[]): OnnxModel;
export function stripDefaults(model: Uint8Array | OnnxModel, names: readonly string[]): Uint8Array | OnnxModel {
  if (names.length === 0) return model;
  if (model instanceof Uint8Array) return stripBytes(plainBytes(model), new Set(names));
  const { graph } = model;
  const unwanted = new Set(names);
  requireAll(unwanted, new Set(graph.inputs.map(({ name }) => name)), 'input');
  requireAll(unwanted, new Set(graph.initializers.map(({ name }) => name)), 'default');
  const initializers = graph.initializers.filter(({ name }) => !unwanted.has(name));
  return { ...model, graph: { ...graph, initializers } };
}

const { graph: graphField } = ModelProtoSchema.field;
const { initializer, input } = GraphProtoSchema.field;

function stripBytes(bytes: Uint8Array, names: ReadonlySet<string>): Uint8Array {
  try {
    const graphs = [...fieldsOf(bytes)].filter(({ no, content }) => no === graphField.number && content !== undefined);
    if (graphs.length !== 1) throw new DynaError('model', `not an ONNX model: it has ${graphs.length} graphs, not one`);
    const { start, end, content } = graphs[0]!;
    const kept = keptParts(content!, names);
    const head = new BinaryWriter()
      .tag(graphField.number, WireType.LengthDelimited)
      .uint32(kept.reduce((length, part) => length + part.byteLength, 0))
      .finish();
    return concatBytes([bytes.subarray(0, start), head, ...kept, bytes.subarray(end)]);
  } catch (cause) {
    if (cause instanceof DynaError) throw cause;
    throw new DynaError('model', `not a readable ONNX model: ${(cause as Error).message}`, { cause });
  }
}

/** An encoded graph without the named initializers, as runs of its bytes. */
function keptParts(graph: Uint8Array, names: ReadonlySet<string>): Uint8Array[] {
  const parts: Uint8Array[] = [];
  const inputs = new Set<string>();
  const defaults = new Set<string>();
  let keptFrom = 0;
  for (const { no, start, end, content } of fieldsOf(graph)) {
    if (content === undefined) continue;
    if (no === input.number) inputs.add(nameIn(content, ValueInfoProtoSchema.field.name.number));
    if (no !== initializer.number) continue;
    const name = nameIn(content, TensorProtoSchema.field.name.number);
    if (!names.has(name)) continue;
    defaults.add(name);
    parts.push(graph.subarray(keptFrom, start));
    keptFrom = end;
  }
  requireAll(names, inputs, 'input');
  requireAll(names, defaults, 'default');
  parts.push(graph.subarray(keptFrom));
  return parts;
}

function nameIn(message: Uint8Array, field: number): string {
  for (const { no, content } of fieldsOf(message))
    if (no === field && content !== undefined) return decodeUtf8(content) ?? '';
  return '';
}

function requireAll(names: ReadonlySet<string>, present: ReadonlySet<string>, what: 'input' | 'default'): void {
  const missing = [...names].find((name) => !present.has(name));
  if (missing === undefined) return;
  const problem =
    what === 'input'
      ? `the model has no input ${quote(missing)} (its inputs: ${[...present].slice(0, 8).map(quote).join(', ') || 'none'})`
      : `the input ${quote(missing)} of the model has no default that could be taken out`;
  throw new DynaError('model', problem);
}

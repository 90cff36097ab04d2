import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import type { NDArray } from '../../src/graph/index.ts';
import { decodeModel, type OnnxModel, type OnnxValue } from '../../src/graph/onnx/index.ts';
import { TensorProtoSchema } from '../../src/graph/onnx/onnx_pb.ts';
import { decodeTensor } from '../../src/graph/onnx/tensors.ts';

/** One case of ONNX's backend tests. */
export interface Case {
  readonly name: string;
  /** The operator that it is about: that of its only node, or what its expansion is named after. */
  readonly op: string;
  readonly bytes: Uint8Array;
  /** Undefined where the file holds what this library has no type for. */
  readonly inputs: readonly (NDArray | undefined)[];
  readonly outputs: readonly (NDArray | undefined)[];
}

/** The tensor in a file of a test; undefined for element types and kinds of values that this library does not have. */
function tensorIn(path: string): NDArray | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const context = { external: undefined, externalBytes: 0, converted: [] };
    const { dtype, dims, data } = decodeTensor(fromBinary(TensorProtoSchema, readFileSync(path)), context);
    return { dtype, dims, data };
  } catch {
    return undefined;
  }
}

/** An error's sentence, without what could be done about it. */
export function messageOf(error: unknown): string {
  const { message, fix } = error as Error & { readonly fix?: string };
  return fix ? message.replace(`; ${fix}`, '') : message;
}

/** The model of a case, or the reader's sentence. */
export function modelIn(bytes: Uint8Array): OnnxModel | string {
  try {
    return decodeModel(bytes);
  } catch (error) {
    return messageOf(error);
  }
}

/** The inputs that a caller feeds; old files list their stored tensors as inputs too. */
export function fedInputs({ graph }: OnnxModel): readonly OnnxValue[] {
  const stored = new Set(graph.initializers.map((t) => t.name));
  return graph.inputs.filter((v) => !stored.has(v.name));
}

/** Reads a case; `opOf` knows the operators of the other cases by name, for expansions ("test_x_expanded"). */
export function loadCase(folder: string, opOf: ReadonlyMap<string, string>): Case {
  const name = basename(folder);
  const bytes = new Uint8Array(readFileSync(join(folder, 'model.onnx')));
  const model = modelIn(bytes);
  const nodes = typeof model === 'string' ? [] : model.graph.nodes;
  const domain = nodes[0]?.domain ? `${nodes[0].domain}.` : '';
  const own = nodes.length === 1 ? `${domain}${nodes[0]!.op}` : undefined;
  const op = opOf.get(name.replace(/_expanded.*$/, '')) ?? own ?? 'several operators';
  const tensors = (kind: string, count: number) =>
    Array.from({ length: count }, (_, i) => tensorIn(join(folder, 'test_data_set_0', `${kind}_${i}.pb`)));
  const [inputs, outputs] = typeof model === 'string' ? [[], []] : [fedInputs(model), model.graph.outputs];
  return { name, op, bytes, inputs: tensors('input', inputs.length), outputs: tensors('output', outputs.length) };
}

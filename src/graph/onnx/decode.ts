import { fromBinary } from '@bufbuild/protobuf';
import { DynaError } from '../../errors.ts';
import {
  type DecodeContext,
  decodeAttributes,
  decodeGraph,
  decodeNode,
  decodeValue,
  domainOf,
} from './decode-graph.ts';
import { maxDepth, type OnnxFunction, type OnnxModel } from './model.ts';
import { type FunctionProto, type ModelProto, ModelProtoSchema, type OperatorSetIdProto } from './onnx_pb.ts';
import { keep, plainBytes, quote, safeInteger, uniqueRecord } from './scalars.ts';
import type { ExternalReader } from './tensors.ts';
import { findDamage } from './wire.ts';

export interface DecodeOptions {
  /** Reads external data files; without it, a model that has some is refused. See `externalFolder`. */
  externalData?: ExternalReader;
}

/**
 * Reads an ONNX file.
 *
 * Tensors may be views of `bytes`: do not change those afterwards. bfloat16 tensors become float32, which `notes` tells;
 * `ai.onnx` is written `''`; fields that this library does not interpret stay in `extra`.
 *
 * @param bytes the file's content
 * @returns the model; `notes` is there only if something was changed
 * @throws DynaError('model') for anything that is not an undamaged ONNX model: other formats, truncation, lengths that
 *   do not fit shapes, tensors of other element types, sparse tensors, graphs nested deeper than 64
 * @example const model = decodeModel(readFileSync('resnet.onnx'))
 */
export function decodeModel(bytes: Uint8Array, options: DecodeOptions = {}): OnnxModel {
  const proto = parse(plainBytes(bytes));
  const context: DecodeContext = { external: options.externalData, externalBytes: 0, converted: [], depth: 0 };
  const model: OnnxModel = {
    irVersion: safeInteger(proto.irVersion, 'the IR version'),
    opsets: decodeOpsets(proto.opsetImport),
    producer: proto.producerName,
    producerVersion: proto.producerVersion,
    docString: proto.docString,
    metadata: uniqueRecord(
      proto.metadataProps.map(({ key, value }) => [key, value] as const),
      "the model's metadata",
    ),
    graph: decodeGraph(proto.graph!, context),
  };
  context.depth = 1; // the body of a function counts as the outermost graph does
  if (proto.functions.length > 0) model.functions = proto.functions.map((f) => decodeFunction(f, context));
  const { length } = context.converted;
  if (length > 0)
    model.notes = [`${length} tensors were converted from bfloat16 to float32, first ${quote(context.converted[0]!)}`];
  return keep(model, proto);
}

function parse(bytes: Uint8Array): ModelProto {
  const refuse = (problem: string, cause?: unknown) =>
    new DynaError('model', `not a readable ONNX model: ${problem}`, {
      fix: 'check that the path names an .onnx file and that it was copied whole',
      cause,
    });
  if (bytes.byteLength === 0) throw refuse('the file is empty');
  const damage = findDamage(ModelProtoSchema, bytes, messageDepth);
  if (damage !== undefined) throw refuse(damage);
  let proto: ModelProto;
  try {
    proto = fromBinary(ModelProtoSchema, bytes, { recursionLimit: messageDepth + 1 });
  } catch (cause) {
    throw refuse(cause instanceof TypeError ? 'a name in it is not UTF-8' : (cause as Error).message, cause);
  }
  if (proto.irVersion <= 0n) throw refuse('the IR version is missing');
  if (proto.graph === undefined) throw refuse('it has no graph');
  return proto;
}

/** A level of graphs is three of messages (graph, node, attribute); at the ends, a model and a dimension of a value. */
const messageDepth = 3 * (maxDepth + 1) + 8;

function decodeFunction(proto: FunctionProto, context: DecodeContext): OnnxFunction {
  const { name, input: inputs, output: outputs, attribute: attributes } = proto;
  const record: OnnxFunction = {
    name,
    domain: domainOf(proto.domain),
    inputs,
    outputs,
    attributes,
    defaults: decodeAttributes(proto.attributeProto, `function ${quote(name)}`, context),
    opsets: decodeOpsets(proto.opsetImport),
    nodes: proto.node.map((node) => decodeNode(node, context)),
    values: proto.valueInfo.map(decodeValue),
  };
  return keep(record, proto);
}

const decodeOpsets = (protos: readonly OperatorSetIdProto[]): Record<string, number> =>
  uniqueRecord(
    protos.map(({ domain, version }) => [domainOf(domain ?? ''), safeInteger(version, 'an opset version')] as const),
    'the list of operator sets',
  );

import { toBinary } from '@bufbuild/protobuf';
import { DynaError } from '../../errors.ts';
import { elementName } from './elements.ts';
import {
  maxDepth,
  type OnnxAttribute,
  type OnnxDim,
  type OnnxGraph,
  type OnnxNode,
  type OnnxValue,
  type OtherKind,
} from './model.ts';
import {
  type AttributeProto,
  AttributeProtoSchema,
  type GraphProto,
  type NodeProto,
  type TensorShapeProto_Dimension,
  AttributeProto_AttributeType as Type,
  type ValueInfoProto,
} from './onnx_pb.ts';
import { decodeUtf8, keep, quote, safeInteger, uniqueRecord } from './scalars.ts';
import { decodeStrings, decodeTensor, holdsStrings, type TensorContext } from './tensors.ts';

/** What the walk through one file carries along. */
export interface DecodeContext extends TensorContext {
  /** How many graphs lie around the current place. */
  depth: number;
}

export function decodeGraph(proto: GraphProto, context: DecodeContext): OnnxGraph {
  if (context.depth > maxDepth)
    throw new DynaError('model', `graphs nested deeper than ${maxDepth} levels are not read`, {
      fix: 'ONNX Runtime itself loads at most 31: put decisions in sequence instead',
    });
  if (proto.sparseInitializer.length > 0) {
    const name = proto.sparseInitializer[0]!.values?.name ?? '';
    throw new DynaError('model', `initializer ${quote(name)} is a sparse tensor; only dense ones are read`, {
      fix: 'store it densely',
    });
  }
  context.depth++;
  const strings = proto.initializer.filter(holdsStrings);
  const graph: OnnxGraph = {
    name: proto.name,
    nodes: proto.node.map((node) => decodeNode(node, context)),
    inputs: proto.input.map(decodeValue),
    outputs: proto.output.map(decodeValue),
    initializers: proto.initializer.filter((t) => !holdsStrings(t)).map((t) => decodeTensor(t, context)),
    values: proto.valueInfo.map(decodeValue),
  };
  if (strings.length > 0) graph.strings = strings.map(decodeStrings);
  context.depth--;
  return keep(graph, proto);
}

export function decodeNode(proto: NodeProto, context: DecodeContext): OnnxNode {
  const { opType: op, name, input: inputs, output: outputs } = proto;
  const attributes = decodeAttributes(proto.attribute, `node ${quote(name)} (${quote(op)})`, context);
  return keep({ op, domain: domainOf(proto.domain), name, inputs, outputs, attributes }, proto);
}

export function decodeAttributes(
  protos: readonly AttributeProto[],
  owner: string,
  context: DecodeContext,
): Record<string, OnnxAttribute> {
  const pairs = protos.map((proto) => [proto.name, decodeAttribute(proto, owner, context)] as const);
  return uniqueRecord(pairs, `${owner}, among its attributes,`);
}

const kinds = {
  sequenceType: 'sequence',
  mapType: 'map',
  opaqueType: 'opaque',
  sparseTensorType: 'sparse_tensor',
  optionalType: 'optional',
} as const satisfies Record<string, OtherKind>;

export function decodeValue(proto: ValueInfoProto): OnnxValue {
  const { name } = proto;
  const type = proto.type?.value;
  if (type?.case === undefined) return keep({ name, dtype: 'undefined', shape: undefined }, proto);
  if (type.case !== 'tensorType')
    return keep({ name, dtype: kinds[type.case], shape: undefined, encodedType: type.value }, proto);
  const { elemType, shape } = type.value;
  const dtype = elementName(elemType);
  if (dtype === undefined)
    throw new DynaError('model', `value ${quote(name)} has element type ${elemType}, which ONNX does not have`);
  return keep({ name, dtype, shape: shape?.dim.map((dim) => decodeDim(dim, name)) }, proto);
}

function decodeDim({ value }: TensorShapeProto_Dimension, name: string): OnnxDim {
  if (value.case === 'dimParam') return value.value === '' ? null : value.value;
  if (value.case === undefined || value.value < 0n) return null; // some exporters write -1 for "unknown"
  return safeInteger(value.value, `a dimension of value ${quote(name)}`);
}

export const domainOf = (domain: string): string => (domain === 'ai.onnx' ? '' : domain);

function decodeAttribute(proto: AttributeProto, owner: string, context: DecodeContext): OnnxAttribute {
  const attribute = decodeContent(proto, `attribute ${quote(proto.name)} of ${owner}`, context);
  return attribute.kind === 'opaque' ? attribute : keep(attribute, proto); // the opaque holds all its fields
}

function decodeContent(proto: AttributeProto, subject: string, context: DecodeContext): OnnxAttribute {
  const type = proto.type === Type.UNDEFINED ? inferType(proto) : proto.type;
  if (proto.refAttrName !== '')
    return { kind: 'ref', value: proto.refAttrName, type: (Type[type] ?? `${type}`).toLowerCase() };
  switch (type) {
    case Type.FLOAT:
      return { kind: 'float', value: proto.f ?? 0 };
    case Type.INT: {
      const value = proto.i ?? 0n;
      return isSafe(value) ? { kind: 'int', value: Number(value) } : { kind: 'bigint', value };
    }
    case Type.STRING: {
      const bytes = proto.s ?? new Uint8Array(0);
      const value = decodeUtf8(bytes);
      return value === undefined ? { kind: 'bytes', value: bytes } : { kind: 'string', value };
    }
    case Type.TENSOR: {
      const tensor = required(proto.t, subject);
      return holdsStrings(tensor)
        ? { kind: 'stringTensor', value: decodeStrings(tensor) }
        : { kind: 'tensor', value: decodeTensor(tensor, context) };
    }
    case Type.GRAPH:
      return { kind: 'graph', value: decodeGraph(required(proto.g, subject), context) };
    case Type.FLOATS:
      return { kind: 'floats', value: proto.floats };
    case Type.INTS:
      return proto.ints.every(isSafe)
        ? { kind: 'ints', value: proto.ints.map(Number) }
        : { kind: 'bigints', value: proto.ints };
    case Type.STRINGS:
      return { kind: 'strings', value: proto.strings.map((bytes) => required(decodeUtf8(bytes), subject)) };
    case Type.TENSORS:
      return { kind: 'tensors', value: proto.tensors.map((tensor) => decodeTensor(tensor, context)) };
    case Type.GRAPHS:
      return { kind: 'graphs', value: proto.graphs.map((graph) => decodeGraph(graph, context)) };
    case Type.SPARSE_TENSOR:
    case Type.SPARSE_TENSORS:
    case Type.TYPE_PROTO:
    case Type.TYPE_PROTOS:
      return { kind: 'opaque', value: toBinary(AttributeProtoSchema, proto), type: Type[type].toLowerCase() };
    default:
      throw new DynaError('model', `${subject} has no value of a type that ONNX knows (type ${type})`);
  }
}

/** The oldest files do not write the type: it shows in the field that is set. */
function inferType(proto: AttributeProto): Type {
  if (proto.f !== undefined) return Type.FLOAT;
  if (proto.i !== undefined) return Type.INT;
  if (proto.s !== undefined) return Type.STRING;
  if (proto.t !== undefined) return Type.TENSOR;
  if (proto.g !== undefined) return Type.GRAPH;
  if (proto.floats.length > 0) return Type.FLOATS;
  if (proto.ints.length > 0) return Type.INTS;
  if (proto.strings.length > 0) return Type.STRINGS;
  return Type.UNDEFINED;
}

const isSafe = (value: bigint): boolean => Number.isSafeInteger(Number(value));

function required<T>(value: T | undefined, subject: string): T {
  if (value === undefined) throw new DynaError('model', `${subject} has no readable value`);
  return value;
}

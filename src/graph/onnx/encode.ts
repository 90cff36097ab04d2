import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { DynaError } from '../../errors.ts';
import { elementNumber } from './elements.ts';
import {
  type ElementType,
  maxBytes,
  maxDepth,
  type OnnxAttribute,
  type OnnxDim,
  type OnnxFunction,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxValue,
} from './model.ts';
import {
  type AttributeProto,
  AttributeProtoSchema,
  type FunctionProto,
  FunctionProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type OperatorSetIdProto,
  OperatorSetIdProtoSchema,
  type TensorShapeProto_Dimension,
  TensorShapeProto_DimensionSchema,
  AttributeProto_AttributeType as Type,
  type TypeProto,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './onnx_pb.ts';
import { encodeUtf8, quote } from './scalars.ts';
import { encodeStrings, encodeTensor } from './tensors.ts';
import { forEachNode, nestingDepth } from './walk.ts';

/**
 * Writes an ONNX file. Tensors are stored as raw little-endian bytes, inside the file.
 *
 * @returns the file's content; `decodeModel` gives the same model back
 * @throws DynaError('model') for tensors whose data does not fit their shape, numbers that the format cannot hold,
 *   graphs nested deeper than 64, and models of 2 GB and more
 * @example writeFileSync('net.onnx', encodeModel(model))
 */
export function encodeModel(model: OnnxModel): Uint8Array {
  const functionNodes = (model.functions ?? []).flatMap(({ nodes }) => nodes);
  const depth = nestingDepth({ nodes: [...model.graph.nodes, ...functionNodes] });
  if (depth > maxDepth)
    throw new DynaError('model', `graphs nested ${depth} levels deep cannot be written; ${maxDepth} is the most`, {
      fix: 'ONNX Runtime itself loads at most 31: put decisions in sequence instead',
    });
  refuseTooLarge(weightBytes(model.graph));
  const proto = create(ModelProtoSchema, {
    irVersion: encodeInt(model.irVersion, 'the IR version'),
    producerName: model.producer,
    producerVersion: model.producerVersion,
    docString: model.docString,
    opsetImport: encodeOpsets(model.opsets),
    metadataProps: Object.entries(model.metadata).map(([key, value]) => ({ key, value })),
    graph: encodeGraph(model.graph),
    functions: (model.functions ?? []).map(encodeFunction),
  });
  const bytes = toBinary(ModelProtoSchema, withExtra(proto, model));
  refuseTooLarge(bytes.byteLength);
  return bytes;
}

function refuseTooLarge(bytes: number): void {
  if (bytes > maxBytes)
    throw new DynaError('model', `the model takes ${(bytes / 2 ** 30).toFixed(1)} GB, an ONNX file ends at 2 GB`, {
      fix: 'store weights in fewer bits, or cut the model into segments',
    });
}

/** Bytes of all stored tensors; they are counted before anything is copied. */
function weightBytes(graph: OnnxGraph): number {
  let bytes = 0;
  const count = (g: OnnxGraph) => {
    for (const { data } of g.initializers) bytes += data.byteLength;
  };
  count(graph);
  forEachNode(graph, (node) => {
    for (const attribute of Object.values(node.attributes)) {
      if (attribute.kind === 'tensor') bytes += attribute.value.data.byteLength;
      if (attribute.kind === 'graph') count(attribute.value);
      if (attribute.kind === 'graphs') attribute.value.forEach(count);
    }
  });
  return bytes;
}

const withExtra = <T extends object>(proto: T, { extra }: Pick<OnnxModel, 'extra'>): T =>
  Object.assign(proto, { $unknown: extra });

function encodeGraph(graph: OnnxGraph): GraphProto {
  const proto = create(GraphProtoSchema, {
    name: graph.name,
    node: graph.nodes.map(encodeNode),
    input: graph.inputs.map(encodeValue),
    output: graph.outputs.map(encodeValue),
    initializer: [...graph.initializers.map(encodeTensor), ...(graph.strings ?? []).map(encodeStrings)],
    valueInfo: graph.values.map(encodeValue),
  });
  return withExtra(proto, graph);
}

function encodeNode(node: OnnxNode): NodeProto {
  const { op: opType, domain, name, inputs: input, outputs: output } = node;
  const attribute = encodeAttributes(node.attributes);
  return withExtra(create(NodeProtoSchema, { opType, domain, name, input, output, attribute }), node);
}

function encodeFunction(record: OnnxFunction): FunctionProto {
  const proto = create(FunctionProtoSchema, {
    name: record.name,
    domain: record.domain,
    input: record.inputs,
    output: record.outputs,
    attribute: record.attributes,
    attributeProto: encodeAttributes(record.defaults),
    opsetImport: encodeOpsets(record.opsets),
    node: record.nodes.map(encodeNode),
    valueInfo: record.values.map(encodeValue),
  });
  return withExtra(proto, record);
}

const encodeOpsets = (opsets: Record<string, number>): OperatorSetIdProto[] =>
  Object.entries(opsets).map(([domain, version]) =>
    create(OperatorSetIdProtoSchema, { domain, version: encodeInt(version, `the opset version of ${quote(domain)}`) }),
  );

function encodeValue(value: OnnxValue): ValueInfoProto {
  return withExtra(create(ValueInfoProtoSchema, { name: value.name, type: encodeType(value) }), value);
}

function encodeType({ name, dtype, shape, encodedType }: OnnxValue): TypeProto | undefined {
  switch (dtype) {
    case 'sequence':
    case 'map':
    case 'optional':
    case 'opaque':
    case 'sparse_tensor': {
      if (encodedType === undefined)
        throw new DynaError('model', `value ${quote(name)} is a ${dtype}; such types can only be copied from a file`);
      const field = dtype === 'sparse_tensor' ? 'sparseTensorType' : (`${dtype}Type` as const);
      return create(TypeProtoSchema, { value: { case: field, value: encodedType as Uint8Array<ArrayBuffer> } });
    }
    default:
      return dtype === 'undefined' && shape === undefined ? undefined : encodeTensorType(name, dtype, shape);
  }
}

function encodeTensorType(name: string, dtype: ElementType, shape: OnnxDim[] | undefined): TypeProto {
  const dim = shape?.map((size) => encodeDim(size, name));
  const value = { elemType: elementNumber(dtype), shape: dim && { dim } };
  return create(TypeProtoSchema, { value: { case: 'tensorType', value } });
}

function encodeDim(size: OnnxDim, name: string): TensorShapeProto_Dimension {
  if (size === null) return create(TensorShapeProto_DimensionSchema);
  if (typeof size === 'string')
    return create(TensorShapeProto_DimensionSchema, { value: { case: 'dimParam', value: size } });
  if (size < 0)
    throw new DynaError('model', `value ${quote(name)} has the dimension ${size}; write null for an unknown one`);
  const value = encodeInt(size, `a dimension of value ${quote(name)}`);
  return create(TensorShapeProto_DimensionSchema, { value: { case: 'dimValue', value } });
}

const encodeAttributes = (attributes: Record<string, OnnxAttribute>): AttributeProto[] =>
  Object.entries(attributes).map(([name, attribute]) => {
    const proto = encodeContent(name, attribute);
    return attribute.kind === 'opaque' ? proto : withExtra(proto, attribute);
  });

function encodeContent(name: string, attribute: OnnxAttribute): AttributeProto {
  const make = (type: Type, content: Partial<AttributeProto>) =>
    Object.assign(create(AttributeProtoSchema, { name, type }), content);
  const int = (value: number | bigint) => encodeInt(value, `attribute ${quote(name)}`);
  switch (attribute.kind) {
    case 'float':
      return make(Type.FLOAT, { f: Math.fround(attribute.value) });
    case 'int':
    case 'bigint':
      return make(Type.INT, { i: int(attribute.value) });
    case 'string':
      return make(Type.STRING, { s: encodeUtf8(attribute.value) });
    case 'bytes':
      return make(Type.STRING, { s: attribute.value as Uint8Array<ArrayBuffer> });
    case 'tensor':
      return make(Type.TENSOR, { t: encodeTensor(attribute.value) });
    case 'stringTensor':
      return make(Type.TENSOR, { t: encodeStrings(attribute.value) });
    case 'graph':
      return make(Type.GRAPH, { g: encodeGraph(attribute.value) });
    case 'floats':
      return make(Type.FLOATS, { floats: attribute.value.map(Math.fround) });
    case 'ints':
    case 'bigints':
      return make(Type.INTS, { ints: attribute.value.map(int) });
    case 'strings':
      return make(Type.STRINGS, { strings: attribute.value.map(encodeUtf8) });
    case 'tensors':
      return make(Type.TENSORS, { tensors: attribute.value.map(encodeTensor) });
    case 'graphs':
      return make(Type.GRAPHS, { graphs: attribute.value.map(encodeGraph) });
    case 'ref':
      return make(Type[attribute.type.toUpperCase() as keyof typeof Type] ?? Type.UNDEFINED, {
        refAttrName: attribute.value,
      });
    case 'opaque':
      return Object.assign(fromBinary(AttributeProtoSchema, attribute.value), { name });
  }
}

function encodeInt(value: number | bigint, what: string): bigint {
  const exact = typeof value === 'bigint' || Number.isSafeInteger(value) ? BigInt(value) : undefined;
  if (exact === undefined || BigInt.asIntN(64, exact) !== exact)
    throw new DynaError('model', `${what} is ${value}, which is not a 64-bit integer`);
  return exact;
}

import type { DType, NDArray } from '../array.ts';

/**
 * A field of the file that this library does not interpret (documentation strings, annotations, what newer versions
 * add): its number, its wire type and its bytes. Records carry such fields along, so that reading and writing a file
 * loses nothing; a record made by hand has none.
 */
export interface OnnxExtra {
  readonly no: number;
  readonly wireType: number;
  readonly data: Uint8Array;
}

/** Kinds of values that are no dense tensors. */
export type OtherKind = 'sequence' | 'map' | 'optional' | 'sparse_tensor' | 'opaque';

/** Element types that ONNX knows and this library only names. */
export type OtherElementType =
  | 'undefined'
  | 'uint16'
  | 'int16'
  | 'string'
  | 'uint32'
  | 'uint64'
  | 'complex64'
  | 'complex128'
  | 'bfloat16'
  | 'float8e4m3fn'
  | 'float8e4m3fnuz'
  | 'float8e5m2'
  | 'float8e5m2fnuz'
  | 'uint4'
  | 'int4'
  | 'float4e2m1'
  | 'float8e8m0'
  | 'uint2'
  | 'int2';

export type ElementType = DType | OtherElementType;

/** Size of one axis: a number, a name (`'N'`), or null where the file does not say. */
export type OnnxDim = number | string | null;

/** Declares a value of a graph: its name, element type and shape (`undefined`: not even the rank is known). */
export interface OnnxValue {
  name: string;
  dtype: ElementType | OtherKind;
  shape: OnnxDim[] | undefined;
  /** The type as it stood in the file, where `dtype` is an `OtherKind`. */
  encodedType?: Uint8Array;
  extra?: readonly OnnxExtra[];
}

/** A tensor stored in the file. Its data may be a view of the file's bytes: treat it as read-only. */
export interface OnnxTensor extends NDArray {
  name: string;
  extra?: readonly OnnxExtra[];
}

/** A stored tensor of strings. */
export interface OnnxStringTensor {
  name: string;
  dims: readonly number[];
  values: string[];
  extra?: readonly OnnxExtra[];
}

/**
 * Value of an attribute. Integers come as plain numbers; only those beyond 2^53 come as `bigint` / `bigints`.
 * `ref` stands inside functions and names the function's attribute that is meant. `opaque` holds kinds that this
 * library does not interpret (sparse tensors, types), as they stood in the file.
 */
export type OnnxAttribute = { extra?: readonly OnnxExtra[] } & (
  | { kind: 'float'; value: number }
  | { kind: 'int'; value: number }
  | { kind: 'bigint'; value: bigint }
  | { kind: 'string'; value: string }
  | { kind: 'bytes'; value: Uint8Array }
  | { kind: 'tensor'; value: OnnxTensor }
  | { kind: 'stringTensor'; value: OnnxStringTensor }
  | { kind: 'graph'; value: OnnxGraph }
  | { kind: 'floats'; value: number[] }
  | { kind: 'ints'; value: number[] }
  | { kind: 'bigints'; value: bigint[] }
  | { kind: 'strings'; value: string[] }
  | { kind: 'tensors'; value: OnnxTensor[] }
  | { kind: 'graphs'; value: OnnxGraph[] }
  | { kind: 'ref'; value: string; type: string }
  | { kind: 'opaque'; value: Uint8Array; type: string }
);

/** One operator call. An optional input that is left out is `''`. */
export interface OnnxNode {
  op: string;
  /** `''` is ai.onnx. */
  domain: string;
  name: string;
  inputs: string[];
  outputs: string[];
  attributes: Record<string, OnnxAttribute>;
  extra?: readonly OnnxExtra[];
}

/** A graph, or the body of a branch or loop. An input that is also an initializer has that default. */
export interface OnnxGraph {
  name: string;
  nodes: OnnxNode[];
  inputs: OnnxValue[];
  outputs: OnnxValue[];
  initializers: OnnxTensor[];
  /** Initializers that hold strings. */
  strings?: OnnxStringTensor[];
  /** Declared types of inner values (`value_info`). */
  values: OnnxValue[];
  extra?: readonly OnnxExtra[];
}

/** An operator that the model defines by other operators. */
export interface OnnxFunction {
  name: string;
  domain: string;
  inputs: string[];
  outputs: string[];
  /** Names of attributes without a default. */
  attributes: string[];
  defaults: Record<string, OnnxAttribute>;
  opsets: Record<string, number>;
  nodes: OnnxNode[];
  values: OnnxValue[];
  extra?: readonly OnnxExtra[];
}

/** An ONNX file in memory. */
export interface OnnxModel {
  irVersion: number;
  /** Version of each operator set by its domain; `''` is ai.onnx. */
  opsets: Record<string, number>;
  producer: string;
  producerVersion: string;
  docString: string;
  metadata: Record<string, string>;
  graph: OnnxGraph;
  functions?: OnnxFunction[];
  /** What the reader had to change, in sentences; the writer ignores it. */
  notes?: string[];
  extra?: readonly OnnxExtra[];
}

/** Deepest nesting of graphs that is read or written (ONNX Runtime itself loads 31). */
export const maxDepth = 64;

/** Largest model in bytes: protobuf ends at 2 GB. */
export const maxBytes = 2 ** 31 - 1;

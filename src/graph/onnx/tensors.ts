import { create } from '@bufbuild/protobuf';
import { DynaError } from '../../errors.ts';
import { allocate, bytesPerElement, type DType, type NDArray, sizeOf, type TypedArray, viewBytes } from '../array.ts';
import { elementName, elementNumber, isDType, readableTypes } from './elements.ts';
import { maxBytes, type OnnxStringTensor, type OnnxTensor } from './model.ts';
import {
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
  type TensorProto,
  TensorProtoSchema,
} from './onnx_pb.ts';
import { decodeUtf8, encodeUtf8, keep, plainBytes, quote, safeInteger } from './scalars.ts';

/**
 * Gives `length` bytes from `offset` of an external data file.
 * `location` is what the model says, usually a path relative to the model: never trust it.
 */
export type ExternalReader = (location: string, offset: number, length: number) => Uint8Array;

/** What decoding a tensor needs beside the tensor, and what it leaves behind. */
export interface TensorContext {
  readonly external: ExternalReader | undefined;
  /** Bytes of external data read so far, over all tensors. */
  externalBytes: number;
  /** Tensors that were converted from bfloat16. */
  readonly converted: string[];
}

/** True for tensors that `decodeStrings` reads. */
export const holdsStrings = (tensor: TensorProto): boolean => tensor.dataType === DataType.STRING;

/** Reads a tensor of numbers, wherever its data lies. */
export function decodeTensor(tensor: TensorProto, context: TensorContext): OnnxTensor {
  const { name } = tensor;
  const stored = elementName(tensor.dataType);
  if (stored !== 'bfloat16' && (stored === undefined || !isDType(stored)))
    throw new DynaError(
      'model',
      `tensor ${quote(name)} has element type ${stored ?? tensor.dataType}, which is not among those read here (${readableTypes}, bfloat16)`,
      { fix: 'convert the model to float32 first' },
    );
  const { dims, size } = shapeOf(tensor);
  const bits = stored === 'bfloat16' ? 'float16' : stored;
  const raw = rawData(tensor, size * bytesPerElement(bits), context);
  const found = raw === undefined ? typedField(tensor, bits).length : raw.byteLength;
  const needed = raw === undefined ? size : size * bytesPerElement(bits);
  if (found !== needed)
    throw new DynaError(
      'model',
      `tensor ${quote(name)} of shape [${dims.join(', ')}] needs ${size} ${stored} values${raw ? ` (${needed} bytes)` : ''}, but the file holds ${found}${raw ? ' bytes' : ''}`,
      { fix: 'the file is damaged: export or download it again' },
    );
  const data = raw === undefined ? typedData(tensor, bits, size) : viewBytes(bits, raw);
  if (stored !== 'bfloat16') return keep({ name, dtype: stored, dims, data }, tensor);
  context.converted.push(name);
  return keep({ name, dtype: 'float32', dims, data: widenBfloat16(data) }, tensor);
}

/** Reads a tensor of strings. */
export function decodeStrings(tensor: TensorProto): OnnxStringTensor {
  const { dims, size } = shapeOf(tensor);
  const { name, stringData } = tensor;
  if (stringData.length !== size)
    throw new DynaError(
      'model',
      `tensor ${quote(name)} of shape [${dims.join(', ')}] needs ${size} strings, but the file holds ${stringData.length}`,
    );
  const values = stringData.map((bytes) => {
    const text = decodeUtf8(bytes);
    if (text === undefined) throw new DynaError('model', `tensor ${quote(name)} holds a string that is not UTF-8`);
    return text;
  });
  return keep({ name, dims, values }, tensor);
}

/** Writes a tensor as raw little-endian bytes; they are not copied here. */
export function encodeTensor(tensor: OnnxTensor): TensorProto {
  const { name, dtype, dims, data, extra } = tensor;
  const size = checkedSize(dims, name);
  const fits = data instanceof (allocate(dtype, 0).constructor as new () => TypedArray);
  if (!fits || data.length !== size)
    throw new DynaError(
      'model',
      `tensor ${quote(name)} of shape [${dims.join(', ')}] needs ${size} ${dtype} values, got ${data.length} in ${data.constructor.name}`,
    );
  const proto = create(TensorProtoSchema, {
    name,
    dataType: elementNumber(dtype),
    dims: dims.map(BigInt),
    rawData: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
  });
  return Object.assign(proto, { $unknown: extra });
}

/** Writes a tensor of strings. */
export function encodeStrings({ name, dims, values, extra }: OnnxStringTensor): TensorProto {
  if (values.length !== checkedSize(dims, name))
    throw new DynaError('model', `tensor ${quote(name)} of shape [${dims.join(', ')}] got ${values.length} strings`);
  const stringData = values.map(encodeUtf8);
  const proto = create(TensorProtoSchema, { name, dataType: DataType.STRING, dims: dims.map(BigInt), stringData });
  return Object.assign(proto, { $unknown: extra });
}

/** No array library holds more axes; a damaged file may claim millions. */
const maxRank = 64;

function shapeOf(tensor: TensorProto): { dims: number[]; size: number } {
  if (tensor.segment !== undefined)
    throw new DynaError(
      'model',
      `tensor ${quote(tensor.name)} is stored in segments, which this library does not read`,
    );
  const dims = tensor.dims.map((dim) => safeInteger(dim, `a dimension of tensor ${quote(tensor.name)}`));
  return { dims, size: checkedSize(dims, tensor.name) };
}

/** The number of elements; nothing is allocated from it before the data was found to be there. */
function checkedSize(dims: readonly number[], name: string): number {
  if (dims.length > maxRank)
    throw new DynaError('model', `tensor ${quote(name)} has ${dims.length} dimensions; ${maxRank} is the most`);
  if (dims.some((dim) => !Number.isSafeInteger(dim) || dim < 0))
    throw new DynaError('model', `tensor ${quote(name)} has impossible dimensions [${dims.join(', ')}]`);
  if (dims.includes(0)) return 0;
  const size = sizeOf(dims);
  if (!Number.isSafeInteger(size))
    throw new DynaError('model', `tensor ${quote(name)} of shape [${dims.join(', ')}] is larger than any memory`);
  return size;
}

function rawData(tensor: TensorProto, byteLength: number, context: TensorContext): Uint8Array | undefined {
  if (tensor.dataLocation === DataLocation.EXTERNAL) return externalData(tensor, byteLength, context);
  // An empty raw_data beside typed values: some writers always set the field.
  return tensor.rawData?.length || byteLength === 0 ? (tensor.rawData ?? new Uint8Array(0)) : undefined;
}

function externalData(tensor: TensorProto, byteLength: number, context: TensorContext): Uint8Array {
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const subject = `tensor ${quote(tensor.name)}`;
  const location = entries.get('location');
  if (!location) throw new DynaError('model', `${subject} has external data, but the model does not say where`);
  if (context.external === undefined)
    throw new DynaError(
      'model',
      `${subject} lies in the external file ${quote(location)}, outside the model's own bytes`,
      {
        fix: "pass the model's folder: decodeModel(bytes, { externalData: externalFolder(folder) })",
      },
    );
  const number = (key: string, fallback: number) => {
    const text = entries.get(key);
    if (text === undefined) return fallback;
    if (/^\d{1,15}$/.test(text)) return Number(text);
    throw new DynaError('model', `${subject} has the external ${key} ${quote(text)}, which is not a number of bytes`);
  };
  if (number('length', byteLength) !== byteLength)
    throw new DynaError('model', `${subject} needs ${byteLength} bytes, its external length is ${number('length', 0)}`);
  context.externalBytes += byteLength;
  if (context.externalBytes > maxBytes)
    throw new DynaError('model', `the external data of the model is larger than 2 GB (at ${subject})`);
  return plainBytes(context.external(location, number('offset', 0), byteLength));
}

/** The field that holds a type's values where raw_data does not. */
function typedField(tensor: TensorProto, dtype: DType): number[] | bigint[] {
  switch (dtype) {
    case 'float32':
      return tensor.floatData;
    case 'float64':
      return tensor.doubleData;
    case 'int64':
      return tensor.int64Data;
    default:
      return tensor.int32Data; // the smaller types, and float16 as bits
  }
}

function typedData(tensor: TensorProto, dtype: DType, size: number): TypedArray {
  const data = allocate(dtype, size);
  (data as { set(values: ArrayLike<number | bigint>): void }).set(typedField(tensor, dtype));
  return data;
}

/** bfloat16 is the upper half of a float32. */
function widenBfloat16(bits: NDArray['data']): Float32Array {
  const wide = new Uint32Array(bits.length);
  for (let i = 0; i < wide.length; i++) wide[i] = Number(bits[i]) << 16;
  return new Float32Array(wide.buffer);
}

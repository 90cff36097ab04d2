import type { DType } from '../array.ts';
import type { ElementType } from './model.ts';
import { TensorProto_DataType as DataType } from './onnx_pb.ts';

const dtypes: Readonly<Record<DType, DataType>> = {
  float32: DataType.FLOAT,
  float64: DataType.DOUBLE,
  float16: DataType.FLOAT16,
  int64: DataType.INT64,
  int32: DataType.INT32,
  int8: DataType.INT8,
  uint8: DataType.UINT8,
  bool: DataType.BOOL,
};

const numbers: Readonly<Record<ElementType, DataType>> = {
  ...dtypes,
  undefined: DataType.UNDEFINED,
  uint16: DataType.UINT16,
  int16: DataType.INT16,
  string: DataType.STRING,
  uint32: DataType.UINT32,
  uint64: DataType.UINT64,
  complex64: DataType.COMPLEX64,
  complex128: DataType.COMPLEX128,
  bfloat16: DataType.BFLOAT16,
  float8e4m3fn: DataType.FLOAT8E4M3FN,
  float8e4m3fnuz: DataType.FLOAT8E4M3FNUZ,
  float8e5m2: DataType.FLOAT8E5M2,
  float8e5m2fnuz: DataType.FLOAT8E5M2FNUZ,
  uint4: DataType.UINT4,
  int4: DataType.INT4,
  float4e2m1: DataType.FLOAT4E2M1,
  float8e8m0: DataType.FLOAT8E8M0,
  uint2: DataType.UINT2,
  int2: DataType.INT2,
};

const names = new Map(Object.entries(numbers).map(([name, number]) => [number, name as ElementType]));

/** The element types that tensors of this library have, for messages. */
export const readableTypes = Object.keys(dtypes).join(', ');

/** ONNX's number of an element type. */
export const elementNumber = (type: ElementType): number => numbers[type];

/** The element type of an ONNX number; undefined where ONNX (as of IR 13) has none. */
export const elementName = (number: number): ElementType | undefined => names.get(number);

/** True where tensors of this element type can be held in memory. */
export const isDType = (type: string): type is DType => Object.hasOwn(dtypes, type);

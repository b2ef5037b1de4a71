/** A 64-bit integer as Protocol Buffers give it: exact in both halves. Plain numbers may be written. */
export interface Int64Halves {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
}
export type Int64 = number | Int64Halves;

/** The exact value of a 64-bit integer field; 0 when the field is absent. */
export function int64(value: Int64 | null | undefined): bigint {
  if (value === null || value === undefined) return 0n;
  if (typeof value === 'number') return BigInt(value);
  const bits = (BigInt(value.high >>> 0) << 32n) | BigInt(value.low >>> 0);
  return value.unsigned ? bits : BigInt.asIntN(64, bits);
}

export interface ModelProto {
  irVersion?: Int64 | null;
  producerName?: string | null;
  producerVersion?: string | null;
  domain?: string | null;
  modelVersion?: Int64 | null;
  docString?: string | null;
  graph?: GraphProto | null;
  opsetImport?: OperatorSetIdProto[] | null;
  metadataProps?: StringStringEntryProto[] | null;
  functions?: FunctionProto[] | null;
}

export interface OperatorSetIdProto {
  domain?: string | null;
  version?: Int64 | null;
}

export interface StringStringEntryProto {
  key?: string | null;
  value?: string | null;
}

export interface FunctionProto {
  name?: string | null;
  domain?: string | null;
  input?: string[] | null;
  output?: string[] | null;
  node?: NodeProto[] | null;
  opsetImport?: OperatorSetIdProto[] | null;
}

export interface GraphProto {
  name?: string | null;
  docString?: string | null;
  node?: NodeProto[] | null;
  initializer?: TensorProto[] | null;
  sparseInitializer?: { values?: TensorProto | null; indices?: TensorProto | null; dims?: Int64[] | null }[] | null;
  input?: ValueInfoProto[] | null;
  output?: ValueInfoProto[] | null;
  valueInfo?: ValueInfoProto[] | null;
}

export interface NodeProto {
  name?: string | null;
  opType?: string | null;
  domain?: string | null;
  input?: string[] | null;
  output?: string[] | null;
  attribute?: AttributeProto[] | null;
}

export interface AttributeProto {
  name?: string | null;
  type?: number | null;
  f?: number | null;
  i?: Int64 | null;
  s?: Uint8Array | null;
  t?: TensorProto | null;
  g?: GraphProto | null;
  floats?: number[] | null;
  ints?: Int64[] | null;
  strings?: Uint8Array[] | null;
  graphs?: GraphProto[] | null;
}

export interface ValueInfoProto {
  name?: string | null;
  type?: TypeProto | null;
}

export interface TensorProto {
  name?: string | null;
  dims?: Int64[] | null;
  dataType?: number | null;
  floatData?: number[] | null;
  int32Data?: number[] | null;
  stringData?: Uint8Array[] | null;
  int64Data?: Int64[] | null;
  doubleData?: number[] | null;
  uint64Data?: Int64[] | null;
  rawData?: Uint8Array | null;
  externalData?: StringStringEntryProto[] | null;
  dataLocation?: number | null;
}

export interface TensorTypeProto {
  elemType?: number | null;
  shape?: { dim?: { dimValue?: Int64 | null; dimParam?: string | null }[] | null } | null;
}

/** Exactly one of the type fields is set in a well-formed model. */
export interface TypeProto {
  tensorType?: TensorTypeProto | null;
  sparseTensorType?: TensorTypeProto | null;
  sequenceType?: { elemType?: TypeProto | null } | null;
  optionalType?: { elemType?: TypeProto | null } | null;
  mapType?: { keyType?: number | null; valueType?: TypeProto | null } | null;
  opaqueType?: { domain?: string | null; name?: string | null } | null;
}

/** TensorProto.DataType, the numbers of the format. */
export const DataType = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  COMPLEX64: 14,
  COMPLEX128: 15,
  BFLOAT16: 16,
} as const;

/** AttributeProto.AttributeType, the ones we write or look into. */
export const AttributeType = { FLOAT: 1, INT: 2, STRING: 3, TENSOR: 4, GRAPH: 5, FLOATS: 6, INTS: 7, STRINGS: 8 } as const;

import {
  DataType,
  int64,
  type GraphProto,
  type ModelProto,
  type TensorTypeProto,
  type TypeProto,
  type ValueInfoProto,
} from './onnx-types.js';

/** Element types by the names of the Open Inference Protocol. */
export type Datatype =
  'BOOL' | 'UINT8' | 'UINT16' | 'UINT32' | 'UINT64' | 'INT8' | 'INT16' | 'INT32' | 'INT64' | 'FP16' | 'BF16' | 'FP32' | 'FP64' | 'BYTES';

const DATATYPES: Readonly<Record<number, Datatype>> = {
  [DataType.BOOL]: 'BOOL',
  [DataType.UINT8]: 'UINT8',
  [DataType.UINT16]: 'UINT16',
  [DataType.UINT32]: 'UINT32',
  [DataType.UINT64]: 'UINT64',
  [DataType.INT8]: 'INT8',
  [DataType.INT16]: 'INT16',
  [DataType.INT32]: 'INT32',
  [DataType.INT64]: 'INT64',
  [DataType.FLOAT16]: 'FP16',
  [DataType.BFLOAT16]: 'BF16',
  [DataType.FLOAT]: 'FP32',
  [DataType.DOUBLE]: 'FP64',
  [DataType.STRING]: 'BYTES',
};

/** A tensor a model takes or gives. */
export interface TensorSignature {
  readonly name: string;
  readonly datatype: Datatype;
  /** -1 where the size is the caller's (a named or unknown dimension). `undefined`: the model does not say even the rank. */
  readonly shape: readonly number[] | undefined;
}

/** A value that no tensor protocol can carry: a sequence, a map, an optional, a sparse or opaque value, or an element type without a name. */
export interface OtherSignature {
  readonly name: string;
  readonly type: string;
}

export interface ModelSignature {
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
  /** Inputs and outputs that are not tensors. A model with such an input cannot be served; such outputs are left out of replies. */
  readonly otherInputs: readonly OtherSignature[];
  readonly otherOutputs: readonly OtherSignature[];
}

/** What the model takes and gives. Initializers listed among the inputs (IR version 3) are constants, not inputs. */
export function signatureOf(model: ModelProto): ModelSignature {
  const graph: GraphProto = model.graph ?? {};
  const constants = new Set((graph.initializer ?? []).map((tensor) => tensor.name));
  const inputs = sort((graph.input ?? []).filter((value) => !constants.has(value.name)));
  const outputs = sort(graph.output ?? []);
  return { inputs: inputs.tensors, outputs: outputs.tensors, otherInputs: inputs.others, otherOutputs: outputs.others };
}

function sort(values: readonly ValueInfoProto[]): { tensors: TensorSignature[]; others: OtherSignature[] } {
  const tensors: TensorSignature[] = [];
  const others: OtherSignature[] = [];
  for (const value of values) {
    const name = value.name ?? '';
    const tensor = value.type?.tensorType;
    const datatype = tensor ? DATATYPES[tensor.elemType ?? 0] : undefined;
    if (tensor && datatype) tensors.push({ name, datatype, shape: shapeOf(tensor) });
    else others.push({ name, type: describeType(value.type) });
  }
  return { tensors, others };
}

function shapeOf(tensor: TensorTypeProto): number[] | undefined {
  if (!tensor.shape) return undefined;
  return (tensor.shape.dim ?? []).map((dim) => {
    const size = dim.dimValue === null || dim.dimValue === undefined ? -1 : Number(int64(dim.dimValue));
    return size > 0 ? size : -1;
  });
}

/** A type in the words of the ONNX documentation, for messages: `seq(map(int64,tensor(float)))`. */
export function describeType(type: TypeProto | null | undefined): string {
  if (!type) return 'unknown';
  const element = (elemType: number | null | undefined): string => DATATYPES[elemType ?? 0] ?? `element type ${elemType ?? 0}`;
  if (type.tensorType) return `tensor(${element(type.tensorType.elemType)})`;
  if (type.sparseTensorType) return `sparse_tensor(${element(type.sparseTensorType.elemType)})`;
  if (type.sequenceType) return `seq(${describeType(type.sequenceType.elemType)})`;
  if (type.optionalType) return `optional(${describeType(type.optionalType.elemType)})`;
  if (type.mapType) return `map(${element(type.mapType.keyType)},${describeType(type.mapType.valueType)})`;
  return type.opaqueType ? `opaque(${type.opaqueType.domain ?? ''},${type.opaqueType.name ?? ''})` : 'unknown';
}

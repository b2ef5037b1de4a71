/** Element types by the names of the Open Inference Protocol. */
export type Datatype =
  'BOOL' | 'UINT8' | 'UINT16' | 'UINT32' | 'UINT64' | 'INT8' | 'INT16' | 'INT32' | 'INT64' | 'FP16' | 'BF16' | 'FP32' | 'FP64' | 'BYTES';

export type TensorData =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array
  | string[];

/** Row-major. BOOL is one byte an element, 0 or 1; BYTES are strings; the half precisions are held as the FP32 that equals them. */
export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
  /** The numbers as they came, flat, where they came as JSON: a record of them is what was sent, and is written without making them anew. */
  readonly given?: readonly (number | null)[];
  /** The JSON text of `given` as it came, where it is at hand. */
  readonly sent?: string;
}

/** What a model expects or gives under a name; -1 where the size is free, `undefined` when even the rank is. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[] | undefined;
}

const ARRAYS = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Float32Array,
  BF16: Float32Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const;

export function isDatatype(text: unknown): text is Datatype {
  return typeof text === 'string' && (text === 'BYTES' || Object.hasOwn(ARRAYS, text));
}

/** Room for `count` elements, zeros or empty strings. */
export function emptyData(datatype: Datatype, count: number): TensorData {
  return datatype === 'BYTES' ? new Array<string>(count).fill('') : new ARRAYS[datatype](count);
}

/** Whether NaN is a value of it, which stands for a missing one. */
export function isFloating(datatype: Datatype): boolean {
  return datatype === 'FP32' || datatype === 'FP64' || isHalf(datatype);
}

/** Two bytes on the wire; no type of the language and none of the runtime's here. */
export function isHalf(datatype: Datatype): datatype is 'FP16' | 'BF16' {
  return datatype === 'FP16' || datatype === 'BF16';
}

/** Bytes per element on the wire; `undefined` for BYTES, whose elements vary. */
export function elementBytes(datatype: Datatype): number | undefined {
  if (datatype === 'BYTES') return undefined;
  return isHalf(datatype) ? 2 : ARRAYS[datatype].BYTES_PER_ELEMENT;
}

/** A typed view over little-endian bytes; copied when they do not lie on an element's boundary. */
export function dataFromBytes(datatype: Exclude<Datatype, 'BYTES' | 'FP16' | 'BF16'>, bytes: Uint8Array): Exclude<TensorData, string[]> {
  const Type = ARRAYS[datatype];
  const aligned = bytes.byteOffset % Type.BYTES_PER_ELEMENT === 0 ? bytes : Uint8Array.from(bytes);
  return new Type(aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / Type.BYTES_PER_ELEMENT);
}

export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Sets one element; the types of array and value belong together by the datatype. */
export function setElement(data: TensorData, index: number, value: number | bigint | string): void {
  (data as { [index: number]: number | bigint | string })[index] = value;
}

/** Rows of a tensor: the size of its first dimension. A scalar is one row. */
export function rowsOf(tensor: Tensor): number {
  return tensor.shape[0] ?? 1;
}

/** The rows `from`..`to` (exclusive) as a tensor of their own, sharing the data where the array type can. */
export function sliceRows(tensor: Tensor, from: number, to: number): Tensor {
  const width = elementsOf(tensor.shape.slice(1));
  const start = from * width;
  const end = to * width;
  const data: TensorData = Array.isArray(tensor.data) ? tensor.data.slice(start, end) : tensor.data.subarray(start, end);
  return { name: tensor.name, datatype: tensor.datatype, shape: [to - from, ...tensor.shape.slice(1)], data };
}

/** Tensors of one name, datatype and trailing shape put under one another. */
export function concatRows(tensors: readonly Tensor[]): Tensor {
  const first = tensors[0];
  if (!first) throw new RangeError('no tensors to concatenate');
  if (tensors.length === 1) return first;
  let rows = 0;
  let elements = 0;
  for (const tensor of tensors) {
    rows += rowsOf(tensor);
    elements += tensor.data.length;
  }
  const { name, datatype } = first;
  const shape = [rows, ...first.shape.slice(1)];
  if (datatype === 'BYTES') return { name, datatype, shape, data: tensors.flatMap((tensor) => tensor.data as string[]) };
  const data = emptyData(datatype, elements) as Float32Array;
  let offset = 0;
  for (const tensor of tensors) {
    data.set(tensor.data as Float32Array, offset);
    offset += tensor.data.length;
  }
  return { name, datatype, shape, data };
}

/** The chosen rows in the given order. */
export function pickRows(tensor: Tensor, rows: readonly number[]): Tensor {
  const { name, datatype } = tensor;
  const width = elementsOf(tensor.shape.slice(1));
  const data = emptyData(datatype, rows.length * width);
  for (const [target, row] of rows.entries()) {
    for (let i = 0; i < width; i++) setElement(data, target * width + i, tensor.data[row * width + i] as number);
  }
  return { name, datatype, shape: [rows.length, ...tensor.shape.slice(1)], data };
}

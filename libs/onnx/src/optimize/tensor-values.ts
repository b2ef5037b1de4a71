import { DataType, int64, type TensorProto } from '../onnx-types.js';
import { halfOf } from './half.js';

/** The sizes of a tensor's dimensions. */
export function dimsOf(tensor: TensorProto): number[] {
  return (tensor.dims ?? []).map((dim) => Number(int64(dim)));
}

export function elementsIn(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** The values of a float tensor whose data is inside the model and whole; `undefined` for any other. */
export function floatsOf(tensor: TensorProto | undefined): Float32Array | undefined {
  if (tensor?.dataType !== DataType.FLOAT || (tensor.dataLocation ?? 0) !== 0) return undefined;
  const raw = tensor.rawData;
  const values =
    raw && raw.length > 0
      ? raw.length % 4 === 0
        ? new Float32Array(Uint8Array.from(raw).buffer)
        : undefined
      : Float32Array.from(tensor.floatData ?? []);
  return values?.length === elementsIn(dimsOf(tensor)) ? values : undefined;
}

/** The values of an INT64 tensor (a shape, axes); `undefined` for any other. */
export function integersOf(tensor: TensorProto | undefined): number[] | undefined {
  if (tensor?.dataType !== DataType.INT64 || (tensor.dataLocation ?? 0) !== 0) return undefined;
  const raw = tensor.rawData;
  if (raw && raw.length > 0) return Array.from(new BigInt64Array(Uint8Array.from(raw).buffer), Number);
  return (tensor.int64Data ?? []).map((value) => Number(int64(value)));
}

export function floatTensor(name: string, dims: readonly number[], values: Float32Array): TensorProto {
  return { name, dims: [...dims], dataType: DataType.FLOAT, rawData: bytesOf(values) };
}

export function int8Tensor(name: string, dims: readonly number[], values: Int8Array): TensorProto {
  return { name, dims: [...dims], dataType: DataType.INT8, rawData: bytesOf(values) };
}

/** The values rounded to 16-bit floats; `undefined` where one is too large for them. */
export function halfTensor(name: string, dims: readonly number[], values: Float32Array): TensorProto | undefined {
  const halves = new Uint16Array(values.length);
  for (const [index, value] of values.entries()) {
    const half = halfOf(value);
    if ((half & 0x7fff) === 0x7c00 && Number.isFinite(value)) return undefined;
    halves[index] = half;
  }
  return { name, dims: [...dims], dataType: DataType.FLOAT16, rawData: bytesOf(halves) };
}

/** Little-endian, as the format has it and every machine Node runs on. */
function bytesOf(values: Float32Array | Int8Array | Uint16Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Rows and columns exchanged: [rows, columns] -> [columns, rows]. */
export function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = values[row * columns + column] as number;
  }
  return result;
}

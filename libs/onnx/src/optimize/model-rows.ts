/** Element types a measurement runs with: those the gateway serves. */
export type RowDatatype =
  'BOOL' | 'UINT8' | 'UINT16' | 'UINT32' | 'UINT64' | 'INT8' | 'INT16' | 'INT32' | 'INT64' | 'FP32' | 'FP64' | 'BYTES';

export type RowData =
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

/** A tensor with the rows of a batch in its first dimension, row-major. */
export interface Rows {
  readonly name: string;
  readonly datatype: RowDatatype;
  readonly shape: readonly number[];
  readonly data: RowData;
}

/** A model that is loaded and answers. */
export interface LoadedModel {
  /** All outputs that are tensors, for one batch. */
  run(inputs: readonly Rows[]): Promise<readonly Rows[]>;
  close(): Promise<void>;
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
  FP32: Float32Array,
  FP64: Float64Array,
} as const;

export function isRowDatatype(datatype: string): datatype is RowDatatype {
  return datatype === 'BYTES' || Object.hasOwn(ARRAYS, datatype);
}

/** Room for `count` elements, zeros or empty texts. */
export function emptyRowData(datatype: RowDatatype, count: number): RowData {
  return datatype === 'BYTES' ? new Array<string>(count).fill('') : new ARRAYS[datatype](count);
}

/** How many rows a batch has. */
export function countRows(inputs: readonly Rows[]): number {
  return inputs[0]?.shape[0] ?? 0;
}

/** The rows `from` to `from + count` of a batch; after the last comes the first again. */
export function takeRows(inputs: readonly Rows[], from: number, count: number): Rows[] {
  return inputs.map(({ name, datatype, shape, data }) => {
    const [rows = 1, ...inner] = shape;
    const width = inner.reduce((product, size) => product * size, 1);
    const taken = emptyRowData(datatype, count * width) as { [index: number]: number | bigint | string };
    for (let row = 0; row < count; row++) {
      const at = ((from + row) % rows) * width;
      for (let index = 0; index < width; index++) taken[row * width + index] = data[at + index] as number;
    }
    return { name, datatype, shape: [count, ...inner], data: taken as RowData };
  });
}

export function isFloat({ datatype }: Rows): boolean {
  return datatype === 'FP32' || datatype === 'FP64';
}

/** The column with the largest value of a row; the first of equal ones. */
export function largest({ data }: Rows, row: number, rows: number): number {
  const width = data.length / rows;
  let best = 0;
  for (let column = 1; column < width; column++)
    if ((data[row * width + column] as number) > (data[row * width + best] as number)) best = column;
  return best;
}

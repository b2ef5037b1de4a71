/** Element types models are run with, by the names of the Open Inference Protocol. */
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

/** A tensor a model takes. `shape` has -1 where a size is the caller's; `undefined` or `null`: the model does not say even the rank. */
export interface RowInput {
  readonly name: string;
  readonly datatype: string;
  readonly shape?: readonly number[] | null | undefined;
}

/** One row a model is asked for: its tensors by name, or the values of features. `null` stands for a missing number. */
export interface AskedRow {
  readonly inputs?: Readonly<Record<string, unknown>> | null;
  readonly features?: Readonly<Record<string, unknown>> | null;
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

/** What the runtimes call these types, in Node as in a browser. */
export const RUNTIME_TYPES = {
  BOOL: 'bool',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP32: 'float32',
  FP64: 'float64',
  BYTES: 'string',
} as const satisfies Record<RowDatatype, string>;

export function isRowDatatype(datatype: string): datatype is RowDatatype {
  return datatype === 'BYTES' || Object.hasOwn(ARRAYS, datatype);
}

/** Room for `count` elements, zeros or empty texts. */
export function emptyRowData(datatype: RowDatatype, count: number): RowData {
  return datatype === 'BYTES' ? new Array<string>(count).fill('') : new ARRAYS[datatype](count);
}

/** Values a row has of an input; `undefined` where the model leaves it open. */
export function rowWidth({ shape }: RowInput): number | undefined {
  const inner = shape?.slice(1);
  return inner === undefined || inner.includes(-1) ? undefined : inner.reduce((product, size) => product * size, 1);
}

/**
 * What one row has for an input, in the input's own type, row-major: the tensor of that name, or its columns in the order the model names (an input
 * without named columns takes the feature of its own name). `undefined` when the row does not have it, or has something else.
 */
export function rowValues(
  { inputs, features }: AskedRow,
  input: RowInput,
  width: number | undefined,
  columns: readonly string[] | undefined,
): (number | bigint | string)[] | undefined {
  const { datatype } = input;
  if (!isRowDatatype(datatype)) return undefined;
  const own = inputs?.[input.name];
  const named = own !== undefined ? [own].flat(Infinity) : columnValues(features ?? {}, columns ?? [input.name]);
  if (!named || (width !== undefined && named.length !== width)) return undefined;
  const values = named.map((value) => converted(value, datatype));
  return values.includes(undefined) ? undefined : (values as (number | bigint | string)[]);
}

/** Rows of values as one tensor. */
export function rowsTensor({ name, datatype, shape }: RowInput, parts: readonly (readonly unknown[])[]): Rows {
  const width = parts[0]?.length ?? 0;
  const data = emptyRowData(datatype as RowDatatype, parts.length * width) as { [index: number]: number };
  parts.forEach((values, row) => values.forEach((value, index) => (data[row * width + index] = value as number)));
  const inner = shape?.slice(1) ?? (width === 1 ? [] : [width]);
  const known = inner.filter((size) => size !== -1).reduce((product, size) => product * size, 1);
  return {
    name,
    datatype: datatype as RowDatatype,
    shape: [parts.length, ...inner.map((size) => (size === -1 ? width / known : size))],
    data: data as unknown as RowData,
  };
}

function columnValues(features: Readonly<Record<string, unknown>>, columns: readonly string[]): unknown[] | undefined {
  const values = columns.map((column) => columnValue(features, column));
  return values.includes(undefined) ? undefined : values;
}

/** The value of a column; `null` where it is there without one, `undefined` where it is not there. */
export function columnValue(features: Readonly<Record<string, unknown>>, column: string): unknown {
  const name = [column, unqualified(column)].find((one) => Object.hasOwn(features, one));
  return name === undefined ? undefined : (features[name] ?? null);
}

/** A training set may qualify its columns by the view (`view__feature`, `view:feature`); a vector does so only where it must. */
function unqualified(column: string): string {
  return column.replace(/^.*?(__|:)/, '');
}

function converted(value: unknown, datatype: RowDatatype): number | bigint | string | undefined {
  if (datatype === 'BYTES') return textOf(value);
  const isFloat = datatype === 'FP32' || datatype === 'FP64';
  if (value === null) return isFloat ? NaN : undefined;
  const number = typeof value === 'boolean' ? Number(value) : value;
  if (datatype === 'INT64' || datatype === 'UINT64') {
    // Beyond 2^53 a number of JSON has lost digits already; texts have them all.
    const isWhole = typeof number === 'string' ? /^-?\d+$/.test(number) : Number.isSafeInteger(number);
    return isWhole ? within(datatype, BigInt(number as string | number)) : undefined;
  }
  // JSON has no infinity: a number that reads as one was beyond any double, and the record of it would say nothing. A text may say `Infinity`.
  const plain = typeof number === 'string' ? numberIn(number) : number === Infinity || number === -Infinity ? undefined : number;
  return typeof plain === 'number' && (isFloat || Number.isInteger(plain)) ? within(datatype, plain) : undefined;
}

const LARGEST_FP32 = 3.4028234663852886e38;

const RANGES: Readonly<Record<Exclude<RowDatatype, 'BYTES' | 'FP64'>, readonly [least: number | bigint, most: number | bigint]>> = {
  BOOL: [0, 1],
  UINT8: [0, 0xff],
  UINT16: [0, 0xffff],
  UINT32: [0, 0xffff_ffff],
  UINT64: [0n, 2n ** 64n - 1n],
  INT8: [-0x80, 0x7f],
  INT16: [-0x8000, 0x7fff],
  INT32: [-0x8000_0000, 0x7fff_ffff],
  INT64: [-(2n ** 63n), 2n ** 63n - 1n],
  FP32: [-LARGEST_FP32, LARGEST_FP32],
};

/** A value that the type holds, infinities among those of floating point; what it does not would silently become another, as the gateway refuses too. */
function within<T extends number | bigint>(datatype: Exclude<RowDatatype, 'BYTES'>, value: T): T | undefined {
  if (datatype === 'FP64' || (typeof value === 'number' && !Number.isFinite(value))) return value;
  const [least, most] = RANGES[datatype];
  return value >= least && value <= most ? value : undefined;
}

const NOT_FINITE: ReadonlySet<string> = new Set(['NaN', 'Infinity', '-Infinity']);

function numberIn(text: string): number | undefined {
  const number = Number(text);
  if (!Number.isFinite(number)) return NOT_FINITE.has(text) ? number : undefined;
  return text.trim() === '' ? undefined : number;
}

/** The runtimes take a text up to its first NUL. */
function textOf(value: unknown): string | undefined {
  const isText = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return isText && !String(value).includes('\u0000') ? String(value) : undefined;
}

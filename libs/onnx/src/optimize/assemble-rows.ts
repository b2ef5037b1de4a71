import { FEATURES_METADATA } from '../logistic-regression.js';
import type { ModelSignature, TensorSignature } from '../signature.js';
import { emptyRowData, isRowDatatype, type RowDatatype, type Rows } from './model-rows.js';

/** One row a model was asked for: its tensors by name, or the values of features. `null` stands for a missing number. */
export interface RecordedRow {
  readonly inputs?: Readonly<Record<string, unknown>> | null;
  readonly features?: Readonly<Record<string, unknown>> | null;
  /** What the model gave for it. */
  readonly outputs?: Readonly<Record<string, unknown>> | null;
  /** What was true, where it is known: the label of the prediction. */
  readonly truth?: Truth | null;
}

export type Truth = number | boolean | string;

export interface AssembledRows {
  readonly rows: readonly Rows[];
  readonly used: number;
  /** What was true of each row that is used, where it is known. */
  readonly truths: readonly (Truth | undefined)[];
  /** Rows that do not fit the model's inputs, and why the first of them does not. */
  readonly skipped: number;
  readonly problem: string | undefined;
}

/**
 * Puts recorded rows into a model's inputs, as the gateway does: a model with one matrix takes its columns in the order its metadata names (`millrace.features`), one with an
 * input per feature takes each by name. A row that does not fit is left out and counted.
 */
export function assembleRows(
  { inputs }: Pick<ModelSignature, 'inputs'>,
  metadata: ReadonlyMap<string, string>,
  recorded: readonly RecordedRow[],
): AssembledRows {
  const text = metadata.get(FEATURES_METADATA);
  const columns = text === undefined ? undefined : (JSON.parse(text) as readonly string[]);
  const parts: unknown[][][] = [];
  const truths: (Truth | undefined)[] = [];
  const widths = inputs.map(widthOf);
  let problem: string | undefined;
  for (const row of recorded) {
    const values = inputs.map((input, index) => valuesOf(row, input, widths[index], columns));
    const missing = values.findIndex((one) => one === undefined);
    if (missing >= 0) {
      problem ??= `input ${JSON.stringify(inputs[missing]?.name)} takes ${widths[missing] ?? 'other'} values a row, which the row does not have`;
      continue;
    }
    // What the model leaves open is as the first row has it.
    values.forEach((one, index) => (widths[index] ??= one?.length));
    if (values.every((one, index) => one?.length === widths[index])) {
      parts.push(values as unknown[][]);
      truths.push(row.truth ?? undefined);
    } else problem ??= 'rows have different numbers of values';
  }
  const rows = inputs.map((input, index) =>
    tensorOf(
      input,
      parts.map((values) => values[index] as unknown[]),
    ),
  );
  return { rows, truths, used: parts.length, skipped: recorded.length - parts.length, problem };
}

/** Values a row has of an input; `undefined` where the model leaves it open. */
function widthOf({ shape }: TensorSignature): number | undefined {
  const inner = shape?.slice(1);
  return inner === undefined || inner.includes(-1) ? undefined : inner.reduce((product, size) => product * size, 1);
}

function valuesOf(
  { inputs, features }: RecordedRow,
  input: TensorSignature,
  width: number | undefined,
  columns: readonly string[] | undefined,
): unknown[] | undefined {
  if (!isRowDatatype(input.datatype)) return undefined;
  const { datatype } = input;
  const own = inputs?.[input.name];
  const named = own !== undefined ? [own].flat(Infinity) : featuresOf(features ?? {}, columns ?? [input.name]);
  if (!named || (width !== undefined && named.length !== width)) return undefined;
  const values = named.map((value) => converted(value, datatype));
  return values.some((value) => value === undefined) ? undefined : values;
}

function featuresOf(features: Readonly<Record<string, unknown>>, columns: readonly string[]): unknown[] | undefined {
  const values = columns.map((column) => features[column] ?? features[unqualified(column)] ?? (column in features ? null : undefined));
  return values.includes(undefined) ? undefined : values;
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
    if (typeof number === 'string' && /^-?\d+$/.test(number)) return BigInt(number);
    return typeof number === 'number' && Number.isInteger(number) ? BigInt(number) : undefined;
  }
  const plain = typeof number === 'string' ? numberIn(number) : number;
  return typeof plain === 'number' && (isFloat || Number.isInteger(plain)) ? plain : undefined;
}

function numberIn(text: string): number | undefined {
  const number = Number(text);
  return text.trim() === '' || (Number.isNaN(number) && text !== 'NaN') ? undefined : number;
}

function tensorOf({ name, datatype, shape }: TensorSignature, parts: readonly (readonly unknown[])[]): Rows {
  const width = parts[0]?.length ?? 0;
  const data = emptyRowData(datatype as RowDatatype, parts.length * width) as { [index: number]: number };
  parts.forEach((values, row) => values.forEach((value, index) => (data[row * width + index] = value as number)));
  const inner = shape?.slice(1) ?? (width === 1 ? [] : [width]);
  const known = inner.filter((size) => size !== -1).reduce((product, size) => product * size, 1);
  return {
    name,
    datatype: datatype as RowDatatype,
    shape: [parts.length, ...inner.map((size) => (size === -1 ? width / known : size))],
    data: data as unknown as Rows['data'],
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

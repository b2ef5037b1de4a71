import { parquetMetadata, type SchemaElement } from 'hyparquet';
import { quoteIdentifier } from './clickhouse-text.js';
import type { LoadFormat, OfflineStore } from './offline-store.js';

/** A column of a table, its type in ClickHouse's words. */
export interface TableColumn {
  readonly name: string;
  readonly type: string;
}

/** A file of rows, on its way into a table. */
export interface FileRows {
  readonly format: LoadFormat;
  readonly bytes: Buffer;
  /** Of the table it is read into. */
  readonly columns: readonly TableColumn[];
  /** The query of its rows, typed. */
  readonly select: (store: OfflineStore, table: string) => Promise<string>;
}

/** Makes the error that says what is wrong with a file. */
export type RefuseFile = (message: string) => Error;

/** A Parquet file: its footer says what is in it, the rest is ClickHouse's to read. */
export function parquetRows(bytes: Buffer, refuse: RefuseFile): FileRows {
  let schema: readonly SchemaElement[];
  try {
    const file = new Uint8Array(bytes).buffer;
    ({ schema } = parquetMetadata(file));
  } catch (error) {
    throw refuse(`the file is not Parquet: ${error instanceof Error ? error.message : String(error)}`);
  }
  const columns = schema.slice(1).map((element) => ({ name: element.name, type: `Nullable(${typeOf(element, refuse)})` }));
  return { format: 'Parquet', bytes, columns, select: (_store, table) => Promise.resolve(`SELECT * FROM ${table}`) };
}

const BY_PHYSICAL: Readonly<Record<string, string>> = {
  BOOLEAN: 'Bool',
  INT32: 'Int32',
  INT64: 'Int64',
  INT96: "DateTime64(9, 'UTC')",
  FLOAT: 'Float32',
  DOUBLE: 'Float64',
  BYTE_ARRAY: 'String',
};
const DIGITS: Readonly<Record<string, number>> = { MILLIS: 3, MICROS: 6, NANOS: 9 };

/** A flat column's type in ClickHouse's words. */
function typeOf(element: SchemaElement, refuse: RefuseFile): string {
  const { name, type, num_children, repetition_type, logical_type, converted_type, scale, precision } = element;
  if (num_children || repetition_type === 'REPEATED' || type === undefined)
    throw refuse(`column ${name} of the Parquet file is nested; only flat columns are read`);
  if (logical_type?.type === 'TIMESTAMP') return `DateTime64(${DIGITS[String(logical_type.unit)] ?? 3}, 'UTC')`;
  if (converted_type === 'TIMESTAMP_MILLIS') return "DateTime64(3, 'UTC')";
  if (converted_type === 'TIMESTAMP_MICROS') return "DateTime64(6, 'UTC')";
  if (logical_type?.type === 'DATE' || converted_type === 'DATE') return 'Date32';
  if (logical_type?.type === 'DECIMAL' || converted_type === 'DECIMAL') return `Decimal(${precision ?? 38}, ${scale ?? 0})`;
  if (logical_type?.type === 'INTEGER') return `${logical_type.isSigned ? '' : 'U'}Int${logical_type.bitWidth}`;
  const integer = /^(U?)INT_(\d+)$/.exec(converted_type ?? '');
  if (integer) return `${integer[1] ?? ''}Int${integer[2]}`;
  const found = BY_PHYSICAL[type];
  if (found === undefined) throw refuse(`column ${name} of the Parquet file is ${type}; write it as text or a number`);
  return found;
}

const WHOLE = '^(0|-?[1-9][0-9]{0,17})$';
const NUMBER = '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$';

/**
 * Text with a header. Columns of `asText` are kept as they are written; another column is a number when all its values are written as one, `007`
 * is not.
 */
export function csvRows(
  bytes: Buffer,
  { asText, refuse }: { readonly asText: ReadonlySet<string>; readonly refuse: RefuseFile },
): FileRows {
  const text = bytes.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf])) ? bytes.subarray(3) : bytes;
  const { names, length } = headerOf(text);
  const repeated = names.find((name, index) => name === '' || names.indexOf(name) !== index);
  if (repeated !== undefined)
    throw refuse(`the header of the CSV file has ${repeated === '' ? 'a column without a name' : `two columns ${repeated}`}`);
  const select = async (store: OfflineStore, table: string): Promise<string> => {
    const others = names.filter((name) => !asText.has(name));
    const tests = others.flatMap((name, index) => {
      const column = quoteIdentifier(name);
      const all = (pattern: string): string => `countIf(${column} IS NOT NULL AND NOT match(${column}, '${pattern}')) = 0`;
      return [
        `${all(WHOLE)} AS whole_${index}`,
        `${all(NUMBER)} AS number_${index}`,
        `${all('^(?i)(true|false)$')} AS truth_${index}`,
        `countIf(${column} IS NOT NULL) = 0 AS empty_${index}`,
      ];
    });
    const [found] = tests.length === 0 ? [] : await store.query<Record<string, unknown>>(`SELECT ${tests.join(', ')} FROM ${table}`);
    const is = (what: string, name: string): boolean => Number(found?.[`${what}_${others.indexOf(name)}`] ?? 0) === 1;
    const typed = names.map((name) => {
      const column = quoteIdentifier(name);
      if (asText.has(name) || is('empty', name)) return column;
      if (is('whole', name)) return `toInt64(${column}) AS ${column}`;
      if (is('number', name)) return `toFloat64(${column}) AS ${column}`;
      return is('truth', name) ? `CAST(lower(${column}) AS Nullable(Bool)) AS ${column}` : column;
    });
    return `SELECT ${typed.join(', ')} FROM ${table} SETTINGS precise_float_parsing = 1`;
  };
  return { format: 'CSV', bytes: text.subarray(length), columns: names.map((name) => ({ name, type: 'Nullable(String)' })), select };
}

/** The names of the first line, which may be quoted and hold commas and quotes, and how many bytes it has. */
function headerOf(bytes: Buffer): { names: string[]; length: number } {
  const text = bytes.toString('utf8', 0, Math.min(bytes.length, 1 << 20));
  const names: string[] = [];
  let name = '';
  let quoted = false;
  let at = 0;
  for (; at < text.length; at++) {
    const letter = text[at] as string;
    if (quoted) {
      if (letter !== '"') name += letter;
      else if (text[at + 1] === '"') name += text[at++];
      else quoted = false;
    } else if (letter === '"') quoted = true;
    else if (letter === ',') {
      names.push(name.trim());
      name = '';
    } else if (letter === '\n') break;
    else name += letter;
  }
  names.push(name.trim());
  return { names, length: Buffer.byteLength(text.slice(0, at + 1)) };
}

import { parquetMetadata, type SchemaElement } from 'hyparquet';
import { isUtf8 } from 'node:buffer';
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
  /** Names of the file's columns of lists, maps and structures: these are not read. */
  readonly nested: readonly string[];
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
  const columns: TableColumn[] = [];
  const nested: string[] = [];
  for (const { element, isNested } of topLevel(schema)) {
    if (isNested) nested.push(element.name);
    else columns.push({ name: element.name, type: `Nullable(${typeOf(element, refuse)})` });
  }
  // No Parquet can be written of times of day.
  const asTexts = columns
    .filter(({ type }) => type.includes('Time64(') && !type.includes('DateTime64('))
    .map(({ name }) => quoteIdentifier(name));
  const texts = asTexts.length === 0 ? '' : ` REPLACE (${asTexts.map((name) => `toString(${name}) AS ${name}`).join(', ')})`;
  return { format: 'Parquet', bytes, columns, nested, select: (_store, table) => Promise.resolve(`SELECT *${texts} FROM ${table}`) };
}

/** The columns of a schema, which lists each element before its children and the root before all. */
function topLevel(schema: readonly SchemaElement[]): { readonly element: SchemaElement; readonly isNested: boolean }[] {
  const found: { readonly element: SchemaElement; readonly isNested: boolean }[] = [];
  for (let at = 1; at < schema.length;) {
    const element = schema[at] as SchemaElement;
    const isNested = Boolean(element.num_children) || element.repetition_type === 'REPEATED' || element.type === undefined;
    found.push({ element, isNested });
    for (let open = 1; open > 0 && at < schema.length; at++) open += (schema[at]?.num_children ?? 0) - 1;
  }
  return found;
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
  const { name, type, logical_type, converted_type, scale, precision } = element;
  if (logical_type?.type === 'TIMESTAMP') return `DateTime64(${DIGITS[String(logical_type.unit)] ?? 3}, 'UTC')`;
  if (converted_type === 'TIMESTAMP_MILLIS') return "DateTime64(3, 'UTC')";
  if (converted_type === 'TIMESTAMP_MICROS') return "DateTime64(6, 'UTC')";
  // Read as numbers they would be cut to seconds.
  if (logical_type?.type === 'TIME') return `Time64(${DIGITS[String(logical_type.unit)] ?? 3})`;
  if (converted_type === 'TIME_MILLIS') return 'Time64(3)';
  if (converted_type === 'TIME_MICROS') return 'Time64(6)';
  if (logical_type?.type === 'DATE' || converted_type === 'DATE') return 'Date32';
  if (logical_type?.type === 'DECIMAL' || converted_type === 'DECIMAL') return `Decimal(${precision ?? 38}, ${scale ?? 0})`;
  if (logical_type?.type === 'INTEGER') return `${logical_type.isSigned ? '' : 'U'}Int${logical_type.bitWidth}`;
  const integer = /^(U?)INT_(\d+)$/.exec(converted_type ?? '');
  if (integer) return `${integer[1] ?? ''}Int${integer[2]}`;
  const found = type && BY_PHYSICAL[type];
  if (found === undefined) throw refuse(`column ${name} of the Parquet file is ${type}; write it as text or a number`);
  return found;
}

const WHOLE = '^(0|-?[1-9][0-9]*)$';
const NUMBER = '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$';

/**
 * Text with a header. Columns of `asText` are kept as they are written; another column is a number when all its values are written as one, `007`
 * is not, and neither are whole numbers beyond 64 bits. Columns of `asWhole` are whole numbers of 64 bits, or else kept as well.
 */
export function csvRows(
  bytes: Buffer,
  {
    asText,
    asWhole = new Set(),
    refuse,
  }: { readonly asText: ReadonlySet<string>; readonly asWhole?: ReadonlySet<string>; readonly refuse: RefuseFile },
): FileRows {
  const text = bytes.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf])) ? bytes.subarray(3) : bytes;
  if (text.length === 0) throw refuse('the CSV file is empty; its first line names the columns');
  const { names, length } = headerOf(text);
  const [only = ''] = names;
  if (names.length === 1 && /[;\t]/.test(only))
    throw refuse(`the header of the CSV file is one column, ${JSON.stringify(only)}; separate columns by commas`);
  if (!isUtf8(text)) throw refuse(`${placeOfBadText(text, names)} is not UTF-8; write the file with that encoding`);
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
        `countIf(${column} IS NOT NULL AND ifNull(toString(toInt64OrNull(${column})), '') != ${column}) = 0 AS signed_${index}`,
        `countIf(${column} IS NOT NULL AND ifNull(toString(toUInt64OrNull(${column})), '') != ${column}) = 0 AS unsigned_${index}`,
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
      if (is('signed', name)) return `toInt64(${column}) AS ${column}`;
      if (is('unsigned', name)) return `toUInt64(${column}) AS ${column}`;
      // Whole numbers that no 64 bits hold are names of something: as doubles they would lose digits.
      if (is('whole', name) || asWhole.has(name)) return column;
      if (is('number', name)) return `toFloat64(${column}) AS ${column}`;
      return is('truth', name) ? `CAST(lower(${column}) AS Nullable(Bool)) AS ${column}` : column;
    });
    return `SELECT ${typed.join(', ')} FROM ${table} SETTINGS precise_float_parsing = 1`;
  };
  return {
    format: 'CSV',
    bytes: text.subarray(length),
    columns: names.map((name) => ({ name, type: 'Nullable(String)' })),
    nested: [],
    select,
  };
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

const [QUOTE, COMMA, NEWLINE] = [0x22, 0x2c, 0x0a];

/** Where the first bytes are that are no UTF-8. Rows count from 1 behind the header. */
function placeOfBadText(bytes: Buffer, names: readonly string[]): string {
  let bad = 0;
  for (let from = 0, end = 0; from < bytes.length; from = end) {
    end = bytes.indexOf(NEWLINE, from) + 1 || bytes.length;
    const line = bytes.subarray(from, end);
    if (isUtf8(line)) continue;
    const text = line.toString('utf8');
    bad = from + Buffer.byteLength(text.slice(0, text.indexOf('\uFFFD')));
    break;
  }
  let row = 0;
  let column = 0;
  let isQuoted = false;
  for (let at = 0; at < bad; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) isQuoted = !isQuoted;
    else if (isQuoted) continue;
    else if (byte === COMMA) column++;
    else if (byte === NEWLINE) {
      row++;
      column = 0;
    }
  }
  if (row === 0) return 'the header of the CSV file';
  return `row ${row}, column ${names[column] ?? column + 1} of the CSV file`;
}

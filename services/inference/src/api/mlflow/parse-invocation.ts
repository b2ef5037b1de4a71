import { parseExactJson } from '@millrace/kernel';
import { invalid } from '../../domain/refusal.js';
import { isDeeperThan } from '../oip/json-depth.js';
import { parseCsv } from './parse-csv.js';

/** Named columns of values, all as long as there are rows; a value may be a list. */
export type Columns = ReadonlyMap<string, readonly unknown[]>;

/** What a scoring request holds: a table by its columns, or the rows of the model's single input, without names. */
export interface Invocation {
  readonly columns: Columns | undefined;
  readonly rows: readonly unknown[] | undefined;
  /** Whether it came as a data frame: the answer is one too, row by row. */
  readonly isFrame: boolean;
  readonly params: Readonly<Record<string, string | number | boolean>>;
  /** Whether it is a frame of no rows that names no columns either. */
  readonly isEmpty?: boolean;
  /** Of CSV: its columns as they were written, for what is text. */
  readonly texts?: ReadonlyMap<string, readonly string[]>;
}

const FORMATS = ['dataframe_split', 'dataframe_records', 'instances', 'inputs'] as const;
const MAX_DEPTH = 64;

/** Reads a data frame as CSV: a header row, then the rows. It has no `params`. */
export function parseCsvInvocation(body: Buffer): Invocation {
  return { ...parseCsv(body.toString('utf8')), rows: undefined, isFrame: true, params: {} };
}

/** Reads MLflow's scoring format: exactly one of its four forms, and `params`. */
export function parseInvocation(body: Buffer): Invocation {
  if (isDeeperThan(body, MAX_DEPTH)) throw invalid(`the request's JSON is nested deeper than ${MAX_DEPTH} levels`);
  let value: unknown;
  try {
    value = parseExactJson(body.toString('utf8'));
  } catch (error) {
    throw invalid(`the request is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const request = objectOf('the request', value);
  const given = FORMATS.filter((format) => request[format] !== undefined);
  const [format] = given;
  if (given.length !== 1 || format === undefined)
    throw invalid(`give exactly one of ${FORMATS.join(', ')}; the request has ${given.length === 0 ? 'none' : given.join(' and ')}`);
  return { ...read(format, request[format]), params: paramsOf(request['params']) };
}

function read(format: (typeof FORMATS)[number], value: unknown): Omit<Invocation, 'params'> {
  switch (format) {
    case 'dataframe_split': {
      const split = objectOf(format, value);
      const columns = ofSplit(split);
      return { columns, rows: undefined, isFrame: true, isEmpty: columns.size === 0 && (split['data'] as unknown[]).length === 0 };
    }
    case 'dataframe_records': {
      const records = listOf(format, value);
      return { columns: ofRecords(format, records), rows: undefined, isFrame: true, isEmpty: records.length === 0 };
    }
    case 'instances': {
      const rows = listOf(format, value);
      const isNamed = rows.length > 0 && rows.every(isObject);
      return { columns: isNamed ? ofRecords(format, rows) : undefined, rows: isNamed ? undefined : rows, isFrame: false };
    }
    case 'inputs': {
      if (Array.isArray(value)) return { columns: undefined, rows: value, isFrame: false };
      const columns = new Map(Object.entries(objectOf(format, value)).map(([name, column]) => [name, listOf(`${format}.${name}`, column)]));
      return { columns: alike(format, columns), rows: undefined, isFrame: false };
    }
  }
}

function ofSplit({ columns, data }: Readonly<Record<string, unknown>>): Columns {
  const rows = listOf('dataframe_split.data', data);
  const names = listOf('dataframe_split.columns', columns ?? (Array.isArray(rows[0]) ? rows[0].map((_value, index) => String(index)) : []));
  const table = new Map<string, unknown[]>(names.map((name) => [String(name), []]));
  if (table.size !== names.length) throw invalid('dataframe_split.columns names a column twice');
  for (const [index, row] of rows.entries()) {
    const values = listOf(`dataframe_split.data[${index}]`, row);
    if (values.length !== names.length)
      throw invalid(`dataframe_split.data[${index}] has ${values.length} values; columns has ${names.length} names`);
    let column = 0;
    for (const list of table.values()) list.push(values[column++]);
  }
  return table;
}

function ofRecords(format: string, records: readonly unknown[]): Columns {
  const table = new Map<string, unknown[]>();
  for (const [index, record] of records.entries()) {
    for (const [name, value] of Object.entries(objectOf(`${format}[${index}]`, record))) {
      let column = table.get(name);
      if (!column) table.set(name, (column = Array.from({ length: index }, () => null)));
      column.push(value);
    }
    // As a data frame has it: what a record does not say is missing.
    for (const column of table.values()) if (column.length === index) column.push(null);
  }
  return table;
}

function alike(format: string, columns: Columns): Columns {
  const [first, ...others] = columns;
  const odd = others.find(([, column]) => column.length !== first?.[1].length);
  if (first && odd) throw invalid(`${format}.${odd[0]} has ${odd[1].length} rows and ${format}.${first[0]} ${first[1].length}`);
  return columns;
}

function paramsOf(value: unknown): Invocation['params'] {
  if (value === undefined || value === null) return {};
  const params = objectOf('params', value);
  for (const [name, item] of Object.entries(params))
    if (typeof item !== 'string' && typeof item !== 'number' && typeof item !== 'boolean')
      throw invalid(`params.${name} must be a string, a number or a boolean`);
  return params as Invocation['params'];
}

function listOf(what: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(`${what} must be a list`);
  return value;
}

function objectOf(what: string, value: unknown): Readonly<Record<string, unknown>> {
  if (!isObject(value)) throw invalid(`${what} must be an object`);
  return value;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

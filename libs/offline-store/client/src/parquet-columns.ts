import { quoteString } from './clickhouse-text.js';

/** How a column goes into a Parquet file. */
export interface ParquetColumn {
  /** In ClickHouse's words. */
  readonly type: string;
  /** The expression of its value. */
  readonly sql: string;
}

/** Texts, quoted names, an enum or a time of day whole, words, and what stands between them. */
const TOKENS = /'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|\bTime64\(\d\)|\bEnum(?:8|16)\((?:'(?:[^'\\]|\\.)*'|[^')])*\)|\w+|[^\w'`]+/gs;
/** Of a Parquet file a reader would get these as the number of an address, or as bytes; a time of day, or one of its seconds, cannot be written at all. */
const AS_TEXT = /^(Time|Time64\(\d\)|IPv4|IPv6|UUID|U?Int(128|256)|Enum(8|16)\(.*)$/s;
const UNWRITTEN = /^(Interval[A-Z]\w*|Variant|Dynamic|JSON|Object|Nothing|AggregateFunction)$/;

/**
 * How the value `sql` of a type is written so that a Parquet file's readers, pandas among them, get what ClickHouse shows: enums, addresses, UUIDs, times of day and integers beyond
 * 64 bits as their text, BFloat16 as Float32, within lists, maps and tuples too. `undefined` for a type that cannot be written.
 */
export function parquetColumn(sql: string, type: string): ParquetColumn | undefined {
  const written: string[] = [];
  for (const { 0: token, index } of type.matchAll(TOKENS)) {
    const isElementName = /^\w+$/.test(token) && type[index + token.length] === ' ';
    if (isElementName) written.push(token);
    else if (UNWRITTEN.test(token)) return undefined;
    else written.push(AS_TEXT.test(token) ? 'String' : token === 'BFloat16' ? 'Float32' : token);
  }
  const to = written.join('');
  return { type: to, sql: to === type ? sql : `CAST(${sql}, ${quoteString(to)})` };
}

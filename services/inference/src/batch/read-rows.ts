import { quoteIdentifier, type OfflineStore } from '@millrace/offline-store';
import type { BatchColumn } from '../domain/batch-job/batch-job.events.js';
import type { FeatureValue } from '../gateway/feature-vectors.js';
import { bareType } from './check-columns.js';
import type { StagedInput } from './job-input.js';

/** One row of the input: its place, and the values of the columns that were asked for. */
export interface BatchRow {
  readonly row: number;
  readonly values: ReadonlyMap<string, FeatureValue>;
}

/** Reads the rows `from` to `to` (exclusive) in their order. */
export async function readRows(
  store: OfflineStore,
  { table, columns }: StagedInput,
  names: readonly string[],
  from: number,
  to: number,
): Promise<BatchRow[]> {
  const readers = names.map((name) => ({ name, read: readerOf(columns.find((column) => column.name === name) as BatchColumn) }));
  const selected = ['__row', ...names.map(quoteIdentifier)].join(', ');
  const found = await store.query<Readonly<Record<string, unknown>>>(
    // What is no number is told as it is, and not as a null. One thread: embedded, the engine's take the cores that requests are answered on.
    `SELECT ${selected} FROM ${table} WHERE __row >= {from:UInt64} AND __row < {to:UInt64} ORDER BY __row
     SETTINGS output_format_json_quote_denormals = 1, output_format_json_quote_64bit_integers = 1, max_threads = 1`,
    { from, to },
  );
  return found.map((row) => ({
    row: Number(row['__row']),
    values: new Map(readers.map(({ name, read }) => [name, read(row[name])])),
  }));
}

const DENORMALS: Readonly<Record<string, number>> = { nan: NaN, '-nan': NaN, inf: Infinity, '-inf': -Infinity };

/** How a column's JSON is read, by its type. */
function readerOf({ type }: BatchColumn): (value: unknown) => FeatureValue {
  const bare = bareType(type);
  if (/^U?Int(64|128|256)$/.test(bare)) return (value) => (value === null ? null : BigInt(value as string));
  if (/^(Float|BFloat)/.test(bare)) return (value) => (typeof value === 'string' ? (DENORMALS[value] ?? NaN) : (value as number | null));
  if (/^Decimal/.test(bare)) return (value) => (value === null ? null : Number(value));
  return (value) => (value !== null && typeof value === 'object' ? JSON.stringify(value) : (value as FeatureValue));
}

import { quoteIdentifier, quoteTable } from './clickhouse-text.js';
import type { OfflineStore } from './offline-store.js';

/** Of a query that hashes rows as JSON: without it NaN and the infinities are null in them, and rows that differ are taken for the same. */
export const EXACT_JSON_ROWS = 'SETTINGS output_format_json_quote_denormals = 1';

export interface TableDigest {
  readonly rows: number;
  /** Sum of the rows' 128-bit hashes: the same for the same rows in whatever order and parts they lie. */
  readonly hash: string;
}

/**
 * A canonical digest of a table: equal iff the tables hold the same rows after replacement (`FINAL`). Columns go in by name, so
 * their order in the table does not matter; those in `except` (an insert time, say) do not count. Duplicates count.
 */
export async function digest(store: Pick<OfflineStore, 'query'>, table: string, except: readonly string[] = []): Promise<TableDigest> {
  const [database, name] = table.split('.') as [string, string];
  const columns = await store.query<{ name: string }>(
    `SELECT name FROM system.columns
     WHERE database = {database:String} AND table = {name:String} AND default_kind NOT IN ('ALIAS', 'EPHEMERAL') AND NOT has({except:Array(String)}, name)
     ORDER BY name`,
    { database, name, except },
  );
  if (columns.length === 0) return { rows: 0, hash: '0' };
  // As one text: a NULL among the arguments of a hash makes the hash NULL, and the sum would pass over the row.
  const row = `toJSONString(tuple(${columns.map((column) => quoteIdentifier(column.name)).join(', ')}))`;
  // Names no column has: an alias stands for a column of its name everywhere in the query.
  const [total] = await store.query<{ __rows: string; __hash: string }>(
    `SELECT count() AS __rows, toString(sum(reinterpretAsUInt128(sipHash128(${row})))) AS __hash FROM ${quoteTable(table)} ${await final(store, database, name)}
     ${EXACT_JSON_ROWS}`,
  );
  return { rows: Number(total?.__rows ?? 0), hash: total?.__hash ?? '0' };
}

async function final(store: Pick<OfflineStore, 'query'>, database: string, name: string): Promise<string> {
  const [found] = await store.query<{ engine: string }>(
    'SELECT engine FROM system.tables WHERE database = {database:String} AND name = {name:String}',
    { database, name },
  );
  return /(Replacing|Collapsing|Aggregating|Summing)MergeTree$/.test(found?.engine ?? '') ? 'FINAL' : '';
}

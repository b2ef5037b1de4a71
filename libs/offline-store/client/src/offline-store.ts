import type { Readable } from 'node:stream';

export type SqlParameters = Readonly<Record<string, string | number | boolean | null | readonly (string | number)[]>>;

/**
 * ClickHouse, whichever way it runs: a server behind a URL, or chdb in this process. Queries bind parameters the ClickHouse way
 * (`{name:Type}`); nothing is ever pasted into SQL.
 */
export interface OfflineStore {
  /** Rows as objects (JSONEachRow; 64-bit integers as strings unless the query casts them). */
  query<Row>(sql: string, parameters?: SqlParameters): Promise<Row[]>;
  /** Rows one by one, without holding them all. */
  stream<Row>(sql: string, parameters?: SqlParameters): AsyncIterable<Row>;
  /** The result in any ClickHouse output format (`Parquet`, `Arrow`, `CSVWithNames` …) as bytes. */
  raw(sql: string, format: string, parameters?: SqlParameters): Promise<Readable>;
  command(sql: string, parameters?: SqlParameters): Promise<void>;
  /**
   * Inserts one block, atomically. `token` names exactly these rows (`topic:partition:first-last`): an insert repeated with the
   * same token is taken once. Rows are objects, or `Buffer` of ready JSONEachRow lines.
   */
  insert(table: string, rows: readonly object[] | Buffer, token: string): Promise<void>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

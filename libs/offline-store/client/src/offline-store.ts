import type { Readable } from 'node:stream';

export type SqlParameters = Readonly<Record<string, string | number | boolean | null | readonly (string | number)[]>>;

export interface QueryOptions {
  /** How long the caller waits; the engine is told to stop then too. A retryable `MR_DEADLINE_EXCEEDED` fault after it. */
  readonly deadlineMs?: number;
  /**
   * The text is somebody's own, or holds such. In process it runs with guests, whom nothing of the platform waits for, in bounded memory; a
   * `query` of it can only read what the database holds. On a server the limits are those of the platform's user.
   */
  readonly isGuests?: boolean;
}

/** What the bytes of an insert are, when they are not JSONEachRow. */
export interface InsertLayout {
  readonly format: 'RowBinary';
  /** In the order of the values. */
  readonly columns: readonly string[];
}

/** Formats of {@link OfflineStore.load}. */
export type LoadFormat = 'Parquet' | 'CSV' | 'Native';

/**
 * ClickHouse, whichever way it runs: a server behind a URL, or chdb in this process. Queries bind parameters the ClickHouse way
 * (`{name:Type}`); nothing is ever pasted into SQL. Both ways answer alike: 64-bit integers as strings, times in UTC,
 * failures as {@link Fault}s that say whether retrying helps and carry ClickHouse's own number in `details.clickhouseCode`.
 */
export interface OfflineStore {
  /** `chdb`: this process alone owns the data directory. `server`: others may write at the same time. */
  readonly kind: 'chdb' | 'server';
  /** Rows as objects (JSONEachRow; 64-bit integers as strings unless the query casts them). */
  query<Row>(sql: string, parameters?: SqlParameters, options?: QueryOptions): Promise<Row[]>;
  /** Rows one by one, without holding them all. */
  stream<Row>(sql: string, parameters?: SqlParameters): AsyncIterable<Row>;
  /** The result in any ClickHouse output format (`Parquet`, `Arrow`, `CSVWithNames` …) as bytes. */
  raw(sql: string, format: string, parameters?: SqlParameters, options?: QueryOptions): Promise<Readable>;
  command(sql: string, parameters?: SqlParameters, options?: QueryOptions): Promise<void>;
  /**
   * Inserts one block, atomically, while it stays under {@link MAX_BLOCK_ROWS} and {@link MAX_BLOCK_BYTES}. `token` names exactly
   * these rows (`topic:partition:first-last`): an insert repeated with the same token is taken once, if the table keeps a
   * deduplication window. Rows are objects, or `Buffer` of ready JSONEachRow lines, or of what `layout` says. Fields without a column are
   * not stored.
   */
  insert(table: string, rows: readonly object[] | Buffer, token: string, layout?: InsertLayout): Promise<void>;
  /**
   * Reads a whole file into a table, its rows in the file's order. For tables that are thrown away when it fails: a long file is several
   * blocks.
   */
  load(table: string, format: LoadFormat, data: Buffer): Promise<void>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** ClickHouse cuts a longer insert into several blocks, and a kill between two of them leaves half an insert. */
export const MAX_BLOCK_ROWS = 1_000_000;
export const MAX_BLOCK_BYTES = 200 * 1024 * 1024;

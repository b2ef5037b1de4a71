import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** A native connection; freed by `CloseConnection`, never while a call on it is running. */
export type ChdbConnection = object & { readonly __chdb: unique symbol };
export type ChdbStreamHandle = object & { readonly __stream: unique symbol };

export interface ChdbResult {
  readonly bytes: Buffer;
  /** Seconds. */
  readonly elapsed: number;
  readonly rowsRead: number;
  readonly bytesRead: number;
}

export interface ChdbInsertResult {
  readonly rowsWritten: number;
  readonly bytesWritten: number;
  readonly elapsed: number;
}

export interface ChdbClassification {
  readonly statementCount: number;
  /** 0: reads only. 1: changes data or tables. 2: access rights. 3: anything else (SET, USE, SYSTEM, INTO OUTFILE …). 4: not known. */
  readonly queryClass: number;
}

/** The part of chdb's addon we use. Everything `Async` runs on libuv's thread pool; the rest is quick. */
export interface ChdbAddon {
  EngineVersion(): string;
  CreateConnection(path: string, args?: readonly string[]): ChdbConnection;
  CloseConnection(connection: ChdbConnection): void;
  QueryAsyncConnection(connection: ChdbConnection, sql: string, format: string): Promise<ChdbResult>;
  InsertRawAsyncConnection(connection: ChdbConnection, prefix: string, data: Buffer, countLines: boolean): Promise<ChdbInsertResult>;
  StreamQuery(connection: ChdbConnection, sql: string, format: string): ChdbStreamHandle;
  StreamFetch(stream: ChdbStreamHandle): Promise<{ readonly bytes: Buffer; readonly numRows: number; readonly done: boolean }>;
  StreamCancel(stream: ChdbStreamHandle): void;
  DurableClassifyAsync(connection: ChdbConnection, sql: string, database: string): Promise<ChdbClassification>;
}

/**
 * chdb's addon, one level below its own `Session`. We go there because `createChdbConnection` (its adapter for `@clickhouse/client`)
 * leaves the settings of one query on the next, builds every insert as one JavaScript string, runs queries with parameters one
 * after the other in the whole process, and has neither ClickHouse's own statement classifier nor binary inserts. The version is
 * pinned exactly; the addon's shape is checked here so that an upgrade fails at start, not in the middle of a query.
 */
export function loadChdb(): ChdbAddon {
  const require = createRequire(import.meta.url);
  const loader = require(join(dirname(require.resolve('chdb')), 'dist', 'loader.js')) as { loadNative(): ChdbAddon };
  const addon = loader.loadNative();
  const missing = USED.filter((name) => typeof addon[name] !== 'function');
  if (missing.length > 0) throw new Error(`this chdb has no ${missing.join(', ')}; install the version package.json names`);
  return addon;
}

const USED = [
  'CreateConnection',
  'CloseConnection',
  'QueryAsyncConnection',
  'InsertRawAsyncConnection',
  'StreamQuery',
  'StreamFetch',
  'StreamCancel',
  'DurableClassifyAsync',
] as const satisfies readonly (keyof ChdbAddon)[];

export { ChdbOfflineStore } from './chdb-offline-store.js';
export type { ChdbClassification, ChdbInsertResult, ChdbResult } from './chdb-addon.js';
export {
  ChdbSession,
  type ChdbInsert,
  type ChdbLane,
  type ChdbSessionOptions,
  type ChdbStatement,
  type GuestStatement,
} from './chdb-session.js';
export {
  clickHouseCodeOf,
  clickHouseFault,
  isRowTrouble,
  messageOf,
  parseException,
  type ClickHouseException,
} from './clickhouse-fault.js';
export { parameterText, parameterTexts, quoteIdentifier, quoteString, quoteTable, splitStatements } from './clickhouse-text.js';
export { checkSelect } from './check-select.js';
export { digest, EXACT_JSON_ROWS, type TableDigest } from './digest.js';
export { csvRows, parquetRows, type FileRows, type TableColumn } from './file-rows.js';
export {
  MAX_BLOCK_BYTES,
  MAX_BLOCK_ROWS,
  type InsertLayout,
  type LoadFormat,
  type OfflineStore,
  type QueryOptions,
  type SqlParameters,
} from './offline-store.js';
export { DATABASE, openOfflineStore, type OfflineStoreLocation } from './open-offline-store.js';
export { parquetColumn, type ParquetColumn } from './parquet-columns.js';
export { parquetSettings } from './parquet-settings.js';
export { ScratchTables } from './scratch-tables.js';
export type { ServerOptions } from './server-offline-store.js';
export type { BinaryRows } from './binary-block.js';
export { RowText, type ProjectedRows } from './json-block.js';
export { RowBinary } from './row-binary.js';
export {
  DECISIONS_TABLE,
  decisionsProjection,
  type DecisionsProjection,
  type DecisionsProjectionOptions,
  type DecisionVerdicts,
} from './decisions-projection.js';
export { migrate, type Migrations } from './migrations.js';
export { offlineStoreMigrations } from './offline-store-migrations.js';
export { storedJson } from './stored-json.js';
export { tableExists } from './table-exists.js';
export { TableProjection, type ProjectionObserver, type TableProjectionOptions } from './table-projection.js';

import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import type { ArtifactStore } from '@millrace/artifact-store';
import { canonical, parseShallowJson } from '@millrace/kernel';
import { quoteIdentifier, quoteTable, type OfflineStore, type SqlParameters } from '@millrace/offline-store';
import type { KeptRows, Spine, TrainingSetColumn } from '../domain/training-set/training-set.events.js';
import { sourceTable } from '../sources/source-table.js';
import { raggedRecord } from './csv-cells.js';
import { csvSpine, parquetSpine } from './file-spine.js';
import { inferColumns, insertable, type GivenRow } from './given-rows.js';
import { spineFault } from './spine-fault.js';
import type { SpineOptions, StagedSpine } from './spine-table.js';

/** Rows as a query that gives them in their order. */
export interface Rows {
  readonly sql: string;
  readonly parameters: SqlParameters;
  /** Few enough to be held in memory. */
  readonly areFew?: boolean;
  /** The query is somebody's own. */
  readonly isGuests?: boolean;
}

/** Of a spine of predictions: view -> partition -> next offset, as JSON, of what the row's prediction was answered from. */
export const KNOWN_COLUMN = '__known';

const ROWS_PER_INSERT = 100_000;
/** Files up to this size stay in memory until their set is built: putting their rows down twice costs a tenth of a set. */
const SMALL_FILE_BYTES = 16 * 1024 * 1024;

/** DDL takes no bound parameters, so those of the one spine that has some, all numbers of ours, are written out. */
export function inline({ sql, parameters }: Rows): string {
  return sql.replace(/\{(\w+):[^}]*\}/g, (whole, name: string) => {
    const value = parameters[name];
    if (typeof value === 'number') return String(value);
    if (Array.isArray(value)) return `[${(value as number[]).map(Number).join(',')}]`;
    return whole;
  });
}

/** Runs `use` with a query of the spine's rows, in their order. */
export async function withRows<T>(options: SpineOptions, use: (rows: Rows) => Promise<T>): Promise<T> {
  const { spine, artifacts } = options;
  switch (spine.kind) {
    case 'source':
      return use(sourceRows(options, spine));
    case 'sql':
      return spine.path === undefined ? use({ sql: spine.sql, parameters: {}, isGuests: true }) : keptRows(options, spine as KeptRows, use);
    case 'predictions':
      return keptRows(options, spine, use);
    case 'file': {
      const bytes = await buffer(await artifacts.get(spine.path));
      const file = spine.format === 'csv' ? csvSpine(options, bytes) : parquetSpine(bytes);
      const areFew = bytes.length <= SMALL_FILE_BYTES;
      return options.scratch.with(`(${columnsOf(file.columns)}) ENGINE = ${areFew ? 'Memory' : 'StripeLog'}`, async (table, bare) => {
        await loading(spine.format, bytes, options.store.load(bare, file.format, file.bytes));
        return use({ sql: await file.select(options.store, table), parameters: {}, areFew });
      });
    }
    case 'rows':
      return givenRows(options, spine.path, use);
  }
}

/** Keeps a staged spine, so that it can be staged again whatever its query gives by then. */
export async function keepRows(
  { store, artifacts }: { readonly store: OfflineStore; readonly artifacts: ArtifactStore },
  staged: StagedSpine,
  directory: string,
): Promise<KeptRows> {
  const columns = staged.known ? [...staged.columns, { name: KNOWN_COLUMN, type: 'String' }] : staged.columns;
  const name = createHash('sha256')
    .update(canonical({ digest: staged.digest, columns }))
    .digest('hex');
  const path = `${directory}/${name}.native.zst`;
  if (!(await artifacts.stat(path))) {
    const names = columns.map(({ name }) => quoteIdentifier(name)).join(', ');
    const rows = await store.raw(`SELECT ${names} FROM ${staged.table} ORDER BY __row SETTINGS max_threads = 1`, 'Native');
    await artifacts.put(path, await promisify(zstdCompress)(await buffer(rows)));
  }
  return { path, columns };
}

async function keptRows<T>({ store, artifacts, scratch }: SpineOptions, kept: KeptRows, use: (rows: Rows) => Promise<T>): Promise<T> {
  const bytes = await promisify(zstdDecompress)(await buffer(await artifacts.get(kept.path)));
  return scratch.with(`(${columnsOf(kept.columns)}) ENGINE = StripeLog`, async (table, bare) => {
    if (bytes.length > 0) await store.load(bare, 'Native', bytes);
    return use({ sql: `SELECT * FROM ${table}`, parameters: {} });
  });
}

async function givenRows<T>(options: SpineOptions, path: string, use: (rows: Rows) => Promise<T>): Promise<T> {
  const { store, artifacts, scratch } = options;
  const lines = await readAll(artifacts, path);
  const columns = inferColumns(lines, options);
  return scratch.with(`(__line UInt64, ${columnsOf(columns)}) ENGINE = MergeTree ORDER BY __line`, async (table, bare) => {
    const numbered = lines.map((line, index) => ({ __line: index, ...insertable(line) }));
    for (let from = 0; from < numbered.length; from += ROWS_PER_INSERT) {
      await store.insert(bare, numbered.slice(from, from + ROWS_PER_INSERT), `${bare}:${from}`);
    }
    const names = columns.map(({ name }) => quoteIdentifier(name)).join(', ');
    return use({ sql: `SELECT ${names} FROM ${table} ORDER BY __line`, parameters: {} });
  });
}

function columnsOf(columns: readonly TrainingSetColumn[]): string {
  return columns.map(({ name, type }) => `${quoteIdentifier(name)} ${type}`).join(', ');
}

/** A file that ClickHouse refuses is the requester's to mend. */
export async function loading(format: string, bytes: Buffer, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code !== 'MR_OFFLINE_STORE_REFUSED') throw error;
    const ragged = format === 'csv' ? raggedRecord(bytes) : undefined;
    if (ragged) {
      const { line, cells, wanted } = ragged;
      throw spineFault(`line ${line} of the CSV file has ${cells} ${cells === 1 ? 'cell' : 'cells'}, and its header has ${wanted}`);
    }
    throw spineFault(`the ${format === 'csv' ? 'CSV' : 'Parquet'} file cannot be read: ${message.slice(0, 1_000)}`);
  }
}

/** The events of a source as rows: each id once, as it stood at the positions, ordered by time and place in the log. */
function sourceRows({ source, timestampColumn }: SpineOptions, spine: Extract<Spine, { kind: 'source' }>): Rows {
  if (!source) throw spineFault(`there is no source ${spine.source}`);
  const { plan, next } = source;
  const columns = spine.columns.length > 0 ? spine.columns : plan.columns.map((column) => column.name);
  const unknown = columns.find((name) => !plan.columnIndex.has(name));
  if (unknown !== undefined)
    throw spineFault(`source ${plan.name} has no column ${unknown}; it has ${plan.columns.map(({ name }) => name).join(', ')}`);
  if (!plan.columnIndex.has(timestampColumn))
    throw spineFault(`source ${plan.name} has no column ${timestampColumn}; its event time is ${plan.columns[plan.eventTime]?.name}`);
  const id = plan.columns[plan.eventId]?.name;
  const time = quoteIdentifier(timestampColumn);
  const names = [...new Set([...columns, timestampColumn])].map(quoteIdentifier).join(', ');
  const latest = id === undefined ? '' : `ORDER BY _partition DESC, _offset DESC LIMIT 1 BY ${quoteIdentifier(id)}`;
  const conditions = ['1'];
  if (spine.from !== null) conditions.push(`${time} >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')`);
  if (spine.to !== null) conditions.push(`${time} < fromUnixTimestamp64Milli({to:Int64}, 'UTC')`);
  const sql = `SELECT ${names} FROM (
      SELECT * FROM ${quoteTable(sourceTable(plan.name))} FINAL WHERE _offset < {next:Array(UInt64)}[_partition + 1] ${latest}
    ) WHERE ${conditions.join(' AND ')} ORDER BY ${time}, _partition, _offset`;
  return { sql, parameters: { next: [...next], from: spine.from, to: spine.to } };
}

async function readAll(artifacts: ArtifactStore, path: string): Promise<GivenRow[]> {
  const lines = (await buffer(await artifacts.get(path))).toString('utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => parseShallowJson(line) as GivenRow);
}

import type { SourcePlan } from '@millrace/feature-engine';
import { csvRows, parquetRows, quoteIdentifier, type FileRows, type OfflineStore, type ScratchTables } from '@millrace/offline-store';
import type { BatchOrigin } from '../definitions/feature-definitions.js';
import { isBlank } from '../training-sets/csv-cells.js';
import { loading } from '../training-sets/spine-rows.js';
import { batchFault } from './batch-fault.js';
import type { RowTexts } from './batch-event.js';
import { checkedStatement } from './check-origin.js';
import { checkColumns, NO_TIME, ownColumns, selectRows, stagedColumns, type Interval } from './row-select.js';
import { sourceFiles, type SourceFile, type SourceFilesOptions } from './source-files.js';

export interface StagingHost extends SourceFilesOptions {
  readonly store: OfflineStore;
  readonly scratch: ScratchTables;
  readonly deadlineMs: number;
}

export interface StagedRow {
  /** Event time, milliseconds since the epoch. */
  readonly time: number;
  readonly id: string;
  readonly texts: RowTexts;
  /** A column whose bytes are no text in UTF-8, and its first bytes in hexadecimal digits; JSON has put other letters in their place. */
  readonly unreadable?: { readonly column: string; readonly bytes: string };
}

/** Rows of an interval, each time and id in its place. */
export interface StagedRows {
  /** Those with a time. */
  readonly count: number;
  /** Those without. */
  readonly blank: number;
  /** So many rows after the last one before, in their order. Rows of one id and time come together, so there may be a few more. */
  readonly page: (after: StagedRow | undefined) => Promise<readonly StagedRow[]>;
}

/** Of bytes that are no text. */
const SHOWN_BYTES = 20;
const PAGE_BYTES = 16 * 1024 * 1024;

/**
 * Puts the rows of an interval into a scratch table and runs `use` on it. The query runs once, whatever it costs and however many rows it
 * gives; what is read from the table afterwards is a page at a time.
 */
export async function withStagedRows<T>(
  host: StagingHost,
  { plan, batch, pageRows }: { readonly plan: SourcePlan; readonly batch: BatchOrigin; readonly pageRows: number },
  interval: Interval,
  use: (rows: StagedRows) => Promise<T>,
): Promise<T> {
  const { store, scratch } = host;
  const definition = `(${stagedColumns(plan, batch.hasComputedId)}) ENGINE = MergeTree ORDER BY (__time, __id)`;
  return scratch.with(definition, async (table) => {
    await fill(host, plan, batch, interval, table);
    const [found] = await store.query<{ rows: string; blank: string; bytes: string }>(
      `SELECT countIf(__time != ${NO_TIME}) AS rows, countIf(__time = ${NO_TIME}) AS blank, sum(byteSize(*)) AS bytes FROM ${table}`,
    );
    const count = Number(found?.rows ?? 0);
    const most = Math.max(1, Math.min(pageRows, Math.floor(PAGE_BYTES / Math.max(1, Number(found?.bytes) / Math.max(1, count)))));
    return use({ count, blank: Number(found?.blank ?? 0), page: pages(store, table, plan, batch.hasComputedId, most) });
  });
}

async function fill(host: StagingHost, plan: SourcePlan, batch: BatchOrigin, interval: Interval, into: string): Promise<void> {
  const { store } = host;
  const { rows } = batch;
  if (rows.kind === 'files') {
    for (const file of await sourceFiles(host, rows.files)) await fillFromFile(host, plan, batch, interval, into, file);
    return;
  }
  const { sql, what, columns } = await checkedStatement(host, plan.name, rows);
  const select = selectRows(plan, batch.hasComputedId, columns, { sql: `(${sql})`, what }, interval);
  await reading(
    what,
    store.command(`INSERT INTO ${into} ${select.sql}`, select.parameters, { deadlineMs: host.deadlineMs, isGuests: true }),
  );
}

async function fillFromFile(
  { store, scratch, deadlineMs }: StagingHost,
  plan: SourcePlan,
  batch: BatchOrigin,
  interval: Interval,
  into: string,
  { name, format, read }: SourceFile,
): Promise<void> {
  const bytes = await read();
  const file = await reading(
    name,
    Promise.resolve().then(() => fileRows(format, bytes)),
  );
  const own = ownColumns(plan, batch.hasComputedId);
  const named = new Set(own.map((column) => column.name));
  const nested = file.nested.find((column) => named.has(column));
  if (nested !== undefined) throw batchFault(`${name} cannot be read: column ${nested} is nested; only flat columns are read`);
  checkColumns(plan, own, file.columns, name);
  // The cells of a CSV file have no names, so all are taken; of a Parquet file what the schema names, whatever else is in it.
  const taken = format === 'csv' ? file.columns : file.columns.filter((column) => named.has(column.name));
  const columns = taken.map((column) => `${quoteIdentifier(column.name)} ${column.type}`).join(', ');
  await scratch.with(`(${columns}) ENGINE = StripeLog`, async (table, bare) => {
    if (format !== 'csv' || !isBlank(file.bytes)) await reading(name, loading(format, bytes, store.load(bare, file.format, file.bytes)));
    const select = selectRows(plan, batch.hasComputedId, file.columns, { sql: table, what: name }, interval);
    await reading(name, store.command(`INSERT INTO ${into} ${select.sql}`, select.parameters, { deadlineMs }));
  });
}

function fileRows(format: SourceFile['format'], bytes: Buffer): FileRows {
  return format === 'csv' ? csvRows(bytes, { asText: new Set(), refuse: batchFault }) : parquetRows(bytes, batchFault);
}

const UNREADABLE = ['MR_OFFLINE_STORE_REFUSED', 'MR_FEATURES_SPINE', 'MR_FEATURES_BATCH'];

/** What cannot be read fails again until somebody mends it; what ClickHouse cannot do now may be tried again. */
async function reading<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (!UNREADABLE.includes(code ?? '')) throw error;
    throw batchFault(`${what} cannot be read: ${message.slice(0, 1_000)}`);
  }
}

function pages(store: OfflineStore, table: string, plan: SourcePlan, hasComputedId: boolean, most: number): StagedRows['page'] {
  const indexes = ownColumns(plan, hasComputedId).map(({ index }) => index);
  const names = indexes.map((index) => `__c${index}`).join(', ');
  const isBad = (index: number): string => `NOT isValidUTF8(ifNull(__c${index}, ''))`;
  const first = (value: (index: number) => string): string => indexes.map((index) => `${isBad(index)}, ${value(index)}`).join(', ');
  const bad = `multiIf(${first(String)}, -1) AS __bad, multiIf(${first((index) => `hex(substring(ifNull(__c${index}, ''), 1, ${SHOWN_BYTES}))`)}, '') AS __bytes`;
  const rowsOf = async (where: string, limit: string, parameters: Readonly<Record<string, string | number>>): Promise<StagedRow[]> => {
    // Rows with one id come in one order however often they are read, so that the same one of them stands.
    const found = await store.query<Readonly<Record<string, string | null>>>(
      `SELECT __time, __id, ${names}, ${bad} FROM ${table} WHERE ${where} ORDER BY __time, __id, ${names} ${limit}`,
      parameters,
    );
    return found.map((row) => {
      const texts: (string | null | undefined)[] = [];
      for (const index of indexes) texts[index] = row[`__c${index}`] ?? null;
      const staged = { time: Number(row['__time']), id: row['__id'] as string, texts };
      const column = plan.columns[Number(row['__bad'])]?.name;
      return column === undefined ? staged : { ...staged, unreadable: { column, bytes: (row['__bytes'] as string).toLowerCase() } };
    });
  };
  const isAfter = '__time >= {time:Int64} AND (__time > {time:Int64} OR __id > {id:String})';
  return async (after) => {
    const parameters = after ? { time: after.time, id: after.id } : { time: NO_TIME, id: '' };
    const found = await rowsOf(after ? isAfter : '__time > {time:Int64}', `LIMIT ${most}`, parameters);
    const last = found.at(-1);
    if (!last || found.length < most) return found;
    // The page may end among rows of one id and time: they belong together.
    const isSame = (row: StagedRow): boolean => row.time === last.time && row.id === last.id;
    const rest = await rowsOf('__time = {time:Int64} AND __id = {id:String}', '', { time: last.time, id: last.id });
    return [...found.filter((row) => !isSame(row)), ...rest];
  };
}

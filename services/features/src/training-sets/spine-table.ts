import type { ArtifactStore } from '@millrace/artifact-store';
import type { ColumnType, SourcePlan } from '@millrace/feature-engine';
import { Fault } from '@millrace/kernel';
import { quoteIdentifier, quoteString, quoteTable, type OfflineStore, type SqlParameters } from '@millrace/offline-store';
import type { Spine, TrainingSetColumn } from '../domain/training-set/training-set.events.js';
import { sourceTable } from '../sources/source-table.js';
import type { ScratchTables } from './scratch-table.js';

/** A join key of a spine: the column's name, and the type the features' entity gives it. */
export interface SpineKey {
  readonly name: string;
  readonly type: ColumnType;
}

export interface SpineOptions {
  readonly store: OfflineStore;
  readonly artifacts: ArtifactStore;
  readonly scratch: ScratchTables;
  readonly spine: Spine;
  readonly keys: readonly SpineKey[];
  readonly timestampColumn: string;
  /** The source of a `source` spine, and what of it was known. */
  readonly source: { readonly plan: SourcePlan; readonly next: readonly number[] } | undefined;
  readonly maxRows: number;
}

/** A spine in a table: its own columns, and beside them `__row` (its place), `__at` (milliseconds) and `__key_<n>` in the keys' types. */
export interface StagedSpine {
  /** Quoted. */
  readonly table: string;
  /** The spine's own columns. */
  readonly columns: readonly TrainingSetColumn[];
  readonly rows: number;
  readonly digest: string;
}

const DEADLINE_MS = 600_000;

/** What is wrong with a spine; the requester has to change it. */
export function spineFault(message: string): Fault {
  return new Fault('MR_FEATURES_SPINE', message, false);
}

/** Puts the spine's rows, in their order, into a scratch table and runs `use` on it. */
export async function withSpine<T>(options: SpineOptions, use: (spine: StagedSpine) => Promise<T>): Promise<T> {
  const { spine, store, artifacts, scratch } = options;
  if (spine.kind === 'sql') return stage(options, { sql: spine.sql, parameters: {} }, use);
  if (spine.kind === 'source') return stage(options, sourceRows(options, spine), use);
  const lines = await readAll(artifacts, spine.path);
  const columns = inferColumns(options, lines);
  const definition = `(__line UInt64, ${columns.map(({ name, type }) => `${quoteIdentifier(name)} ${type}`).join(', ')}) ENGINE = MergeTree ORDER BY __line`;
  return scratch.with(definition, async (table, bare) => {
    const numbered = lines.map((line, index) => ({ __line: index, ...line }));
    for (let from = 0; from < numbered.length; from += 100_000) {
      await store.insert(bare, numbered.slice(from, from + 100_000), `${bare}:${from}`);
    }
    const names = columns.map(({ name }) => quoteIdentifier(name)).join(', ');
    return stage(options, { sql: `SELECT ${names} FROM ${table} ORDER BY __line`, parameters: {} }, use);
  });
}

interface Rows {
  readonly sql: string;
  readonly parameters: SqlParameters;
}

async function stage<T>(options: SpineOptions, rows: Rows, use: (spine: StagedSpine) => Promise<T>): Promise<T> {
  const { store, scratch, keys, timestampColumn, maxRows } = options;
  const columns = await describe(store, rows);
  const typeOf = new Map(columns.map((column) => [column.name, column.type]));
  const timestampType = typeOf.get(timestampColumn);
  if (timestampType === undefined) {
    throw spineFault(`the spine has no column ${timestampColumn}; it has ${columns.map((column) => column.name).join(', ')}`);
  }
  const missing = keys.find((key) => !typeOf.has(key.name));
  if (missing) throw spineFault(`the spine has no column for join key ${missing.name}`);
  const reserved = columns.find((column) => column.name.startsWith('__'));
  if (reserved) throw spineFault(`spine column ${reserved.name}: names beginning with __ are the platform's own`);
  const keyColumns = keys.map(
    (key, index) => `accurateCastOrNull(${quoteIdentifier(key.name)}, ${quoteString(key.type.name)}) AS __key_${index}`,
  );
  const at = `${milliseconds(timestampColumn, timestampType)} AS __at`;
  // One thread keeps the rows in the order the query gives them.
  const definition = `ENGINE = MergeTree ORDER BY __row AS
    SELECT *, rowNumberInAllBlocks() AS __row, ${[at, ...keyColumns].join(', ')} FROM (${inline(rows)})
    SETTINGS max_threads = 1, max_insert_threads = 1`;
  return scratch.with(definition, async (table) => {
    const [found] = await store.query<{ n: string; digest: string; blank: string }>(
      `SELECT count() AS n, countIf(__at IS NULL) AS blank,
         lower(hex(sum(reinterpretAsUInt128(sipHash128(toJSONString(tuple(*))))))) AS digest FROM ${table}`,
      undefined,
      { deadlineMs: DEADLINE_MS },
    );
    const count = Number(found?.n ?? 0);
    if (count === 0) throw spineFault('the spine has no rows');
    if (count > maxRows) throw spineFault(`the spine has ${count} rows; at most ${maxRows} are taken`);
    if (Number(found?.blank) > 0) throw spineFault(`${found?.blank} rows of the spine have no time in ${timestampColumn}`);
    return use({ table, columns, rows: count, digest: found?.digest ?? '' });
  });
}

/** DDL takes no bound parameters, so those of the one spine that has some, all numbers of ours, are written out. */
function inline({ sql, parameters }: Rows): string {
  return sql.replace(/\{(\w+):[^}]*\}/g, (whole, name: string) => {
    const value = parameters[name];
    if (typeof value === 'number') return String(value);
    if (Array.isArray(value)) return `[${(value as number[]).map(Number).join(',')}]`;
    return whole;
  });
}

async function describe(store: OfflineStore, rows: Rows): Promise<TrainingSetColumn[]> {
  try {
    const found = await store.query<{ name: string; type: string }>(`DESCRIBE TABLE (${inline(rows)})`);
    return found.map(({ name, type }) => ({ name, type: unwrapped(type) }));
  } catch (error) {
    throw spineFault(`the spine cannot be read: ${error instanceof Error ? error.message.slice(0, 1000) : String(error)}`);
  }
}

function unwrapped(type: string): string {
  return type.replace(/LowCardinality\(([^()]*(?:\([^()]*\))?[^()]*)\)/g, '$1');
}

/** A time column of any kind, in milliseconds since the epoch. */
function milliseconds(name: string, declared: string): string {
  const column = quoteIdentifier(name);
  const type = /^Nullable\((.*)\)$/.exec(declared)?.[1] ?? declared;
  if (type.startsWith('DateTime64')) return `toUnixTimestamp64Milli(toDateTime64(${column}, 3, 'UTC'))`;
  if (type.startsWith('DateTime')) return `toInt64(toUnixTimestamp(${column})) * 1000`;
  if (type === 'Date' || type === 'Date32') return `toInt64(toInt32(toDate32(${column}))) * 86400000`;
  if (type === 'String') return `toUnixTimestamp64Milli(parseDateTime64BestEffortOrNull(${column}, 3, 'UTC'))`;
  if (/^U?Int\d+$|^Float/.test(type)) return `toInt64(${column})`;
  throw spineFault(`timestamp column ${name} is ${declared}; it must be a time, RFC 3339 text or milliseconds`);
}

/** The events of a source as rows: each id once, as it stood at the positions, ordered by time and place in the log. */
function sourceRows({ source, timestampColumn }: SpineOptions, spine: Extract<Spine, { kind: 'source' }>): Rows {
  if (!source) throw spineFault(`there is no source ${spine.source}`);
  const { plan, next } = source;
  const columns = spine.columns.length > 0 ? spine.columns : plan.columns.map((column) => column.name);
  const unknown = columns.find((name) => !plan.columnIndex.has(name));
  if (unknown !== undefined) throw spineFault(`source ${plan.name} has no column ${unknown}`);
  if (!plan.columnIndex.has(timestampColumn)) throw spineFault(`source ${plan.name} has no column ${timestampColumn}`);
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

async function readAll(artifacts: ArtifactStore, path: string): Promise<Record<string, unknown>[]> {
  const parts: Buffer[] = [];
  for await (const chunk of (await artifacts.get(path)) as AsyncIterable<Buffer>) parts.push(chunk);
  const lines = Buffer.concat(parts).toString('utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Columns of given rows: join keys in their types, the rest by what the values are. */
function inferColumns({ keys, timestampColumn }: SpineOptions, lines: readonly Record<string, unknown>[]): TrainingSetColumn[] {
  const types = new Map<string, string>();
  for (const line of lines) {
    for (const [name, value] of Object.entries(line)) {
      const known = types.get(name);
      const type = typeof value === 'number' ? 'Float64' : typeof value === 'boolean' ? 'Bool' : 'String';
      if (value === null ? known === undefined : known === undefined || known === 'Nothing')
        types.set(name, value === null ? 'Nothing' : type);
      else if (value !== null && known !== type) types.set(name, 'String');
    }
  }
  const keyTypes = new Map(keys.map((key) => [key.name, key.type.name]));
  return [...types].map(([name, type]) => {
    const own = keyTypes.get(name) ?? (name === timestampColumn && type === 'Float64' ? 'Int64' : type === 'Nothing' ? 'String' : type);
    return { name, type: `Nullable(${own})` };
  });
}

import type { ViewPlan } from '@millrace/feature-engine';
import { quoteIdentifier, quoteTable, type OfflineStore } from '@millrace/offline-store';
import { sourceTable } from '../sources/source-table.js';
import type { ScratchTables } from './scratch-table.js';
import type { SpineKey, StagedSpine } from './spine-table.js';
import { columnType, type ViewColumns } from './view-columns.js';

export interface LatestOptions {
  readonly store: OfflineStore;
  readonly scratch: ScratchTables;
  readonly staged: StagedSpine;
  readonly view: ViewColumns;
  readonly keys: readonly SpineKey[];
  /** Next offset by partition: only events before it count. */
  readonly next: readonly number[];
  /** Events that one join holds in memory at most, about. */
  readonly eventsPerJoin: number;
}

const DEADLINE_MS = 600_000;
/** A spine with fewer rows is worth looking its entities up by. */
const FEW_ROWS = 20_000;

/**
 * Whether a view's values can be found by ClickHouse alone: a latest value is one event's, whole, so there is nothing to compute that the engine would
 * compute otherwise. Windows are the engine's.
 */
export function isLatestOnly({ plan, features }: ViewColumns): boolean {
  return features.every(({ index }) => plan.latest.includes(index));
}

/**
 * Runs `use` with the tables of the values of each spine row (`__row`, `v0`, `v1` …), as subqueries: the newest event at or before the row's time by event
 * time, partition and offset, if it is not older than the view's ttl. Ties are in the joined number itself, as ClickHouse leaves them open.
 */
export async function withLatest<T>(options: LatestOptions, use: (pages: readonly string[]) => Promise<T>): Promise<T> {
  const { store, view, next } = options;
  const known = `_offset < [${next.map(Number).join(', ')}][_partition + 1]`;
  const [count] = await store.query<{ n: string }>(
    `SELECT count() AS n FROM ${quoteTable(sourceTable(view.plan.source.name))} WHERE ${known}`,
    undefined,
    { deadlineMs: DEADLINE_MS },
  );
  const pages = Math.max(1, Math.ceil(Number(count?.n ?? 0) / options.eventsPerJoin));
  return withSuperseded(options, known, (superseded) => {
    const sql = Array.from({ length: pages }, (_, page) => pageSql(options, known, superseded, page, pages));
    return use(sql);
  });
}

function pageSql(
  { staged, view, keys }: LatestOptions,
  known: string,
  superseded: string | undefined,
  page: number,
  pages: number,
): string {
  const { plan, features } = view;
  const names = plan.joinKeys.map((key) => quoteIdentifier(key.name));
  const own = plan.joinKeys.map((key) => `__key_${keys.findIndex((item) => item.name === key.name)}`);
  const columns = features.map(({ index }) => {
    const feature = plan.features[index] as ViewPlan['features'][number];
    return (plan.columns[feature.column] as ViewPlan['columns'][number]).name;
  });
  const conditions = [known];
  if (superseded !== undefined) conditions.push(`(_partition, _offset) NOT IN (SELECT _partition, _offset FROM ${superseded})`);
  if (staged.rows < FEW_ROWS) {
    const present = own.map((key) => `${key} IS NOT NULL`).join(' AND ');
    conditions.push(
      `(${names.join(', ')}) IN (SELECT ${own.map((key) => `assumeNotNull(${key})`).join(', ')} FROM ${staged.table} WHERE ${present})`,
    );
  }
  if (pages > 1) conditions.push(`cityHash64(${names.join(', ')}) % ${pages} = ${page}`);
  const mine = pages > 1 ? `WHERE cityHash64(${own.map((key) => `assumeNotNull(${key})`).join(', ')}) % ${pages} = ${page}` : '';
  const time = 'toUnixTimestamp64Milli(_event_time)';
  // 18 digits for the offset, 6 for the partition, and the time before them.
  const place = `toDecimal128(toInt128(${time}) * toInt128('1000000000000000000000000') + toInt128(_partition) * toInt128('1000000000000000000') + toInt128(_offset), 0)`;
  // No event lies so far off, so a question further off has the same answer.
  const within = 'least(greatest(assumeNotNull(__at), -10000000000000), 90000000000000)';
  const asked = `toDecimal128(toInt128(${within}) * toInt128('1000000000000000000000000') + toInt128('999999999999999999999999'), 0)`;
  const right = [
    ...names.map((name, index) => `${name} AS __k${index}`),
    `${place} AS __place`,
    `${time} AS __event`,
    ...columns.map((name, index) => `${quoteIdentifier(name)} AS __c${index}`),
  ];
  const values = features.map(({ type }, index) => {
    const value = `CAST(r.__c${index} AS Nullable(${columnType(type)}))`;
    return plan.ttlMs === 0 ? `${value} AS v${index}` : `if(r.__event >= s.__time - ${plan.ttlMs}, ${value}, NULL) AS v${index}`;
  });
  const on = own.map((key, index) => `s.${key} = r.__k${index}`).join(' AND ');
  return `SELECT s.__row AS __row, ${values.join(', ')}
    FROM (SELECT __row, assumeNotNull(__at) AS __time, ${[...new Set(own)].join(', ')}, ${asked} AS __asked FROM ${staged.table} ${mine}) AS s
    ASOF LEFT JOIN (SELECT ${right.join(', ')} FROM ${quoteTable(sourceTable(plan.source.name))} WHERE ${conditions.join(' AND ')}) AS r
    ON ${on} AND s.__asked >= r.__place`;
}

/**
 * Runs `use` with the table of the events that a later one of the same id has replaced; without one where there are none. An id reaches as far as the
 * engine's chunk does: the same id a span away is another event.
 */
async function withSuperseded<T>(options: LatestOptions, known: string, use: (table: string | undefined) => Promise<T>): Promise<T> {
  const { store, scratch, view } = options;
  const { plan } = view;
  const id = plan.source.columns[plan.source.eventId]?.name;
  if (id === undefined) return use(undefined);
  const source = quoteTable(sourceTable(plan.source.name));
  const column = quoteIdentifier(id);
  const keys = plan.joinKeys.map((key) => quoteIdentifier(key.name)).join(', ');
  // Most ids are there once, which is cheap to tell.
  const repeated = `SELECT ${column} FROM ${source} WHERE ${known} GROUP BY ${column} HAVING count() > 1`;
  const definition = `ENGINE = Memory AS SELECT place.1 AS _partition, place.2 AS _offset FROM (
      SELECT arrayJoin(arrayPopFront(arrayReverseSort(groupUniqArray((_partition, _offset))))) AS place
      FROM ${source} WHERE ${known} AND ${column} IN (${repeated})
      GROUP BY ${keys}, ${column}, floor(toUnixTimestamp64Milli(_event_time) / ${plan.spanMs}))`;
  return scratch.with(definition, async (table) => {
    const [found] = await store.query<{ n: string }>(`SELECT count() AS n FROM ${table}`);
    return use(Number(found?.n ?? 0) === 0 ? undefined : table);
  });
}

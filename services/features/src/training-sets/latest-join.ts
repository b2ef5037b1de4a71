import type { ViewPlan } from '@millrace/feature-engine';
import { quoteIdentifier, quoteTable, type OfflineStore } from '@millrace/offline-store';
import { sourceTable } from '../sources/source-table.js';
import type { ScratchTables } from './scratch-table.js';
import type { SpineKey, StagedSpine } from './spine-table.js';
import { columnType, type ViewColumns } from './view-columns.js';

export interface LatestOptions {
  readonly scratch: ScratchTables;
  readonly staged: StagedSpine;
  readonly view: ViewColumns;
  readonly keys: readonly SpineKey[];
  /** Next offset by partition: only events before it count. */
  readonly next: readonly number[];
  /** Events that one join holds in memory at most, about. */
  readonly eventsPerJoin: number;
  /** What is known of these events. */
  readonly events: LatestEvents;
  /** Bits that the order of the events may take to be joined as one 64-bit number. */
  readonly narrowBits: number;
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

/** What the join of a view needs to know of its events before the rows are there. */
export interface LatestEvents {
  readonly count: number;
  /** Of the events, in milliseconds since the epoch; both 0 without any. */
  readonly first: number;
  readonly last: number;
  /** Some of them have one id. */
  readonly hasRepeated: boolean;
}

/** Looks at a view's events; costs a pass over their times and ids, and nothing that waits for the spine. */
export async function latestEvents(store: OfflineStore, { plan }: ViewColumns, next: readonly number[]): Promise<LatestEvents> {
  const source = quoteTable(sourceTable(plan.source.name));
  const id = eventIdOf(plan);
  const [found] = await store.query<{ n: string; first: string; last: string }>(
    `SELECT count() AS n, toUnixTimestamp64Milli(min(_event_time)) AS first, toUnixTimestamp64Milli(max(_event_time)) AS last
     FROM ${source} WHERE ${knownBefore(next)}`,
    undefined,
    { deadlineMs: DEADLINE_MS },
  );
  const keys = plan.joinKeys.map((key) => quoteIdentifier(key.name)).join(', ');
  // By entity, because an id reaches no further, and because the table is often sorted by it.
  const [repeated] =
    id === undefined
      ? []
      : await store.query<object>(
          `SELECT 1 FROM ${source} WHERE ${knownBefore(next)} GROUP BY ${keys} HAVING uniqExact(cityHash64(${id})) < count() LIMIT 1`,
          undefined,
          { deadlineMs: DEADLINE_MS },
        );
  const { n = 0, first = 0, last = 0 } = found ?? {};
  return { count: Number(n), first: Number(first), last: Number(last), hasRepeated: repeated !== undefined };
}

/**
 * Runs `use` with queries that together give the values of each spine row (`__row`, `v0`, `v1` …, and the spine's columns as `s0`, `s1` …): the newest
 * event at or before the row's time by event time, partition and offset, if it is not older than the view's ttl.
 */
export async function withLatest<T>(options: LatestOptions, use: (pages: readonly string[]) => Promise<T>): Promise<T> {
  const pages = Math.max(1, Math.ceil(options.events.count / options.eventsPerJoin));
  return withSuperseded(options, (superseded) =>
    use(Array.from({ length: pages }, (_, page) => pageSql(options, superseded, page, pages))),
  );
}

function pageSql(options: LatestOptions, superseded: string | undefined, page: number, pages: number): string {
  const { staged, view, keys, next } = options;
  const { plan, features } = view;
  const names = plan.joinKeys.map((key) => quoteIdentifier(key.name));
  const own = plan.joinKeys.map((key) => `__key_${keys.findIndex((item) => item.name === key.name)}`);
  const columns = features.map(({ index }) => {
    const feature = plan.features[index] as ViewPlan['features'][number];
    return (plan.columns[feature.column] as ViewPlan['columns'][number]).name;
  });
  const conditions = [knownBefore(next)];
  if (superseded !== undefined) conditions.push(`(_partition, _offset) NOT IN (SELECT _partition, _offset FROM ${superseded})`);
  if (staged.rows < FEW_ROWS) {
    const present = own.map((key) => `${key} IS NOT NULL`).join(' AND ');
    conditions.push(
      `(${names.join(', ')}) IN (SELECT ${own.map((key) => `assumeNotNull(${key})`).join(', ')} FROM ${staged.table} WHERE ${present})`,
    );
  }
  if (pages > 1) conditions.push(`cityHash64(${names.join(', ')}) % ${pages} = ${page}`);
  const mine = pages > 1 ? `WHERE cityHash64(${own.map((key) => `assumeNotNull(${key})`).join(', ')}) % ${pages} = ${page}` : '';
  const { place, asked } = order(options);
  const right = [
    ...names.map((name, index) => `${name} AS __k${index}`),
    `${place} AS __place`,
    ...(plan.ttlMs === 0 ? [] : [`${EVENT_TIME} AS __event`]),
    ...columns.map((name, index) => `${quoteIdentifier(name)} AS __c${index}`),
  ];
  const values = features.map(({ type }, index) => {
    const value = `CAST(r.__c${index} AS Nullable(${columnType(type)}))`;
    return plan.ttlMs === 0 ? `${value} AS v${index}` : `if(r.__event >= s.__time - ${plan.ttlMs}, ${value}, NULL) AS v${index}`;
  });
  const carried = staged.columns.map(({ name }, index) => `s.${quoteIdentifier(name)} AS s${index}`);
  const on = own.map((key, index) => `s.${key} = r.__k${index}`).join(' AND ');
  return `SELECT s.__row AS __row, ${[...carried, ...values].join(', ')}
    FROM (SELECT *, assumeNotNull(__at) AS __time, ${asked} AS __asked FROM ${staged.table} ${mine}) AS s
    ASOF LEFT JOIN (SELECT ${right.join(', ')} FROM ${quoteTable(sourceTable(plan.source.name))} WHERE ${conditions.join(' AND ')}) AS r
    ON ${on} AND s.__asked >= r.__place`;
}

const EVENT_TIME = 'toUnixTimestamp64Milli(_event_time)';
/** No event lies so far off, so a question further off has the same answer. */
const ASKED_TIME = 'least(greatest(assumeNotNull(__at), -10000000000000), 90000000000000)';

/**
 * An event's time, partition and offset as one number, and the greatest that a question may be answered from: ClickHouse leaves ties open, and joins by one number only. 64
 * bits are joined fastest, and do for most: the span of the times, the partitions and the offsets that there are. 38 digits always do.
 */
function order({ events, next, narrowBits }: LatestOptions): { place: string; asked: string } {
  const offsetBits = bitsFor(Math.max(1, ...next));
  const low = offsetBits + bitsFor(next.length);
  if (bitsFor(events.last - events.first + 1) + low <= narrowBits) {
    const inSpan = `least(${ASKED_TIME}, toInt64(${events.last})) - toInt64(${events.first})`;
    return {
      place: `bitShiftLeft(${EVENT_TIME} - toInt64(${events.first}), ${low}) + bitShiftLeft(toInt64(_partition), ${offsetBits}) + toInt64(_offset)`,
      asked: `if(${inSpan} < 0, toInt64(-1), bitShiftLeft(${inSpan}, ${low}) + toInt64(${2 ** low - 1}))`,
    };
  }
  return {
    place: `toDecimal128(toInt128(${EVENT_TIME}) * toInt128('${10n ** 24n}') + toInt128(_partition) * toInt128('${10n ** 18n}') + toInt128(_offset), 0)`,
    asked: `toDecimal128(toInt128(${ASKED_TIME}) * toInt128('${10n ** 24n}') + toInt128('${10n ** 24n - 1n}'), 0)`,
  };
}

/** Bits that hold the numbers 0 to `count`. */
function bitsFor(count: number): number {
  return Math.floor(Math.log2(Math.max(1, count))) + 1;
}

function knownBefore(next: readonly number[]): string {
  return `_offset < [${next.map(Number).join(', ')}][_partition + 1]`;
}

function eventIdOf({ source }: ViewPlan): string | undefined {
  const name = source.columns[source.eventId]?.name;
  return name === undefined ? undefined : quoteIdentifier(name);
}

/**
 * Runs `use` with the table of the events that a later one of the same id has replaced; without one where there are none. An id reaches as far as the
 * engine's chunk does: the same id a span away is another event.
 */
async function withSuperseded<T>(
  { scratch, view, next, events }: LatestOptions,
  use: (table: string | undefined) => Promise<T>,
): Promise<T> {
  const { plan } = view;
  const id = eventIdOf(plan);
  if (id === undefined || !events.hasRepeated) return use(undefined);
  const known = knownBefore(next);
  const source = quoteTable(sourceTable(plan.source.name));
  const keys = plan.joinKeys.map((key) => quoteIdentifier(key.name)).join(', ');
  // Where a correction may move an event in time, its id reaches as far as the entity does.
  const moves = 'movesEvents' in plan.source && plan.source.movesEvents === true;
  const reach = moves ? '' : `, floor(${EVENT_TIME} / ${plan.spanMs})`;
  const definition = `ENGINE = Memory AS SELECT place.1 AS _partition, place.2 AS _offset FROM (
      SELECT arrayJoin(arrayPopFront(arrayReverseSort(groupUniqArray((_partition, _offset))))) AS place
      FROM ${source} WHERE ${known} AND ${id} IN (SELECT ${id} FROM ${source} WHERE ${known} GROUP BY ${id} HAVING count() > 1)
      GROUP BY ${keys}, ${id}${reach})`;
  return scratch.with(definition, (table) => use(table));
}

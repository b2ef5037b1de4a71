import type { ViewPlan } from '@millrace/feature-engine';
import { quoteIdentifier, quoteTable, type OfflineStore, type ScratchTables } from '@millrace/offline-store';
import { sourceTable } from '../sources/source-table.js';
import { EVENT_TIME, eventIdOf, keysOf, knownBefore, lookAtEvents, ofPage, pagesOf, type LatestEvents } from './latest-events.js';
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

/** What there is of the spine's entities, or of all where the spine is long. */
export function latestEvents(options: Omit<LatestOptions, 'events' | 'narrowBits'>): Promise<LatestEvents> {
  return lookAtEvents(options, ofSpine(options));
}

/**
 * Runs `use` with queries that together give the values of each spine row (`__row`, `v0`, `v1` …, and the spine's columns as `s0`, `s1` …): the newest
 * event at or before the row's time by event time, partition and offset, if it is not older than the view's ttl.
 */
export async function withLatest<T>(options: LatestOptions, use: (pages: readonly string[]) => Promise<T>): Promise<T> {
  const pages = pagesOf(options.events.count, options.eventsPerJoin);
  return withSuperseded(options, pages, (superseded) =>
    use(Array.from({ length: pages }, (_, page) => pageSql(options, superseded, page, pages))),
  );
}

function pageSql(options: LatestOptions, superseded: string | undefined, page: number, pages: number): string {
  const { staged, view, next } = options;
  const { plan, features } = view;
  const names = plan.joinKeys.map((key) => quoteIdentifier(key.name));
  const own = ownKeys(options);
  const columns = features.map(({ index }) => {
    const feature = plan.features[index] as ViewPlan['features'][number];
    return (plan.columns[feature.column] as ViewPlan['columns'][number]).name;
  });
  const conditions = [knownBefore(next)];
  if (superseded !== undefined) conditions.push(`(_partition, _offset) NOT IN (SELECT _partition, _offset FROM ${superseded})`);
  conditions.push(...ofSpine(options), ...ofPage(plan, page, pages));
  const mine = pages > 1 ? `WHERE cityHash64(${own.map((key) => `assumeNotNull(${key})`).join(', ')}) % ${pages} = ${page}` : '';
  const { place, asked } = order(options);
  const right = [
    ...names.map((name, index) => `${name} AS __k${index}`),
    `${place} AS __place`,
    // A row without an event has 0 here. Nullable columns would say it too, and cost a third of the join.
    'materialize(toUInt8(1)) AS __found',
    ...(plan.ttlMs === 0 ? [] : [`${EVENT_TIME} AS __event`]),
    ...columns.map((name, index) => `${quoteIdentifier(name)} AS __c${index}`),
  ];
  const values = features.map(({ type }, index) => {
    const isOfEvent = plan.ttlMs === 0 ? 'r.__found' : `r.__found AND r.__event >= s.__time - ${plan.ttlMs}`;
    return `if(${isOfEvent}, CAST(r.__c${index} AS Nullable(${columnType(type)})), NULL) AS v${index}`;
  });
  const carried = staged.columns.map(({ name }, index) => `s.${quoteIdentifier(name)} AS s${index}`);
  const on = own.map((key, index) => `s.${key} = r.__k${index}`).join(' AND ');
  return `SELECT s.__row AS __row, ${[...carried, ...values].join(', ')}
    FROM (SELECT *, assumeNotNull(__at) AS __time, ${asked} AS __asked FROM ${staged.table} ${mine}) AS s
    ASOF LEFT JOIN (SELECT ${right.join(', ')} FROM ${quoteTable(sourceTable(plan.source.name))} WHERE ${conditions.join(' AND ')}) AS r
    ON ${on} AND s.__asked >= r.__place`;
}

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

function ownKeys({ view, keys }: Pick<LatestOptions, 'view' | 'keys'>): string[] {
  return view.plan.joinKeys.map((key) => `__key_${keys.findIndex((item) => item.name === key.name)}`);
}

function ofSpine(options: Pick<LatestOptions, 'staged' | 'view' | 'keys'>): string[] {
  const { staged, view } = options;
  if (staged.rows >= FEW_ROWS) return [];
  const own = ownKeys(options);
  const present = own.map((key) => `${key} IS NOT NULL`).join(' AND ');
  const asked = own.map((key) => `assumeNotNull(${key})`).join(', ');
  return [`(${keysOf(view.plan)}) IN (SELECT ${asked} FROM ${staged.table} WHERE ${present})`];
}

/**
 * Runs `use` with the table of the events that a later one of the same id has replaced; without one where there are none. An id reaches as far as the
 * engine's chunk does: the same id a span away is another event.
 */
async function withSuperseded<T>(options: LatestOptions, pages: number, use: (table: string | undefined) => Promise<T>): Promise<T> {
  const { store, scratch, next, events } = options;
  const { plan } = options.view;
  const id = eventIdOf(plan);
  if (id === undefined || !events.hasRepeated) return use(undefined);
  const source = quoteTable(sourceTable(plan.source.name));
  const keys = keysOf(plan);
  // Where a correction may move an event in time, its id reaches as far as the entity does.
  const moves = plan.source.movesEvents;
  const reach = moves ? '' : `, floor(${EVENT_TIME} / ${plan.spanMs})`;
  return scratch.with('(_partition UInt32, _offset UInt64) ENGINE = Memory', async (table) => {
    for (let page = 0; page < pages; page++) {
      const where = [knownBefore(next), ...ofSpine(options), ...ofPage(plan, page, pages)].join(' AND ');
      const repeated = `SELECT ${keys}, ${id} FROM ${source} WHERE ${where} GROUP BY ${keys}, ${id} HAVING count() > 1`;
      await store.command(
        `INSERT INTO ${table} SELECT __place.1, __place.2 FROM (
           SELECT arrayJoin(arrayPopFront(arrayReverseSort(groupUniqArray((_partition, _offset))))) AS __place
           FROM ${source} WHERE ${where} AND (${keys}, ${id}) IN (${repeated}) GROUP BY ${keys}, ${id}${reach})`,
        undefined,
        { deadlineMs: DEADLINE_MS },
      );
    }
    return use(table);
  });
}

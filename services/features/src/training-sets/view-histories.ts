import { entityKeyText, EntityHistory, hash64, hash64Halves, type SourceEvent, type Value, type ViewPlan } from '@millrace/feature-engine';
import { quoteIdentifier, quoteTable, type OfflineStore, type SqlParameters } from '@millrace/offline-store';
import { sourceTable } from '../sources/source-table.js';
import { millisecondsOf } from '../sources/time-column.js';

/** Events read in one query: what is held in memory at a time, about. */
const EVENTS_PER_PAGE = 250_000;
const DEADLINE_MS = 600_000;

export interface HistoriesOptions {
  readonly store: OfflineStore;
  readonly plan: ViewPlan;
  /** A table (quoted) with the entities to read, one column per join key, named and typed as the view's. */
  readonly keys: string;
  /** Next offset by partition: only events before it are read. */
  readonly next: readonly number[];
  /** Latest time that will be asked for. */
  readonly until: number;
  /** Earliest time that will be asked for. */
  readonly since: number;
  /** An entity has an event at each time it is asked for: whether there are older ones need not be told. */
  readonly isAtEvents?: boolean;
}

/**
 * The histories of the entities of a table, entity by entity, each whole. Entities without an event are left out. Read in pages of whole entities, so
 * that memory is bounded and other readers of the store get their turns.
 */
export async function* viewHistories(options: HistoriesOptions): AsyncGenerator<readonly [string, EntityHistory]> {
  const { store, plan } = options;
  // An event can be superseded by one of its own chunk only, so that far beyond the last question has to be read. Where corrections move
  // events in time, by one at any time.
  const before = (Math.floor(options.until / plan.spanMs) + 1) * plan.spanMs;
  const first = options.isAtEvents ? firstNeeded(plan, options.since) : firstWhole(plan, options.since);
  const names = plan.joinKeys.map((key) => quoteIdentifier(key.name)).join(', ');
  const table = quoteTable(sourceTable(plan.source.name));
  // The table of a source that had another topic before has the events of both.
  const asked = `_topic = {topic:String} AND (${names}) IN (SELECT ${names} FROM ${options.keys}) AND _offset < {next:Array(UInt64)}[_partition + 1]`;
  const isSince = "_event_time >= fromUnixTimestamp64Milli({first:Int64}, 'UTC')";
  const earliest = `SELECT _partition, min(_offset) FROM ${table} WHERE ${asked} AND NOT ${isSince} GROUP BY ${names}, _partition`;
  const isNeeded = options.isAtEvents ? isSince : `(${isSince} OR (_partition, _offset) IN (${earliest}))`;
  const from = `FROM ${table} FINAL
    WHERE ${asked}
      ${plan.source.movesEvents ? '' : "AND _event_time < fromUnixTimestamp64Milli({before:Int64}, 'UTC')"}
      ${first === undefined ? '' : `AND ${isNeeded}`}`;
  const parameters: SqlParameters = { topic: plan.source.topic, next: [...options.next], before, first: first ?? 0 };
  const [count] = await store.query<{ __count: string }>(`SELECT count() AS __count ${from}`, parameters, { deadlineMs: DEADLINE_MS });
  const pages = Math.max(1, Math.ceil(Number(count?.__count ?? 0) / EVENTS_PER_PAGE));
  const columns = selected(plan);
  const sql = `SELECT ${columns.map((column) => column.sql).join(', ')}, _partition, _offset, toUnixTimestamp64Milli(_event_time) AS _time
    ${from} AND cityHash64(${names}) % {pages:UInt32} = {page:UInt32}`;
  for (let page = 0; page < pages; page++) {
    const rows = await store.query<Record<string, unknown>>(sql, { ...parameters, pages, page }, { deadlineMs: DEADLINE_MS });
    const byEntity = new Map<string, SourceEvent[]>();
    for (const row of rows) {
      const event = eventOf(plan, columns, row);
      const key = entityKeyText(plan.joinKeys.map((joinKey) => event.values[joinKey.source] as Value));
      const events = byEntity.get(key);
      if (events) events.push(event);
      else byEntity.set(key, [event]);
    }
    for (const [key, events] of byEntity) yield [key, new EntityHistory(plan, events)];
  }
}

/** The first time of an event that a value at `since` or later may rest on, to the chunk; `undefined` when that may be any event. */
export function firstNeeded({ spanMs, longestWindowMs, hasLifetime, source }: ViewPlan, since: number): number | undefined {
  if (!Number.isFinite(since) || hasLifetime || source.movesEvents) return undefined;
  return Math.floor((since - longestWindowMs) / spanMs) * spanMs;
}

/**
 * The same where an entity need not have an event at the times it is asked for: of the events before it, the first that the log had of each entity and partition says that there is one, which is all that
 * a window beyond it tells. A latest value of any age may rest on any event.
 */
function firstWhole(plan: ViewPlan, since: number): number | undefined {
  if (plan.latest.length > 0 && plan.ttlMs === 0) return undefined;
  return firstNeeded(plan, plan.latest.length === 0 ? since : since - plan.ttlMs);
}

interface Selected {
  /** Index in the source's columns. */
  readonly index: number;
  readonly name: string;
  /** What a row calls it: a condition that names the column means the column. */
  readonly as: string;
  readonly sql: string;
}

/** The columns the view rests on, and the event id. */
function selected(plan: ViewPlan): Selected[] {
  const { columns, eventId } = plan.source;
  const indexes = new Set([...plan.joinKeys.map((key) => key.source), ...plan.columns.map((column) => column.source)]);
  if (eventId >= 0) indexes.add(eventId);
  return [...indexes].map((index) => {
    const { name, type } = columns[index] as (typeof columns)[number];
    const quoted = quoteIdentifier(name);
    const as = `__c${index}`;
    return { index, name, as, sql: `${type.isTime ? millisecondsOf(quoted, type.name) : quoted} AS ${as}` };
  });
}

/** A row as the event it was made from: the table holds the engine's own values. */
function eventOf(plan: ViewPlan, columns: readonly Selected[], row: Readonly<Record<string, unknown>>): SourceEvent {
  const { source } = plan;
  const values = new Array<Value>(source.columns.length).fill(null);
  for (const { index, name, as } of columns) {
    const field = row[as];
    if (field === null || field === undefined) continue;
    const { type } = source.columns[index] as (typeof source.columns)[number];
    const value = type.isTime ? Number(field) : type.parse(field);
    if (value === undefined)
      throw new Error(`${sourceTable(source.name)} holds ${JSON.stringify(field)} in ${name}, which is no ${type.name}`);
    values[index] = value;
  }
  let idHigh = 0;
  let idLow = 0;
  if (source.eventId >= 0) {
    hash64(String(values[source.eventId]));
    idHigh = hash64Halves[0] as number;
    idLow = hash64Halves[1] as number;
  }
  return { partition: Number(row['_partition']), offset: Number(row['_offset']), time: Number(row['_time']), idHigh, idLow, values };
}

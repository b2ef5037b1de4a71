import { canonical } from '@millrace/kernel';
import type { ViewPlan } from '@millrace/feature-engine';
import { quoteIdentifier, quoteTable, type OfflineStore } from '@millrace/offline-store';
import { sourceTable } from '../sources/source-table.js';
import type { ViewColumns } from './view-columns.js';

/** What the join of a view needs to know of its events. */
export interface LatestEvents {
  readonly count: number;
  /** Of the events, in milliseconds since the epoch; both 0 without any. */
  readonly first: number;
  readonly last: number;
  /** Some of one entity have one id. */
  readonly hasRepeated: boolean;
}

/** Which events are looked at. */
export interface EventsOptions {
  readonly store: OfflineStore;
  readonly view: ViewColumns;
  /** Next offset by partition: only events before it count. */
  readonly next: readonly number[];
  /** Events that one query holds in memory at most, about. */
  readonly eventsPerJoin: number;
}

const DEADLINE_MS = 600_000;
const NOTHING: LatestEvents = { count: 0, first: 0, last: 0, hasRepeated: false };
/** Sources of which is remembered what was seen. */
const MOST_REMEMBERED = 100;

interface Seen {
  readonly next: readonly number[];
  readonly events: LatestEvents;
}

/**
 * Looks at a view's events before the spine is there, which costs nobody's time, and remembers what it saw: the events before a position never change, so
 * the next set looks only at entities of which there is something new.
 */
export class SeenEvents {
  readonly #seen = new Map<string, Seen>();

  /** `undefined` where there are too many events to look at all of them. */
  async look(options: EventsOptions): Promise<LatestEvents | undefined> {
    const { plan } = options.view;
    const [database, name] = sourceTable(plan.source.name).split('.') as [string, string];
    const [table] = await options.store.query<{ rows: string }>(
      'SELECT total_rows AS rows FROM system.tables WHERE database = {database:String} AND name = {name:String}',
      { database, name },
    );
    if (Number(table?.rows ?? Infinity) > options.eventsPerJoin) return undefined;
    const key = canonical({ source: plan.source.name, topic: plan.source.topic, id: eventIdOf(plan) ?? null, keys: keysOf(plan) });
    const seen = this.#seen.get(key);
    const isAhead =
      seen !== undefined && options.next.length === seen.next.length && seen.next.every((at, p) => at <= (options.next[p] ?? 0));
    const events = isAhead ? await lookOn(options, seen) : await lookOnce(options, [knownBefore(options.next)], '1');
    // What was known earlier says nothing of the events since.
    if (isAhead || seen === undefined) this.#remember(key, { next: options.next, events });
    return events;
  }

  #remember(key: string, seen: Seen): void {
    this.#seen.delete(key);
    this.#seen.set(key, seen);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > MOST_REMEMBERED && oldest !== undefined) this.#seen.delete(oldest);
  }
}

/** Looks at the events of the entities that the condition names, all without one. */
export async function lookAtEvents(options: EventsOptions, entities: readonly string[]): Promise<LatestEvents> {
  const { store, view, next, eventsPerJoin } = options;
  const { plan } = view;
  const where = [knownBefore(next), ...entities];
  const [counted] = await store.query<{ __count: string }>(
    `SELECT count() AS __count FROM ${quoteTable(sourceTable(plan.source.name))} WHERE ${where.join(' AND ')}`,
    undefined,
    { deadlineMs: DEADLINE_MS },
  );
  const pages = pagesOf(Number(counted?.__count ?? 0), eventsPerJoin);
  let events = NOTHING;
  for (let page = 0; page < pages; page++)
    events = together(events, await lookOnce(options, [...where, ...ofPage(plan, page, pages)], '1'));
  return events;
}

/** What is new since, and whether an entity of the new events now has an id twice. */
async function lookOn(options: EventsOptions, seen: Seen): Promise<LatestEvents> {
  const { next, view } = options;
  if (next.every((at, partition) => at === seen.next[partition])) return seen.events;
  const before = knownBefore(next);
  const isNew = `NOT (${knownBefore(seen.next)})`;
  const keys = keysOf(view.plan);
  const touched = `(${keys}) IN (SELECT ${keys} FROM ${quoteTable(sourceTable(view.plan.source.name))} WHERE ${before} AND ${isNew})`;
  return together(seen.events, await lookOnce(options, [before, touched], isNew));
}

/** One pass. Repeated ids are told by entity, because an id reaches no further, and because the table is often sorted by it. */
async function lookOnce({ store, view: { plan } }: EventsOptions, where: readonly string[], counts: string): Promise<LatestEvents> {
  const id = eventIdOf(plan);
  const repeated = id === undefined ? '0' : `uniqExact(cityHash64(${id})) < count()`;
  const [found] = await store.query<{ n: string; first: string; last: string; repeated: number }>(
    `SELECT sum(__count) AS n, min(__first) AS first, max(__last) AS last, max(__again) AS repeated FROM (
       SELECT countIf(${counts}) AS __count, minIf(${EVENT_TIME}, ${counts}) AS __first, maxIf(${EVENT_TIME}, ${counts}) AS __last, ${repeated} AS __again
       FROM ${quoteTable(sourceTable(plan.source.name))} WHERE ${where.join(' AND ')} GROUP BY ${keysOf(plan)})`,
    undefined,
    { deadlineMs: DEADLINE_MS },
  );
  const { n = 0, first = 0, last = 0, repeated: again = 0 } = found ?? {};
  return { count: Number(n), first: Number(first), last: Number(last), hasRepeated: Number(again) > 0 };
}

function together(a: LatestEvents, b: LatestEvents): LatestEvents {
  const hasRepeated = a.hasRepeated || b.hasRepeated;
  if (a.count === 0 || b.count === 0) return { ...(a.count === 0 ? b : a), hasRepeated };
  return { count: a.count + b.count, first: Math.min(a.first, b.first), last: Math.max(a.last, b.last), hasRepeated };
}

/** An event's time in milliseconds since the epoch. */
export const EVENT_TIME = 'toUnixTimestamp64Milli(_event_time)';

export function knownBefore(next: readonly number[]): string {
  return `_offset < [${next.map(Number).join(', ')}][_partition + 1]`;
}

export function eventIdOf({ source }: ViewPlan): string | undefined {
  const name = source.columns[source.eventId]?.name;
  return name === undefined ? undefined : quoteIdentifier(name);
}

export function keysOf(plan: ViewPlan): string {
  return plan.joinKeys.map((key) => quoteIdentifier(key.name)).join(', ');
}

export function pagesOf(count: number, eventsPerJoin: number): number {
  return Math.max(1, Math.ceil(count / eventsPerJoin));
}

/** A page has whole entities. */
export function ofPage(plan: ViewPlan, page: number, pages: number): string[] {
  return pages > 1 ? [`cityHash64(${keysOf(plan)}) % ${pages} = ${page}`] : [];
}

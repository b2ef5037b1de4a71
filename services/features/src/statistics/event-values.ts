import { randomUUID } from 'node:crypto';
import { entityKeyText, jsonValue, parseKeyValue, type Value, type ViewPlan } from '@millrace/feature-engine';
import { quoteIdentifier, quoteTable, type OfflineStore, type ScratchTables } from '@millrace/offline-store';
import { sourceTable } from '../sources/source-table.js';
import { firstNeeded } from '../training-sets/view-histories.js';
import { entityOf, visitEntities } from '../training-sets/visit-entities.js';
import { countedOf } from './segments.js';
import { sourceColumns, sourceShape } from './source-statistics.js';
import { storeSummaries } from './store-summaries.js';
import { hourOf } from './summary-sql.js';

export interface EventValuesOptions {
  readonly store: OfflineStore;
  readonly scratch: ScratchTables;
  /** Events of an hour whose features are computed, at most. */
  readonly sampleRows: number;
  /** Events that are read for it at a time, about: of more, only some entities are taken. */
  readonly mostEvents?: number;
}

const MOST_EVENTS = 500_000;

/** Hours that are computed together: the table is looked through once for all of them. */
const HOURS_PER_RUN = 96;
const HOUR_MS = 3_600_000;
/** Beyond any event's time. */
const [EARLIEST, LATEST] = [-1e13, 1e13];
const DEADLINE_MS = 600_000;

interface DueHour {
  /** Milliseconds since the epoch. */
  readonly hour: number;
  readonly events: number;
}

interface Sampled {
  readonly at: number;
  readonly hour: number;
  readonly key: string;
  readonly entity: readonly Value[];
}

/**
 * Computes a view's features at the times of a sample of its source's events, for the newest hours that have events the sample has not seen, and stores their statistics
 * and values. The sample of an hour is the same whenever it is taken: events by the hash of their position.
 *
 * @param before hours from this time on are not computed: of an hour that goes on the events change all the time.
 * @returns how many hours are left.
 */
export async function sampleEvents(options: EventValuesOptions, plan: ViewPlan, before = Infinity): Promise<number> {
  const { store, scratch } = options;
  const due = await dueHours(store, plan, before);
  if (due.hours.length === 0) return 0;
  const { hours, share } = await boundedHours(options, plan, due.hours);
  // Read after the hours: where more has been counted meanwhile, an hour has more events than its mark says and is due again.
  const counted = await countedOf(store, sourceColumns(plan.source));
  let sampled: Sampled[] = [];
  // Where no entity is among those taken, there are few, and more of them are.
  for (let among = share; sampled.length === 0 && among >= 1; among /= 2) sampled = await sample(options, plan, counted, hours, among);
  await storeHours(store, scratch, plan, hours, await featureValues(store, scratch, plan, counted, sampled));
  return due.all - hours.length;
}

/** The newest of the hours for which about so many events are read as may be; of one hour that takes more, one of `share` entities is taken, a power of two. */
async function boundedHours(
  { store, mostEvents = MOST_EVENTS }: EventValuesOptions,
  plan: ViewPlan,
  due: readonly DueHour[],
): Promise<{ hours: readonly DueHour[]; share: number }> {
  for (let hours = due; ; hours = hours.slice(0, Math.ceil(hours.length / 2))) {
    const times = hours.map(({ hour }) => hour);
    const first = firstNeeded(plan, Math.min(...times)) ?? EARLIEST;
    const [found] = await store.query<{ n: string }>(
      `SELECT count() AS n FROM ${quoteTable(sourceTable(plan.source.name))}
       WHERE _event_time >= fromUnixTimestamp64Milli({first:Int64}, 'UTC') AND _event_time < fromUnixTimestamp64Milli({last:Int64}, 'UTC')`,
      { first, last: Math.max(...times) + HOUR_MS },
      { deadlineMs: DEADLINE_MS },
    );
    const events = Number(found?.n ?? 0);
    if (events <= mostEvents) return { hours, share: 1 };
    if (hours.length === 1) return { hours, share: 2 ** Math.ceil(Math.log2(events / mostEvents)) };
  }
}

async function dueHours(store: OfflineStore, plan: ViewPlan, before: number): Promise<{ hours: DueHour[]; all: number }> {
  const { source } = plan;
  const rows = await store.query<{ at: string; events: string; due: string }>(
    `SELECT toUnixTimestamp64Milli(toDateTime64(hour, 3, 'UTC')) AS at, events, count() OVER () AS due
     FROM (SELECT hour, sum(rows) AS events FROM millrace.statistics FINAL
           WHERE of = 'source' AND name = {source:String} AND definition = {shape:String} AND column = {time:String} GROUP BY hour) AS source
     LEFT JOIN (SELECT hour, max(until) AS seen FROM millrace.statistics
                WHERE of = 'events' AND name = {view:String} AND definition = {version:String} AND column = '' GROUP BY hour) AS known USING hour
     WHERE events != seen AND at < {before:Int64} ORDER BY at DESC LIMIT ${HOURS_PER_RUN}`,
    {
      source: source.name,
      shape: sourceShape(source),
      time: source.columns[source.eventTime]?.name ?? '',
      view: plan.name,
      version: plan.version,
      before: Math.min(before, LATEST),
    },
    { deadlineMs: DEADLINE_MS },
  );
  return {
    hours: rows.map(({ at, events }) => ({ hour: Number(at), events: Number(events) })),
    all: Number(rows[0]?.due ?? 0),
  };
}

async function sample(
  { store, sampleRows }: EventValuesOptions,
  plan: ViewPlan,
  counted: readonly number[],
  hours: readonly DueHour[],
  share: number,
): Promise<Sampled[]> {
  const keys = plan.joinKeys.map((key) => quoteIdentifier(key.name)).join(', ');
  const rows = await store.query<Record<string, unknown>>(
    `SELECT ${keys}, toUnixTimestamp64Milli(_event_time) AS _at, toUnixTimestamp64Milli(toDateTime64(${hourOf('_event_time')}, 3, 'UTC')) AS _hour
     FROM ${quoteTable(sourceTable(plan.source.name))} FINAL
     WHERE _event_time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND _event_time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
       AND _offset < {counted:Array(UInt64)}[_partition + 1] AND _hour IN {hours:Array(Int64)}${share > 1 ? ` AND cityHash64(${keys}) % ${share} = 0` : ''}
     ORDER BY _hour, cityHash64(_partition, _offset), _partition, _offset LIMIT {most:UInt32} BY _hour`,
    {
      counted: [...counted],
      hours: hours.map(({ hour }) => hour),
      from: Math.min(...hours.map(({ hour }) => hour)),
      to: Math.max(...hours.map(({ hour }) => hour)) + HOUR_MS,
      most: sampleRows,
    },
    { deadlineMs: DEADLINE_MS },
  );
  return rows.map((row) => {
    const entity = plan.joinKeys.map((key) => parseKeyValue(key.type, row[key.name]) ?? null);
    return { at: Number(row['_at']), hour: Number(row['_hour']), key: entityKeyText(entity), entity };
  });
}

interface Valued extends Sampled {
  readonly values: readonly Value[];
}

/** The sampled events with the view's values. A record that a later one has moved away from its time is no event there, which latest values show. */
async function featureValues(
  store: OfflineStore,
  scratch: ScratchTables,
  plan: ViewPlan,
  counted: readonly number[],
  sampled: readonly Sampled[],
): Promise<Valued[]> {
  if (sampled.length === 0) return [];
  const byEntity = new Map<string, Sampled[]>();
  let [since, until] = [Infinity, -Infinity];
  for (const one of sampled) {
    const own = byEntity.get(one.key);
    if (own) own.push(one);
    else byEntity.set(one.key, [one]);
    [since, until] = [Math.min(since, one.at), Math.max(until, one.at)];
  }
  const entities = new Map(sampled.map(({ key, entity }) => [key, entity]));
  const valued: Valued[] = [];
  await visitEntities({ store, scratch, plan, next: counted, since, until, isAtEvents: true }, entities, (key, history) => {
    for (const one of byEntity.get(key) ?? []) {
      const { values, times } = history.at(one.at);
      if (plan.latest.every((feature) => times[feature] === one.at)) valued.push({ ...one, values });
    }
  });
  return valued;
}

async function storeHours(
  store: OfflineStore,
  scratch: ScratchTables,
  plan: ViewPlan,
  hours: readonly DueHour[],
  valued: readonly Valued[],
): Promise<void> {
  const subject = { of: 'events' as const, name: plan.name, definition: plan.version };
  const seconds = (hour: number): number => hour / 1000;
  const long = valued.flatMap(({ hour, values }) =>
    plan.features.map(({ name, type }, feature) => {
      const value = values[feature] as Value;
      const isText = type === 'String';
      return { column: name, hour: seconds(hour), ...(isText ? { text: value } : { value: value === null ? null : Number(value) }) };
    }),
  );
  const columns =
    "(column String, hour DateTime64(0, 'UTC'), partition UInt32, segment UInt64, value Nullable(Float64), text Nullable(String))";
  await scratch.with(`${columns} ENGINE = MergeTree ORDER BY tuple()`, async (table, bare) => {
    if (long.length > 0) await store.insert(bare, long, `${bare}:0`);
    const list = hours.map(({ hour }) => seconds(hour)).join(', ');
    const events = hours.map((one) => one.events).join(', ');
    const population = `transform(toUnixTimestamp64Second(hour), [${list}], [${events}], 0)`;
    await storeSummaries(store, subject, `SELECT *, toUInt8(0) AS status FROM ${table}`, { until: population, population });
  });
  await store.insert(
    'millrace.feature_samples',
    hours.map(({ hour, events }) => {
      const own = valued.filter((one) => one.hour === hour);
      return {
        view: plan.name,
        version: plan.version,
        hour: seconds(hour),
        population: events,
        at: own.map(({ at }) => new Date(at).toISOString()),
        entity: own.map(({ entity }) => JSON.stringify(entityOf(plan, entity))),
        features: own.map((one) =>
          JSON.stringify(Object.fromEntries(plan.features.map(({ name }, feature) => [name, jsonValue(one.values[feature] as Value)]))),
        ),
      };
    }),
    randomUUID(),
  );
  // Marks come last: an hour without one is computed again.
  await store.insert(
    'millrace.statistics',
    hours.map(({ hour, events }) => ({ ...subject, hour: seconds(hour), until: events, population: events })),
    randomUUID(),
  );
}

import {
  compileView,
  OnlineReader,
  OnlineUpdater,
  readSourceEvent,
  compileFeatureService,
  type SourceEvent,
  type ViewPlan,
} from '@millrace/feature-engine';
import { Flights } from '@millrace/example-flights';
import { LmdbOnlineStore } from '@millrace/online-store-lmdb';
import { tempDir } from '@millrace/testing';
import { runAlone, type BenchResult } from '../bench-result.js';

const BATCH = 10_000;
const HOUR = 3_600_000;

/** What grows: events of few entities in a long window, or entities in a short one. */
interface Case {
  readonly what: string;
  readonly plan: ViewPlan;
  readonly events: Iterable<SourceEvent>;
  readonly count: number;
  readonly entities: number;
  /** A question and its answer: events of an entity in the window before a time. */
  readonly asked: { readonly key: string | number; readonly at: number; readonly count: number };
}

/** What an event costs, and an entity's bytes, in a window of 30 days over the flights' airports and in one of an hour over up to a million entities; on LMDB, committed every 10,000 events. */
export async function run(): Promise<BenchResult[]> {
  const results: BenchResult[] = [];
  for (const flights of [300_000, 1_000_000, 3_000_000]) results.push(...(await measured(await airports(flights))));
  for (const entities of [10_000, 100_000, 1_000_000]) results.push(...(await measured(cards(entities))));
  return results;
}

async function measured(given: Case): Promise<BenchResult[]> {
  await using directory = await tempDir('bench-windows');
  const store = await LmdbOnlineStore.open({ path: directory.path });
  try {
    return await measuredOn(store, given);
  } finally {
    await store.close();
  }
}

async function measuredOn(store: LmdbOnlineStore, { what, plan, events, count, entities, asked }: Case): Promise<BenchResult[]> {
  const updater = new OnlineUpdater({ plan, store, partition: 0 });
  await updater.load();
  let took = 0;
  let next = 0;
  let batch: SourceEvent[] = [];
  const apply = async (): Promise<void> => {
    const started = performance.now();
    await updater.apply(batch, (next += batch.length));
    took += performance.now() - started;
    batch = [];
  };
  for (const event of events) if (batch.push(event) === BATCH) await apply();
  if (batch.length > 0) await apply();
  let bytes = 0;
  for await (const [key, value] of store.scan(Buffer.alloc(0))) bytes += key.length + value.length;
  const reader = new OnlineReader(store, () => 1);
  const service = compileFeatureService({ name: 'asked', features: [plan.name] }, new Map([[plan.name, plan]]));
  const { columns } = await reader.readVectors(service, [{ [plan.joinKeys[0]?.name as string]: asked.key }], asked.at);
  const found = columns[0]?.values[0];
  if (found !== asked.count) throw new Error(`${what}: ${String(found)} events of ${asked.key}, not ${asked.count}`);
  const name = 'windows';
  return [
    { name, metric: `${what}: an event`, value: (took * 1000) / count, unit: 'us', pass: true },
    { name, metric: `${what}: kept of an entity`, value: bytes / entities, unit: 'bytes', pass: true },
  ];
}

const AGGREGATES = (column: string, window: string) =>
  [
    { name: 'n', aggregate: 'count', window },
    { name: 'mean', aggregate: 'mean', column, window },
    { name: 'most', aggregate: 'max', column, window },
  ] as const;

async function airports(count: number): Promise<Case> {
  const flights = await Flights.load(count);
  const plan = compileView(
    { name: 'delays', entity: 'airport', source: 'flights', features: AGGREGATES('delay', '30d') },
    { name: 'airport', joinKeys: { origin: 'String' } },
    {
      name: 'flights',
      topic: 'flights',
      key: ['origin'],
      eventTime: 'departed',
      eventId: 'id',
      schema: { id: 'String', departed: 'DateTime64(3)', delay: 'Int32', origin: 'String' },
    },
  );
  const at = flights.at(count - 1).departed + 1;
  const origin = flights.at(count - 1).origin;
  let expected = 0;
  const origins = new Set<string>();
  for (const flight of flights) {
    origins.add(flight.origin);
    if (flight.origin === origin && flight.departed >= at - 30 * 24 * HOUR) expected++;
  }
  const events = function* (): Generator<SourceEvent> {
    let offset = 0;
    for (const { id, departed, delay, origin } of flights) yield eventOf(plan, { id, departed, delay, origin }, offset++);
  };
  return {
    what: `30 days over ${origins.size} entities, ${count.toLocaleString('en-GB')} events`,
    plan,
    events: events(),
    count,
    entities: origins.size,
    asked: { key: origin, at, count: expected },
  };
}

/** Three payments of every card within an hour. */
function cards(entities: number): Case {
  const plan = compileView(
    { name: 'spending', entity: 'card', source: 'payments', features: AGGREGATES('amount', '1h') },
    { name: 'card', joinKeys: { card: 'Int32' } },
    {
      name: 'payments',
      topic: 'payments',
      key: ['card'],
      eventTime: 'at',
      eventId: 'id',
      schema: { id: 'String', at: 'DateTime64(3)', amount: 'Float64', card: 'Int32' },
    },
  );
  const start = Date.UTC(2026, 0, 1);
  const count = 3 * entities;
  const events = function* (): Generator<SourceEvent> {
    for (let index = 0; index < count; index++) {
      const at = start + Math.floor((index * HOUR) / count);
      yield eventOf(plan, { id: `p${index}`, at, amount: (index % 10_007) / 100, card: (index * 7_919) % entities }, index);
    }
  };
  return {
    what: `1 hour over ${entities.toLocaleString('en-GB')} entities, 3 events each`,
    plan,
    events: events(),
    count,
    entities,
    asked: { key: 0, at: start + HOUR, count: 3 },
  };
}

function eventOf(plan: ViewPlan, fields: Readonly<Record<string, unknown>>, offset: number): SourceEvent {
  const read = readSourceEvent(plan.source, fields, 0, offset);
  if (!read.ok) throw new Error(read.reason);
  return read.value;
}

await runAlone(import.meta.url, run);

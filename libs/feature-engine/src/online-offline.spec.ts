import { describe, expect, test } from '@jest/globals';
import { partitionOf } from '@millrace/event-log';
import { MemoryOnlineStore } from '@millrace/online-store';
import fc from 'fast-check';
import type { EntityDefinition, FeatureViewDefinition, SourceDefinition } from './definitions.js';
import { parseDuration } from './duration.js';
import { EntityHistory } from './entity-history.js';
import { OnlineReader } from './online-reader.js';
import { OnlineUpdater } from './online-updater.js';
import { servicePlan } from './service-plan.js';
import { readSourceEvent, type SourceEvent } from './source-event.js';
import { Status } from './status.js';
import { oracle, type OracleEvent } from './testing/oracle.js';
import { compileView, type ViewPlan } from './view-plan.js';

const PARTITIONS = 3;
/** An awkward date, so that nothing starts at zero by luck. */
const EPOCH = Date.UTC(2001, 1, 28, 23, 59, 59, 0);

const source = (keyed: boolean): SourceDefinition => ({
  name: 'trips',
  topic: 'trips',
  eventTime: 'at',
  eventId: 'id',
  ...(keyed ? { key: ['city', 'line'] } : {}),
  schema: {
    id: 'String',
    at: 'DateTime64(3)',
    city: 'String',
    line: 'Int32',
    fare: 'Nullable(Float64)',
    stops: 'Nullable(Int32)',
    micros: 'Nullable(Int64)',
    driver: 'Nullable(String)',
  },
});
const entity: EntityDefinition = { name: 'route', joinKeys: { city: 'String', line: 'Int32' } };
const view = (span: string | undefined, ttl: string | undefined, history: string): FeatureViewDefinition => ({
  name: 'route_trips',
  entity: 'route',
  source: 'trips',
  history,
  ...(span === undefined ? {} : { span }),
  ...(ttl === undefined ? {} : { ttl }),
  features: [
    ...['100ms', '640ms', '1500ms'].flatMap((window) => [
      { name: `n_${window}`, aggregate: 'count' as const, window },
      { name: `fares_${window}`, aggregate: 'count' as const, column: 'fare', window },
      { name: `drivers_${window}`, aggregate: 'count' as const, column: 'driver', window },
      ...(['sum', 'mean', 'min', 'max', 'last'] as const).flatMap((aggregate) =>
        ['fare', 'stops', 'micros'].map((column) => ({ name: `${aggregate}_${column}_${window}`, aggregate, column, window })),
      ),
      { name: `driver_${window}`, aggregate: 'last' as const, column: 'driver', window },
    ]),
    ...['fare', 'stops', 'micros', 'driver'].map((column) => ({ name: `last_${column}`, aggregate: 'last' as const, column })),
  ],
});

interface Trip {
  readonly city: string;
  readonly line: number;
  readonly time: number;
  readonly id: number;
  readonly fare: number | null;
  readonly stops: number | null;
  readonly micros: bigint | null;
  readonly driver: string | null;
  readonly partition: number;
}

const trip = fc.record<Trip>({
  city: fc.constantFrom('1', '12', 'Zürich'),
  line: fc.constantFrom(23, 3),
  // Few distinct times, many of them on the edges of tiles and windows.
  time: fc.oneof(
    fc.nat(3000),
    fc.nat(30).map((step) => step * 100),
    fc.nat(200).map((step) => step * 10),
  ),
  id: fc.nat(60),
  fare: fc.oneof(fc.constantFrom(null, 0, -0, 0.1, 0.2, 0.3, 1e16, -1e16, 1e-16), fc.double({ noNaN: true, noDefaultInfinity: true })),
  stops: fc.oneof(fc.constant(null), fc.integer()),
  micros: fc.oneof(fc.constant(null), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: -9n, max: 9n })),
  driver: fc.oneof(fc.constant(null), fc.constantFrom('', 'Ä', 'Bo'), fc.string({ unit: 'grapheme', maxLength: 5 })),
  partition: fc.nat(PARTITIONS - 1),
});

const history = fc.record({
  trips: fc.oneof(
    { weight: 3, arbitrary: fc.array(trip, { maxLength: 40 }) },
    { weight: 1, arbitrary: fc.array(trip, { minLength: 100, maxLength: 200 }) },
  ),
  keyed: fc.boolean(),
  span: fc.constantFrom(undefined, '320ms', '2s'),
  ttl: fc.constantFrom(undefined, '300ms'),
  history: fc.constantFrom('0ms', '500ms', '10s'),
  cuts: fc.array(fc.nat(200), { maxLength: 6 }),
  cold: fc.boolean(),
  questions: fc.array(
    fc.oneof(
      fc.nat(3600),
      fc.nat(36).map((step) => step * 100),
    ),
    { minLength: 1, maxLength: 4 },
  ),
});

/** The log as it would be: each trip in its partition with the next offset. */
function logOf(trips: readonly Trip[], keyed: boolean): { trip: Trip; partition: number; offset: number }[] {
  const next = new Array<number>(PARTITIONS).fill(0);
  return trips.map((item) => {
    const partition = keyed ? partitionOf(JSON.stringify([item.city, item.line]), PARTITIONS) : item.partition;
    return { trip: item, partition, offset: next[partition]!++ };
  });
}

function decode(plan: ViewPlan, log: ReturnType<typeof logOf>): SourceEvent[] {
  return log.map(({ trip: item, partition, offset }) => {
    const json = { ...item, id: `trip-${item.id}`, at: EPOCH + item.time, micros: item.micros?.toString() ?? null };
    const decoded = readSourceEvent(plan.source, json, partition, offset);
    if (!decoded.ok) throw new Error(decoded.reason);
    return decoded.value;
  });
}

/** Applies the log, partition by partition, in batches cut at `cuts`; `cold` starts each batch with an empty memory. */
async function project(plan: ViewPlan, store: MemoryOnlineStore, events: readonly SourceEvent[], cuts: readonly number[], cold: boolean) {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const own = events.filter((event) => event.partition === partition);
    const bounds = [...new Set([0, ...cuts.filter((cut) => cut < own.length), own.length])].sort((a, b) => a - b);
    let updater = new OnlineUpdater({ plan, store, partition });
    await updater.load();
    for (let index = 1; index < bounds.length; index++) {
      if (cold) {
        updater = new OnlineUpdater({ plan, store, partition });
        await updater.load();
        expect(updater.nextOffset).toBe(bounds[index - 1]);
      }
      expect(await updater.apply(own.slice(bounds[index - 1], bounds[index]), bounds[index]!)).toBe(true);
    }
  }
}

async function bytesOf(store: MemoryOnlineStore): Promise<string> {
  const lines: string[] = [];
  for await (const [key, value] of store.scan(Buffer.alloc(0))) lines.push(`${key.toString('hex')}=${value.toString('hex')}`);
  return lines.join('\n');
}

/** Bit for bit: 0 and -0 differ, and so would two sums taken in different orders. */
function same(a: unknown, b: unknown): boolean {
  return Object.is(a, b);
}

const ENTITIES = ['1', '12', 'Zürich', 'nowhere'].flatMap((city) => [23, 3].map((line) => ({ city, line })));
const RUNS = Number(process.env['MILLRACE_TEST_RUNS'] ?? 3000);

describe('online, offline and oracle', () => {
  test(`agree bit for bit on ${RUNS} histories with late, equal, duplicate and null values`, async () => {
    let exact = 0;
    let invalid = 0;
    await fc.assert(
      fc.asyncProperty(history, async (given) => {
        const definition = view(given.span, given.ttl, given.history);
        const plan = compileView(definition, entity, source(given.keyed));
        expect(plan.partitionBy).toEqual(given.keyed ? [0, 1] : null);
        const log = logOf(given.trips, given.keyed);
        const events = decode(plan, log);
        const store = new MemoryOnlineStore();
        await project(plan, store, events, given.cuts, given.cold);
        const reader = new OnlineReader(store, () => PARTITIONS);
        const service = servicePlan(plan.features.map((feature, index) => ({ view: plan, feature: index, name: feature.name })));
        const newest = Math.max(-Infinity, ...given.trips.map((item) => item.time));
        for (const question of given.questions) {
          const at = EPOCH + question;
          const online = await reader.readVectors(service, ENTITIES, at);
          for (const [row, { city, line }] of ENTITIES.entries()) {
            const mine = log.filter(({ trip: item }) => item.city === city && item.line === line);
            const told = mine.map(({ trip: item, partition, offset }): OracleEvent => ({
              partition,
              offset,
              id: `trip-${item.id}`,
              time: EPOCH + item.time,
              columns: { fare: item.fare === null ? null : item.fare + 0, stops: item.stops, micros: item.micros, driver: item.driver },
            }));
            const expected = oracle(
              definition,
              plan.spanMs,
              plan.tileMs,
              plan.ttlMs,
              (feature) => parseDuration(feature.window as string) as number,
              told,
              at,
            );
            const offline = new EntityHistory(plan, decode(plan, mine)).at(at);
            for (const [index, want] of expected.entries()) {
              const column = online.columns[index]!;
              const got = { value: column.values[row], status: column.statuses[row], time: column.times[row] };
              const what = `${column.name} of ${city}/${line} at ${question}`;
              const off = { value: offline.values[index], status: offline.statuses[index], time: offline.times[index] };
              if (!same(off.value, want.value) || off.status !== want.status || off.time !== want.time)
                throw new Error(`${what}: offline ${String(off.value)} (${off.status}), oracle ${String(want.value)} (${want.status})`);
              if (got.status === Status.INVALID) {
                invalid++;
                // Never for a time that the view promises to answer; a latest value of an entity in several partitions is not promised.
                const promised = question >= newest - plan.historyMs && (given.keyed || !/^last_[a-z]+$/.test(column.name));
                const corrected = mine.some(({ trip: item }) => mine.filter(({ trip: other }) => other.id === item.id).length > 1);
                if (promised && !corrected) throw new Error(`${what}: INVALID within the history`);
                continue;
              }
              exact++;
              if (!same(got.value, want.value) || got.status !== want.status || got.time !== want.time)
                throw new Error(
                  `${what}: online ${String(got.value)} (${got.status}, ${got.time}), oracle ${String(want.value)} (${want.status}, ${want.time})`,
                );
            }
          }
        }
      }),
      { numRuns: RUNS },
    );
    expect(exact).toBeGreaterThan(invalid);
    expect(invalid).toBeGreaterThan(0);
  }, 600_000);

  test('what was served after any prefix of the log is what offline says was known then', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.nat(200), async (given, cut) => {
        const plan = compileView(view(given.span, given.ttl, given.history), entity, source(given.keyed));
        const log = logOf(given.trips, given.keyed);
        const events = decode(plan, log);
        const store = new MemoryOnlineStore();
        await project(plan, store, events.slice(0, cut), [], false);
        const reader = new OnlineReader(store, () => PARTITIONS);
        const service = servicePlan(plan.features.map((feature, index) => ({ view: plan, feature: index, name: feature.name })));
        for (const question of given.questions) {
          const at = EPOCH + question;
          const { columns, positions } = await reader.readVectors(service, ENTITIES, at);
          for (const [row, { city, line }] of ENTITIES.entries()) {
            const mine = events.filter((_, index) => log[index]!.trip.city === city && log[index]!.trip.line === line);
            const offline = new EntityHistory(plan, mine).at(at, positions[plan.name]);
            for (const [index, column] of columns.entries()) {
              if (column.statuses[row] === Status.INVALID) continue;
              const served = [column.values[row], column.statuses[row], column.times[row]];
              expect(served).toEqual([offline.values[index], offline.statuses[index], offline.times[index]]);
            }
          }
        }
      }),
      { numRuns: Math.ceil(RUNS / 10) },
    );
  }, 600_000);

  test('however the log is cut into batches, with warm or cold memory, the stored bytes are the same', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.array(fc.nat(200), { maxLength: 8 }), async (given, otherCuts) => {
        const plan = compileView(view(given.span, given.ttl, given.history), entity, source(given.keyed));
        const events = decode(plan, logOf(given.trips, given.keyed));
        const one = new MemoryOnlineStore();
        const two = new MemoryOnlineStore();
        await project(plan, one, events, given.cuts, given.cold);
        await project(plan, two, events, otherCuts, !given.cold);
        expect(await bytesOf(two)).toBe(await bytesOf(one));
      }),
      { numRuns: Math.ceil(RUNS / 3) },
    );
  }, 600_000);
});

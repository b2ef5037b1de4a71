import { expect } from '@jest/globals';
import { randomNumbers } from '@millrace/statistics';
import { parquetReadObjects } from 'hyparquet';
import { zstdDecompressSync } from 'node:zlib';
import { latestOf, type Ride } from './latest-oracle.js';
import { HOUR, START, ndjson, TripsService } from './trips.js';

export const DAY = 24 * HOUR;
export const TTL = 2 * HOUR;

const RESOURCES = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: rides}
spec:
  topic: rides
  eventTime: at
  eventId: id
  partitions: 3
  schema: {id: String, at: DateTime64(3), city: String, line: String, fare: Nullable(Float64), small: Nullable(Float32), stops: Nullable(Int64),
    driver: Nullable(String), seen: Nullable(DateTime64(3)), late: Nullable(Bool)}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: spot}
spec: {joinKeys: {city: String, line: String}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: last_ride}
spec:
  entity: spot
  source: rides
  ttl: 2h
  features:
    - {name: fare_now, aggregate: last, column: fare}
    - {name: small_now, aggregate: last, column: small}
    - {name: stops_now, aggregate: last, column: stops}
    - {name: driver_now, aggregate: last, column: driver}
    - {name: seen_now, aggregate: last, column: seen}
    - {name: late_now, aggregate: last, column: late}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: any_ride}
spec: {entity: spot, source: rides, features: [{name: fare_ever, aggregate: last, column: fare}]}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: rides_mixed}
spec:
  entity: spot
  source: rides
  ttl: 2h
  span: 1d
  features:
    - {name: rides_1h, aggregate: count, window: 1h}
    - {name: m_fare, aggregate: last, column: fare}
    - {name: m_small, aggregate: last, column: small}
    - {name: m_stops, aggregate: last, column: stops}
    - {name: m_driver, aggregate: last, column: driver}
    - {name: m_seen, aggregate: last, column: seen}
    - {name: m_late, aggregate: last, column: late}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: last}
spec: {features: [last_ride]}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: both}
spec: {features: [last_ride, any_ride, rides_mixed]}
`;

export interface TrainingSet {
  readonly id: string;
  readonly status: string;
  readonly rows: number;
  readonly sha256: string;
  readonly table?: string;
  readonly positions: Record<string, number[]>;
  readonly error?: string;
  readonly detail?: string;
}
export type Row = Readonly<Record<string, unknown>>;

export const COLUMNS = ['fare', 'small', 'stops', 'driver', 'seen', 'late'] as const;
/** Together the parts of each are the same text. */
export const KEYS = [
  ['1', '23'],
  ['12', '3'],
  ['123', ''],
  ['Zürich', '9'],
] as const;

/** The features service with rides in it that have late, equal, corrected and null values; what it is asked, and what the answers have to be. */
export async function ridesService(seed: number, environment: Readonly<Record<string, string>> = {}) {
  const trips = await TripsService.start(environment);
  const applied = await trips.post('/api/v1/apply', RESOURCES, 'application/yaml');
  if (applied.status !== 200) throw new Error(await applied.text());
  const random = randomNumbers(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const maybe = <T>(value: T): T | null => (random() < 0.25 ? null : value);

  /** Few distinct times, so that there are ties; few ids, so that some are corrected, also from another day. */
  const ride = (time: number): Row => {
    const [city, line] = pick(KEYS);
    const seen = new Date(START + Math.floor(random() * DAY)).toISOString();
    const more = {
      fare: maybe(Math.round(random() * 1e6) / 1e3),
      small: maybe(Math.fround(random())),
      stops: maybe(Math.floor(random() * 2 ** 53)),
    };
    const rest = { driver: maybe(pick(['', 'Ä', 'Bo'])), seen: maybe(seen), late: maybe(random() < 0.5) };
    return { id: `r${Math.floor(random() * 250)}`, at: new Date(time).toISOString(), city, line, ...more, ...rest };
  };
  const someTime = (): number => START + Math.floor(random() * 96) * (HOUR / 2) + (random() < 0.2 ? 1 : 0);
  const send = async (events: readonly Row[]): Promise<void> => {
    const response = await trips.post('/api/v1/sources/rides/events', ndjson(events), 'application/x-ndjson');
    const text = await response.text();
    if (response.status !== 200) throw new Error(text);
  };
  /** Questions at the edges: at an event, just before and after, at the end of its ttl and beyond. */
  const spineOf = (known: readonly Ride[], rows: number): Row[] =>
    Array.from({ length: rows }, (_, number) => {
      const { time } = pick(known);
      const asked = time + pick([0, -1, 1, TTL, TTL + 1, TTL - 1, HOUR, -3 * DAY, 5 * DAY]);
      const [city, line] = random() < 0.05 ? [null, '3'] : pick([...KEYS, ['nowhere', '3']]);
      return { number, city, line, asked };
    });
  const read = async (): Promise<Ride[]> => {
    const found = await trips.service.host.offline.query<Record<string, unknown>>(
      `SELECT *, toUnixTimestamp64Milli(at) AS time, toUnixTimestamp64Milli(seen) AS seen_ms FROM millrace.source_rides FINAL`,
    );
    return found.map((row) => {
      const stops = row['stops'] === null ? null : BigInt(row['stops'] as string);
      const seen = row['seen_ms'] === null ? null : Number(row['seen_ms']);
      const { fare, small, driver, late } = row;
      return {
        partition: Number(row['_partition']),
        offset: Number(row['_offset']),
        id: String(row['id']),
        time: Number(row['time']),
        key: [String(row['city']), String(row['line'])],
        values: { fare, small: small === null ? null : Math.fround(Number(small)), stops, driver, seen, late },
      };
    });
  };

  /** Of the event that was appended after all others: an answer to many events names one of each partition, and any of them may be the latest. */
  const lastPosition = async (): Promise<string> => {
    const [last] = await trips.service.host.offline.query<{ position: string }>(
      `SELECT concat('rides/', toString(_partition), '@', toString(_offset)) AS position FROM millrace.source_rides
       ORDER BY _appended DESC, _offset DESC LIMIT 1`,
    );
    return (last as { position: string }).position;
  };

  const ask = async (body: object, query = ''): Promise<{ status: number; body: TrainingSet }> => {
    const response = await trips.post(`/api/v1/training-sets?wait=60s${query}`, {
      featureService: 'last',
      timestampColumn: 'asked',
      ...body,
    });
    return { status: response.status, body: (await response.json()) as TrainingSet };
  };
  const built = async (body: object): Promise<TrainingSet> => {
    const { status, body: set } = await ask(body);
    if (status !== 200 || set.status !== 'built') throw new Error(JSON.stringify(set));
    return set;
  };
  const bytesOf = async (set: TrainingSet): Promise<Buffer> =>
    Buffer.from(await (await trips.get(`/api/v1/training-sets/${set.id}/data?wait=60s`)).arrayBuffer());
  const rowsOf = async (set: TrainingSet): Promise<Row[]> => {
    const file = new Uint8Array(await bytesOf(set)).buffer;
    return parquetReadObjects({ file, compressors: { ZSTD: (input) => zstdDecompressSync(input) } });
  };
  const plain = (value: unknown): unknown => (value instanceof Date ? value.getTime() : (value ?? null));
  /** Every row's values against the oracle. */
  const expectTruth = (
    rows: readonly Row[],
    spine: readonly Row[],
    known: readonly Ride[],
    names = (column: string): string => `${column}_now`,
  ): void => {
    expect(rows.map(({ number }) => Number(number))).toEqual(spine.map(({ number }) => number));
    for (const [index, row] of rows.entries()) {
      const { city, line, asked } = spine[index] as { city: string | null; line: string; asked: number };
      const found = city === null ? undefined : latestOf(known, [city, line], asked, { ttl: TTL, span: DAY });
      const got = COLUMNS.map((column) => plain(row[names(column)]));
      const want = COLUMNS.map((column) => plain(found?.values[column]));
      expect({ number: row['number'], got }).toEqual({ number: row['number'], got: want });
    }
  };
  const sendRides = (count: number): Promise<void> => send(Array.from({ length: count }, () => ride(someTime())));
  return { trips, sendRides, spineOf, read, lastPosition, ask, built, bytesOf, rowsOf, plain, expectTruth };
}

export type RidesService = Awaited<ReturnType<typeof ridesService>>;

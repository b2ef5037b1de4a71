import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { splitStatements } from '@millrace/offline-store';
import type { ColumnStatistics } from './statistics/read-statistics.js';
import { ridesService, type RidesService } from './testing/rides.js';
import { HOUR, START, trip, until } from './testing/trips.js';

/** The reads of it are what the page of documentation asks for. */
const LOGGED = `
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: fares}
spec: {features: [city_fares, line_fares], readLog: {}}
`;

const WINDOWS = `
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: ride_windows}
spec:
  entity: spot
  source: rides
  span: 1d
  features:
    - {name: rides_1h, aggregate: count, window: 1h}
    - {name: fares_3h, aggregate: count, column: fare, window: 3h}
    - {name: fare_sum_1d, aggregate: sum, column: fare, window: 1d}
    - {name: fare_mean_3h, aggregate: mean, column: fare, window: 3h, includeCurrent: true}
    - {name: small_min_2h, aggregate: min, column: small, window: 2h}
    - {name: stops_max_2h, aggregate: max, column: stops, window: 2h}
    - {name: stops_sum_1d, aggregate: sum, column: stops, window: 1d}
    - {name: fare_sum_ever, aggregate: sum, column: fare, windowKind: lifetime}
    - {name: today, aggregate: count, window: 1d, windowKind: tumbling}
    - {name: fare_now, aggregate: last, column: fare}
    - {name: driver_now, aggregate: last, column: driver}
    - {name: seen_now, aggregate: last, column: seen}
    - {name: drivers, aggregate: count_distinct, column: driver, window: 1d}
    - {name: dear, aggregate: count, window: 1d, filter: "fare > 500"}
    - {name: twice, expression: "rides_1h * 2"}
`;
const IN_SQL =
  'rides_1h fares_3h fare_sum_1d fare_mean_3h small_min_2h stops_max_2h stops_sum_1d fare_sum_ever today fare_now driver_now seen_now'.split(
    ' ',
  );

/** By number of the answer; where the gateway gives no reason the value is null. */
const MISSING: Readonly<Record<number, string>> = { 15: 'NOT_FOUND', 17: 'OUTSIDE_MAX_AGE', 19: '' };

/** Answers as the gateway would have logged them: 10 in each of two hours, the last feature of the second hour without a value three times, each for another reason. */
const PREDICTIONS = Array.from({ length: 20 }, (_, index) => ({
  ...{ _topic: 'millrace.inference.predictions', _partition: index % 2, _offset: Math.floor(index / 2), _row: 0 },
  ...{ prediction_id: `p${index}`, row: 0, time: START + (index % 2) * HOUR, deployment: 'fares', model: 'fare', version: 1 },
  ...{
    entity: '{"city":"Bern","line":9}',
    feature_service: 'fares',
    feature_time: START,
    inputs: '{}',
    outputs: '{}',
    request: '{}',
    prediction: index,
  },
  features: JSON.stringify({ trips_1h: index, fare_mean_1h: index / 2, last_fare: index in MISSING ? null : 10, line_fare_max_1h: 12.5 }),
  ...(MISSING[index] ? { statuses: JSON.stringify({ last_fare: MISSING[index] }) } : {}),
}));

const count = async (rides: RidesService, table: string): Promise<number> => {
  const [row] = await rides.trips.service.host.offline.query<{ n: string }>(`SELECT count() AS n FROM ${table}`);
  return Number(row?.n);
};

describe('views of analysts', () => {
  let rides: RidesService;
  const query = <Row>(sql: string): Promise<Row[]> => rides.trips.service.host.offline.query<Row>(sql);
  beforeAll(async () => {
    rides = await ridesService(11);
    const applied = await rides.trips.post('/api/v1/apply', `${LOGGED}---${WINDOWS}`, 'application/yaml');
    if (applied.status !== 200) throw new Error(await applied.text());
    await rides.sendRides(700);
    const statistics = await rides.trips.get('/api/v1/features/statistics?view=ride_windows');
    if (statistics.status !== 200) throw new Error(await statistics.text());
    const folder = new URL('../../inference/src/migrations/', import.meta.url);
    for (const file of ['0001-predictions-and-labels.sql', '0002-served-features.sql', '0003-served-statuses.sql'])
      for (const statement of splitStatements(await readFile(new URL(file, folder), 'utf8')))
        await rides.trips.service.host.offline.command(statement);
    await rides.trips.service.host.offline.insert('millrace.predictions', PREDICTIONS, 'predictions');
    await rides.trips.send([trip('a', 0, 10), trip('b', 30, 30, 'Bern', 8), trip('b', 30, 32, 'Bern', 8), trip('c', 90, 20)]);
    await until(
      () => count(rides, 'millrace.events_trips'),
      (n) => n === 3,
    );
    const read = await rides.trips.post('/get-online-features', { feature_service: 'fares', entities: { city: ['Bern'], line: [9] } });
    if (read.status !== 200) throw new Error(await read.text());
    await until(
      () => count(rides, 'millrace.feature_reads'),
      (n) => n === 1,
    );
  });
  afterAll(() => rides.trips.stop());

  test('events are, of each id, the last one in the log', async () => {
    const all = await rides.read();
    const standing = new Map<string, (typeof all)[number]>();
    for (const ride of all) {
      const other = standing.get(ride.id);
      if (!other || ride.partition > other.partition || (ride.partition === other.partition && ride.offset > other.offset))
        standing.set(ride.id, ride);
    }
    expect(standing.size).toBeLessThan(all.length);
    const found = await query<{ id: string; _partition: number; _offset: string }>(
      'SELECT id, _partition, _offset FROM millrace.events_rides ORDER BY id',
    );
    expect(found.map(({ id, _partition, _offset }) => [id, _partition, Number(_offset)])).toEqual(
      [...standing.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).map(({ id, partition, offset }) => [id, partition, offset]),
    );
  });

  test('features over time are what the engine computes, for every event', async () => {
    const engine = new Map<string, Record<string, unknown>>();
    for (const row of await query<{ key: string; feature: string; value: string }>(
      `SELECT concat(JSONExtractString(entity, 'city'), '/', JSONExtractString(entity, 'line'), '/', toString(toUnixTimestamp64Milli(at))) AS key, feature, value
       FROM millrace.feature_values WHERE view = 'ride_windows'`,
    )) {
      const known = engine.get(row.key) ?? {};
      engine.set(row.key, { ...known, [row.feature]: JSON.parse(row.value) as unknown });
    }
    const rows = await query<Record<string, unknown>>(
      `SELECT * REPLACE (toUnixTimestamp64Milli(seen_now) AS seen_now),
         concat(city, '/', line, '/', toString(toUnixTimestamp64Milli(event_time))) AS key FROM millrace.features_ride_windows`,
    );
    expect(rows.length).toBeGreaterThan(300);
    const told = new Set<string>();
    for (const row of rows) {
      const want = engine.get(String(row['key'])) ?? {};
      for (const name of IN_SQL) {
        const [got, wanted] = [row[name], want[name]];
        if (wanted !== null) told.add(name);
        if (wanted === null || name === 'driver_now')
          expect({ key: row['key'], name, got }).toEqual({ key: row['key'], name, got: wanted });
        else if (name.includes('stops'))
          expect({ name, got: BigInt(got as string) }).toEqual({ name, got: BigInt(wanted as string | number) });
        else expect(Math.abs(Number(got) - Number(wanted))).toBeLessThanOrEqual(Math.abs(Number(wanted)) * 1e-7);
      }
    }
    expect([...told].sort()).toEqual([...IN_SQL].sort());
    const columns = await query<{ name: string; comment: string }>(
      "SELECT name, comment FROM system.columns WHERE table = 'features_ride_windows'",
    );
    expect(columns.map(({ name }) => name)).toEqual(['city', 'line', 'event_time', ...IN_SQL]);
    expect(columns.find(({ name }) => name === 'fare_mean_3h')?.comment).toBe(
      'mean of fare over the 10800000 ms before, and at event_time itself.',
    );
    const [table] = await query<{ comment: string }>("SELECT comment FROM system.tables WHERE name = 'features_ride_windows'");
    expect(table?.comment).toBe(
      'Values of feature view ride_windows at the times of events. Not here but in millrace.feature_values: drivers, dear, twice.',
    );
  });

  test('a feature may be called event_time: the time of the view is then called as that of the events', async () => {
    const named = await rides.trips.post(
      '/api/v1/apply',
      `
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: odd_names}
spec: {entity: spot, source: rides, span: 1d, features: [{name: event_time, aggregate: count, window: 1h}, {name: fare, aggregate: last, column: fare}]}
`,
      'application/yaml',
    );
    expect(named.status).toBe(200);
    const columns = () => query<{ name: string }>("SELECT name FROM system.columns WHERE table = 'features_odd_names'");
    await until(columns, (found) => found.length > 0);
    expect((await columns()).map(({ name }) => name)).toEqual(['city', 'line', '_event_time', 'event_time', 'fare']);
    const [odd] = await query<{ n: string }>(
      `SELECT count() AS n FROM millrace.features_odd_names AS odd JOIN millrace.features_ride_windows AS plain
       ON odd.city = plain.city AND odd.line = plain.line AND odd._event_time = plain.event_time WHERE odd.event_time = plain.rides_1h`,
    );
    const all = await count(rides, 'millrace.features_odd_names');
    expect([Number(odd?.n), all > 300]).toEqual([all, true]);
  });

  test('the queries of the page of documentation run, and give rows', async () => {
    const statistics = await rides.trips.get('/api/v1/features/statistics?view=city_fares');
    expect(statistics.status).toBe(200);
    const page = await readFile(new URL('../../../docs/how-to/query-with-sql.md', import.meta.url), 'utf8');
    const queries = [...page.matchAll(/```sql\n([\s\S]*?)```/g)].flatMap(([, text]) => splitStatements(text as string));
    expect(queries.length).toBeGreaterThan(6);
    for (const sql of queries) expect({ sql, rows: (await query(sql)).length > 0 }).toEqual({ sql, rows: true });
  });

  test('statistics of what was served are of the logged vectors, by the hour of the answer', async () => {
    const ask = async (): Promise<readonly ColumnStatistics[]> => {
      const response = await rides.trips.get('/api/v1/features/statistics?view=city_fares&of=served');
      return ((await response.json()) as { features: ColumnStatistics[] }).features;
    };
    const features = await ask();
    const [trips1h, , last] = features;
    expect(features.map(({ name }) => name)).toEqual(['trips_1h', 'fare_mean_1h', 'last_fare']);
    expect(trips1h?.series.map(({ from, count: n, nulls, min, max, mean }) => ({ from, n, nulls, min, max, mean }))).toEqual([
      { from: '2026-01-01T00:00:00.000Z', n: 10, nulls: 0, min: 0, max: 18, mean: 9 },
      { from: '2026-01-01T01:00:00.000Z', n: 10, nulls: 0, min: 1, max: 19, mean: 10 },
    ]);
    expect(last?.series.map(({ count: n, distinct, histogram }) => [n, distinct, histogram])).toEqual([
      [10, 1, { edges: [10, 10], counts: [10] }],
      [10, 1, { edges: [10, 10], counts: [7] }],
    ]);
    const missing = (one: ColumnStatistics | undefined): number[][] =>
      (one?.series ?? []).map(({ nulls, notFound, outsideMaxAge }) => [nulls, notFound, outsideMaxAge]);
    expect([missing(trips1h), missing(last)]).toEqual([
      [
        [0, 0, 0],
        [0, 0, 0],
      ],
      [
        [0, 0, 0],
        [1, 1, 1],
      ],
    ]);
    // The same rows once more, and one new answer.
    const offline = rides.trips.service.host.offline;
    await offline.insert('millrace.predictions', PREDICTIONS, 'again');
    await offline.insert('millrace.predictions', [{ ...PREDICTIONS[1], _offset: 10, prediction_id: 'p20' }], 'one more');
    expect((await ask())[0]?.series.map(({ count: n }) => n)).toEqual([10, 11]);
    const statuses = await query<{ status: string; n: string }>(
      "SELECT status, count() AS n FROM millrace.served_features WHERE feature = 'last_fare' GROUP BY status ORDER BY status",
    );
    expect(statuses.map(({ status, n }) => [status, Number(n)])).toEqual([
      ['NOT_FOUND', 1],
      ['NULL_VALUE', 1],
      ['OUTSIDE_MAX_AGE', 1],
      ['PRESENT', 18],
    ]);
  });

  test('views follow the definitions: changed ones are made anew, those of deleted ones go', async () => {
    const changed = WINDOWS.slice(0, WINDOWS.indexOf('    - {name: fares_3h'));
    const applied = await rides.trips.post('/api/v1/apply', changed, 'application/yaml');
    expect(applied.status).toBe(200);
    const columns = () => query<{ name: string }>("SELECT name FROM system.columns WHERE table = 'features_ride_windows'");
    await until(columns, (found) => found.length === 4);
    expect((await columns()).map(({ name }) => name)).toEqual(['city', 'line', 'event_time', 'rides_1h']);
    const gone = await fetch(`${rides.trips.service.url}/api/v1/resources/FeatureView/ride_windows`, { method: 'DELETE' });
    expect(gone.status).toBeLessThan(300);
    await until(columns, (found) => found.length === 0);
    expect(await count(rides, 'millrace.events_rides')).toBeGreaterThan(0);
  });
});

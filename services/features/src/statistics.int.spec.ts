import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { compileView } from '@millrace/feature-engine';
import { ScratchTables } from '@millrace/offline-store';
import { sampleEvents } from './statistics/event-values.js';
import type { ColumnStatistics } from './statistics/read-statistics.js';
import { HOUR, ndjson, START, trip, TripsService, until } from './testing/trips.js';

const RIDES = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: scooters}
spec:
  topic: scooters
  eventTime: at
  eventId: id
  partitions: 3
  schema: {id: String, at: DateTime64(3), city: String, meters: Nullable(Int64), charge: Nullable(Float64), electric: Bool}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: scooter_rides}
spec:
  entity: place
  source: scooters
  features:
    - {name: rides_1h, aggregate: count, window: 1h}
    - {name: charge_mean_1h, aggregate: mean, column: charge, window: 1h}
    - {name: top_charge, expression: "charge_mean_1h * 2"}
    - {name: rider, aggregate: last, column: id}
`;

interface Answer {
  readonly behind: { readonly records: number; readonly hours: number };
  readonly columns: readonly ColumnStatistics[];
  readonly features: readonly ColumnStatistics[];
}

interface Scooter {
  readonly id: string;
  readonly at: number;
  readonly city: string;
  readonly meters: number | null;
  readonly charge: number | null;
  readonly electric: boolean;
}

/** The values a quantile may be: within a bucket's half width of the one of its rank. */
function expectQuantile(values: readonly number[], quantile: number, found: number): void {
  const exact = [...values].sort((a, b) => a - b)[Math.floor(quantile * (values.length - 1))] as number;
  expect(Math.abs(found - exact)).toBeLessThanOrEqual(Math.abs(exact) / 128 + 1e-9);
}

/** Threads add in any order: the last digits are theirs. */
function rounded(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_, one: unknown) => (typeof one === 'number' ? Number(one.toPrecision(10)) : one)) as unknown;
}

describe('statistics', () => {
  let trips: TripsService;
  const rides: Scooter[] = Array.from({ length: 6_000 }, (_, index) => ({
    id: `s${index}`,
    // Three hours, the first before the others' day.
    at: START - HOUR + Math.floor(((index * 7919) % 6_000) * (HOUR / 2_000)),
    city: ['Bern', 'Basel', 'Chur', 'Genf'][index % 4] as string,
    meters: index % 10 === 0 ? null : (index * 37) % 5_000,
    charge: index % 4 === 0 ? null : Math.sin(index) * 100,
    electric: index % 3 === 0,
  }));
  const send = async (events: readonly Scooter[]): Promise<void> => {
    const body = ndjson(events.map((ride) => ({ ...ride, at: new Date(ride.at).toISOString() })));
    const response = await trips.post('/api/v1/sources/scooters/events', body, 'application/x-ndjson');
    if (response.status !== 200) throw new Error(await response.text());
  };
  const ask = async (path: string): Promise<Answer> => {
    const response = await trips.get(path);
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${response.status} ${text}`);
    return JSON.parse(text) as Answer;
  };
  const ofScooters = (query = ''): Promise<Answer> => ask(`/api/v1/sources/scooters/statistics?every=1d${query}`);
  const offline = () => trips.service.host.offline;

  beforeAll(async () => {
    trips = await TripsService.start();
    const applied = await trips.post('/api/v1/apply', RIDES, 'application/yaml');
    if (applied.status !== 200) throw new Error(await applied.text());
    await send(rides);
  });
  afterAll(() => trips.stop());

  test("of a source's columns are what its events are, hour by hour", async () => {
    const { behind, columns } = await ask('/api/v1/sources/scooters/statistics');
    expect(behind).toEqual({ records: 0, hours: 0 });
    expect(columns.map(({ name }) => name)).toEqual(['id', 'at', 'city', 'meters', 'charge', 'electric']);
    for (const hour of [-1, 0, 1]) {
      const own = rides.filter(({ at }) => Math.floor((at - START) / HOUR) === hour);
      const told = Object.fromEntries(columns.map(({ name, series }) => [name, series[hour + 1]]));
      for (const { from, count, population } of Object.values(told) as { from: string; count: number; population: number }[])
        expect({ from, count, population }).toEqual({
          from: new Date(START + hour * HOUR).toISOString(),
          count: own.length,
          population: own.length,
        });
      const charges = own.flatMap(({ charge }) => charge ?? []);
      const mean = charges.reduce((sum, charge) => sum + charge, 0) / charges.length;
      const variance = charges.reduce((sum, charge) => sum + (charge - mean) ** 2, 0) / (charges.length - 1);
      expect(told['charge']).toMatchObject({
        nulls: own.length - charges.length,
        min: Math.min(...charges),
        max: Math.max(...charges),
        top: null,
      });
      expect(told['charge']?.mean).toBeCloseTo(mean, 9);
      expect(told['charge']?.stddev).toBeCloseTo(Math.sqrt(variance), 9);
      for (const [name, quantile] of [
        ['p01', 0.01],
        ['p25', 0.25],
        ['p50', 0.5],
        ['p99', 0.99],
      ] as const)
        expectQuantile(charges, quantile, told['charge']?.quantiles?.[name] as number);
      const { edges, counts } = told['charge']?.histogram as { edges: number[]; counts: number[] };
      expect([edges.length, edges[0], edges.at(-1)]).toEqual([21, Math.min(...charges), Math.max(...charges)]);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(charges.length);
      expect(Math.abs((told['id']?.distinct ?? 0) - own.length)).toBeLessThan(own.length * 0.05);
      expect(told['city']).toMatchObject({ distinct: 4, nulls: 0, mean: null, quantiles: null, histogram: null, min: null });
      expect(told['city']?.top?.map(({ value }) => value).sort()).toEqual(['Basel', 'Bern', 'Chur', 'Genf']);
      expect(told['city']?.top?.reduce((sum, { count }) => sum + count, 0)).toBe(own.length);
      expect(told['electric']).toMatchObject({ distinct: 2, min: 0, max: 1 });
      expect(told['electric']?.mean).toBeCloseTo(own.filter(({ electric }) => electric).length / own.length, 12);
      expect(told['at']).toMatchObject({ min: new Date(Math.min(...own.map(({ at }) => at))).toISOString(), quantiles: null, mean: null });
    }
  });

  test('days are the hours together; from and to are taken outwards to whole intervals', async () => {
    const { columns } = await ofScooters('&column=meters,city');
    expect(columns.map(({ name, series }) => [name, series.map(({ from, count }) => [from, count])])).toEqual([
      [
        'meters',
        [
          ['2025-12-31T00:00:00.000Z', 2_000],
          ['2026-01-01T00:00:00.000Z', 4_000],
        ],
      ],
      [
        'city',
        [
          ['2025-12-31T00:00:00.000Z', 2_000],
          ['2026-01-01T00:00:00.000Z', 4_000],
        ],
      ],
    ]);
    const meters = rides.filter(({ at }) => at >= START).flatMap((ride) => ride.meters ?? []);
    expectQuantile(meters, 0.5, columns[0]?.series[1]?.quantiles?.p50 as number);
    expect(columns[0]?.series[1]?.mean).toBeCloseTo(meters.reduce((sum, one) => sum + one, 0) / meters.length, 9);
    const later = await ask('/api/v1/sources/scooters/statistics?column=meters&from=2026-01-01T00:30:00Z&to=2026-01-01T00:59:00Z');
    expect(later.columns[0]?.series.map(({ from, to }) => [from, to])).toEqual([['2026-01-01T00:00:00.000Z', '2026-01-01T01:00:00.000Z']]);
  });

  test('rows that two writers put in count once, and so does what is counted twice', async () => {
    const before = await ofScooters();
    await offline().command(`INSERT INTO millrace.source_scooters SELECT * FROM millrace.source_scooters WHERE _offset % 3 = 0`);
    // Everything from the beginning, as if no round had ever marked a segment.
    await offline().command(`DELETE FROM millrace.statistics WHERE column = ''`);
    expect(rounded(await ofScooters())).toEqual(rounded(before));
  });

  test('a table that is dropped and filled again from the log has the same statistics, and so have new statistics of an old table', async () => {
    const before = await ofScooters();
    const [{ statement } = { statement: '' }] = await offline().query<{ statement: string }>('SHOW CREATE TABLE millrace.source_scooters');
    await offline().command('DROP TABLE millrace.source_scooters SYNC');
    await offline().command(statement);
    await send([{ ...(rides[0] as Scooter), id: 'extra', at: START + 5 * HOUR }]);
    await until(
      () => offline().query<{ n: string }>('SELECT uniqExact(_partition, _offset) AS n FROM millrace.source_scooters'),
      ([row]) => row?.n === '6001',
    );
    const after = await ask(`/api/v1/sources/scooters/statistics?every=1d&to=2026-01-01T00:00:00Z`);
    expect(rounded(after.columns.map(({ series }) => series))).toEqual(rounded(before.columns.map(({ series }) => series.slice(0, 1))));
    await offline().command(`TRUNCATE TABLE millrace.statistics`);
    const again = await ofScooters();
    expect(rounded(again.columns.map(({ series }) => series[0]))).toEqual(rounded(before.columns.map(({ series }) => series[0])));
    expect(again.columns.map(({ series }) => series[1]?.count)).toEqual(before.columns.map(() => 4_001));
  });

  test('of features are of the values the engine gives at the times of events, of a sample that stays the same', async () => {
    const path = '/api/v1/features/statistics?view=scooter_rides';
    const { behind, features } = await ask(path);
    expect(behind).toEqual({ records: 0, hours: 0 });
    expect(features.map(({ name }) => name)).toEqual(['rides_1h', 'charge_mean_1h', 'top_charge', 'rider']);
    const [rides1h, charge, top, rider] = features.map(({ series }) => series[1]);
    expect([rides1h?.count, rides1h?.population]).toEqual([500, 2_000]);
    expect(rider).toMatchObject({ count: 500, quantiles: null });
    expect(top?.mean).toBeCloseTo(2 * (charge?.mean as number), 9);
    const sampled = await sampledHour(rides);
    expect(rides1h?.mean).toBeCloseTo(sampled.reduce((sum, one) => sum + one.rides, 0) / 500, 9);
    // Marks are counted, so none may be merged away.
    await offline().command('SYSTEM STOP MERGES millrace.statistics');
    const hoursBefore = await marks();
    // An hour that has new events is computed again, the others are not.
    await send([{ ...(rides[1] as Scooter), id: 'late', at: START + 5 }]);
    expect((await ask(`${path}&feature=rides_1h`)).features[0]?.series.map(({ population }) => population)).toEqual([
      2_000, 2_001, 2_000, 1,
    ]);
    // With what its windows reach of the hour before, which is not computed again.
    await sampledHour([...rides, { ...(rides[1] as Scooter), at: START + 5 }]);
    const hoursAfter = await marks();
    expect(hoursAfter - hoursBefore).toBe(1);
    await offline().command('SYSTEM START MERGES millrace.statistics');
  });

  test('what is read for a sample is bounded: fewer hours at a time, and of an hour that is too much some entities', async () => {
    const schema = {
      id: 'String',
      at: 'DateTime64(3)',
      city: 'String',
      meters: 'Nullable(Int64)',
      charge: 'Nullable(Float64)',
      electric: 'Bool',
    };
    const plan = compileView(
      { name: 'bounded', entity: 'place', source: 'scooters', features: [{ name: 'rides_1h', aggregate: 'count', window: '1h' }] },
      { name: 'place', joinKeys: { city: 'String' } },
      { name: 'scooters', topic: 'scooters', eventTime: 'at', eventId: 'id', schema },
    );
    const { ids } = trips.service.host;
    const options = { store: offline(), scratch: new ScratchTables(offline(), ids), sampleRows: 100, mostEvents: 1_500 };
    // An hour that is not over is left for later.
    expect(await sampleEvents(options, plan, START + HOUR)).toBe(1);
    expect(await sampleEvents(options, plan, START + HOUR)).toBe(0);
    expect(await sampleEvents(options, plan)).toBe(1);
    expect(await sampleEvents(options, plan)).toBe(0);
    const hours = await offline().query<{ hour: string; events: string; cities: string; sampled: string }>(
      `SELECT toString(toHour(at)) AS hour, any(population) AS events, uniqExact(entity) AS cities, count() AS sampled
       FROM (SELECT population, at, entity FROM millrace.feature_samples FINAL ARRAY JOIN at, entity WHERE view = 'bounded') GROUP BY hour ORDER BY hour`,
    );
    expect(hours.map(({ hour, events, sampled }) => [hour, events, sampled])).toEqual([
      ['0', '2001', '100'],
      ['1', '2000', '100'],
      ['23', '2000', '100'],
      ['5', '1', '1'],
    ]);
    // The windows of hours 0 and 1 reach two hours of events, those of hour 23 only its own.
    for (const { hour, cities } of hours) expect(Number(cities)).toBeLessThan(hour === '5' ? 2 : 4);
    await sampledHour([...rides, { ...(rides[1] as Scooter), at: START + 5 }], 'bounded', 100);
  });

  /** The sampled values of the hour from START on, after each was held to a count of the events. */
  async function sampledHour(
    all: readonly Scooter[],
    view = 'scooter_rides',
    count = 500,
  ): Promise<{ asked: string; city: string; rides: number }[]> {
    const sampled = await offline().query<{ asked: string; city: string; rides: number }>(
      `SELECT toString(toUnixTimestamp64Milli(at)) AS asked, JSONExtractString(entity, 'city') AS city, number AS rides FROM millrace.feature_values
       WHERE view = '${view}' AND feature = 'rides_1h' AND at >= toDateTime64('2026-01-01 00:00:00', 3, 'UTC') AND at < toDateTime64('2026-01-01 01:00:00', 3, 'UTC')`,
    );
    expect(sampled).toHaveLength(count);
    for (const { asked, city, rides: found } of sampled)
      expect(found).toBe(all.filter((ride) => ride.city === city && ride.at < Number(asked) && ride.at >= Number(asked) - HOUR).length);
    return sampled;
  }

  /** How often an hour of the view was computed. */
  async function marks(): Promise<number> {
    const [row] = await offline().query<{ n: string }>(
      `SELECT count() AS n FROM millrace.statistics WHERE of = 'events' AND name = 'scooter_rides' AND column = ''`,
    );
    return Number(row?.n);
  }

  test('what is asked wrongly is told by the name of the field', async () => {
    const problem = async (path: string): Promise<string> => {
      const response = await trips.get(path);
      return `${response.status} ${((await response.json()) as { detail: string }).detail}`;
    };
    const source = '/api/v1/sources/scooters/statistics';
    const view = '/api/v1/features/statistics';
    expect(await problem(`${source}?from=yesterday`)).toBe(
      '400 from must be a time of the years 0 to 9999: RFC 3339 text or milliseconds, not "yesterday"',
    );
    expect(await problem(`${source}?every=90m`)).toContain('400 every must be whole hours');
    expect(await problem(`${source}?from=2026-01-02&to=2026-01-01`)).toBe('400 to must be later than from');
    expect(await problem(`${source}?column=price`)).toContain('400 column: source scooters has no column price; it has id, at,');
    expect(await problem(`${source}?columns=id`)).toBe('400 there is no field columns; the fields are from, to, every, column');
    expect(await problem('/api/v1/sources/none/statistics')).toContain('404');
    expect(await problem(view)).toContain('400 view is missing');
    expect(await problem(`${view}?view=none`)).toContain('404 there is no feature view none');
    expect(await problem(`${view}?view=scooter_rides:price`)).toContain(
      '400 feature: view scooter_rides has no feature price; it has rides_1h',
    );
    expect(await problem(`${view}?view=scooter_rides&of=both`)).toBe('400 of must be events or served, not "both"');
  });

  test('a feature nobody has been served has no series', async () => {
    expect((await ask('/api/v1/features/statistics?view=city_fares&feature=trips_1h&of=served')).features).toEqual([
      { name: 'trips_1h', series: [] },
    ]);
    await trips.send([trip('a', 0, 10)]);
    expect((await ask('/api/v1/features/statistics?view=city_fares&feature=last_fare')).features[0]?.series[0]).toMatchObject({
      count: 1,
      mean: 10,
      stddev: null,
    });
  });
});

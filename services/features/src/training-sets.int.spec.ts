import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { migrate } from '@millrace/offline-store';
import { parquetReadObjects } from 'hyparquet';
import { zstdDecompressSync } from 'node:zlib';
import { HOUR, START, trip, TripsService, until, type Trip } from './testing/trips.js';

interface TrainingSet {
  readonly id: string;
  readonly status: string;
  readonly rows: number;
  readonly sha256: string;
  readonly positions: Record<string, number[]>;
  readonly error?: string;
}
type Row = Readonly<Record<string, unknown>>;

const MINUTE = 60_000;
const EVENTS: readonly Trip[] = [
  trip('a', 0, 2.5),
  trip('b', 10, 0.1),
  trip('c', 10, 0.3),
  trip('d', 60, 7),
  trip('e', 70, 0.7, 'Zürich', 3),
  trip('f', 5, 4, 'Bern', 8),
];

/** What the definitions say, told naively: windows are [T-1h, T), the last value is at or before T and not older than two hours. */
function naive(events: readonly Trip[], city: unknown, line: unknown, at: number): Row {
  const time = (event: Trip): number => Date.parse(event.at);
  const own = events.filter((event) => event.city === city);
  const inHour = own.filter((event) => time(event) >= at - HOUR && time(event) < at);
  const last = own.filter((event) => time(event) <= at && time(event) >= at - 2 * HOUR).sort((a, b) => time(a) - time(b));
  const onLine = inHour.filter((event) => event.line === line).map((event) => event.fare);
  const known = own.some((event) => time(event) <= at);
  const knownOnLine = own.some((event) => event.line === line && time(event) <= at);
  return {
    trips_1h: known ? inHour.length : null,
    fare_mean_1h: inHour.length === 0 ? null : inHour.reduce((sum, event) => sum + event.fare, 0) / inHour.length,
    last_fare: last.at(-1)?.fare ?? null,
    line_fare_max_1h: knownOnLine && onLine.length > 0 ? Math.max(...onLine) : null,
  };
}

describe('training sets and the verification of served vectors', () => {
  let trips: TripsService;
  beforeAll(async () => {
    trips = await TripsService.start();
    await trips.send(EVENTS);
  });
  afterAll(() => trips.stop());

  const request = async (body: object): Promise<{ status: number; body: TrainingSet & { code: string; detail: string } }> => {
    const response = await trips.post('/api/v1/training-sets', { featureService: 'fares', timestampColumn: 'asked', ...body });
    return { status: response.status, body: (await response.json()) as TrainingSet & { code: string; detail: string } };
  };
  const built = async (body: object): Promise<TrainingSet> => {
    const started = await request(body);
    if (started.status >= 300) throw new Error(JSON.stringify(started.body));
    const show = async (): Promise<TrainingSet> =>
      (await (await trips.get(`/api/v1/training-sets/${started.body.id}`)).json()) as TrainingSet;
    const set = await until(show, ({ status }) => status !== 'requested');
    if (set.status !== 'built') throw new Error(set.error);
    return set;
  };
  /** The Parquet file, read by the store that reads everybody's. */
  const data = async (set: TrainingSet): Promise<Buffer> =>
    Buffer.from(await (await trips.get(`/api/v1/training-sets/${set.id}/data`)).arrayBuffer());
  const rowsOf = async (set: TrainingSet): Promise<Row[]> => {
    const file = new Uint8Array(await data(set)).buffer;
    return parquetReadObjects({ file, compressors: { ZSTD: (input) => zstdDecompressSync(input) } });
  };
  const ask = (city: string | null, line: number, minutes: number): Row => ({
    city,
    line,
    asked: START + minutes * MINUTE,
    label: minutes,
  });

  const SPINE = [
    ask('Bern', 9, 60),
    ask('Zürich', 3, 130),
    ask('Bern', 9, 10),
    ask('Nowhere', 1, 60),
    ask('Bern', 9, 60),
    ask(null, 9, 60),
    ask('Bern', 8, 65),
    ask('Bern', 9, 180),
    ask('Bern', 9, 181),
    ask('Bern', 9, 0),
    ask('Bern', 9, -5),
  ];
  let first: TrainingSet;

  test('has the spine’s rows in their order, each with the values of its time', async () => {
    first = await built({ spine: { rows: SPINE } });
    expect(first.rows).toBe(SPINE.length);
    const rows = await rowsOf(first);
    expect(rows.map(({ label, city }) => [label, city])).toEqual(SPINE.map(({ label, city }) => [label, city]));
    const values = rows.map(({ trips_1h, fare_mean_1h, last_fare, line_fare_max_1h }) => ({
      trips_1h: trips_1h === null || trips_1h === undefined ? null : Number(trips_1h),
      fare_mean_1h: fare_mean_1h ?? null,
      last_fare: last_fare ?? null,
      line_fare_max_1h: line_fare_max_1h ?? null,
    }));
    expect(values).toEqual(SPINE.map(({ city, line, asked }) => naive(EVENTS, city, line, Number(asked))));
  });

  test('asked again it is the same set, whatever has happened since at other positions', async () => {
    const again = await request({ spine: { rows: SPINE } });
    expect([again.status, again.body.id, again.body.sha256]).toEqual([200, first.id, first.sha256]);
    const before = await data(first);
    await trips.send([trip('late', 30, 100), trip('b', 10, 50)]);
    const asOf = await built({ spine: { rows: SPINE }, asOf: first.positions });
    expect([asOf.id, asOf.sha256]).toEqual([first.id, first.sha256]);
    expect((await data(asOf)).equals(before)).toBe(true);
    const now = await built({ spine: { rows: SPINE } });
    expect(now.id).not.toBe(first.id);
    const known = [...EVENTS.filter(({ id }) => id !== 'b'), trip('b', 10, 50), trip('late', 30, 100)];
    expect((await rowsOf(now))[0]).toMatchObject({ last_fare: naive(known, 'Bern', 9, START + HOUR).last_fare });
  });

  test('takes its rows from SQL over the offline store, and from a source', async () => {
    const sql = `SELECT city, line, at AS asked, fare FROM millrace.source_trips FINAL WHERE id != 'late' ORDER BY id, _offset LIMIT 1 BY id`;
    const bySql = await rowsOf(await built({ spine: { sql } }));
    expect(bySql.map(({ city }) => city)).toEqual(['Bern', 'Bern', 'Bern', 'Bern', 'Zürich', 'Bern']);
    const bySource = await rowsOf(
      await built({ timestampColumn: 'at', spine: { source: 'trips', columns: ['city', 'line', 'id'], from: '2026-01-01T00:10:00Z' } }),
    );
    expect(bySource.map(({ id }) => id)).toEqual(['c', 'b', 'late', 'd', 'e']);
  });

  test.each([
    ['an unknown service', { featureService: 'none', spine: { rows: [{}] } }, 404, /no feature service none/],
    ['no spine', {}, 400, /spine must be an object with one of sql, rows, csv, source and predictions/],
    ['a spine without its keys', { spine: { rows: [{ asked: 1, city: 'Bern' }] } }, 202, /no column for join key line/],
    ['SQL that is no SELECT', { spine: { sql: 'DROP TABLE millrace.source_trips' } }, 422, /must be a SELECT/],
    ['SQL that reaches outside', { spine: { sql: "SELECT * FROM url('http://127.0.0.1/x')" } }, 422, /may not use url/],
    ['SQL that reads files', { spine: { sql: "SELECT file('/etc/passwd') AS asked" } }, 422, /may not use file/],
    ['SQL that reads a file by its name', { spine: { sql: 'SELECT * FROM "/etc/passwd"' } }, 422, /spine.sql may not hold a slash/],
    ['SQL that fails', { spine: { sql: 'SELECT nothing FROM millrace.source_trips' } }, 422, /spine.sql cannot be read/],
    ['a clash of names', { spine: { rows: [{ asked: 1, city: 'Bern', line: 9, last_fare: 1 }] } }, 202, /spine has a column last_fare/],
    ['positions of the future', { spine: { rows: [ask('Bern', 9, 1)] }, asOf: { trips: [9, 9, 9, 9] } }, 422, /the topic stands at/],
  ] as const)('says what is wrong with %s', async (_what, body, status, reason) => {
    const reply = await request(body);
    expect(reply.status).toBe(status);
    if (status !== 202) {
      expect(reply.body.detail).toMatch(reason);
      return;
    }
    const show = async (): Promise<TrainingSet> =>
      (await (await trips.get(`/api/v1/training-sets/${reply.body.id}`)).json()) as TrainingSet;
    expect((await until(show, (set) => set.status === 'failed')).error).toMatch(reason);
  });

  test('there is nothing under another id', async () => {
    expect((await trips.get('/api/v1/training-sets/none')).status).toBe(404);
    expect((await trips.get('/api/v1/training-sets/none/data')).status).toBe(404);
  });

  describe('the verification', () => {
    const verify = async (body: object): Promise<Row> => (await (await trips.post('/api/v1/features/verify', body)).json()) as Row;
    const names = ['trips_1h', 'fare_mean_1h', 'last_fare', 'line_fare_max_1h'];

    test('has nothing to compare while nothing was served', async () => {
      expect(await verify({})).toMatchObject({ compared: 0, mismatches: 0 });
      expect(await (await trips.get('/api/v1/features/verification')).json()).toEqual({ last: null });
    });

    test('recomputes each vector at the positions it was served at, and finds the one that differs', async () => {
      const { offline } = trips.service.host;
      await migrate(offline, { name: 'inference', directory: new URL('../../inference/src/migrations/', import.meta.url) });
      const ats = [START + HOUR, START + 2 * HOUR, START + 3 * HOUR];
      const served: Row[] = [];
      const serve = async (position: string): Promise<void> => {
        for (const at of ats) {
          const entity = { city: 'Bern', line: 9 };
          const entities = { city: [entity.city], line: [entity.line] };
          const reply = await trips.online({ feature_service: 'fares', entities, at, at_least: position });
          const value = (name: string): unknown => reply.results[reply.metadata.feature_names.indexOf(name)]?.values[0] ?? null;
          served.push({
            at,
            entity,
            features: Object.fromEntries(names.map((name) => [name, value(name)])),
            positions: reply.metadata.positions,
          });
        }
      };
      await serve(await trips.send([trip('now', 50, 1.5)]));
      await serve(await trips.send([trip('a', 0, 3.5), trip('later', 55, 9), trip('now', 50, 2.5)]));
      expect(served[0]!['features']).not.toEqual(served[3]!['features']);
      const versions = await versionsOf();
      const row = (vector: Row, index: number, features: unknown, featureVersions: object): object => ({
        _topic: 'millrace.inference.predictions',
        _partition: 0,
        _offset: index,
        _row: 0,
        prediction_id: `p${index}`,
        row: 0,
        time: '2026-01-02 00:00:00.000',
        deployment: index < 6 ? 'right' : 'wrong',
        feature_service: 'fares',
        feature_time: new Date(Number(vector['at'])).toISOString(),
        entity: JSON.stringify(vector['entity']),
        features: JSON.stringify(features),
        feature_positions: JSON.stringify(vector['positions']),
        feature_versions: JSON.stringify(featureVersions),
      });
      const first = served[0] as Row;
      await offline.insert(
        'millrace.predictions',
        [
          ...served.map((vector, index) => row(vector, index, vector['features'], versions)),
          row(first, 6, { ...(first['features'] as object), last_fare: 1.25 }, versions),
          row(first, 7, first['features'], { ...versions, city_fares: 'another' }),
        ],
        'served',
      );
      expect(await verify({ deployment: 'right' })).toMatchObject({ compared: 6, mismatches: 0, unverifiable: {}, examples: [] });
      expect(await verify({})).toMatchObject({
        compared: 7,
        mismatches: 1,
        unverifiable: { 'the definition by which feature view city_fares was served is not in the log': 1 },
        features: expect.arrayContaining([{ view: 'city_fares', feature: 'last_fare', compared: 7, mismatches: 1 }]),
        examples: [{ predictionId: 'p6', row: 0, view: 'city_fares', feature: 'last_fare', served: 1.25, recomputed: 7 }].map((example) =>
          expect.objectContaining(example),
        ),
      });
      expect(await verify({ from: '2027-01-01T00:00:00Z' })).toMatchObject({ compared: 0 });
      expect(await verify({ when: 1 })).toMatchObject({ status: 400, code: 'MR_FEATURES_VERIFICATION_INVALID' });
    });

    async function versionsOf(): Promise<Record<string, string>> {
      const status = (await (await trips.get('/api/v1/sources/trips')).json()) as { views: { view: string; version: string }[] };
      return Object.fromEntries(status.views.map(({ view, version }) => [view, version]));
    }
  });
});

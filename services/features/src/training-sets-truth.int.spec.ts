import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parquetReadObjects } from 'hyparquet';
import { zstdDecompressSync } from 'node:zlib';
import type { TrainingSetRequested } from './domain/training-set/training-set.events.js';
import { latestOf, seeded, type Ride } from './testing/latest-oracle.js';
import { HOUR, START, ndjson, TripsService } from './testing/trips.js';
import { buildTrainingSet } from './training-sets/build-training-set.js';
import { ScratchTables } from './training-sets/scratch-table.js';

const DAY = 24 * HOUR;
const TTL = 2 * HOUR;

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
  features: &last
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
`.replace(' &last', '');

interface TrainingSet {
  readonly id: string;
  readonly status: string;
  readonly rows: number;
  readonly sha256: string;
  readonly table?: string;
  readonly positions: Record<string, number[]>;
  readonly error?: string;
  readonly detail?: string;
}
type Row = Readonly<Record<string, unknown>>;

const COLUMNS = ['fare', 'small', 'stops', 'driver', 'seen', 'late'] as const;
/** Together the parts of each are the same text. */
const KEYS = [
  ['1', '23'],
  ['12', '3'],
  ['123', ''],
  ['Zürich', '9'],
] as const;

describe('what a training set holds', () => {
  let trips: TripsService;
  let rides: Ride[];
  let firstBatch: TrainingSet;
  let between: number;
  let lastPosition: string;
  const random = seeded(20_261_126);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const maybe = <T>(value: T): T | null => (random() < 0.25 ? null : value);

  /** Few distinct times, so that there are ties; few ids, so that some are corrected, also from another day. */
  const ride = (time: number): Row => {
    const [city, line] = pick(KEYS);
    const seen = new Date(START + Math.floor(random() * DAY)).toISOString();
    const more = { fare: maybe(Math.round(random() * 1e6) / 1e3), small: maybe(Math.fround(random())), stops: maybe(Math.floor(random() * 2 ** 53)) };
    const rest = { driver: maybe(pick(['', 'Ä', 'Bo'])), seen: maybe(seen), late: maybe(random() < 0.5) };
    return { id: `r${Math.floor(random() * 250)}`, at: new Date(time).toISOString(), city, line, ...more, ...rest };
  };
  const someTime = (): number => START + Math.floor(random() * 96) * (HOUR / 2) + (random() < 0.2 ? 1 : 0);
  const send = async (events: readonly Row[]): Promise<string> => {
    const response = await trips.post('/api/v1/sources/rides/events', ndjson(events), 'application/x-ndjson');
    const text = await response.text();
    if (response.status !== 200) throw new Error(text);
    return (JSON.parse(text) as { position: string[] }).position.at(-1) as string;
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

  const ask = async (body: object, query = ''): Promise<{ status: number; body: TrainingSet }> => {
    const response = await trips.post(`/api/v1/training-sets?wait=60s${query}`, { featureService: 'last', timestampColumn: 'asked', ...body });
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
  const expectTruth = (rows: readonly Row[], spine: readonly Row[], known: readonly Ride[], names = (column: string): string => `${column}_now`): void => {
    expect(rows.map(({ number }) => Number(number))).toEqual(spine.map(({ number }) => number));
    for (const [index, row] of rows.entries()) {
      const { city, line, asked } = spine[index] as Row;
      const found = city === null ? undefined : latestOf(known, [String(city), String(line)], Number(asked), { ttl: TTL, span: DAY });
      const got = COLUMNS.map((column) => plain(row[names(column)]));
      const want = COLUMNS.map((column) => plain(found?.values[column]));
      expect({ number: row['number'], got }).toEqual({ number: row['number'], got: want });
    }
  };

  beforeAll(async () => {
    trips = await TripsService.start();
    const applied = await trips.post('/api/v1/apply', RESOURCES, 'application/yaml');
    if (applied.status !== 200) throw new Error(await applied.text());
    lastPosition = await send(Array.from({ length: 400 }, () => ride(someTime())));
  }, 120_000);
  afterAll(() => trips.stop());

  let spine: Row[];
  test('latest values are those of the oracle: edges of the ttl, ties, nulls, corrections, keys that look alike', async () => {
    // The first request makes the table hold everything.
    await built({ spine: { rows: [{ number: 0, city: '1', line: '23', asked: START }] } });
    rides = await read();
    expect(rides.length).toBe(400);
    spine = spineOf(rides, 1_500);
    firstBatch = await built({ spine: { rows: spine } });
    const rows = await rowsOf(firstBatch);
    expectTruth(rows, spine, rides);
    expect(rows.filter((row) => row['fare_now'] !== undefined && row['fare_now'] !== null).length).toBeGreaterThan(200);
  });

  test('what ClickHouse joins and what the engine computes is the same, view beside view', async () => {
    const rows = await rowsOf(await built({ featureService: 'both', spine: { rows: spine } }));
    expectTruth(rows, spine, rides);
    expectTruth(rows, spine, rides, (column) => `m_${column}`);
    for (const [index, row] of rows.entries()) {
      const { city, line, asked } = spine[index] as Row;
      const found = latestOf(rides, [String(city), String(line)], Number(asked), { ttl: 0, span: DAY });
      expect(plain(row['fare_ever'])).toEqual(plain(found?.values['fare']));
    }
  });

  test('built again, in pages or whole, it has the same bytes', async () => {
    const { host } = trips.service;
    const requests: TrainingSetRequested[] = [];
    const ends = await host.log.end('millrace.features.decisions');
    for (const partition of ends.keys()) {
      for await (const record of host.log.read('millrace.features.decisions', partition, 0)) {
        if (record.headers['ce_type'] === 'millrace.features.TrainingSetRequested.v1')
          requests.push(JSON.parse(record.value.toString()) as TrainingSetRequested);
      }
    }
    const request = requests.find(({ trainingSetId }) => trainingSetId === firstBatch.id) as TrainingSetRequested;
    const scratch = new ScratchTables(host.offline, host.ids);
    for (const eventsPerJoin of [1_000_000, 50]) {
      const again = await buildTrainingSet(
        { store: host.offline, artifacts: host.artifacts, scratch, maxRows: 1e6, eventsPerJoin, progress: () => undefined },
        request,
      );
      expect(again.sha256).toBe(firstBatch.sha256);
    }
  });

  describe('after a backfill', () => {
    let all: Ride[];
    beforeAll(async () => {
      between = Date.now() + 5;
      while (Date.now() <= between) await new Promise((resolve) => setImmediate(resolve));
      // Late events and corrections of times that were asked for.
      await send(Array.from({ length: 300 }, () => ride(someTime())));
    });

    test('the set of now has them, and the set as known before is the one that was built before, byte for byte', async () => {
      const now = await rowsOf(await built({ spine: { rows: spine } }));
      all = await read();
      expect(all.length).toBe(700);
      expectTruth(now, spine, all);
      const before = await bytesOf(firstBatch);
      for (const asKnown of [between, new Date(between).toISOString(), firstBatch.positions, lastPosition]) {
        const known = await built({ spine: { rows: spine }, asKnown });
        expect([asKnown, known.id, known.sha256]).toEqual([asKnown, firstBatch.id, firstBatch.sha256]);
        expect((await bytesOf(known)).equals(before)).toBe(true);
      }
    });

    test('as known at positions between, each view has what stood before them', async () => {
      const next = firstBatch.positions['rides']!.map((offset) => offset - 20);
      const known = all.filter(({ partition, offset }) => offset < next[partition]!);
      const rows = await rowsOf(await built({ featureService: 'both', spine: { rows: spine }, asKnown: { rides: next } }));
      expectTruth(rows, spine, known);
      expectTruth(rows, spine, known, (column) => `m_${column}`);
    });

    test('nothing was known before there was anything', async () => {
      const rows = await rowsOf(await built({ spine: { rows: spine }, asKnown: '2001-01-01T00:00:00Z' }));
      expectTruth(rows, spine, []);
    });
  });

  describe('the rows come from', () => {
    const upload = async (bytes: Buffer | string, type: string): Promise<TrainingSet> => {
      const url = `${trips.service.url}/api/v1/training-sets?featureService=last&timestampColumn=asked&wait=60s`;
      const body = typeof bytes === 'string' ? bytes : new Uint8Array(bytes);
      const response = await fetch(url, { method: 'POST', headers: { 'content-type': type }, body });
      return (await response.json()) as TrainingSet;
    };

    test('a CSV file, with its types', async () => {
      const csv = `number,city,line,asked,"odd, ""name""",code,share,yes\r\n${spine
        .map(({ number, city, line, asked }) =>
          [number, city ?? '', `"${String(line)}"`, new Date(Number(asked)).toISOString(), '"a\n\n,b"', '007', '1.5e-3', 'true'].join(','),
        )
        .join('\r\n')}\r\n`;
      const set = await upload(`\ufeff${csv}`, 'text/csv');
      expect(set).toMatchObject({ status: 'built', rows: spine.length });
      const rows = await rowsOf(set);
      expectTruth(rows, spine, await read());
      expect(rows[7]).toMatchObject({ 'odd, "name"': 'a\n\n,b', code: '007', share: 0.0015, yes: true, number: 7n });
      expect(await upload(csv, 'text/csv')).toMatchObject({ rows: spine.length, sha256: set.sha256 });
    });

    test('a Parquet file, with its types', async () => {
      const before = await built({ featureService: 'last', spine: { rows: spine } });
      const { offline } = trips.service.host;
      const sql = `SELECT toInt32(number) AS number, ['1','12','123','Zürich'][number % 4 + 1] AS city, ['23','3','','9'][number % 4 + 1] AS line,
        fromUnixTimestamp64Milli(toInt64(${START}) + number * 1800001, 'UTC') AS asked, toDate32('2026-01-01') AS day, toUInt8(number) AS byte FROM numbers(90)`;
      const chunks: Buffer[] = [];
      for await (const chunk of await offline.raw(sql, 'Parquet')) chunks.push(chunk as Buffer);
      const set = await upload(Buffer.concat(chunks), 'application/vnd.apache.parquet');
      expect(set).toMatchObject({ status: 'built', rows: 90 });
      expect(set.id).not.toBe(before.id);
      const rows = await rowsOf(set);
      const asked = Array.from({ length: 90 }, (_, number) => ({
        number,
        city: KEYS[number % 4]?.[0],
        line: KEYS[number % 4]?.[1],
        asked: START + number * 1_800_001,
      }));
      expectTruth(rows, asked, await read());
      expect(rows[3]).toMatchObject({ byte: 3, asked: new Date(START + 3 * 1_800_001) });
    });

    test('SQL: what the query gave stands, whatever it would give later', async () => {
      const sql = 'SELECT id, city, line, at AS asked FROM millrace.source_rides FINAL ORDER BY id, _partition, _offset';
      const set = await built({ spine: { sql } });
      expect(set.rows).toBe(700);
      expect(await built({ spine: { sql }, output: 'parquet' })).toMatchObject({ id: set.id, sha256: set.sha256 });
    });

    test('what the gateway answered, as known when it did', async () => {
      const empty = await ask({ spine: { predictions: {} }, asKnown: 'served' });
      expect([empty.status, empty.body.detail]).toEqual([422, expect.stringMatching(/no predictions yet/)]);
      const { migrate } = await import('@millrace/offline-store');
      const { offline } = trips.service.host;
      await migrate(offline, { name: 'inference', directory: new URL('../../inference/src/migrations/', import.meta.url) });
      const next = firstBatch.positions['rides']!;
      const answered = spine.slice(0, 60).filter(({ city }) => city !== null);
      const cut = (index: number): number[] => next.map((offset) => Math.max(0, offset - index));
      await offline.insert(
        'millrace.predictions',
        answered.map(({ number, city, line, asked }, index) => ({
          ...{ _topic: 'millrace.inference.predictions', _partition: 0, _offset: index, _row: 0, prediction_id: `p${String(index).padStart(3, '0')}` },
          ...{ row: 0, time: '2026-01-02 00:00:00.000', deployment: index % 2 === 0 ? 'even' : 'odd', feature_service: 'last', model: 'm', version: 3 },
          ...{ feature_time: new Date(Number(asked)).toISOString(), entity: JSON.stringify({ city, line }), features: '{"x":1}', prediction: number },
          feature_positions: JSON.stringify({ last_ride: Object.fromEntries(cut(index).entries()) }),
        })),
        'answered',
      );
      await offline.insert(
        'millrace.labels',
        [{ _topic: 't', _partition: 0, _offset: 0, label_id: 'a', deployment: 'even', name: '', prediction_id: 'p002', row: 0, value: 1.5, time: '2026-01-03 00:00:00.000' }],
        'labels',
      );
      const everything = await read();
      const served = await rowsOf(await built({ spine: { predictions: {} }, asKnown: 'served', timestampColumn: undefined }));
      expect(served.length).toBe(answered.length);
      for (const [index, row] of served.entries()) {
        const { city, line, asked } = answered[index] as Row;
        const found = latestOf(everything, [String(city), String(line)], Number(asked), { ttl: TTL, span: DAY, next: cut(index) });
        expect(COLUMNS.map((column) => plain(row[`${column}_now`]))).toEqual(COLUMNS.map((column) => plain(found?.values[column])));
        expect(row).toMatchObject({ prediction_id: `p${String(index).padStart(3, '0')}`, model: 'm', model_version: 3, city, line });
        expect(plain(row['label'])).toBe(index === 2 ? 1.5 : null);
      }
      const odd = await rowsOf(await built({ spine: { predictions: { deployment: 'odd' } }, timestampColumn: undefined }));
      expect(new Set(odd.map(({ deployment }) => deployment))).toEqual(new Set(['odd']));
      expectTruth(
        odd.map((row) => ({ ...row, number: row['prediction'] })),
        answered.filter((_, index) => index % 2 === 1),
        everything,
      );
    });
  });

  test('can be a table of the offline store, which comes back when it was dropped, and an Arrow file', async () => {
    const { offline } = trips.service.host;
    const set = await built({ spine: { rows: spine }, output: 'table' });
    const tableRows = async (): Promise<Row[]> => offline.query<Row>(`SELECT * FROM ${set.table} ORDER BY _row`);
    const before = await tableRows();
    expect(before.map(({ number }) => number)).toEqual(spine.map(({ number }) => number));
    const parquet = await rowsOf(set);
    expect(before.map((row) => row['fare_now'])).toEqual(parquet.map((row) => row['fare_now'] ?? null));
    await offline.command(`DROP TABLE ${set.table} SYNC`);
    await built({ spine: { rows: spine }, output: 'table' });
    while (Number((await offline.query<{ result: number }>(`EXISTS TABLE ${set.table}`))[0]?.result) === 0) await trips.get('/healthz');
    expect(await tableRows()).toEqual(before);
    const arrow = await built({ spine: { rows: spine }, output: 'arrow' });
    expect((await bytesOf(arrow)).toString('latin1', 0, 6)).toBe('ARROW1');
    const { trainingSets } = (await (await trips.get('/api/v1/training-sets?limit=2')).json()) as { trainingSets: TrainingSet[] };
    expect(trainingSets.map(({ id }) => id)).toEqual([arrow.id, set.id]);
  });

  test.each([
    ['an unknown field', { spin: 1, spine: { rows: [{}] } }, 400, /no field spin; the fields are/],
    ['two truths', { spine: { rows: [{}] }, asOf: { rides: [1, 1, 1] }, asKnown: 1 }, 400, /asOf or asKnown, not both/],
    ['an odd truth', { spine: { rows: [{}] }, asKnown: 'yesterday' }, 400, /asKnown must be a time/],
    ['served rows that were not', { spine: { rows: [{}] }, asKnown: 'served' }, 400, /for spine.predictions/],
    ['a foreign topic', { spine: { rows: [{}] }, asKnown: { trips: [1] } }, 422, /asKnown names topic trips; the features rest on rides/],
    ['a foreign position', { spine: { rows: [{}] }, asKnown: 'trips/0@1' }, 422, /asKnown names topic trips/],
    ['a position without an event', { spine: { rows: [{}] }, asKnown: 'rides/0@99999' }, 422, /no event there/],
    ['an unknown output', { spine: { rows: [{}] }, output: 'xlsx' }, 400, /output must be one of parquet, arrow, table/],
    ['CSV without a name', { spine: { csv: 'city,,asked\n1,2,3' } }, 422, /a column without a name/],
    ['CSV with a name twice', { spine: { csv: 'city,city,asked\n1,2,3' } }, 422, /two columns city/],
    ['CSV with a short line', { spine: { csv: 'city,line,asked\n1' } }, 200, /CSV file cannot be read/],
  ] as const)('says what is wrong with %s', async (_what, body, status, reason) => {
    const reply = await ask(body);
    expect([reply.status, reply.body.detail ?? reply.body.error]).toEqual([status, expect.stringMatching(reason)]);
  });

  test('says what is wrong with a file that is no Parquet, and with an odd wait', async () => {
    const url = `${trips.service.url}/api/v1/training-sets?featureService=last&timestampColumn=asked&wait=60s`;
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/vnd.apache.parquet' }, body: 'city,line' });
    expect(await response.json()).toMatchObject({ status: 422, detail: expect.stringMatching(/the file is not Parquet/) });
    expect((await trips.get(`/api/v1/training-sets/${firstBatch.id}/data?wait=1y`)).status).toBe(400);
  });
});

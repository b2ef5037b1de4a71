import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { latestOf } from './testing/latest-oracle.js';
import { COLUMNS, DAY, KEYS, ridesService, TTL, type RidesService, type Row, type TrainingSet } from './testing/rides.js';
import { TIMES_OF_DAY } from './testing/times-of-day.js';
import { START } from './testing/trips.js';

describe('the rows of a training set come from', () => {
  let rides: RidesService;
  let spine: Row[];
  let firstBatch: TrainingSet;

  beforeAll(async () => {
    rides = await ridesService(7);
    await rides.sendRides(400);
    // The first request makes the table hold everything.
    await rides.built({ spine: { rows: [{ number: 0, city: '1', line: '23', asked: START }] } });
    spine = rides.spineOf(await rides.read(), 300);
    firstBatch = await rides.built({ spine: { rows: spine } });
    await rides.sendRides(300);
    await rides.built({ spine: { rows: spine } });
  }, 120_000);
  afterAll(() => rides.trips.stop());

  const upload = async (bytes: Buffer | string, type: string, time = 'asked'): Promise<TrainingSet> => {
    const url = `${rides.trips.service.url}/api/v1/training-sets?featureService=last&timestampColumn=${time}&wait=60s`;
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
    const rows = await rides.rowsOf(set);
    rides.expectTruth(rows, spine, await rides.read());
    expect(rows[7]).toMatchObject({ 'odd, "name"': 'a\n\n,b', code: '007', share: 0.0015, yes: true, number: 7n });
    expect(await upload(csv, 'text/csv')).toMatchObject({ rows: spine.length, sha256: set.sha256 });
  });

  test('a Parquet file, with its types', async () => {
    const before = await rides.built({ featureService: 'last', spine: { rows: spine } });
    const { offline } = rides.trips.service.host;
    const sql = `SELECT toInt32(number) AS number, ['1','12','123','Zürich'][number % 4 + 1] AS city, ['23','3','','9'][number % 4 + 1] AS line,
        fromUnixTimestamp64Milli(toInt64(${START}) + number * 1800001, 'UTC') AS asked, toDate32('2026-01-01') AS day, toUInt8(number) AS byte FROM numbers(90)`;
    const chunks: Buffer[] = [];
    for await (const chunk of await offline.raw(sql, 'Parquet')) chunks.push(chunk as Buffer);
    const set = await upload(Buffer.concat(chunks), 'application/vnd.apache.parquet');
    expect(set).toMatchObject({ status: 'built', rows: 90 });
    expect(set.id).not.toBe(before.id);
    const rows = await rides.rowsOf(set);
    const asked = Array.from({ length: 90 }, (_, number) => ({
      number,
      city: KEYS[number % 4]?.[0],
      line: KEYS[number % 4]?.[1],
      asked: START + number * 1_800_001,
    }));
    rides.expectTruth(rows, asked, await rides.read());
    expect(rows[3]).toMatchObject({ byte: 3, asked: new Date(START + 3 * 1_800_001) });
  });

  test('a Parquet file with times of day, whose fractions of a second are kept as text', async () => {
    const set = await upload(TIMES_OF_DAY, 'application/vnd.apache.parquet', 'at');
    expect(await rides.rowsOf(set)).toMatchObject([
      { ms: '13:45:01.123', us: '13:45:01.123456', ns: '13:45:01.123456789' },
      { ms: null, us: '00:00:00.000001', ns: null },
    ]);
  });

  test('SQL with times of day, which are text as those of a file are', async () => {
    const sql = `SELECT '1' AS city, '23' AS line, toDateTime64(0, 3, 'UTC') AS asked, toTime64('13:45:01.123456', 6) AS us,
      CAST(NULL AS Nullable(Time64(3))) AS ms, CAST('00:00:07' AS Time) AS s, CAST(tuple(1) AS Tuple(Time Int32)) AS named`;
    for (const output of ['parquet', 'table']) {
      const set = await rides.built({ spine: { sql }, output });
      expect(await rides.rowsOf(set)).toMatchObject([{ us: '13:45:01.123456', ms: null, s: '00:00:07' }]);
    }
  });

  test('SQL with enums, addresses and ids, which are text and not their bytes or numbers', async () => {
    const sql = `SELECT '1' AS city, '23' AS line, toDateTime64(0, 3, 'UTC') AS asked, CAST('rain' AS Enum8('dry' = 1, 'rain' = 2)) AS weather,
      toIPv4('10.0.0.1') AS host, toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0') AS device, [toTime64('13:45:01.1', 3)] AS shifts`;
    for (const output of ['parquet', 'table']) {
      const set = await rides.built({ spine: { sql }, output });
      const device = '61f0c404-5cb3-11e7-907b-a6006ad3dba0';
      expect(await rides.rowsOf(set)).toMatchObject([{ weather: 'rain', host: '10.0.0.1', device, shifts: ['13:45:01.100'] }]);
    }
  });

  test('SQL: what the query gave stands, whatever it would give later', async () => {
    const sql = 'SELECT id, city, line, at AS asked FROM millrace.source_rides FINAL ORDER BY id, _partition, _offset';
    const set = await rides.built({ spine: { sql } });
    expect(set.rows).toBe(700);
    expect(await rides.built({ spine: { sql }, output: 'parquet' })).toMatchObject({ id: set.id, sha256: set.sha256 });
  });

  test('what the gateway answered, as known when it did', async () => {
    const empty = await rides.ask({ spine: { predictions: {} }, asKnown: 'served' });
    expect([empty.status, empty.body.detail]).toEqual([422, expect.stringMatching(/no predictions yet/)]);
    const { migrate } = await import('@millrace/offline-store');
    const { offline } = rides.trips.service.host;
    await migrate(offline, { name: 'inference', directory: new URL('../../inference/src/migrations/', import.meta.url) });
    const next = firstBatch.positions['rides']!;
    const answered = spine.slice(0, 60).filter(({ city }) => city !== null);
    const cut = (index: number): number[] => next.map((offset) => Math.max(0, offset - index));
    await offline.insert(
      'millrace.predictions',
      answered.map(({ number, city, line, asked }, index) => ({
        ...{
          _topic: 'millrace.inference.predictions',
          _partition: 0,
          _offset: index,
          _row: 0,
          prediction_id: `p${String(index).padStart(3, '0')}`,
        },
        ...{
          row: 0,
          time: '2026-01-02 00:00:00.000',
          deployment: index % 2 === 0 ? 'even' : 'odd',
          feature_service: 'last',
          model: 'm',
          version: 3,
        },
        ...{
          feature_time: new Date(Number(asked)).toISOString(),
          entity: JSON.stringify({ city, line }),
          features: '{"x":1}',
          prediction: number,
        },
        feature_positions: JSON.stringify({ last_ride: Object.fromEntries(cut(index).entries()) }),
      })),
      'answered',
    );
    await offline.insert(
      'millrace.labels',
      [
        {
          _topic: 't',
          _partition: 0,
          _offset: 0,
          label_id: 'a',
          deployment: 'even',
          name: '',
          prediction_id: 'p002',
          row: 0,
          value: 1.5,
          time: '2026-01-03 00:00:00.000',
        },
      ],
      'labels',
    );
    const everything = await rides.read();
    const served = await rides.rowsOf(await rides.built({ spine: { predictions: {} }, asKnown: 'served', timestampColumn: undefined }));
    expect(served.length).toBe(answered.length);
    for (const [index, row] of served.entries()) {
      const { city, line, asked } = answered[index] as { city: string; line: string; asked: number };
      const found = latestOf(everything, [city, line], asked, { ttl: TTL, span: DAY, next: cut(index) });
      expect(COLUMNS.map((column) => rides.plain(row[`${column}_now`]))).toEqual(
        COLUMNS.map((column) => rides.plain(found?.values[column])),
      );
      expect(row).toMatchObject({ prediction_id: `p${String(index).padStart(3, '0')}`, model: 'm', model_version: 3, city, line });
      expect(rides.plain(row['label'])).toBe(index === 2 ? 1.5 : null);
    }
    const odd = await rides.rowsOf(await rides.built({ spine: { predictions: { deployment: 'odd' } }, timestampColumn: undefined }));
    expect(new Set(odd.map(({ deployment }) => deployment))).toEqual(new Set(['odd']));
    rides.expectTruth(
      odd.map((row) => ({ ...row, number: row['prediction'] })),
      answered.filter((_, index) => index % 2 === 1),
      everything,
    );
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
    ['CSV with a short line', { spine: { csv: 'city,line,asked\n1' } }, 200, /line 2 of the CSV file has 1 cell, and its header has 3/],
    [
      'CSV with a long line',
      { spine: { csv: 'city,line,asked\n"a\n,",b,0\na,b,0,1\n' } },
      200,
      /line 4 of the CSV file has 4 cells, and its header has 3/,
    ],
    ['CSV of a header', { spine: { csv: 'city,line,asked\r\n' } }, 422, /the spine has no rows/],
    [
      'a time in rows',
      { spine: { rows: [{ city: '1', line: '23', asked: 1.5 }] } },
      422,
      /column asked has 1.5 in row 0, which is no whole/,
    ],
    [
      'a text that is no time',
      { spine: { rows: [0, 'yesterday'].map((asked) => ({ city: '1', line: '23', asked: asked === 0 ? '2026-01-01' : asked })) } },
      200,
      /column asked has "yesterday" in row 1, which is no time \(RFC 3339 text or milliseconds\)/,
    ],
    [
      'microseconds',
      { spine: { rows: [{ city: '1', line: '23', asked: 1_772_343_000_000_000 }] } },
      200,
      /column asked has "?1772343000000000"? in row 0, which is no time/,
    ],
    [
      'a number that is none for a time',
      { spine: { sql: `SELECT '1' AS city, '23' AS line, nan AS asked` } },
      422,
      /column asked has .* in row 0, which is no time/,
    ],
    [
      'a date of which nobody knows the month',
      { spine: { csv: 'city,line,asked\n1,23,01/03/2026 05:30' } },
      200,
      /column asked has "01\/03\/2026 05:30" in row 0, which is no time/,
    ],
    [
      'a column that the source has not',
      { spine: { source: 'rides', columns: ['driver_id'] }, timestampColumn: 'at' },
      200,
      /source rides has no column driver_id; it has id, at, city/,
    ],
    [
      'a type that Parquet has none for',
      { spine: { sql: `SELECT '1' AS city, '23' AS line, toDateTime64(0, 3, 'UTC') AS asked, [INTERVAL 1 DAY] AS gaps` } },
      422,
      /column gaps is Array\(IntervalDay\), of which no Parquet can be written; cast it/,
    ],
    [
      'bytes',
      { spine: { sql: `SELECT '1' AS city, '23' AS line, toDateTime64(0, 3, 'UTC') AS asked, unhex('00FF') AS photo` } },
      422,
      /column photo has bytes in row 0 that are no text in UTF-8/,
    ],
  ] as const)('says what is wrong with %s', async (_what, body, status, reason) => {
    const reply = await rides.ask(body);
    expect([reply.status, reply.body.detail ?? reply.body.error]).toEqual([status, expect.stringMatching(reason)]);
  });

  test('rows that differ in what is no number are another set', async () => {
    const x: Record<string, unknown> = {};
    const ids = new Set<string>();
    for (const value of ['NULL', 'nan', 'inf', '-inf']) {
      const sql = `SELECT '1' AS city, '23' AS line, toDateTime64(0, 3, 'UTC') AS asked, CAST(${value} AS Nullable(Float64)) AS x`;
      const set = await rides.built({ spine: { sql } });
      ids.add(set.id);
      x[value] = (await rides.rowsOf(set))[0]?.['x'];
    }
    expect(ids.size).toBe(4);
    expect(x).toEqual({ NULL: null, nan: NaN, inf: Infinity, '-inf': -Infinity });
  });

  test('64-bit integers keep their digits and find their entity, and a key that is none is refused with its column and row', async () => {
    const { trips } = rides;
    const applied = await trips.post(
      '/api/v1/apply',
      `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: sales}
spec: {topic: sales, eventTime: at, schema: {at: DateTime64(3), shop: Int64, amount: Float64}}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: shop}
spec: {joinKeys: {shop: Int64}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: last_sale}
spec: {entity: shop, source: sales, features: [{name: latest, aggregate: last, column: amount}]}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: sales}
spec: {features: [last_sale]}
`,
      'application/yaml',
    );
    expect(applied.status).toBe(200);
    const at = new Date(START).toISOString();
    const events = [1, 2].map((amount) => `{"at":"${at}","shop":${9007199254740991n + BigInt(amount)},"amount":${amount}}`).join('\n');
    expect((await trips.post('/api/v1/sources/sales/events', events, 'application/x-ndjson')).status).toBe(200);
    const ask = async (spine: string): Promise<{ status: number; body: TrainingSet }> => {
      const body = `{"featureService":"sales","timestampColumn":"asked","spine":${spine}}`;
      const response = await trips.post('/api/v1/training-sets?wait=60s', body);
      return { status: response.status, body: (await response.json()) as TrainingSet };
    };
    const rows = (...shops: string[]): string =>
      `{"rows":[${shops.map((shop) => `{"shop":${shop},"asked":${START + 1},"tweet":1234567890123456789,"wide":18446744073709551615}`).join()}]}`;
    const csv = (...shops: string[]): string =>
      JSON.stringify({
        csv: `shop,asked,tweet,wide,huge\n${shops.map((shop) => `${shop},${START + 1},1234567890123456789,18446744073709551615,123456789012345678901`).join('\n')}`,
      });
    for (const spine of [rows, csv]) {
      const { body } = await ask(spine('9007199254740993', '"9007199254740992"', spine === csv ? '' : 'null'));
      expect(body).toMatchObject({ status: 'built', rows: 3 });
      const [first, second, third] = await rides.rowsOf(body);
      const columns = { tweet: 1234567890123456789n, wide: 18446744073709551615n };
      expect([first, second]).toMatchObject([
        { ...columns, latest: 2 },
        { ...columns, latest: 1 },
      ]);
      expect([first?.['shop'], second?.['shop']]).toEqual([9007199254740993n, 9007199254740992n]);
      expect(rides.plain(third?.['latest'])).toBeNull();
      if (spine === csv) expect(first).toMatchObject({ huge: '123456789012345678901' });
    }
    expect(await ask(rows('1', '"x"'))).toMatchObject({
      status: 422,
      body: { detail: `the spine's column shop has "x" in row 1, which is no Int64` },
    });
    expect(await ask(rows('1.5'))).toMatchObject({
      status: 422,
      body: { detail: `the spine's column shop has 1.5 in row 0, which is no Int64` },
    });
    for (const shop of ['x', '1.0'])
      expect((await ask(csv('1', shop))).body).toMatchObject({
        status: 'failed',
        error: `the spine's column shop has ${JSON.stringify(shop)} in row 1, which is no Int64`,
      });
    const sql = JSON.stringify({ sql: `SELECT 1.5 AS shop, toDateTime64(0, 3, 'UTC') AS asked` });
    expect(await ask(sql)).toMatchObject({ status: 422, body: { detail: `the spine's column shop has 1.5 in row 0, which is no Int64` } });
    const decimal = JSON.stringify({ sql: `SELECT toDecimal64('9007199254740993.50', 2) AS shop, toDateTime64(0, 3, 'UTC') AS asked` });
    expect(await ask(decimal)).toMatchObject({
      status: 422,
      body: { detail: expect.stringMatching(/^the spine's column shop has .* in row 0, which is no Int64$/) },
    });
    expect((await ask(JSON.stringify({ sql: `SELECT nan AS shop, toDateTime64(0, 3, 'UTC') AS asked` }))).body).toMatchObject({
      status: 'built',
    });
  });

  test('of no row of which the keys of a view are known, has nulls for it', async () => {
    const nobody = [{ number: 0, city: null, line: '3', asked: START }];
    const set = await rides.built({ featureService: 'both', spine: { rows: nobody } });
    const [row] = await rides.rowsOf(set);
    expect([set.rows, row?.['line'], rides.plain(row?.['fare_any']), rides.plain(row?.['m_stops'])]).toEqual([1, '3', null, null]);
  });

  test('says which column cannot be called as it is', async () => {
    const row = { city: '1', line: '23', asked: START };
    const told = async (body: object): Promise<unknown> => {
      const { body: set } = await rides.ask(body);
      return set.detail ?? set.error;
    };
    expect(await told({ spine: { rows: [{ ...row, '': 1 }] } })).toBe('the spine has a column without a name; name it, or leave it out');
    expect(await told({ spine: { rows: [{ ...row, __line: 1 }] } })).toMatch(/^spine column __line: names beginning with __ /);
    const placed = { spine: { rows: [{ ...row, _row: 1 }] } };
    expect(await told({ ...placed, output: 'table' })).toBe('the spine has a column _row, and so has the table; rename it');
    expect(await rides.built(placed)).toMatchObject({ rows: 1 });
  });

  test('says what is wrong with a file that is no Parquet, and with an odd wait', async () => {
    const url = `${rides.trips.service.url}/api/v1/training-sets?featureService=last&timestampColumn=asked&wait=60s`;
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/vnd.apache.parquet' }, body: 'city,line' });
    expect(await response.json()).toMatchObject({ status: 422, detail: expect.stringMatching(/the file is not Parquet/) });
    const misspelt = await fetch(url.replace('timestampColumn', 'timestampcolumn'), {
      method: 'POST',
      headers: { 'content-type': 'text/csv' },
      body: 'a',
    });
    expect(await misspelt.json()).toMatchObject({ status: 400, detail: expect.stringMatching(/no parameter timestampcolumn/) });
    expect((await rides.trips.get(`/api/v1/training-sets/${firstBatch.id}/data?wait=1y`)).status).toBe(400);
  });
});

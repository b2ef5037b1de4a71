import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { latestOf } from './testing/latest-oracle.js';
import { COLUMNS, DAY, KEYS, ridesService, TTL, type RidesService, type Row, type TrainingSet } from './testing/rides.js';
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

  const upload = async (bytes: Buffer | string, type: string): Promise<TrainingSet> => {
    const url = `${rides.trips.service.url}/api/v1/training-sets?featureService=last&timestampColumn=asked&wait=60s`;
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
    ['CSV with a short line', { spine: { csv: 'city,line,asked\n1' } }, 200, /CSV file cannot be read/],
  ] as const)('says what is wrong with %s', async (_what, body, status, reason) => {
    const reply = await rides.ask(body);
    expect([reply.status, reply.body.detail ?? reply.body.error]).toEqual([status, expect.stringMatching(reason)]);
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

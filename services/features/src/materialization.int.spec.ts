import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { BatchService, counts, type Run } from './testing/batch.js';
import { HOUR, START, until } from './testing/trips.js';

const iso = (minutes: number): string => new Date(START + minutes * 60_000).toISOString();

const ENTITY = `
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: driver}
spec: {joinKeys: {driver: Int64}}
`;

/** A source of drivers' hours, with a view of its latest values and of windows. */
const resources = (name: string, origin: string, more = ''): string => `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: ${name}}
spec:
  ${origin}
  key: driver
  eventTime: hour
  ${more}
  schema: {driver: Int64, hour: DateTime64(3), trips: Int32, rating: Nullable(Float64), area: String, active: Bool}
---${ENTITY}---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: ${name}_view}
spec:
  entity: driver
  source: ${name}
  features:
    - {name: rating, aggregate: last, column: rating}
    - {name: area, aggregate: last, column: area}
    - {name: trips_6h, aggregate: sum, column: trips, window: 6h}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: ${name}_model}
spec: {features: [${name}_view]}
`;

/** 10 drivers, 50 hours. */
const ROWS = `SELECT toInt64(number % 10) AS driver, toDateTime('2026-01-01 00:00:00', 'Europe/Zurich') + INTERVAL 1 HOUR + INTERVAL intDiv(number, 10) HOUR AS hour,
  toUInt8(number % 7) AS trips, if(number % 11 = 0, NULL, number / 7) AS rating, concat('Zürich ', toString(number % 3)) AS area, number % 2 = 0 AS active
  FROM numbers(500)`;

describe('materialization', () => {
  let service: BatchService;
  let roots: string;

  beforeAll(async () => {
    service = await BatchService.start();
    roots = join(service.temp.path, 'exports');
    await mkdir(roots);
    await service.end();
    await service.begin({ MILLRACE_FEATURES_FILE_ROOTS: roots });
    await service.command('CREATE DATABASE lab');
    await service.command(`CREATE TABLE lab.hours ENGINE = MergeTree ORDER BY hour AS ${ROWS}`);
  }, 120_000);
  afterAll(() => service.remove());

  /** Every driver's values at some times, online and from a training set, and as SQL tells them. */
  async function expectTruth(name: string, table = 'lab.hours'): Promise<void> {
    await service.caughtUp(name);
    const at = START + 48 * HOUR;
    const drivers = Array.from({ length: 10 }, (_, number) => number);
    const features = [`${name}_view:rating`, `${name}_view:area`, `${name}_view:trips_6h`];
    const online = await service.online(features, { driver: drivers }, at);
    const time = (hours: number): string => `toDateTime64('${iso(hours * 60).slice(0, 19)}', 3, 'UTC')`;
    const truth = await service.sql<{ rating: number | null; area: string; trips: string }>(
      `SELECT argMax(tuple(rating), hour).1 AS rating, argMax(area, hour) AS area, sumIf(trips, hour >= ${time(42)} AND hour < ${time(48)}) AS trips
       FROM ${table} WHERE driver < 10 AND hour <= ${time(48)} GROUP BY driver ORDER BY driver`,
    );
    expect(online.slice(1)).toEqual([truth.map((row) => row.rating), truth.map((row) => row.area), truth.map((row) => Number(row.trips))]);
    const rows = drivers.map((driver) => ({ driver, asked: at }));
    const [, set] = await service.ask('POST', '/api/v1/training-sets?wait=60s', {
      featureService: `${name}_model`,
      timestampColumn: 'asked',
      spine: { rows },
      output: 'table',
    });
    const { table: built, error } = set as { table: string; error?: string };
    expect(error).toBeUndefined();
    const offline = await service.sql<{ rating: number | null; area: string; trips_6h: string }>(
      `SELECT rating, area, trips_6h FROM ${built} ORDER BY driver`,
    );
    expect(offline.map((row) => [row.rating, row.area, Number(row.trips_6h)])).toEqual(
      drivers.map((_, index) => online.slice(1).map((column) => column[index])),
    );
  }

  describe('of a table', () => {
    beforeAll(() => service.apply(resources('hours', 'table: lab.hours', 'schedule: {lookback: 3h}')));

    test('brings its rows to both stores, a page at a time, and a second time nothing', async () => {
      const first = await service.materialize('hours', { to: iso(49 * 60) });
      expect(counts(first)).toEqual(['finished', 490, 490, 0, 0]);
      expect(first).toMatchObject({ from: null, to: iso(49 * 60), reached: iso(49 * 60) });
      await expectTruth('hours');
      expect(counts(await service.materialize('hours', { from: null, to: iso(49 * 60) }))).toEqual(['finished', 490, 0, 490, 0]);
      expect((await service.runs('hours')).watermark).toBe(iso(49 * 60));
      expect((await service.ask('GET', '/api/v1/sources/hours'))[1]).toMatchObject({
        materialization: { watermark: iso(49 * 60), running: null },
      });
    });

    test('goes on at the watermark less the lookback, and takes late and changed rows alone', async () => {
      await service.command(
        `INSERT INTO lab.hours VALUES (77, '2026-01-03 00:30:00', 5, 4.5, 'Late', 1), (77, '2026-01-01 05:00:00', 1, 1, 'Too late', 1)`,
      );
      await service.command(
        `ALTER TABLE lab.hours UPDATE rating = 99.5, trips = 7 WHERE driver = 3 AND hour = '2026-01-03 00:00:00' SETTINGS mutations_sync = 2`,
      );
      const run = await service.materialize('hours', { to: iso(49 * 60 + 30) });
      expect([run.from, run.to]).toEqual([iso(46 * 60), iso(49 * 60 + 30)]);
      // Hours 46 to 49 of ten drivers, and the late row; new are hour 49, the late and the changed row.
      expect(counts(run)).toEqual(['finished', 41, 12, 29, 0]);
      const [stored] = await service.sql<{ rows: string; ids: string }>(
        'SELECT count() AS rows, uniqExact(event_id) AS ids FROM millrace.source_hours FINAL',
      );
      expect(stored).toEqual({ rows: '502', ids: '501' });
      expect(counts(await service.materialize('hours', { from: null, to: iso(49 * 60 + 30) }))).toEqual(['finished', 502, 1, 501, 0]);
      await expectTruth('hours');
    });

    test('a row that vanished stays', async () => {
      await service.command(`DELETE FROM lab.hours WHERE driver = 77`);
      expect(counts(await service.materialize('hours', { from: null, to: iso(49 * 60 + 30) }))).toEqual(['finished', 500, 0, 500, 0]);
      const found = await service.sql('SELECT 1 FROM millrace.source_hours WHERE driver = 77');
      expect(found.length).toBe(2);
    });

    test('is asked for once by one Idempotency-Key, shown in pages, and told where it cannot be', async () => {
      const path = '/api/v1/sources/hours/materializations';
      const asked = { from: iso(0), to: iso(60) };
      const key = { 'idempotency-key': 'once' };
      const [status, one] = (await service.ask('POST', path, asked, key)) as [number, Run];
      expect(status).toBe(202);
      const [, again] = (await service.ask('POST', `${path}?wait=30s`, asked, key)) as [number, Run];
      expect([again.id, again.status]).toEqual([one.id, 'finished']);
      const all = (await service.runs('hours')).materializations.map(({ id }) => id);
      const page = await service.runs('hours', '?limit=2');
      const rest = await service.runs('hours', `?limit=200&pageToken=${page.nextPageToken}`);
      expect([...page.materializations, ...rest.materializations].map(({ id }) => id)).toEqual(all);
      expect(rest.nextPageToken).toBeUndefined();
      const refused = async (method: string, at: string, body?: object): Promise<unknown[]> => {
        const [code, { code: name, detail }] = (await service.ask(method, at, body)) as [number, { code: string; detail: string }];
        return [code, name, detail];
      };
      expect(await refused('POST', path, { from: 'soon' })).toEqual([
        400,
        'MR_FEATURES_MATERIALIZATION_INVALID',
        'from must be a time of the years 0 to 9999: RFC 3339 text or milliseconds',
      ]);
      for (const asked of [{ from: 253_402_300_800_000 }, { to: 8e15 }, { to: -62_167_219_200_001 }]) {
        expect(await refused('POST', path, asked)).toEqual([
          400,
          'MR_FEATURES_MATERIALIZATION_INVALID',
          `${Object.keys(asked)[0]} must be a time of the years 0 to 9999: RFC 3339 text or milliseconds`,
        ]);
      }
      expect(await refused('POST', path, { until: 1 })).toEqual([
        400,
        expect.anything(),
        'there is no field until; the fields are from and to',
      ]);
      expect(await refused('POST', path, { from: iso(5), to: iso(5) })).toEqual([
        400,
        'MR_FEATURES_MATERIALIZATION_INVALID',
        `from has to be before to: from is ${iso(5)}, to is ${iso(5)}`,
      ]);
      expect(await refused('GET', `${path}/none`)).toEqual([404, 'MR_FEATURES_MATERIALIZATION_NOT_FOUND', expect.anything()]);
      expect(await refused('POST', `${path}/${one.id}/cancel`)).toEqual([409, 'MR_FEATURES_MATERIALIZATION_OVER', expect.anything()]);
      expect(await refused('POST', '/api/v1/sources/none/materializations', {})).toEqual([
        404,
        'MR_FEATURES_SOURCE_NOT_FOUND',
        expect.anything(),
      ]);
      expect(await refused('GET', `${path}?limit=0`)).toEqual([400, expect.anything(), 'limit must be a whole number from 1 to 200']);
      expect(await refused('POST', '/api/v1/sources/hours/events', {})).toEqual([
        409,
        'MR_FEATURES_SOURCE_BATCH',
        'source hours is filled from its query, table or files; materialize it instead',
      ]);
    });
  });

  test('Parquet and CSV files of the artifact store, by a glob, and below a root', async () => {
    const { artifacts, offline } = service.running.host;
    for (const [part, condition] of [
      ['a', 'driver < 5'],
      ['b', 'driver >= 5'],
    ] as const) {
      const parquet = await buffer(await offline.raw(`SELECT * FROM (${ROWS}) WHERE ${condition}`, 'Parquet'));
      await artifacts.put(`exports/hours-${part}.parquet`, parquet);
    }
    await artifacts.put('exports/other.parquet', Buffer.from('no Parquet at all'));
    const csv = await buffer(await offline.raw(`SELECT * REPLACE (toTimeZone(hour, 'UTC') AS hour) FROM (${ROWS})`, 'CSVWithNames'));
    await writeFile(join(roots, 'hours.csv'), csv);
    await service.command(`CREATE TABLE lab.truth ENGINE = MergeTree ORDER BY hour AS ${ROWS}`);
    await service.apply(resources('parquet', 'files: exports/hours-?.parquet'));
    await service.apply(resources('csv', `files: "file://${roots}/*.csv"`));
    for (const name of ['parquet', 'csv']) {
      expect(counts(await service.materialize(name))).toEqual(['finished', 500, 500, 0, 0]);
      expect(counts(await service.materialize(name, { from: null }))).toEqual(['finished', 500, 0, 500, 0]);
      await expectTruth(name, 'lab.truth');
    }
    const ids = await service.sql(
      'SELECT event_id FROM millrace.source_csv FINAL WHERE event_id NOT IN (SELECT event_id FROM millrace.source_parquet)',
    );
    expect(ids).toEqual([]);
  });

  test('a file without rows has none, and what the schema does not name may be anything', async () => {
    const { artifacts, offline } = service.running.host;
    const header = 'driver,hour,trips,rating,area,active\n';
    await artifacts.put('exports/empty.csv', Buffer.from(header));
    await service.apply(resources('empty', 'files: exports/empty.csv'));
    expect(counts(await service.materialize('empty'))).toEqual(['finished', 0, 0, 0, 0]);
    const more = `SELECT *, [1, 2] AS __list, map('a', 1) AS pairs FROM (${ROWS}) LIMIT 3`;
    await artifacts.put('exports/more.parquet', await buffer(await offline.raw(more, 'Parquet')));
    await service.apply(resources('more', 'files: exports/more.parquet'));
    expect(counts(await service.materialize('more'))).toEqual(['finished', 3, 3, 0, 0]);
    const nested = `SELECT * REPLACE ([area] AS area) FROM (${ROWS})`;
    await artifacts.put('exports/nested.parquet', await buffer(await offline.raw(nested, 'Parquet')));
    await artifacts.put('exports/ragged.csv', Buffer.from(`${header}1,2026-01-01T00:00:00Z,1,1,A,true\n2,2026-01-01T00:00:00Z\n`));
    for (const [name, file, reason] of [
      ['nested', 'exports/nested.parquet', 'exports/nested.parquet cannot be read: column area is nested; only flat columns are read'],
      ['ragged', 'exports/ragged.csv', 'exports/ragged.csv cannot be read: line 3 of the CSV file has 2 cells, and its header has 6'],
    ] as const) {
      await service.apply(resources(name, `files: ${file}`));
      expect(await service.materialize(name)).toMatchObject({ status: 'failed', error: reason });
    }
  });

  test('rows that do not fit are counted and shown, and the rest is taken', async () => {
    const rows = [
      'driver,hour,trips,rating,area,active',
      '1,2026-01-01T00:00:00Z,1,1.5,A,true',
      '2,2026-01-01T00:00:00Z,many,1.5,A,true',
      ',2026-01-01T00:00:00Z,1,1.5,A,true',
      '3,,1,1.5,A,true',
      '4,2026-01-01T00:00:00Z,1,,A,false',
      '5,2026-01-01T00:00:00Z,1,1,A,false',
      '5,2026-01-01T00:00:00Z,2,1,A,false',
      '6,2026-01-01T00:00:00Z,2,1,A,false',
      '6,2026-01-01T00:00:00Z,2,1,A,false',
    ];
    await service.running.host.artifacts.put('exports/odd.csv', Buffer.from(rows.join('\n')));
    await service.apply(resources('odd', 'files: exports/odd.csv'));
    const run = await service.materialize('odd');
    expect(counts(run)).toEqual(['finished', 9, 4, 1, 4]);
    expect(run.rejected.map(({ reason }) => reason).sort()).toEqual([
      '1 rows have no time in hour',
      'field driver is null; it must be Int64',
      'field trips is "many"; it must be Int32',
      expect.stringMatching(/^row [0-9a-f]{32} is there again with other values; the last of them, in the order of all columns, is taken$/),
    ]);
    expect(await service.sql('SELECT trips FROM millrace.source_odd WHERE driver = 5')).toEqual([{ trips: 2 }]);
    expect(counts(await service.materialize('odd', { from: null }))).toEqual(['finished', 9, 0, 5, 4]);
    const metrics = await (await fetch(`${service.running.url}/metrics`)).text();
    const lines = metrics.split('\n').filter((line) => line.startsWith('millrace_features_material') && line.includes('source="odd"'));
    expect(lines).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^millrace_features_materialized_rows_total\{.*outcome="rejected".*\} 8$/),
        expect.stringMatching(/^millrace_features_materializations_total\{.*outcome="finished".*\} 2$/),
      ]),
    );
  });

  test('of rows with one id and time one stands, the same each time, also where they are more than a page', async () => {
    await service.apply(
      resources(
        'same',
        `query: "SELECT intDiv(number, 150) AS driver, toDateTime('2026-01-01 00:00:00') AS hour, number AS trips, 1 AS rating, '' AS area, 1 AS active FROM numbers(450)"`,
      ),
    );
    expect(counts(await service.materialize('same'))).toEqual(['finished', 450, 3, 0, 447]);
    expect(counts(await service.materialize('same', { from: null }))).toEqual(['finished', 450, 0, 3, 447]);
    const stored = await service.sql('SELECT driver, trips FROM millrace.source_same ORDER BY driver');
    // The last in the order of their texts.
    expect(stored).toEqual([99, 299, 449].map((trips, driver) => ({ driver: String(driver), trips })));
  });

  test('a push source is fed over the API and Feast alone, and has nothing to materialize', async () => {
    await service.apply(resources('pushed', 'push: true'));
    await until(
      () => service.ask('GET', '/api/v1/sources/pushed'),
      ([status]) => status === 200,
    );
    const row = { driver: [1], hour: [iso(0)], trips: [3], rating: [2.5], area: ['B'], active: [true] };
    expect(await service.ask('POST', '/push', { push_source_name: 'pushed', df: row })).toEqual([200, null]);
    expect(await service.online(['pushed_view:rating'], { driver: [1] }, START + HOUR)).toEqual([[1], [2.5]]);
    expect(await service.ask('POST', '/api/v1/sources/pushed/materializations', {})).toEqual([
      409,
      expect.objectContaining({
        detail: 'source pushed is filled by those who write its events; only one with a query, a table or files is materialized',
      }),
    ]);
    expect(await service.ask('POST', '/push', { push_source_name: 'hours', df: row })).toEqual([
      422,
      expect.stringContaining('PushSourceNotFoundException'),
    ]);
    const [, topics] = (await service.ask('GET', '/api/v1/sources/pushed')) as [number, { topic: string }];
    expect(topics.topic).toBe('millrace.features.sources.pushed');
  });

  test.each([
    ['topic and query', ['topic: a\n  query: SELECT 1'], 'spec.query: is there beside topic; a source has exactly one of'],
    ['none', ['partitions: 1'], 'spec.topic: is missing; a source has exactly one of topic, query, table, files or push: true'],
    ['no SELECT', ['query: DROP TABLE lab.hours'], 'spec.query: must be a SELECT'],
    ['files over HTTP', ['files: "https://example.com/a.csv"'], 'spec.files: is neither a path in the artifact store'],
    ['files of another kind', ['files: exports/a.json'], 'spec.files: must end in .parquet or .csv'],
    ['files above the store', ['files: ../a.csv'], 'spec.files: must be made of parts between single slashes'],
    ['a schedule of a topic', ['topic: a', 'schedule: {every: 1h}'], 'spec.schedule: is for a source with a query, a table or files'],
    ['a schedule below a second', ['table: lab.hours', 'schedule: {every: 0s}'], 'spec.schedule.every: must be at least 1s'],
    ['an id of our own', ['table: lab.hours\n  eventId: event_id'], 'spec.eventId: event_id is not a column of the schema'],
  ] as const)('a definition with %s is refused', async (_what, [origin, more], problem) => {
    expect(await service.problems(resources('wrong', origin, more))).toContainEqual(expect.stringContaining(problem));
  });

  test('a definition without a time, or without what tells its rows apart, is refused', async () => {
    const text = resources('wrong', 'table: lab.hours');
    expect(await service.problems(text.replace('eventTime: hour', ''))).toContainEqual(
      expect.stringMatching(/^spec.eventTime: .*(required|missing)/),
    );
    expect(await service.problems(text.replace('key: driver', ''))).toEqual([
      'spec.eventId: is missing: name the column that tells a row from all others, or a key; then key and event time tell it',
    ]);
  });

  test.each([
    ['SQL that reaches outside', `query: "SELECT * FROM file('/etc/passwd')"`, /spec.query of source bad may not use file/],
    ['several statements', 'query: SELECT 1; DROP TABLE lab.hours', /does not parse|one statement/],
    ['a table that is not there', 'table: lab.nothing', /table lab.nothing cannot be read/],
    ['rows without a column', 'query: SELECT 1 AS driver, now() AS hour', /has no column trips, rating, area, active, which the schema/],
    [
      'a file outside the roots',
      'files: file:///etc/passwd.csv',
      /is not below a directory that may be read \(MILLRACE_FEATURES_FILE_ROOTS: those are/,
    ],
    ['a link out of a root', 'files: file://ROOT/link.csv', /there is no file file:/],
    ['no file', 'files: exports/nothing-*.csv', /there is no file exports\/nothing-\*.csv/],
  ])('%s is refused when it is asked for', async (_what, origin, reason) => {
    await symlink('/etc/hostname', join(roots, 'link.csv')).catch(() => undefined);
    await service.apply(resources('bad', origin.replace('ROOT', roots)));
    const [status, body] = (await service.ask('POST', '/api/v1/sources/bad/materializations', {})) as [number, Run];
    expect([status, body.code]).toEqual([422, 'MR_FEATURES_BATCH']);
    expect(body.detail).toMatch(reason);
  });

  test('a row of a time that no answer could tell is rejected for its text', async () => {
    const times =
      "arrayJoin([-100000000000000000, -70000000000000, 1767225600000]) AS hour, 1 AS trips, 1 AS rating, 'A' AS area, true AS active";
    await service.apply(resources('early', `query: "SELECT 1 AS driver, ${times}"`));
    const run = await service.materialize('early');
    expect(counts(run)).toEqual(['finished', 3, 1, 0, 2]);
    expect(run.rejected).toEqual(
      ['-100000000000000000', '-70000000000000'].map((text) => ({
        time: '0000-01-01T00:00:00.000Z',
        reason: `field hour is "${text}"; it must be DateTime64(3)`,
      })),
    );
  });

  test('what a cancelled run has written counts, the page in flight too', async () => {
    const slow = `SELECT toInt64(number % 10) AS driver, toDateTime('2026-01-01 00:00:00') + number AS hour, 1 AS trips, 1.5 AS rating, 'A' AS area, true AS active FROM numbers(2000)`;
    await service.apply(resources('stopped', `query: "${slow}"`));
    const path = '/api/v1/sources/stopped/materializations';
    const [, { id }] = (await service.ask('POST', path, {})) as [number, Run];
    const shown = async (): Promise<Run> => (await service.ask('GET', `${path}/${id}`))[1];
    await until(shown, ({ rows }) => rows.read > 0);
    const [, cancelled] = (await service.ask('POST', `${path}/${id}/cancel`)) as [number, Run];
    expect(cancelled.status).toBe('cancelled');
    // The next run begins when nothing is in flight any more.
    const next = await service.materialize('stopped');
    const { rows } = await shown();
    expect(rows.read).toBeLessThan(2000);
    expect([rows.unchanged, rows.appended]).toEqual([0, next.rows.unchanged]);
    expect(counts(next)).toEqual(['finished', 2000, 2000 - rows.appended, rows.appended, 0]);
  });

  test('what can only be found while reading makes the run fail, with the reason', async () => {
    await service.apply(resources('failing', 'files: exports/other.parquet'));
    const run = await service.materialize('failing');
    expect(run).toMatchObject({
      status: 'failed',
      code: 'MR_FEATURES_BATCH',
      error: expect.stringMatching(/^exports\/other.parquet cannot be read/),
    });
    expect((await service.runs('failing')).watermark).toBeNull();
  });
});

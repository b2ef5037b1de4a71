import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { buffer } from 'node:stream/consumers';
import { BatchService, counts } from './testing/batch.js';
import { TIMES_OF_DAY } from './testing/times-of-day.js';

const source = (name: string, rest: string): string => `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: ${name}}
spec: {eventTime: at, ${rest}}
`;
const SCHEMA = 'schema: {id: String, at: DateTime64(3), area: String}';

/** Ten of a hundred rows have bytes that are no text in `area`, five of them in `id` too. */
const ROWS = `SELECT if(number % 20 = 3, concat('id', unhex('FF'), toString(number)), concat('id', toString(number))) AS id,
  toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + INTERVAL intDiv(number, 50) HOUR AS at,
  if(number % 10 = 3, concat('Zürich', unhex('C3')), 'Zürich') AS area FROM numbers(100)`;

describe('texts of materialized rows', () => {
  let service: BatchService;
  beforeAll(async () => {
    service = await BatchService.start();
    await service.command('CREATE DATABASE lab');
    await service.command(`CREATE TABLE lab.broken ENGINE = MergeTree ORDER BY at AS ${ROWS}`);
    const { artifacts, offline } = service.running.host;
    await artifacts.put('exports/broken.parquet', await buffer(await offline.raw(ROWS, 'Parquet')));
    await artifacts.put('exports/times.parquet', TIMES_OF_DAY);
  }, 120_000);
  afterAll(() => service.remove());

  test.each([
    ['a Parquet file', 'broken_file', `files: exports/broken.parquet, key: id, ${SCHEMA}`],
    ['a table', 'broken_table', `table: lab.broken, key: area, eventId: id, ${SCHEMA}`],
    ['a query whose key is made of them', 'broken_query', `query: "SELECT * FROM lab.broken", key: [id, area], ${SCHEMA}`],
  ])(
    'of %s that are none keep their row out, with the column as the reason, and are no reason to go on for ever',
    async (_what, name, spec) => {
      await service.apply(source(name, spec));
      const run = await service.materialize(name);
      expect(counts(run)).toEqual(['finished', 100, 90, 0, 10]);
      expect(new Set(run.rejected.map(({ reason }) => reason.replace(/with \w+ in/, 'with … in')))).toEqual(
        new Set(
          ['area', 'id'].map((column) => `column ${column} has bytes that are no text in UTF-8 (they begin with … in hexadecimal digits)`),
        ),
      );
      expect(run.rejected[0]?.reason).toMatch(/begin with 6964ff|begin with 5ac3bc72696368c3/);
    },
  );

  test('of times of day in a Parquet file keep the fractions of a second', async () => {
    const columns = 'ms: Nullable(String), us: Nullable(String), ns: Nullable(String)';
    await service.apply(source('clocks', `files: exports/times.parquet, key: id, schema: {id: String, at: DateTime64(3), ${columns}}`));
    expect(counts(await service.materialize('clocks'))).toEqual(['finished', 2, 2, 0, 0]);
    expect(await service.sql('SELECT id, ms, us, ns FROM millrace.source_clocks FINAL ORDER BY id')).toEqual([
      { id: 'a', ms: '13:45:01.123', us: '13:45:01.123456', ns: '13:45:01.123456789' },
      { id: 'b', ms: null, us: '00:00:00.000001', ns: null },
    ]);
  });
});

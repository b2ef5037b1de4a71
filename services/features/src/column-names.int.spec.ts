import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { zstdDecompressSync } from 'node:zlib';
import { parquetReadObjects } from 'hyparquet';
import type { ColumnStatistics } from './statistics/read-statistics.js';
import { ndjson, START, TripsService } from './testing/trips.js';

/** Names that the platform's own queries give to what they count. */
const KEYS = ['n', 'first', 'last', 'again', 'place'];
const COLUMNS = ['hour', 'fields', 'blank', 'digest', 'first_0', 'value', 'rows'];

const RESOURCES = KEYS.map(
  (key) => `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: of_${key}}
spec:
  topic: of-${key}
  eventTime: at
  eventId: id
  partitions: 1
  schema: {id: String, at: DateTime64(3), ${[key, ...COLUMNS].map((name) => `${name}: ${name === key ? 'String' : 'Float64'}`).join(', ')}}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: of_${key}}
spec: {joinKeys: {${key}: String}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: latest_${key}}
spec: {entity: of_${key}, source: of_${key}, features: [${COLUMNS.map((name) => `{name: ${name}, aggregate: last, column: ${name}}`).join(', ')}]}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: window_${key}}
spec: {entity: of_${key}, source: of_${key}, features: [${COLUMNS.map((name) => `{name: ${name}_sum, aggregate: sum, column: ${name}, window: 1d}`).join(', ')}]}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: latest_${key}}
spec: {features: [latest_${key}]}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: window_${key}}
spec: {features: [window_${key}]}
`,
).join('---');

describe('columns and join keys may be called as queries call what they count', () => {
  let trips: TripsService;
  const values = (add: number): Record<string, number> => Object.fromEntries(COLUMNS.map((name, index) => [name, index + add]));

  beforeAll(async () => {
    trips = await TripsService.start();
    expect((await trips.post('/api/v1/apply', RESOURCES, 'application/yaml')).status).toBe(200);
    const at = new Date(START).toISOString();
    for (const key of KEYS) {
      // The first event is corrected, so that there is an id twice.
      const events = [
        { id: '1', at, [key]: 'a', ...values(9) },
        { id: '1', at, [key]: 'a', ...values(0) },
        { id: '2', at, [key]: 'b', ...values(0.5) },
      ];
      expect((await trips.post(`/api/v1/sources/of_${key}/events`, ndjson(events), 'application/x-ndjson')).status).toBe(200);
    }
  }, 120_000);
  afterAll(() => trips.stop());

  const rowsOf = async (body: object): Promise<Record<string, unknown>[]> => {
    const asked = await trips.post('/api/v1/training-sets?wait=60s', { timestampColumn: 'asked', ...body });
    const set = (await asked.json()) as { id: string; status: string };
    expect(set).toMatchObject({ status: 'built' });
    const file = await (await trips.get(`/api/v1/training-sets/${set.id}/data`)).arrayBuffer();
    return parquetReadObjects({ file, compressors: { ZSTD: (input) => zstdDecompressSync(input) } });
  };
  const asked = START + 3_600_000;

  test.each(KEYS)('in a training set: join key %s', async (key) => {
    const spine = { rows: ['a', 'b', 'c'].map((name) => ({ [key]: name, asked })) };
    const latest = await rowsOf({ featureService: `latest_${key}`, spine });
    expect(latest).toMatchObject([values(0), values(0.5), { hour: null, fields: null }]);
    const windows = await rowsOf({ featureService: `window_${key}`, spine });
    expect(windows).toMatchObject([{ hour_sum: 0, rows_sum: 6 }, { hour_sum: 0.5, rows_sum: 6.5 }, {}]);
  });

  test('in a training set: columns of the spine', async () => {
    const names = [...COLUMNS, ...KEYS.filter((key) => key !== 'n'), 's', 's0', 't0', 'v0'];
    const more = Object.fromEntries(names.map((name, index) => [name, index]));
    const features = { featureService: 'window_n', fullFeatureNames: true };
    const found = await rowsOf({ ...features, spine: { rows: [{ n: 'a', asked, ...more }] } });
    expect(found).toMatchObject([{ n: 'a', ...more, window_n__rows_sum: 6 }]);
    const select = names.map((name, index) => `${index} AS ${name}`).join(', ');
    const sql = `SELECT 'a' AS n, fromUnixTimestamp64Milli(toInt64(${asked}), 'UTC') AS asked, ${select}`;
    expect(await rowsOf({ ...features, spine: { sql } })).toMatchObject([{ n: 'a', ...more, window_n__rows_sum: 6 }]);
  });

  test.each(KEYS)('in statistics: join key %s', async (key) => {
    const ask = async (path: string): Promise<{ columns?: ColumnStatistics[]; features?: ColumnStatistics[] }> => {
      const response = await trips.get(`${path}from=${START - 86_400_000}&every=1w`);
      expect(response.status).toBe(200);
      return (await response.json()) as never;
    };
    const { columns = [] } = await ask(`/api/v1/sources/of_${key}/statistics?`);
    for (const [index, name] of COLUMNS.entries())
      expect(columns.find((column) => column.name === name)?.series).toMatchObject([{ count: 3, min: index, max: index + 9 }]);
    for (const view of [`latest_${key}`, `window_${key}`]) {
      const { features = [] } = await ask(`/api/v1/features/statistics?view=${view}&`);
      expect(features.map(({ series }) => series[0]?.count)).toEqual(COLUMNS.map(() => 3));
    }
  });
});

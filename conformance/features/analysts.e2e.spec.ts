import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { embeddedTopology, ensureVenv, repositoryRoot, runCommand, tempDir, type TempDir, type Topology } from '@millrace/testing';
import { join } from 'node:path';

const CLIENT = '1.12.0';

const RESOURCES = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: trips}
spec:
  topic: trips
  key: city
  eventTime: at
  eventId: id
  schema: {id: String, at: DateTime64(3), city: String, fare: Float64}
  expectations: [{column: fare, min: 0}]
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: place}
spec: {joinKeys: {city: String}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: city_fares}
spec:
  entity: place
  source: trips
  features:
    - {name: trips_1h, aggregate: count, window: 1h}
    - {name: last_fare, aggregate: last, column: fare}
`;

/** The last corrects the first; one is refused. */
const EVENTS = [
  ['a', '2026-01-01T00:00:00Z', 'Bern', 2.5],
  ['b', '2026-01-01T00:30:00Z', 'Basel', 0.5],
  ['c', '2026-01-01T00:45:00Z', 'Bern', 7],
  ['x', '2026-01-01T00:50:00Z', 'Bern', -1],
  ['d', '2026-01-01T01:30:00Z', 'Bern', 4],
  ['a', '2026-01-01T00:00:00Z', 'Bern', 3.5],
].map(([id, at, city, fare]) => JSON.stringify({ id, at, city, fare }));

let directory: TempDir;
let platform: Topology;

beforeAll(async () => {
  directory = await tempDir('analysts');
  platform = await embeddedTopology(directory.path);
  await platform.start();
  const post = async (path: string, body: string): Promise<number> =>
    (await fetch(`${platform.url}${path}`, { method: 'POST', body })).status;
  expect(await post('/api/v1/apply', RESOURCES)).toBe(200);
  const sent = await fetch(`${platform.url}/api/v1/sources/trips/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: EVENTS.join('\n'),
  });
  expect(await sent.json()).toMatchObject({ accepted: 5, rejected: [{ line: 4, reason: 'field fare is -1; at least 0 is expected' }] });
}, 180_000);

afterAll(async () => {
  await platform.stop();
  await directory.remove();
});

const statistics = (...args: string[]): Promise<string> =>
  runCommand(process.execPath, [join(repositoryRoot, 'cli/dist/main.js'), '--server', platform.url, 'features', 'statistics', ...args]);

test('millrace features statistics shows what features are like, and refuses in its own words', async () => {
  const told = (await statistics('city_fares:trips_1h', '--every', '1h')).split('\n').map((line) => line.replace(/ +/g, ' ').trim());
  expect(told).toEqual([
    'city_fares:trips_1h',
    'FROM COUNT NULLS DISTINCT MIN P05 P50 P95 MAX MEAN STDDEV MOST FREQUENT',
    // The corrected event is looked at as the records it is.
    '2026-01-01T00:00Z 4 0 2 0 0 0 0 1 0.25 0.5',
    '2026-01-01T01:00Z 1 0 1 1 1 1 1 1 1',
    '',
    '',
  ]);
  const json = JSON.parse(await statistics('city_fares', '-o', 'json')) as { features: { name: string; series: { count: number }[] }[] };
  expect(json.features.map(({ name, series }) => [name, series.map(({ count }) => count)])).toEqual([
    ['trips_1h', [5]],
    ['last_fare', [5]],
  ]);
  expect(await statistics('city_fares', '--of', 'served')).toContain('no values');
  await expect(statistics('city_fares', '--since', 'yesterday')).rejects.toThrow('--since must be a time');
  await expect(statistics('none')).rejects.toThrow('there is no feature view none');
  const verify = [join(repositoryRoot, 'cli/dist/main.js'), '--server', platform.url, 'features', 'verify', '--since', 'yesterday'];
  await expect(runCommand(process.execPath, verify)).rejects.toThrow('--since must be a time');
}, 120_000);

test(`clickhouse-connect ${CLIENT} reads the views of analysts on the platform's port`, async () => {
  const venv = await ensureVenv('clickhouse-connect', [
    `clickhouse-connect==${CLIENT}`,
    'pandas==3.1.1',
    'numpy==2.4.6',
    'lz4==4.4.5',
    'Brotli==1.2.0',
  ]);
  const output = await runCommand(venv.python, [join(import.meta.dirname, 'analysts_session.py'), platform.clickhouseUrl]);
  expect(JSON.parse(output.slice(output.indexOf('{')))).toMatchObject({
    events: [
      ['a', 3.5],
      ['b', 0.5],
      ['c', 7],
      ['d', 4],
    ],
    trips_1h: [0, 1, 1],
    last_fare: [3.5, 7, 4],
    // The first event's record is sampled as well as its correction's.
    engine: [0, 0, 1, 1],
    comments: { city: 'Join key of entity place.', trips_1h: 'count of events over the 3600000 ms before.' },
    served: 0,
  });
}, 600_000);

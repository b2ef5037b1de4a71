import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { PlatformClient } from '@millrace/example-flights';
import { logisticRegression } from '@millrace/onnx';
import { embeddedTopology, tempDir, waitFor, type TempDir, type Topology } from '@millrace/testing';

const RESOURCES = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: trips}
spec: {topic: trips, key: city, eventTime: at, eventId: id, schema: {id: String, at: DateTime64(3), city: String, fare: Float64, stops: Int64}}
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
  history: 1d
  features:
    - {name: trips_1h, aggregate: count, window: 1h}
    - {name: fare_mean_1h, aggregate: mean, column: fare, window: 1h}
    - {name: last_stops, aggregate: last, column: stops}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: trip_checks}
spec:
  inputs: [city_fares]
  request: {distance: Float32, ticket: Int64, booked: DateTime64(3), member: Bool, note: String}
  features:
    - {name: per_km, expression: fare_mean_1h / distance}
    - {name: tickets, expression: "coalesce(last_stops, 0) + ticket"}
    - {name: waited, expression: asked_at - booked}
    - {name: label, expression: "if(member, upper(note), note)"}
    - {name: is_busy, expression: trips_1h > 1 and member}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: checked}
spec: {features: [trip_checks, city_fares]}
---
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: checked}
spec: {model: models:/checked/1, featureService: checked}
`;
const FEATURES = ['per_km', 'tickets', 'waited', 'label', 'is_busy', 'trips_1h', 'fare_mean_1h', 'last_stops'];
const AT = Date.parse('2026-01-01T12:00:00Z');
const trip = (id: string, minutes: number, city: string, fare: number): object => ({
  ...{ id, at: new Date(AT + minutes * 60_000).toISOString(), city, fare, stops: id === 'e' ? '9007199254740993' : 3 },
});

let directory: TempDir;
let platform: Topology;
let client: PlatformClient;

beforeAll(async () => {
  directory = await tempDir('on-demand');
  platform = await embeddedTopology(directory.path);
  await platform.start();
  const one = (value: number): number[] => [value, value];
  const model = logisticRegression({ features: ['per_km', 'distance'], weights: one(0.1), bias: 0, mean: one(0), scale: one(1) });
  client = new PlatformClient(platform.url, `${platform.clickhouseUrl}/?output_format_json_quote_64bit_integers=1`);
  await client.put('/api/2.0/mlflow-artifacts/artifacts/on-demand/model.onnx', Buffer.from(model));
  await client.post('/api/2.0/mlflow/registered-models/create', { name: 'checked' });
  await client.post('/api/2.0/mlflow/model-versions/create', { name: 'checked', source: 'mlflow-artifacts:/on-demand' });
  await client.post('/api/v1/apply', RESOURCES, 'application/yaml');
  await waitFor(async () => (await fetch(`${platform.url}/v2/models/checked/ready`)).ok, { what: 'the deployment to be ready' });
}, 180_000);

afterAll(async () => {
  await platform.stop();
  await directory.remove();
});

async function send(events: readonly object[]): Promise<void> {
  await client.post('/api/v1/sources/trips/events', events.map((event) => JSON.stringify(event)).join('\n'), 'application/x-ndjson');
  await client.post('/materialize-incremental', { end_ts: new Date(AT).toISOString() });
}

async function predict(minutes: number): Promise<void> {
  const column = (name: string, datatype: string, data: readonly unknown[]): object => ({ name, datatype, shape: [data.length], data });
  const inputs = [
    column('city', 'BYTES', ['Bern', 'Zürich', 'nowhere']),
    column('distance', 'FP32', [0.1, 1e-3, null]),
    column('ticket', 'BYTES', ['9007199254740993', '-1', '0']),
    column('booked', 'BYTES', ['2026-01-01T10:00:00.123Z', '2026-01-01 11:00:00', '2026-01-01']),
    column('member', 'BOOL', [true, false, true]),
    column('note', 'BYTES', ['straße', '"', '']),
  ];
  await client.post('/v2/models/checked/infer', { parameters: { event_time: AT + minutes * 60_000 }, inputs });
}

/** An answer does not wait for its record. */
const recorded = (rows: number) =>
  waitFor(
    async () => {
      const [found] = await client.sql<{ n: string }>(`SELECT count() AS n FROM millrace.predictions FINAL WHERE deployment = 'checked'`);
      return Number(found?.n) === rows;
    },
    { what: `${rows} predicted rows` },
  );

test('what the gateway answered is recomputed to the bit, and is a training set as it was served', async () => {
  await send([trip('a', -30, 'Bern', 2.5), trip('b', -20, 'Bern', 0.1), trip('c', -10, 'Zürich', 0.7)]);
  for (const minutes of [0, 5]) await predict(minutes);
  await send([trip('d', -5, 'Bern', 7), trip('e', -1, 'Bern', 1 / 3), trip('a', -30, 'Bern', 3.5)]);
  for (const minutes of [0, 10]) await predict(minutes);
  await recorded(12);
  const verified = await client.post<Record<string, unknown>>('/api/v1/features/verify', { deployment: 'checked' });
  expect(verified).toMatchObject({ compared: 12, mismatches: 0, unverifiable: {} });
  expect(verified['features']).toEqual(
    expect.arrayContaining(
      ['per_km', 'tickets', 'waited', 'label', 'is_busy'].map((feature) => ({ view: 'trip_checks', feature, compared: 12, mismatches: 0 })),
    ),
  );
  const ask = { featureService: 'checked', spine: { predictions: { deployment: 'checked' } }, asKnown: 'served', output: 'table' };
  const set = await client.post<{ table: string; status: string; error: string }>('/api/v1/training-sets?wait=60s', ask);
  expect([set.status, set.error]).toEqual(['built', undefined]);
  const rows = await client.sql<Record<string, unknown>>(`SELECT * FROM ${set.table}`);
  const logged = await served();
  expect(rows.length).toBe(12);
  for (const row of rows) {
    const was = logged.get(`${String(row['prediction_id'])}/${String(row['prediction_row'])}`);
    expect(Object.fromEntries(FEATURES.map((name) => [name, asJson(name, row[name])]))).toEqual(was);
  }
});

test('what the gateway answered by older definitions is recomputed by them', async () => {
  const changed = RESOURCES.replace('aggregate: count, window: 1h', 'aggregate: count, window: 15m, filter: "fare > 1"').replace(
    'trips_1h > 1 and member',
    'trips_1h > 0 and member',
  );
  await client.post('/api/v1/apply', changed, 'application/yaml');
  await send([trip('f', -2, 'Zürich', 4)]);
  for (const minutes of [0, 10]) await predict(minutes);
  await recorded(18);
  const verified = await client.post<Record<string, unknown>>('/api/v1/features/verify', { deployment: 'checked' });
  expect(verified).toMatchObject({ compared: 18, mismatches: 0, unverifiable: {} });
  const sql = `SELECT uniqExact(feature_versions) AS definitions, groupUniqArrayIf(JSONExtractInt(features, 'trips_1h'), entity LIKE '%Bern%' AND feature_time = '2026-01-01 12:00:00') AS trips
    FROM millrace.predictions FINAL WHERE deployment = 'checked'`;
  const [found] = await client.sql<{ definitions: string; trips: string[] }>(sql);
  // Two trips, four with those that came later, and the one of a quarter of an hour that cost more than 1.
  expect([Number(found?.definitions), found?.trips.map(Number).sort()]).toEqual([2, [1, 2, 4]]);
  const { features } = await client.get<{ features: { name: string; series: Record<string, number>[] }[] }>(
    '/api/v1/features/statistics?view=city_fares&of=served&every=1d',
  );
  const missing = features.map(({ name, series }) => [name, series.map(({ count, nulls, notFound }) => [count, nulls, notFound])]);
  expect(missing).toEqual([
    ['trips_1h', [[18, 0, 6]]],
    ['fare_mean_1h', [[18, 0, 6]]],
    ['last_stops', [[18, 0, 6]]],
  ]);
});

/** What was served, by prediction and row. */
async function served(): Promise<Map<string, unknown>> {
  const sql = "SELECT prediction_id, row, features FROM millrace.predictions FINAL WHERE deployment = 'checked'";
  const rows = await client.sql<{ prediction_id: string; row: number; features: string }>(sql);
  return new Map(rows.map(({ prediction_id, row, features }) => [`${prediction_id}/${row}`, JSON.parse(features)]));
}

/** A value of the table as the record of a prediction has it. */
function asJson(name: string, value: unknown): unknown {
  if (typeof value === 'boolean') return Number(value);
  if (typeof value !== 'string' || name === 'label') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

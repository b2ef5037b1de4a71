import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parquetReadObjects } from 'hyparquet';
import { zstdDecompressSync } from 'node:zlib';
import { HOUR, START, trip, TripsService, until } from './testing/trips.js';

const FEATURES = [
  '{name: fare_var, aggregate: var_samp, column: fare, window: 1h}',
  '{name: fare_dev, aggregate: stddev_pop, column: fare, window: 1h}',
  '{name: fare_first, aggregate: first, column: fare, window: 1h}',
  '{name: fare_median, aggregate: quantile, quantile: 0.5, column: fare, window: 1h}',
  '{name: lines, aggregate: count_distinct, column: line, window: 1h}',
  '{name: top_lines, aggregate: top_k, k: 2, column: line, window: 1h}',
  '{name: dear_on_9, aggregate: count, window: 1h, filter: "fare >= 20 and line = 9"}',
  '{name: this_half_hour, aggregate: count, window: 30m, windowKind: tumbling, includeCurrent: true}',
  '{name: session, aggregate: count, window: 6h, windowKind: session, gap: 15m}',
  '{name: fare_ever, aggregate: sum, column: fare, windowKind: lifetime}',
  '{name: with_this, aggregate: count, window: 1h, includeCurrent: true}',
  '{name: mean_with_this, expression: "round(fare_ever / with_this)"}',
  '{name: many_at_one, expression: "with_this > 5 and hour(asked_at) = 1"}',
];
const NAMES = FEATURES.map((feature) => /name: (\w+)/.exec(feature)?.[1] ?? '');

const definitions = (features: readonly string[]): string => `
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: habits}
spec:
  entity: place
  source: trips
  features:
${features.map((feature) => `    - ${feature}`).join('\n')}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: habits}
spec: {features: [habits]}
`;

const MOVED = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: moved_trips}
spec:
  topic: moved_trips
  key: city
  eventTime: at
  eventId: id
  corrections: times
  schema: {id: String, at: DateTime64(3), city: String, line: Int32, fare: Float64}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: moved}
spec: {entity: place, source: moved_trips, history: 6h, features: [{name: fares_1h, aggregate: sum, column: fare, window: 1h}]}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: moved}
spec: {features: [moved]}
`;

describe('aggregates and windows', () => {
  let trips: TripsService;
  let position = '';
  beforeAll(async () => {
    trips = await TripsService.start();
    const applied = await trips.post('/api/v1/apply', definitions(FEATURES), 'application/yaml');
    if (applied.status !== 200) throw new Error(await applied.text());
    await trips.send([trip('a', 0, 10), trip('b', 10, 20), trip('c', 12, 20, 'Bern', 8), trip('d', 50, 40), trip('e', 60, 5, 'Bern', 8)]);
    // Late, repeated, and corrected.
    position = await trips.send([trip('f', 11, 30), trip('b', 10, 20), trip('d', 50, 50)]);
  });
  afterAll(() => trips.stop());

  /** Of the events at 0, 10, 11, 12, 50 and 60 minutes, asked for at 60. */
  const EXPECTED = [230, Math.sqrt(184), 10, 20, 2, '[9,8]', 3, 1, 1, 130, 6, 22, true];

  const online = async (service: string): Promise<unknown[]> => {
    const reply = await trips.online({ feature_service: service, entities: { city: ['Bern'] }, at: START + HOUR, at_least: position });
    return NAMES.map((name) => reply.results[reply.metadata.feature_names.indexOf(name)]?.values[0]);
  };

  test('are served', async () => {
    expect(await online('habits')).toEqual(EXPECTED);
  });

  const trainingSet = async (featureService: string, ats: readonly number[]): Promise<Record<string, unknown>[]> => {
    const rows = ats.map((at) => ({ city: 'Bern', asked: at }));
    const started = await trips.post('/api/v1/training-sets', { featureService, timestampColumn: 'asked', spine: { rows } });
    const { id } = (await started.json()) as { id: string };
    const show = async () => (await (await trips.get(`/api/v1/training-sets/${id}`)).json()) as { status: string; error?: string };
    expect(await until(show, ({ status }) => status !== 'requested')).toMatchObject({ status: 'built' });
    const file = await (await trips.get(`/api/v1/training-sets/${id}/data`)).arrayBuffer();
    return parquetReadObjects({ file, compressors: { ZSTD: (input) => zstdDecompressSync(input) } });
  };

  test('are the same in a training set', async () => {
    const [row] = await trainingSet('habits', [START + HOUR]);
    const values = NAMES.map((name) => row?.[name]);
    expect(values.map((value) => (typeof value === 'bigint' ? Number(value) : value))).toEqual(EXPECTED);
  });

  test('a changed filter over the same columns is served at once, from the state that is there', async () => {
    const changed = FEATURES.map((feature) => feature.replace('fare >= 20 and line = 9', 'fare < 20 or line <> 9'));
    const applied = await trips.post('/api/v1/apply', definitions(changed), 'application/yaml');
    expect(applied.status).toBe(200);
    const expected = EXPECTED.map((value, index) => (NAMES[index] === 'dear_on_9' ? 2 : value));
    await until(
      () => online('habits'),
      (values) => JSON.stringify(values) === JSON.stringify(expected),
    );
  });

  test('an event whose time is corrected leaves the windows it was in, hours away', async () => {
    const applied = await trips.post('/api/v1/apply', MOVED, 'application/yaml');
    expect(applied.status).toBe(200);
    const events = [trip('a', 10, 1), trip('b', 20, 2), trip('a', 190, 4)].map((event) => JSON.stringify(event)).join('\n');
    const sent = await until(
      () => trips.post('/api/v1/sources/moved_trips/events', events, 'application/x-ndjson'),
      ({ status }) => status === 200,
    );
    const at_least = sent.headers.get('millrace-position') ?? '';
    const ats = [START + HOUR, START + 4 * HOUR];
    const told: unknown[] = [];
    for (const at of ats) {
      const reply = await trips.online({ feature_service: 'moved', entities: { city: ['Bern'] }, at, at_least });
      told.push(reply.results[1]?.values[0]);
    }
    expect(told).toEqual([2, 4]);
    expect((await trainingSet('moved', ats)).map((row) => row['fares_1h'])).toEqual([2, 4]);
  });

  test.each([
    [
      '{name: x, aggregate: count, window: 1h, filter: "fair > 3"}',
      'spec.features[0].filter',
      'did you mean fare?, at character 1: ▸fair > 3',
    ],
    ['{name: x, aggregate: count, window: 1h, filter: "fare"}', 'spec.features[0].filter', 'must be true or false'],
    ['{name: x, aggregate: quantile, column: fare, window: 1h}', 'spec', 'feature x (quantile) needs quantile'],
    ['{name: x, aggregate: top_k, column: line, window: 1h}', 'spec', 'feature x (top_k) needs k'],
    ['{name: x, aggregate: var_samp, column: city, window: 1h}', 'spec.features[0].column', 'needs a number'],
    ['{name: x, aggregate: count, window: 1h, windowKind: session}', 'spec', 'needs a gap'],
    ['{name: x, aggregate: count, window: 1h, windowKind: lifetime}', 'spec', 'one of kind lifetime has no length'],
    ['{name: x, aggregate: count, window: 1h, gap: 5m}', 'spec', 'only windows of kind session'],
    ['{name: x, aggregate: last, column: fare, filter: "fare > 1"}', 'spec', 'takes no filter'],
    ['{name: x, expression: "fare + 1"}', 'spec', 'expression of x: there is no feature fare, at character 1: ▸fare + 1'],
    ['{name: x, expression: "1", window: 1h}', 'spec', 'is an expression and takes no window'],
    ['{name: x, expression: "null"}', 'spec', 'is always null'],
    ['{name: x}', 'spec.features[0].aggregate', 'a feature has an aggregate or an expression'],
  ])('%s is refused', async (feature, field, message) => {
    const response = await trips.post('/api/v1/apply', definitions([feature]), 'application/yaml');
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
    const text = await response.text();
    expect(text).toContain(field);
    expect((JSON.parse(text) as { detail?: string }) && text.replaceAll('\\"', '"')).toContain(message);
  });
});

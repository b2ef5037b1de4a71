import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { compileView, viewKey, type FeatureViewDefinition } from '@millrace/feature-engine';
import { logisticRegression } from '@millrace/onnx';
import { loadConfig, bootstrap, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { InferenceModule, inferenceConfig } from './index.js';
import { departures, FLIGHTS } from './testing/flights.js';
import { GrpcClient } from './testing/grpc-client.js';
import { PublishedModels } from './testing/published-models.js';

/** Its latest value is soon too old. */
const RECENT: FeatureViewDefinition = {
  ...{ name: 'recent', entity: 'origin', source: 'flights', ttl: '10m' },
  features: [{ name: 'recent_delay', aggregate: 'last', column: 'delay' }],
};
const CHECKS = `
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: recent}
spec: {entity: origin, source: flights, ttl: 10m, features: [{name: recent_delay, aggregate: last, column: delay}]}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: delay_checks}
spec:
  inputs: [origin_delays]
  request: {distance: Float64, booked: DateTime64(3), seats: Int64}
  features:
    - {name: delay_per_km, expression: "coalesce(delay_mean_6h, 0) / distance"}
    - {name: hours_ahead, expression: "(asked_at - booked) / 3600000"}
    - {name: spare, expression: seats - 1}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: checked}
spec: {features: ["origin_delays:departures_1h", delay_checks, recent]}
---
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: checked}
spec: {model: models:/checked/1, featureService: checked}
`;
/** A feature that was computed, one of its inputs' view, and a value of the request. */
const COLUMNS = ['delay_per_km', 'departures_1h', 'hours_ahead', 'distance'];
const WEIGHTS = [2, 0.5, 0.1, 0.001];

let temp: TempDir;
let service: RunningService;

beforeAll(async () => {
  temp = await tempDir('inference-on-demand');
  const environment = {
    MILLRACE_DATA_DIR: temp.path,
    MILLRACE_PORT: '0',
    MILLRACE_CLICKHOUSE_PORT: '0',
    MILLRACE_GRPC_PORT: '0',
    MILLRACE_LOG_LEVEL: 'error',
  };
  service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], environment));
  const zeros = COLUMNS.map(() => 0);
  const model = logisticRegression({ features: COLUMNS, weights: WEIGHTS, bias: 0, mean: zeros, scale: COLUMNS.map(() => 1) });
  await new PublishedModels(service.host).register('checked', model);
  const applied = await post('/api/v1/apply', `${FLIGHTS}---${CHECKS}`, 'application/yaml');
  if (applied.status !== 200) throw new Error(JSON.stringify(applied.body));
  await departures(
    service.host,
    [
      { origin: 'ORD', departed: '2001-01-01T08:00:00Z', delay: 30 },
      { origin: 'ORD', departed: '2001-01-01T09:30:00Z', delay: 10 },
    ],
    [RECENT],
  );
  await waitFor(async () => (await fetch(`${service.url}/v2/models/checked/ready`)).ok, { what: 'the deployment to be ready' });
}, 60_000);
afterAll(async () => {
  await service.close();
  await temp.remove();
});

interface Reply {
  readonly outputs: readonly { readonly data: number[] }[];
  readonly parameters: Readonly<Record<string, string>>;
  readonly error: string;
}

const post = async (path: string, body: string, type = 'application/json'): Promise<{ status: number; body: Reply }> => {
  const response = await fetch(`${service.url}${path}`, { method: 'POST', headers: { 'content-type': type }, body });
  return { status: response.status, body: (await response.json()) as Reply };
};
type Column = readonly [name: string, datatype: string, data: readonly unknown[]];
const REQUEST: readonly Column[] = [
  ['origin', 'BYTES', ['ORD', 'nowhere']],
  ['distance', 'FP64', [80, 40]],
  ['booked', 'BYTES', ['2001-01-01T08:00:00Z', '2001-01-01T09:00:00+00:00']],
  ['seats', 'INT64', [9, 4]],
];
const infer = (columns: readonly Column[]): Promise<{ status: number; body: Reply }> => {
  const inputs = columns.map(([name, datatype, data]) => ({ name, datatype, shape: [data.length], data }));
  return post('/v2/models/checked/infer', JSON.stringify({ parameters: { event_time: '2001-01-01T10:00:00Z' }, inputs }));
};
const sigmoid = (...values: number[]): number =>
  1 / (1 + Math.exp(-values.reduce((sum, value, index) => sum + value * (WEIGHTS[index] as number), 0)));

test('a deployment predicts from entity keys and request data, and records what it rested on', async () => {
  const reply = await infer(REQUEST);
  expect([reply.status, reply.body.error]).toEqual([200, undefined]);
  const [probability] = reply.body.outputs;
  expect(probability?.data[0]).toBeCloseTo(sigmoid(20 / 80, 1, 2, 80), 6);
  // Of an entity that nobody knows, what is computed from it has its own answer; what is not there is the model's mean.
  expect(probability?.data[1]).toBeCloseTo(sigmoid(0, 0, 1, 40), 6);
  const id = reply.body.parameters['prediction_id'];
  const rows = await waitFor(async () => {
    const found = await service.host.offline.query<Record<string, string>>(
      `SELECT * FROM millrace.predictions WHERE prediction_id = '${id}' ORDER BY row`,
    );
    return found.length === 2 && found;
  });
  const told = (field: string): unknown[] => rows.map((row) => JSON.parse(row[field] ?? '') as unknown);
  expect(told('features')).toEqual([
    { departures_1h: 1, delay_per_km: 0.25, hours_ahead: 2, spare: 8, recent_delay: null },
    { departures_1h: null, delay_per_km: 0, hours_ahead: 1, spare: 3, recent_delay: null },
  ]);
  expect(told('statuses')).toEqual([{ recent_delay: 'OUTSIDE_MAX_AGE' }, { departures_1h: 'NOT_FOUND', recent_delay: 'NOT_FOUND' }]);
  const analysts = await service.host.offline.query<{ told: string }>(
    `SELECT concat(toString(row), ' ', feature, ' ', status) AS told FROM millrace.served_features WHERE prediction_id = '${id}' AND feature IN ('departures_1h', 'recent_delay') ORDER BY told`,
  );
  expect(analysts.map((row) => row.told)).toEqual([
    '0 departures_1h PRESENT',
    '0 recent_delay OUTSIDE_MAX_AGE',
    '1 departures_1h NOT_FOUND',
    '1 recent_delay NOT_FOUND',
  ]);
  expect(told('request')).toEqual([
    { distance: 80, booked: Date.parse('2001-01-01T08:00:00Z'), seats: 9 },
    { distance: 40, booked: Date.parse('2001-01-01T09:00:00Z'), seats: 4 },
  ]);
  // Each view was read once; the versions of all of them are known.
  expect(told('feature_positions')[0]).toEqual({ origin_delays: { 0: 2 }, recent: { 0: 2 } });
  expect(Object.keys(told('feature_versions')[0] as object).sort()).toEqual(['delay_checks', 'origin_delays', 'recent']);
});

test('what was answered is told by ClickHouse whatever numbers are in it', async () => {
  const columns = REQUEST.map(([name, type, data]): Column => [name, type, name === 'distance' ? [1e20] : [data[0]]]);
  const { parameters } = (await infer(columns)).body;
  const told = await waitFor(async () => {
    const found = await service.host.offline.query<Record<string, unknown>>(
      `SELECT groupArray(feature) AS features, any(JSONExtract(request, 'distance', 'Nullable(Float64)')) AS distance
       FROM millrace.served_features INNER JOIN millrace.predictions USING (prediction_id, row) WHERE prediction_id = '${parameters['prediction_id']}'`,
    );
    return (found[0]?.['features'] as unknown[]).length > 0 && found[0];
  });
  expect(told).toEqual({ features: ['departures_1h', 'delay_per_km', 'hours_ahead', 'spare', 'recent_delay'], distance: 1e20 });
});

test('whole numbers are milliseconds of a time and values of a float, however they travel', async () => {
  const booked = Date.parse('2001-01-01T08:00:00Z');
  const integers: readonly Column[] = [
    ['origin', 'BYTES', ['ORD']],
    ['distance', 'INT64', [80]],
    ['booked', 'INT64', [booked]],
    ['seats', 'INT64', [9]],
  ];
  const expected = sigmoid(20 / 80, 1, 2, 80);
  const json = await infer(integers);
  expect([json.status, json.body.error]).toEqual([200, undefined]);
  expect(json.body.outputs[0]?.data[0]).toBeCloseTo(expected, 6);

  const bytesOf = (data: readonly unknown[]): Buffer =>
    typeof data[0] === 'string'
      ? Buffer.from(`\x03\0\0\0${data[0]}`, 'latin1')
      : Buffer.from(BigInt64Array.of(BigInt(data[0] as number)).buffer);
  const parts = integers.map(([, , data]) => bytesOf(data));
  const inputs = integers.map(([name, datatype], index) => ({
    name,
    datatype,
    shape: [1],
    parameters: { binary_data_size: parts[index]?.length },
  }));
  const head = Buffer.from(
    JSON.stringify({ parameters: { event_time: '2001-01-01T10:00:00Z' }, inputs, outputs: [{ name: 'probability' }] }),
  );
  const binary = await fetch(`${service.url}/v2/models/checked/infer`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(head.length) },
    body: Buffer.concat([head, ...parts]),
  });
  expect(binary.status).toBe(200);
  expect(((await binary.json()) as Reply).outputs[0]?.data[0]).toBeCloseTo(expected, 6);

  const client = new GrpcClient(service.app.get(InferenceModule).grpcAddress as string);
  try {
    const contents = (data: readonly unknown[]): object =>
      typeof data[0] === 'string' ? { bytes_contents: [Buffer.from(data[0])] } : { int64_contents: data };
    const answer = await client.call<{ outputs: { contents: { fp32_contents: number[] } }[] }>('ModelInfer', {
      model_name: 'checked',
      parameters: { event_time: { string_param: '2001-01-01T10:00:00Z' } },
      inputs: integers.map(([name, datatype, data]) => ({ name, datatype, shape: [1], contents: contents(data) })),
      outputs: [{ name: 'probability' }],
    });
    expect(answer.response?.outputs[0]?.contents.fp32_contents[0]).toBeCloseTo(expected, 6);
  } finally {
    client.close();
  }
});

test.each<[string, readonly Column[], RegExp]>([
  [
    'a time in a type that rounds it to minutes',
    [...REQUEST.slice(0, 2), ['booked', 'FP32', [978336000000, 978336000000]], ...REQUEST.slice(3)],
    /input "booked": FP32 holds times to the minute at best; send milliseconds as INT64 or FP64, or texts in ISO 8601 as BYTES/,
  ],
  [
    'a missing value',
    REQUEST.filter(([name]) => name !== 'booked'),
    /input "booked" is missing; give the join keys "origin" and the request features "distance", "booked", "seats"/,
  ],
  [
    'a value of another type',
    [...REQUEST.slice(0, 2), ['booked', 'BYTES', ['soon', 'later']], ...REQUEST.slice(3)],
    /input "booked": soon in row 0 is not a value of DateTime64\(3\)/,
  ],
  ['a value that nobody takes', [...REQUEST, ['gate', 'BYTES', ['A', 'B']]], /input "gate" is unknown/],
])('refuses %s of the request, and names it', async (_what, columns, message) => {
  const reply = await infer(columns);
  expect([reply.status, reply.body.error]).toEqual([400, expect.stringMatching(message)]);
});

test('a view that is asked for in the past says which view to keep longer', async () => {
  const inputs = REQUEST.map(([name, datatype, data]) => ({ name, datatype, shape: [2], data }));
  await departures(
    service.host,
    Array.from({ length: 60 }, (_, day) => ({ origin: 'ORD', departed: new Date(Date.UTC(2001, 1, 1 + day)).toISOString(), delay: 1 })),
    [RECENT],
  );
  const reply = await post('/v2/models/checked/infer', JSON.stringify({ parameters: { event_time: '2001-02-02T01:00:00Z' }, inputs }));
  expect([reply.status, reply.body.error]).toEqual([400, expect.stringMatching(/raise the history of feature view "origin_delays"$/)]);
});

test('a changed view answers from its old state until the store notes that the new one is up', async () => {
  const [spec, source] = ['{entity: origin, source: flights, ttl: 10m, features: ', { topic: 'flights', eventTime: 'departed' }];
  const planOf = (features: FeatureViewDefinition['features']): { stateHash: Buffer } =>
    compileView(
      { ...RECENT, features },
      { name: 'origin', joinKeys: { origin: 'String' } },
      { name: 'flights', ...source, key: ['origin'], schema: { departed: 'DateTime64(3)', delay: 'Int32', origin: 'String' } },
    );
  const changed = [...RECENT.features, { name: 'departures', aggregate: 'count' as const, window: '8h' }];
  const note = (features: FeatureViewDefinition['features']): Promise<boolean> =>
    service.host.online.writeMany([{ key: viewKey('recent'), value: planOf(features).stateHash }]);
  const featuresAt = async (time: string): Promise<Record<string, unknown>> => {
    const inputs = REQUEST.map(([name, datatype, data]) => ({ name, datatype, shape: [1], data: data.slice(0, 1) }));
    const reply = await post('/v2/models/checked/infer', JSON.stringify({ parameters: { event_time: time }, inputs }));
    expect([reply.status, reply.body.error]).toEqual([200, undefined]);
    const query = `SELECT features FROM millrace.predictions WHERE prediction_id = '${reply.body.parameters['prediction_id']}'`;
    const [row] = await waitFor(async () => {
      const found = await service.host.offline.query<{ features: string }>(query);
      return found.length > 0 && found;
    });
    return JSON.parse(row?.features ?? '') as Record<string, unknown>;
  };
  await note(RECENT.features);
  const view = `apiVersion: millrace.dev/v1\nkind: FeatureView\nmetadata: {name: recent}\nspec: ${spec}${JSON.stringify(changed)}}\n`;
  const applied = await post('/api/v1/apply', view, 'application/yaml');
  expect([applied.status, (applied.body as unknown as { documents: { version: number }[] }).documents[0]?.version]).toEqual([200, 2]);
  const last = new Date(Date.UTC(2001, 1, 60, 0, 5)).toISOString();
  expect(await featuresAt(last)).toMatchObject({ recent_delay: 1 });
  expect(await featuresAt(last)).not.toHaveProperty('departures');
  await note(changed);
  // Nobody has filled it here.
  await waitFor(async () => 'departures' in (await featuresAt(last)), { what: 'the new version to serve' });
  expect(await featuresAt(last)).toMatchObject({ recent_delay: null });
});

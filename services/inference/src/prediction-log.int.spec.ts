import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { TOPICS } from '@millrace/contracts';
import { addsModel } from '@millrace/onnx';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { InferenceModule, inferenceConfig } from './index.js';
import { delayModel, departures, FLIGHTS } from './testing/flights.js';
import { PublishedModels } from './testing/published-models.js';

const REQUESTS = 400;
const EXPERIMENT = `apiVersion: millrace.dev/v1
kind: Experiment
metadata: {name: by-customer}
spec:
  unit: customer
  variants: [{name: a, weight: 1}, {name: b, weight: 1}]
  metrics: [{name: clicks, source: outcome, type: mean}]
`;
/** Records that may wait. */
const CAPACITY = 100;

describe('what the prediction log keeps', () => {
  let temp: TempDir;
  let service: RunningService;
  /** Set: appends of predictions fail. */
  let isAway = false;

  beforeAll(async () => {
    temp = await tempDir('prediction-log');
    const environment = {
      MILLRACE_DATA_DIR: temp.path,
      MILLRACE_PORT: '0',
      MILLRACE_CLICKHOUSE_PORT: '0',
      MILLRACE_GRPC_PORT: '0',
      MILLRACE_LOG_LEVEL: 'silent',
      MILLRACE_INFERENCE_LOG_FULL: 'refuse',
      MILLRACE_INFERENCE_MAX_BUFFERED_PREDICTIONS: String(CAPACITY),
    };
    service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], environment));
    const { log } = service.host;
    const append = log.append.bind(log);
    log.append = (records) =>
      isAway && records.some(({ topic }) => topic === TOPICS.predictions.name) ? Promise.reject(new Error('away')) : append(records);
    const models = new PublishedModels(service.host);
    await models.register('adds', addsModel(1));
    await models.register('delay', delayModel(0));
    for (let version = 0; version < 3; version++) await models.register('towns', delayModel(version));
    await models.register('towns', delayModel(3), '0'.repeat(64));
    const deployment = (name: string, spec: string): string =>
      `apiVersion: millrace.dev/v1\nkind: Deployment\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
    const documents = [
      FLIGHTS,
      deployment('sampled', '{model: models:/adds/1, predictionLog: {sample: 0.25}}'),
      deployment('none', '{model: models:/adds/1, predictionLog: {sample: 0}}'),
      deployment('blank', "{model: models:/adds/1, predictionLog: {redact: ['*']}}"),
      deployment('private', '{model: models:/delay/1, featureService: delay_model, predictionLog: {redact: [origin, label]}}'),
      deployment('whole', '{model: models:/adds/1}'),
      // Called as a model is, and serves another.
      deployment('towns', '{model: models:/adds/1}'),
      deployment('columns', '{model: models:/adds/1, predictionLog: {redact: [departures_1h]}}'),
      `${EXPERIMENT}---\n${deployment('units', '{model: models:/adds/1, experiment: by-customer, predictionLog: {redact: [customer]}}')}`,
      deployment('deleted', '{model: models:/delay/1, featureService: delay_model, predictionLog: {redact: [origin]}}'),
    ];
    await apply(documents.join('---\n'));
    await departures(service.host, [{ origin: 'ORD', departed: '2001-01-01T08:00:00Z', delay: 30 }]);
    for (const name of ['sampled', 'none', 'blank', 'private', 'whole', 'units'])
      await waitFor(async () => (await fetch(`${service.url}/v2/models/${name}/ready`)).ok, { what: `${name} to be ready` });
  }, 60_000);
  afterAll(async () => {
    await service.close();
    await temp.remove();
  });

  const apply = async (body: string): Promise<void> => {
    const response = await fetch(`${service.url}/api/v1/apply`, { method: 'POST', headers: { 'content-type': 'application/yaml' }, body });
    if (!response.ok) throw new Error(await response.text());
  };
  const ask = (name: string, body: object) =>
    fetch(`${service.url}/v2/models/${name}/infer`, { method: 'POST', body: JSON.stringify(body) });
  const adds = (value: unknown) => ({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [value] }] });
  const rows = async <T>(deployment: string): Promise<T[]> =>
    service.host.offline.query<T>(
      `SELECT * FROM millrace.predictions FINAL WHERE deployment = '${deployment}' ORDER BY time, prediction_id`,
    );
  /** Waits for a request of another deployment that came later; the topic has several partitions, so for one on each. */
  const recorded = async (deployment: string, count: number) =>
    waitFor(async () => (await rows(deployment)).length >= count, { what: `${count} rows of ${deployment}` });

  test('a share of the requests, and every error', async () => {
    for (let index = 0; index < REQUESTS; index++) expect((await ask('sampled', adds(index))).status).toBe(200);
    for (let index = 0; index < 10; index++) expect((await ask('none', adds(index))).status).toBe(200);
    expect((await ask('none', adds('text'))).status).toBe(400);
    expect((await ask('none', { inputs: [{ name: 'y', datatype: 'FP32', shape: [1, 1], data: [1] }] })).status).toBe(400);
    await recorded('none', 1);
    expect(await rows('none')).toMatchObject([{ error_code: 'MR_INFERENCE_INVALID' }]);
    // 400 fair draws of 0.25 lie outside of 60..140 once in 100,000 runs.
    await recorded('sampled', 60);
    expect((await rows('sampled')).length).toBeLessThan(140);
  });

  test('without what is not to be kept', async () => {
    expect((await ask('blank', adds(7))).status).toBe(200);
    await recorded('blank', 1);
    expect(await rows('blank')).toMatchObject([{ inputs: '{}', outputs: '{"y":8}' }]);
    const column = (name: string, datatype: string, data: unknown[]) => ({ name, datatype, shape: [1], data });
    const inputs = [column('origin', 'BYTES', ['ORD']), column('distance', 'FP32', [100])];
    const answer = await ask('private', { parameters: { event_time: '2001-01-01T10:00:00Z' }, inputs });
    expect(answer.status).toBe(200);
    await recorded('private', 1);
    const [row] = await rows<Record<string, string>>('private');
    expect(row).toMatchObject({ unit: null, entity: '{}', request: '{"distance":100}' });
    expect(Object.keys(JSON.parse(row?.['outputs'] ?? '') as object)).toEqual(['probability']);
    expect(row?.['features']).toContain('departures_1h');
  });

  const post = (path: string, body: object) =>
    fetch(`${service.url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const send = async (path: string, body: object): Promise<void> => {
    const response = await post(path, body);
    if (!response.ok) throw new Error(await response.text());
  };
  const edge = (model: string, version: number, deployment: string, ...predictions: readonly object[]): [path: string, body: object] => [
    `/api/v1/serving/models/${model}/versions/${version}/predictions`,
    {
      ...{ device: 'device-0001', session: 'session-0001', runner: 'node', sentAt: 3, deployment },
      predictions: predictions.map((one) => ({ time: 1, outputs: { y: 1 }, latencyMicros: 1, ...one })),
    },
  ];

  test('without it also where a batch job or an exported model has answered', async () => {
    const before = (await rows('blank')).length;
    await send('/api/v1/batch-jobs?wait=30s', { deployment: 'blank', input: { query: 'SELECT toFloat32(41) AS x' }, log: 'all' });
    const predictions = [
      { id: 'edge-0001', time: 1, inputs: { x: 42 }, outputs: { y: 43 }, latencyMicros: 1, unit: 'somebody' },
      { id: 'edge-0002', time: 2, features: { x: 42 }, error: { code: 'FAILED', message: 'x is 42' }, latencyMicros: 1 },
    ];
    const upload = { device: 'device-0001', session: 'session-0001', runner: 'node', sentAt: 3, deployment: 'blank', predictions };
    await send('/api/v1/serving/models/adds/versions/1/predictions', upload);
    await recorded('blank', before + 3);
    const found = (await rows<Record<string, string>>('blank')).filter((row) => row['source'] === 'edge' || row['outputs'] === '{"y":42}');
    expect(found).toHaveLength(3);
    for (const row of found) expect(row).toMatchObject({ unit: null, inputs: '{}', request: '{}' });
    expect(found.map((row) => row['error_message']).filter(Boolean)).toEqual(['not recorded: it may quote what was sent']);
  });

  test('without the columns of the version that has answered, whatever a deployment of its name serves', async () => {
    const inputs = { input: [100, 5, 2] };
    await send(...edge('towns', 1, 'columns', { id: 'columns-0001', inputs }));
    // What can never be served says no columns.
    await send(...edge('towns', 4, 'columns', { id: 'columns-0004', inputs }));
    await recorded('columns', 2);
    expect((await rows<{ inputs: string }>('columns')).map((row) => row.inputs).sort()).toEqual(['{"input":[100,5,null]}', '{}']);
    const job = { model: 'models:/towns/1', input: { query: 'SELECT 1 AS distance, 2 AS delay_mean_6h, 3 AS departures_1h' } };
    expect(await (await post('/api/v1/batch-jobs?wait=30s', job)).json()).toMatchObject({ status: 'completed' });
  });

  test('not at all while nobody can say which column is which: whoever sent it keeps it', async () => {
    const { artifacts } = service.host;
    const stat = artifacts.stat.bind(artifacts);
    artifacts.stat = () => Promise.reject(new Error('the store is away'));
    const upload = edge('towns', 2, 'columns', { id: 'columns-0002', inputs: { input: [100, 5, 2] } });
    const refused = await post(...upload);
    expect({ status: refused.status, retryAfter: refused.headers.get('retry-after') }).toEqual({ status: 503, retryAfter: '1' });
    expect(await refused.json()).toMatchObject({ code: 'MR_INFERENCE_LOADING', detail: expect.stringContaining('the store is away') });
    artifacts.stat = stat;
    await waitFor(async () => (await post(...upload)).status === 202, { what: 'the version to be loaded' });
    await recorded('columns', 3);
    expect((await rows<{ inputs: string }>('columns')).filter((row) => row.inputs === '{"input":[100,5,null]}')).toHaveLength(2);
  });

  test('without the unit where it is of what is not to be kept, whoever has answered', async () => {
    const units = async (deployment: string): Promise<unknown[]> => (await rows<{ unit: unknown }>(deployment)).map(({ unit }) => unit);
    await send(...edge('adds', 1, 'units', { id: 'units-0001', features: { customer: 'C1' }, unit: 'C1' }));
    await send(...edge('adds', 1, 'units', { id: 'units-0002', features: { x: 1 }, unit: 'C2' }));
    expect((await ask('units', { ...adds(1), parameters: { unit: 'C3' } })).status).toBe(200);
    await recorded('units', 3);
    expect(await units('units')).toEqual([null, null, null]);
    // A deployment's rules hold on when it is deleted, and so does what its units are of.
    expect((await fetch(`${service.url}/api/v1/resources/Deployment/deleted`, { method: 'DELETE' })).status).toBeLessThan(300);
    await send(...edge('delay', 1, 'deleted', { id: 'deleted-0001', features: { distance: 1 }, unit: 'ORD' }));
    await recorded('deleted', 1);
    expect(await units('deleted')).toEqual([null]);
  });

  test('of a request whose record has no room nothing is answered, where that is wanted; nothing is lost', async () => {
    isAway = true;
    const statuses: number[] = [];
    for (let index = 0; index < CAPACITY + 3; index++) {
      const response = await ask('whole', adds(index));
      statuses.push(response.status);
      if (response.status === 200) continue;
      expect(response.headers.get('retry-after')).toBe('1');
      expect(await response.json()).toEqual({ error: expect.stringContaining('answers nothing it cannot record') });
    }
    expect(statuses).toEqual([...Array.from({ length: CAPACITY }, () => 200), 503, 503, 503]);
    isAway = false;
    await waitFor(async () => (await ask('whole', adds(CAPACITY))).status === 200, { what: 'the gateway to answer again' });
    await recorded('whole', CAPACITY + 1);
    expect((await rows<{ outputs: string }>('whole')).map(({ outputs }) => outputs)).toEqual(
      Array.from({ length: CAPACITY + 1 }, (_, value) => JSON.stringify({ y: value + 1 })),
    );
  });
});

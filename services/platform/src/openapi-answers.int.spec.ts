import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { bootstrap, loadConfig, OPENAPI_PATH, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { platformConfig } from './config.js';
import { PlatformModule } from './platform.module.js';
import { DescribedAnswers, type Document } from './testing/described-answers.js';
import { openTopics } from './testing/topics-under-test.js';

const MINUTES = 60_000;
const PROBES = ['/healthz', '/readyz', '/metrics'];
const MLFLOW = '/api/2.0/mlflow';

const RESOURCES = `
apiVersion: millrace.dev/v1
kind: Policy
metadata: {name: poison}
spec: {models: [poison], aliases: [champion], approvals: 1, checks: [{name: fairness, type: reported}, {name: serves, type: servable}]}
---
apiVersion: millrace.dev/v1
kind: Policy
metadata: {name: by-hand}
spec: {models: [poison], aliases: [steady], approvals: 0, promotion: manual}
---
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: daily}
spec: {query: 'SELECT if(number = 3, NULL, toString(number)) AS sensor, toDateTime64(1700000000 + number, 3) AS at, toInt64(number) AS value FROM numbers(5)', key: sensor, eventTime: at, schema: {sensor: String, at: DateTime64(3), value: Int64}}
---
apiVersion: millrace.dev/v1
kind: StreamingInference
metadata: {name: flow}
spec: {deployment: probed, source: sensors, output: {topic: flow.out}}
`;

/** JSON routes that no real answer with something in it was held to, and why. */
const UNREACHED: Readonly<Record<string, string>> = {
  'get /healthz': 'its only list is of parts that have ended, and none has',
  'post /api/v1/sources/{name}/materializations/{id}/cancel':
    'so few rows are there before it can be stopped; it answers as the two beside it do',
};

let temp: TempDir;
let platform: RunningService;
let document: Document;
let answers: DescribedAnswers;
let runId = '';
/** Who asks, where it has to be said: headers by name. */
const as = new Map<string, Readonly<Record<string, string>>>();

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; body: never }> {
  const isText = typeof body === 'string';
  const response = await fetch(`${platform.url}${path}`, {
    ...{
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': isText ? 'application/yaml' : 'application/json' }), ...headers },
    },
    ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
  });
  const type = response.headers.get('content-type') ?? '';
  const text = await response.text();
  if (path.startsWith('/api/v1/') || PROBES.includes(path)) answers.take(method, path, response.status, type, text);
  return { status: response.status, body: (type.includes('json') && !type.includes('ndjson') ? JSON.parse(text) : text) as never };
}

const get = async <T>(path: string): Promise<T> => (await call('GET', path)).body;
const post = async <T>(path: string, body?: unknown, actor = ''): Promise<T> => (await call('POST', path, body, as.get(actor))).body;

beforeAll(async () => {
  temp = await tempDir('openapi-answers');
  const key = join(temp.path, 'signing.pem');
  writeFileSync(key, generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const environment = {
    ...{ MILLRACE_DATA_DIR: join(temp.path, 'data'), MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_GRPC_PORT: '0' },
    ...{ MILLRACE_LOG_LEVEL: 'fatal', MILLRACE_TESTING: '1', MILLRACE_REGISTRY_WEBHOOK_PRIVATE: 'true', MILLRACE_SIGNING_KEY: key },
  };
  platform = await bootstrap(PlatformModule, loadConfig(platformConfig, environment), { service: 'platform' });
  document = (await (await fetch(`${platform.url}${OPENAPI_PATH}`)).json()) as Document;
  answers = new DescribedAnswers(document);
  for (const { write } of await openTopics(platform.url)) for (let n = 1; n <= 2; n++) await write(n);
  const { status, body } = await call('POST', '/api/v1/apply', RESOURCES);
  expect([status, body]).toEqual([200, expect.anything()]);
  for (const [name, role] of [
    ['ana', 'editor'],
    ['bob', 'approver'],
  ] as const) {
    const { key: secret } = await post<{ key: string }>('/api/v1/access/keys', { name, role, expiresIn: '1h' });
    as.set(name, { 'millrace-auth': 'required', authorization: `Bearer ${secret}` });
  }
}, 3 * MINUTES);
afterAll(async () => {
  await platform?.close();
  await temp?.remove();
});

test('every JSON route says what its answer holds', () => {
  expect(answers.json().length).toBeGreaterThan(70);
  expect(answers.untold()).toEqual([]);
  const strict = new DescribedAnswers(document);
  const asked = ['GET', '/api/v1/lineage/delivery', 200, 'application/json'] as const;
  strict.take(...asked, '{"isOn":false}');
  expect(strict.faults).toEqual([]);
  for (const wrong of ['{"isOn":false,"nonsense":1}', '{}', '{"isOn":1}']) strict.take(...asked, wrong);
  strict.take('GET', '/api/v1/runs/a/artifacts', 200, 'application/json', '{"runId":"a","files":[],"nonsense":1}');
  strict.take('GET', '/api/v1/runs/a/artifacts', 418, 'application/json', '{}');
  expect(strict.faults).toHaveLength(5);
});

test(
  'what every process has',
  async () => {
    for (const path of ['/healthz', '/readyz', '/metrics', OPENAPI_PATH, '/api/v1/status', '/api/v1/events', '/api/v1/resources?limit=2'])
      await get(path);
    await get('/api/v1/events/millrace.tracking.decisions?partition=0');
    await get('/api/v1/resources/Source/sensors');
    await get('/api/v1/resources/Source/none');
    await get('/api/v1/resources/Nothing/none');
    const entity = { apiVersion: 'millrace.dev/v1', kind: 'Entity', metadata: { name: 'gone' }, spec: { joinKeys: { gone: 'String' } } };
    for (const query of ['?dryRun=true', '', '']) await post(`/api/v1/apply${query}`, entity);
    await post('/api/v1/apply', { ...entity, spec: {} });
    for (const name of ['Entity/gone', 'Entity/gone', 'Entity/sensor']) await call('DELETE', `/api/v1/resources/${name}`);
    await get('/api/v1/access/whoami');
    await post('/api/v1/access/keys', { name: 'nobody', role: 'none' });
    const asked = as.get('ana');
    await call('GET', '/api/v1/access/whoami', undefined, asked);
    expect((await call('GET', '/api/v1/access/keys', undefined, asked)).status).toBe(403);
    expect((await call('GET', '/api/v1/access/keys', undefined, { 'millrace-auth': 'required' })).status).toBe(401);
    await call('DELETE', '/api/v1/access/keys/key-1?reason=done');
    await call('DELETE', '/api/v1/access/keys/nobody-has-it');
    await get('/api/v1/access/keys');
  },
  MINUTES,
);

test(
  'tracking',
  async () => {
    const runs: string[] = [];
    for (let n = 0; n < 12; n++) {
      const started = { experiment_id: '0', start_time: Date.now() };
      const { run } = await post<{ run: { info: { run_id: string } } }>(`${MLFLOW}/runs/create`, started);
      runs.push(run.info.run_id);
      const metrics = [n, Number.NaN].map((value, step) => ({
        key: step === 0 ? 'loss' : 'odd',
        value: Number.isNaN(value) ? 'NaN' : value,
        timestamp: 1_700_000_000_000 + n,
        step,
      }));
      const params = [
        { key: 'depth', value: String(n) },
        { key: 'kind', value: n % 2 === 0 ? 'tree' : 'net' },
      ];
      await post(`${MLFLOW}/runs/log-batch`, { run_id: run.info.run_id, metrics, params });
    }
    [runId = ''] = runs;
    await get(`/api/v1/runs/compare?run_ids=${runs.join(',')}&metric=loss`);
    await get(`/api/v1/runs/compare?run_ids=${runs.slice(0, 2).join(',')}&metric=loss`);
    await get(`/api/v1/runs/compare?run_ids=${runs.slice(0, 2).join(',')}`);
    await get('/api/v1/runs/compare?experiment_ids=77');
    await get(`/api/v1/runs/compare`);
    await get(`/api/v1/runs/${runId}/metrics/loss/history?buckets=2`);
    await get(`/api/v1/runs/${runId}/metrics/odd/history`);
    await get(`/api/v1/runs/none/metrics/odd/history`);
    await fetch(`${platform.url}/api/2.0/mlflow-artifacts/artifacts/0/${runId}/artifacts/a.txt`, { method: 'PUT', body: 'a' });
    await get(`/api/v1/runs/${runId}/artifacts`);
    await get(`/api/v1/runs/${runId}/artifacts?verify=true`);
    await get(`/api/v1/runs/${runId}/artifacts?verify=so`);
    await post(`${MLFLOW}/runs/delete`, { run_id: runs[1] });
    await post('/api/v1/runs/gc', { runIds: [runs[1], runs[2]], dryRun: true });
    await post('/api/v1/runs/gc', { olderThan: 'long' });
  },
  MINUTES,
);

test(
  'registry',
  async () => {
    const model = '/api/v1/models/poison';
    const version = `${model}/versions/1`;
    for (const path of ['checks', 'files', 'manifest', 'verification', 'card', 'card?format=markdown']) await get(`${version}/${path}`);
    await get(`${version}/files/model.onnx`);
    await get(`${version}/files/none`);
    await post(`${version}/sign`);
    await get(`${version}/verification`);
    const { keys } = await get<{ keys: { keyId: string }[] }>('/api/v1/signing-keys');
    await get(`/api/v1/signing-keys/${keys[0]?.keyId}`);
    await get('/api/v1/signing-keys/none');
    for (const number of [1, 2, 3, 4]) {
      await post(`${model}/promotions`, { version: 1, alias: 'champion', reason: 'better' }, 'ana');
      await get(`${model}/promotions/${number}`);
      if (number === 1) await post(`${model}/promotions/1/reject`, { reason: 'no' }, 'bob');
      if (number === 2) await post(`${model}/promotions/2/withdraw`, {}, 'ana');
      if (number === 3) {
        await post(`${model}/promotions/3/promote`, {}, 'ana');
        await post(`${version}/checks`, { check: 'fairness', passed: true, detail: 'fair', evidence: { gap: 0.1 } }, 'bob');
        await post(`${model}/promotions/3/approve`, { comment: 'fine' }, 'bob');
        await post(`${model}/promotions/3/approve`, {}, 'bob');
        await post(`${model}/promotions`, { version: 2, alias: 'champion' }, 'ana');
        await post(`${model}/versions/2/checks`, { check: 'fairness', passed: true }, 'bob');
        await post(`${model}/promotions/4/approve`, {}, 'bob');
        await post(`${model}/promotions/4/promote`, {}, 'ana');
      }
    }
    await get(`${version}/checks`);
    const { request } = await post<{ request: number }>(`${model}/promotions`, { version: 1, alias: 'steady' }, 'ana');
    await post(`${model}/promotions/${request}/promote`, {}, 'ana');
    await post(`${version}/checks/evaluate`, { alias: 'champion' });
    await post(`${model}/rollback`, { alias: 'champion', reason: 'refunds' }, 'bob');
    await post(`${model}/promotions`, { version: 1, alias: 'ungoverned' }, 'ana');
    await post(`${model}/promotions`, { version: 1 }, 'ana');
    for (const path of [
      `${model}/promotions`,
      '/api/v1/promotions',
      '/api/v1/promotions?status=none',
      `${model}/history`,
      '/api/v1/models/none/history',
    ])
      await get(path);
    await get('/api/v1/audit?limit=50');
    await get('/api/v1/audit?format=jsonl');
    await get('/api/v1/lineage?node=version:poison/1');
    await get('/api/v1/lineage?node=version:none/1');
    await get('/api/v1/lineage');
    await get('/api/v1/lineage/events');
    await get('/api/v1/lineage/delivery');
    const { webhooks } = await get<{ webhooks: { webhookId: string }[] }>('/api/v1/webhooks');
    const hook = `/api/v1/webhooks/${webhooks[0]?.webhookId}`;
    type Deliveries = { deliveries: { deliveryId: string; outcome: string }[] };
    const sent = await waitFor(async () => (await get<Deliveries>(`${hook}/deliveries`)).deliveries[0], {
      what: 'a delivery',
      timeoutMs: 30_000,
    });
    await post(`${hook}/deliveries/${sent?.deliveryId}/redeliver`);
    await post(`${hook}/deliveries/none/redeliver`);
    await get('/api/v1/webhooks/none/deliveries');
  },
  MINUTES,
);

test(
  'features',
  async () => {
    await post('/api/v1/sources/sensors/events', [{ sensor: 's2', at: Date.now(), value: 7 }, { sensor: 's2' }]);
    await post('/api/v1/sources/sensors/events', [{ nothing: 1 }]);
    await post('/api/v1/sources/sensors/events', [{ sensor: 's2', at: Date.now(), value: 8 }]);
    await post('/api/v1/sources/none/events', []);
    await post('/api/v1/sources/daily/events', []);
    for (const path of ['', '/sensors', '/none', '/daily', '/sensors/statistics', '/none/statistics']) await get(`/api/v1/sources${path}`);
    await get('/api/v1/features/statistics?view=sensor_values');
    await get('/api/v1/features/statistics?view=sensor_values&of=served');
    await get('/api/v1/features/statistics?view=none');
    await post('/get-online-features', { feature_service: 'sensor_model', entities: { sensor: ['s1'] } });
    await post('/api/v1/features/verify', {});
    await post('/api/v1/features/verify', { deployment: 'none' });
    await get('/api/v1/features/verification');
    const runs = '/api/v1/sources/daily/materializations';
    const { id } = await post<{ id: string }>(`${runs}?wait=30s`, { from: null });
    for (const path of ['', `/${id}`, '/none']) await get(`${runs}${path}`);
    await post(`${runs}/${id}/cancel`);
    await post('/api/v1/sources/sensors/materializations', {});
    const spine = { rows: [{ sensor: 's1', timestamp: new Date().toISOString() }] };
    const request = { featureService: 'sensor_model', timestampColumn: 'timestamp', spine };
    const set = await post<{ id: string }>('/api/v1/training-sets?wait=30s', request);
    await post('/api/v1/training-sets', { ...request, output: 'table', asOf: 'eventTime' });
    await post('/api/v1/training-sets', { ...request, featureService: 'none' });
    await post('/api/v1/training-sets', { ...request, spine: { sql: 'SELECT nonsense' } });
    for (const path of ['', `/${set.id}`, `/${set.id}/data`, '/none', '/none/data']) await get(`/api/v1/training-sets${path}`);
  },
  2 * MINUTES,
);

test(
  'inference',
  async () => {
    for (const path of ['', '?limit=0', '/probe', '/probe/explain', '/none']) await get(`/api/v1/rollouts${path}`);
    for (const action of ['pause', 'pause', 'resume', 'promote', 'abort']) await post(`/api/v1/rollouts/probe/${action}`, { reason: 'so' });
    await post('/api/v1/rollouts/none/abort', {});
    await get('/api/v1/rollouts/probe');
    await post('/api/v1/deployments/probed/invocations', { inputs: [[1]] });
    await post('/api/v1/deployments/probed/labels', [{ predictionId: 'p1', value: 1 }]);
    await post('/api/v1/deployments/none/labels', [{ predictionId: 'p1', value: 1 }]);
    await post('/api/v1/deployments/none/labels', [{}]);
    for (const place of ['poison/versions/1', 'poison/versions/9', 'none/versions/1', 'poison/versions/x'])
      await get(`/api/v1/serving/models/${place}`);
    const tried = { inputs: [{ name: 'input', shape: [1, 1], datatype: 'FP32', data: [1] }] };
    for (const place of ['poison/versions/1', 'poison/versions/9', 'none/versions/x'])
      await post(`/api/v1/serving/models/${place}/try`, tried);
    await post('/api/v1/serving/models/poison/versions/1/try', {});
    const prediction = { id: 'edge-prediction-1', time: Date.now(), inputs: { input: [1] }, outputs: { output: [1] }, latencyMicros: 10 };
    const upload = { device: 'device-0001', session: 'session-0001', runner: 'node', sentAt: Date.now(), predictions: [prediction] };
    await post('/api/v1/serving/models/poison/versions/1/predictions', upload);
    await post('/api/v1/serving/models/poison/versions/1/predictions', { ...upload, digest: 'a'.repeat(64) });
    await post('/api/v1/serving/models/none/versions/1/predictions', upload);
    const jobs = '/api/v1/batch-jobs';
    const job = { model: 'models:/poison/1', input: { csv: 'x\n1\n2\n' }, features: ['x'] };
    const { id } = await post<{ id: string }>(`${jobs}?wait=30s`, job);
    await post(jobs, { ...job, model: 'models:/none/1' });
    await post(jobs, { ...job, input: { csv: 'y\n1\n' } });
    await post(jobs, {});
    await get(jobs);
    for (const path of [`/${id}`, `/${id}/data`, '/none', '/none/data']) await get(`${jobs}${path}`);
    for (const path of [`/${id}`, '/none', `/${id}/output`, '/none/output']) await call('DELETE', `${jobs}${path}`);
    await get(`${jobs}/${id}/data`);
    await get(`${jobs}/${id}`);
    const more = await post<{ id: string }>(jobs, {
      ...job,
      input: { query: 'SELECT toFloat64(number) AS x FROM numbers(200000)' },
      chunkRows: 1000,
    });
    await post(`${jobs}/${more.id}/cancel`);
    const other = await post<{ id: string }>(jobs, {
      ...job,
      input: { query: 'SELECT toFloat64(number) AS x FROM numbers(200001)' },
      chunkRows: 1000,
    });
    await call('DELETE', `${jobs}/${other.id}`);
    for (const path of ['', '/flow', '/none']) await get(`/api/v1/streams${path}`);
  },
  2 * MINUTES,
);

test(
  'experimentation',
  async () => {
    const trial = '/api/v1/experiments/trial';
    const units = Array.from({ length: 20 }, (_, n) => `u${n}`);
    await post(`${trial}/assignments`, { units });
    await post(`${trial}/assignments`, { units: 1 });
    await post(
      `${trial}/exposures`,
      units.map((unit) => ({ unit })),
    );
    await post(
      `${trial}/outcomes`,
      units.map((unit, n) => ({ unit, metric: 'gain', value: n })),
    );
    await get(`${trial}/results`);
    await get(`${trial}/results?level=2`);
    await get('/api/v1/experiments/none/results');
    for (const what of ['assignments', 'exposures', 'outcomes']) await post(`/api/v1/experiments/none/${what}`, []);
  },
  MINUTES,
);

test(
  'every answer was what the document says, and none of them had nothing to say',
  async () => {
    await post('/api/v1/testing/reset');
    expect(answers.faults).toEqual([]);
    const known = Object.keys(UNREACHED).map((route) => [route, expect.any(String)]);
    expect(answers.unseen()).toEqual(Object.fromEntries(known));
  },
  MINUTES,
);

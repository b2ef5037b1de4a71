import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { trackingConfig, TrackingModule } from './index.js';

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes, each looked at by its test
  readonly body: any;
}

describe('the tracking service over MLflow’s REST API', () => {
  let directory: TempDir;
  let running: RunningService;
  let experimentId: string;

  const start = () =>
    bootstrap(
      TrackingModule,
      loadConfig([trackingConfig], {
        MILLRACE_DATA_DIR: directory.path,
        MILLRACE_PORT: '0',
        MILLRACE_CLICKHOUSE_PORT: '0',
        MILLRACE_LOG_LEVEL: 'error',
      }),
    );

  async function call(method: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(`${running.url}/api/2.0/mlflow/${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  }

  async function newRun(more: object = {}): Promise<string> {
    const { body } = await call('POST', 'runs/create', { experiment_id: experimentId, ...more });
    return body.run.info.run_id as string;
  }

  const refusal = (code: string, message: RegExp | string = /./) => ({ error_code: code, message: expect.stringMatching(message) });

  beforeAll(async () => {
    directory = await tempDir('tracking');
    running = await start();
    experimentId = (await call('POST', 'experiments/create', { name: 'main' })).body.experiment_id as string;
  }, 60_000);

  afterAll(async () => {
    await running.close();
    await directory.remove();
  });

  test.each([
    ['POST', 'experiments/create', {}, /Missing value for required parameter 'name'/],
    ['POST', 'experiments/create', { name: 7 }, /Invalid value 7 for parameter 'name'.*'int'/],
    ['POST', 'experiments/create', { name: 'x', artifact_location: 'runs:/1/a' }, /cannot be a runs:\/ URI/],
    ['POST', 'experiments/create', { name: 'x', artifact_location: 'mlflow-artifacts:/1/%2e%2e/2' }, /cannot hold '\.\.'/],
    ['POST', 'experiments/search', { max_results: 50_001 }, /at most 50000/],
    ['POST', 'experiments/search', { filter: "color = 'x'" }, /Invalid attribute key 'color'/],
    ['POST', 'experiments/search', { order_by: ['color'] }, /Invalid order_by key/],
    ['POST', 'runs/search', { experiment_ids: ['0'], filter: 'params.a = 1' }, /Expected a quoted string value/],
    ['POST', 'runs/search', { experiment_ids: ['0'], filter: "metrics.a = '1'" }, /Expected numeric value/],
    ['POST', 'runs/search', { experiment_ids: ['0'], filter: "things.a = '1'" }, /Invalid entity type 'things'/],
    ['POST', 'runs/search', { experiment_ids: ['0'], filter: 'constructor.a = 1' }, /Invalid entity type 'constructor'/],
    ['POST', 'runs/search', { experiment_ids: ['0'], filter: "metrics.a LIKE 'x'" }, /Invalid comparator 'LIKE'/],
    ['POST', 'runs/search', { experiment_ids: ['0'], filter: "name IN ('a')" }, /Invalid attribute key 'name'|Only the 'run_id'/],
    ['POST', 'runs/search', { experiment_ids: ['0'], order_by: ['metrics.a', 'metrics.a DESC'] }, /duplicate fields/],
    ['POST', 'runs/search', { experiment_ids: ['0'], max_results: 0 }, /max_results/],
    ['POST', 'runs/search', { experiment_ids: ['0'], run_view_type: 'SOME' }, /run_view_type/],
    ['POST', 'runs/search', { experiment_ids: ['0'], page_token: '***' }, /Invalid page token/],
    ['POST', 'runs/update', { run_id: 'abc', status: 'DONE' }, /parameter 'status'/],
    ['POST', 'runs/log-metric', { run_id: 'abc', key: 'a', value: 1 }, /'timestamp'/],
    ['POST', 'runs/log-metric', { run_id: 'abc', key: 'a', value: 'abc', timestamp: 1 }, /Invalid value abc for parameter 'value'/],
    ['POST', 'runs/log-metric', { run_id: 'abc', key: '../a', value: 1, timestamp: 1 }, /Invalid metric name/],
    ['POST', 'runs/log-metric', { run_id: 'abc', key: 'a', value: 1, timestamp: -1 }, /nonnegative/],
    ['POST', 'runs/log-metric', { run_id: '../abc', key: 'a', value: 1, timestamp: 1 }, /Invalid run ID/],
    ['POST', 'runs/set-tag', { run_id: 'abc', key: 'k'.repeat(251), value: '' }, /length limit of 250/],
    ['GET', 'runs/get', undefined, /'run_id'/],
    ['GET', 'metrics/get-history?run_id=abc', undefined, /'metric_key'/],
  ] as const)('%s %s %j is refused in words', async (method, path, body, message) => {
    const answer = await call(method, path, body);
    expect([answer.status, answer.body]).toEqual([400, refusal('INVALID_PARAMETER_VALUE', message)]);
  });

  test.each([
    ['GET', 'experiments/get?experiment_id=99', undefined],
    ['GET', 'experiments/get-by-name?experiment_name=none', undefined],
    ['POST', 'experiments/delete', { experiment_id: '99' }],
    ['GET', 'runs/get?run_id=none', undefined],
    ['POST', 'runs/create', { experiment_id: '99' }],
    ['POST', 'runs/log-metric', { run_id: 'none', key: 'a', value: 1, timestamp: 1 }],
    ['POST', 'runs/delete', { run_id: 'none' }],
    ['GET', 'metrics/get-history?run_id=none&metric_key=a', undefined],
    ['GET', 'artifacts/list?run_id=none', undefined],
  ] as const)('%s %s %j finds nothing', async (method, path, body) => {
    const answer = await call(method, path, body);
    expect([answer.status, answer.body]).toEqual([404, refusal('RESOURCE_DOES_NOT_EXIST')]);
  });

  test('bounds a batch by parts, by all and by bytes', async () => {
    const run_id = await newRun();
    const metrics = (count: number) => Array.from({ length: count }, (_, step) => ({ key: 'm', value: step, timestamp: 1, step }));
    const pairs = (count: number) => Array.from({ length: count }, (_, index) => ({ key: `k${index}`, value: 'v' }));
    for (const [batch, message] of [
      [{ metrics: metrics(1001) }, 'at most 1000 metrics'],
      [{ params: pairs(101) }, 'at most 100 params'],
      [{ tags: pairs(101) }, 'at most 100 tags'],
      [{ metrics: metrics(901), params: pairs(100) }, 'at most 1000 metrics, params, and tags'],
      [{ tags: [{ key: 'long', value: 'x'.repeat(1_000_000) }] }, 'at most 1000000 bytes'],
    ] as const) {
      const answer = await call('POST', 'runs/log-batch', { run_id, ...batch });
      expect([answer.status, answer.body]).toEqual([400, refusal('INVALID_PARAMETER_VALUE', message)]);
    }
    expect((await call('GET', `runs/get?run_id=${run_id}`)).body.run.data.metrics).toEqual([]);
    expect((await call('POST', 'runs/log-batch', { run_id, metrics: metrics(900), params: pairs(100) })).status).toBe(200);
  });

  test('the same Idempotency-Key gets the first run, and a repeated batch counts once', async () => {
    const headers = { 'idempotency-key': 'create-once' };
    const create = { experiment_id: experimentId, run_name: 'once' };
    const first = await call('POST', 'runs/create', create, headers);
    const again = await call('POST', 'runs/create', create, headers);
    expect(again.body.run.info).toEqual(first.body.run.info);
    const run_id = first.body.run.info.run_id as string;
    const batch = { run_id, metrics: [{ key: 'm', value: 1, timestamp: 1, step: 1 }], params: [{ key: 'p', value: '1' }] };
    for (let time = 0; time < 3; time++) {
      expect((await call('POST', 'runs/log-batch', batch, { 'idempotency-key': 'log-once' })).status).toBe(200);
    }
    expect((await call('GET', `metrics/get-history?run_id=${run_id}&metric_key=m`)).body.metrics).toHaveLength(1);
  });

  test('a write says at which positions it is, and what was written is there for the next read', async () => {
    const run_id = await newRun({ run_name: 'positions' });
    const written = await call('POST', 'runs/log-batch', {
      run_id,
      metrics: [{ key: 'm', value: 'NaN', timestamp: 1, step: 0 }],
      tags: [{ key: 't', value: '1' }],
    });
    expect(written.headers.get('millrace-position')).toMatch(
      /^millrace\.tracking\.decisions\/\d@\d+,millrace\.tracking\.metric-points\/\d@\d+$/,
    );
    const found = await call('POST', 'runs/search', { experiment_ids: [experimentId], filter: "tags.t = '1' and run_name = 'positions'" });
    expect(found.body.runs).toHaveLength(1);
    expect(found.body.runs[0].data.metrics).toEqual([{ key: 'm', value: 'NaN', timestamp: 1, step: 0 }]);
  });

  test('a run without a name gets one, and a name given twice has to be the same', async () => {
    const { body } = await call('POST', 'runs/create', { experiment_id: experimentId });
    expect(body.run.info.run_name).toMatch(/^[a-z]+-[a-z]+-\d+$/);
    const tags = [{ key: 'mlflow.runName', value: 'b' }];
    const differing = await call('POST', 'runs/create', { experiment_id: experimentId, run_name: 'a', tags });
    expect(differing.body).toEqual(refusal('INVALID_PARAMETER_VALUE', 'with different values'));
  });

  test('files go in and out whole, and no path leads out', async () => {
    const run_id = await newRun();
    const bytes = randomBytes(9_000_000);
    const url = (path: string) => `${running.url}/api/2.0/mlflow-artifacts/artifacts/${experimentId}/${run_id}/artifacts/${path}`;
    expect((await fetch(url('deep/gr%C3%B6%C3%9Fe%20%231.bin'), { method: 'PUT', body: bytes })).status).toBe(200);
    const got = await fetch(url('deep/gr%C3%B6%C3%9Fe%20%231.bin'));
    const digest = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');
    expect(digest(new Uint8Array(await got.arrayBuffer()))).toBe(digest(bytes));
    expect(got.headers.get('content-disposition')).toMatch(/^attachment/);
    const listed = await call('GET', `artifacts/list?run_id=${run_id}&path=deep`);
    expect(listed.body.files).toEqual([{ path: 'deep/größe #1.bin', is_dir: false, file_size: bytes.length }]);
    const viaRun = await fetch(`${running.url}/get-artifact?run_id=${run_id}&path=${encodeURIComponent('deep/größe #1.bin')}`);
    expect((await viaRun.arrayBuffer()).byteLength).toBe(bytes.length);
    for (const path of ['..%2F..%2Fx', '%2e%2e/x', 'a%2F..%2F..%2Fb', '%2Fetc%2Fpasswd', 'a%5C..%5Cb', 'nul%00']) {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const answer = await fetch(`${running.url}/api/2.0/mlflow-artifacts/artifacts/${path}`, { method });
        expect([path, method, answer.status >= 400 && answer.status < 500]).toEqual([path, method, true]);
      }
    }
    expect((await fetch(url('deep'), { method: 'DELETE' })).status).toBe(200);
    expect((await fetch(url('deep/gr%C3%B6%C3%9Fe%20%231.bin'))).status).toBe(404);
    expect((await fetch(`${running.url}/api/2.0/mlflow-artifacts/mpu/create/x`, { method: 'POST', body: '{}' })).status).toBe(400);
  });

  test('analysts read runs, metrics and experiments', async () => {
    const run_id = await newRun({ run_name: 'for analysts' });
    await call('POST', 'runs/log-batch', {
      run_id,
      metrics: [1, 2].map((step) => ({ key: 'm', value: step / 2, timestamp: step, step })),
      params: [{ key: 'p', value: '1' }],
    });
    const query = (table: string) =>
      running.host.offline.query(`SELECT * FROM millrace.${table} WHERE run_id = {run_id:String}`, { run_id });
    await waitFor(async () => (await query('latest_metrics')).length > 0 && (await query('runs')).length > 0);
    expect(await query('runs')).toMatchObject([{ name: 'for analysts', experiment_id: experimentId, params: { p: '1' }, ended_at: null }]);
    expect(await query('latest_metrics')).toMatchObject([{ key: 'm', value: 1, step: '2' }]);
    await waitFor(async () => (await running.host.offline.query('SELECT 1 FROM millrace.experiments')).length >= 2);
    const names = await running.host.offline.query('SELECT name, deleted FROM millrace.experiments ORDER BY experiment_id');
    expect(names).toEqual([
      { name: 'Default', deleted: false },
      { name: 'main', deleted: false },
    ]);
  });

  test('everything is there after a restart', async () => {
    const run_id = await newRun({ run_name: 'kept' });
    await call('POST', 'runs/log-batch', {
      run_id,
      metrics: [{ key: 'm', value: 1, timestamp: 1, step: 1 }],
      tags: [{ key: 'k', value: 'v' }],
    });
    const before = (await call('GET', `runs/get?run_id=${run_id}`)).body;
    await running.close();
    running = await start();
    expect((await call('GET', `runs/get?run_id=${run_id}`)).body).toEqual(before);
    const found = await call('POST', 'runs/search', { experiment_ids: [experimentId], filter: "metrics.m = 1 and tags.k = 'v'" });
    expect(found.body.runs).toEqual([before.run]);
  }, 60_000);
});

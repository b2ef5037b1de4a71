import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, type TempDir } from '@millrace/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { trackingConfig, TrackingModule } from './index.js';

interface Answer {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes, each looked at by its test
  readonly body: any;
}

describe('what MLflow’s UI and its larger clients ask of the tracking service', () => {
  let directory: TempDir;
  let running: RunningService;
  let experimentId: string;

  const environment = () => ({
    MILLRACE_DATA_DIR: directory.path,
    MILLRACE_PORT: '0',
    MILLRACE_CLICKHOUSE_PORT: '0',
    MILLRACE_LOG_LEVEL: 'error',
    MILLRACE_TESTING: '1',
  });
  const start = () => bootstrap(TrackingModule, loadConfig([trackingConfig], environment()));

  async function ask(method: string, path: string, body?: object | string | Buffer): Promise<Answer> {
    const sent =
      body === undefined || typeof body === 'string' ? body : Buffer.isBuffer(body) ? new Uint8Array(body) : JSON.stringify(body);
    const response = await fetch(`${running.url}${path}`, { method, ...(sent === undefined ? {} : { body: sent }) });
    const text = await response.text();
    return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text };
  }
  const call = (method: string, path: string, body?: object | string) => ask(method, `/api/2.0/mlflow/${path}`, body);
  const reset = () => ask('POST', '/api/v1/testing/reset');

  async function newRun(more: object = {}): Promise<string> {
    const { body } = await call('POST', 'runs/create', { experiment_id: experimentId, ...more });
    return body.run.info.run_id as string;
  }
  const idsOf = ({ body }: Answer) => ((body.runs ?? []) as { info: { run_id: string } }[]).map((run) => run.info.run_id);
  const search = (more: object = {}) => call('POST', 'runs/search', { experiment_ids: [experimentId], ...more });

  beforeAll(async () => {
    directory = await tempDir('mlflow-rest');
    running = await start();
  }, 120_000);

  afterAll(async () => {
    await running.close();
    await directory.remove();
  });

  beforeEach(async () => {
    expect(await reset()).toMatchObject({ status: 200 });
    experimentId = (await call('POST', 'experiments/create', { name: 'e' })).body.experiment_id as string;
  }, 60_000);

  test('a reset leaves nothing, and ids begin again', async () => {
    const runId = await newRun();
    await call('POST', 'runs/log-metric', { run_id: runId, key: 'm', value: 1, timestamp: 1 });
    await ask('PUT', `/api/2.0/mlflow-artifacts/artifacts/${experimentId}/${runId}/artifacts/f`, 'x');
    expect(idsOf(await search())).toEqual([runId]);
    expect(await reset()).toMatchObject({ status: 200 });
    expect((await call('GET', 'experiments/search?max_results=10')).body.experiments).toMatchObject([
      { experiment_id: '0', name: 'Default' },
    ]);
    expect(await call('GET', `runs/get?run_id=${runId}`)).toMatchObject({ status: 404 });
    expect(idsOf(await search())).toEqual([]);
    expect((await ask('GET', '/api/2.0/mlflow-artifacts/artifacts')).body).toEqual({ files: [] });
    expect((await call('POST', 'experiments/create', { name: 'e' })).body).toEqual({ experiment_id: '1' });
    expect(await running.host.offline.query('SELECT count() AS n FROM millrace.metric_points')).toEqual([{ n: '0' }]);
  });

  test('after a reset a start goes on from what there is', async () => {
    await newRun();
    await reset();
    experimentId = (await call('POST', 'experiments/create', { name: 'kept' })).body.experiment_id as string;
    const runId = await newRun();
    await running.close();
    running = await start();
    expect(idsOf(await search())).toEqual([runId]);
  }, 120_000);

  test('histories of several runs come in one answer, run by run', async () => {
    const runs = [await newRun(), await newRun()].sort();
    const points = [
      [1, 2, 10],
      [1, 3, 11],
      [2, 3, 12],
    ] as const;
    for (const run_id of runs) {
      const metrics = points.map(([timestamp, step, value]) => ({ key: 'm', timestamp, step, value }));
      await call('POST', 'runs/log-batch', { run_id, metrics: [...metrics].reverse() });
    }
    const query = runs.map((id) => `run_id=${id}`).join('&');
    const { body } = await ask('GET', `/ajax-api/2.0/mlflow/metrics/get-history-bulk?${query}&metric_key=m`);
    const expected = runs.flatMap((run_id) => points.map(([timestamp, step, value]) => ({ key: 'm', timestamp, step, value, run_id })));
    expect(body.metrics).toEqual(expected);
    const first = await call('GET', `metrics/get-history-bulk?${query}&metric_key=m&max_results=2`);
    expect(first.body.metrics).toEqual(expected.slice(0, 2));
    expect(await call('GET', 'metrics/get-history-bulk?metric_key=m')).toMatchObject({ status: 400 });
    expect(await call('GET', `metrics/get-history-bulk?${query}`)).toMatchObject({ status: 400 });
  });

  test('datasets of experiments are each told once per use', async () => {
    const dataset = { name: 'd', digest: 'x', source_type: 's', source: '{}' };
    const tags = [{ key: 'mlflow.data.context', value: 'training' }];
    for (const run_id of [await newRun(), await newRun()]) await call('POST', 'runs/log-inputs', { run_id, datasets: [{ dataset, tags }] });
    await call('POST', 'runs/log-inputs', { run_id: await newRun(), datasets: [{ dataset: { ...dataset, name: 'e' } }] });
    const { body } = await call('POST', 'experiments/search-datasets', { experiment_ids: [experimentId] });
    expect(body.dataset_summaries).toEqual([
      { experiment_id: experimentId, name: 'd', digest: 'x', context: 'training' },
      { experiment_id: experimentId, name: 'e', digest: 'x' },
    ]);
    expect(await call('POST', 'experiments/search-datasets', {})).toMatchObject({ status: 400 });
  });

  test('a file that is sent in parts, in any order, is one file', async () => {
    const runId = await newRun();
    const at = `${experimentId}/${runId}/artifacts/big`;
    const parts = [randomBytes(100_000), randomBytes(70_000), randomBytes(10)];
    const mpu = (step: string, body: object) => ask('POST', `/api/2.0/mlflow-artifacts/mpu/${step}/${at}`, body);
    const { body: created } = await mpu('create', { path: '/home/me/model.bin', num_parts: 3 });
    const credentials = created.credentials as { url: string; part_number: number }[];
    const sent = [];
    for (const { url, part_number } of [...credentials].reverse()) {
      const response = await fetch(url, { method: 'PUT', body: new Uint8Array(parts[part_number - 1] as Buffer) });
      sent.push({ part_number, etag: response.headers.get('etag') });
    }
    const upload = { path: '/home/me/model.bin', upload_id: created.upload_id as string };
    expect(await mpu('complete', { ...upload, parts: sent.slice(0, 2) })).toMatchObject({
      status: 400,
      body: { error_code: 'INVALID_PARAMETER_VALUE' },
    });
    expect(await mpu('complete', { ...upload, parts: sent })).toMatchObject({ status: 200 });
    const response = await fetch(`${running.url}/get-artifact?run_id=${runId}&path=big/model.bin`);
    expect(Buffer.from(await response.arrayBuffer()).equals(Buffer.concat(parts))).toBe(true);
    expect(response.headers.get('content-disposition')).toContain('filename=model.bin');
    expect(await mpu('abort', upload)).toMatchObject({ status: 200 });
    expect(await ask('GET', `/api/2.0/mlflow-artifacts/presigned/${at}/model.bin`)).toMatchObject({ status: 501 });
  });

  test('the parts of a file go below the path at which a proxy shows the server', async () => {
    const create = (prefix: string) =>
      fetch(`${running.url}/api/2.0/mlflow-artifacts/mpu/create/${experimentId}/x`, {
        method: 'POST',
        headers: { 'x-forwarded-host': 'ml.example', 'x-forwarded-proto': 'https', 'x-forwarded-prefix': prefix },
        body: JSON.stringify({ path: 'a b.bin', num_parts: 1 }),
      });
    const created = (await (await create('/team/mlflow/')).json()) as { credentials: { url: string }[] };
    expect(created.credentials[0]?.url).toMatch(
      `https://ml.example/team/mlflow/api/2.0/mlflow-artifacts/mpu/part/${experimentId}/x/a%20b.bin?upload_id=`,
    );
    expect((await create('@elsewhere.example')).status).toBe(400);
  });

  test('a small file of the UI is kept with its run', async () => {
    const runId = await newRun();
    const upload = (query: string, body?: string) => ask('POST', `/ajax-api/2.0/mlflow/upload-artifact${query}`, body);
    expect(await upload(`?run_uuid=${runId}&path=t.txt`, 'hello')).toEqual({ status: 200, body: {} });
    expect((await ask('GET', `/get-artifact?run_uuid=${runId}&path=t.txt`)).body).toBe('hello');
    expect(await upload(`?run_uuid=${runId}&path=../t.txt`, 'x')).toMatchObject({ status: 400, body: { message: 'Invalid path' } });
    expect(await upload(`?run_uuid=${runId}&path=t.txt`)).toMatchObject({ status: 400 });
  });

  test('what is wrong is shown as it was written', async () => {
    const wrong = await call('POST', 'experiments/create', '{"name": "x", "artifact_location": 9.0}');
    expect(wrong.body.message).toMatch(/^Invalid value 9\.0 for parameter 'artifact_location' supplied/);
    const run_id = await newRun();
    const { body } = await call('POST', 'runs/log-batch', { run_id, metrics: [{ key: 'mae', value: 2.5 }] });
    expect(body.message).toMatch(
      /^Missing value for required parameter 'metrics\[0\]\.timestamp'.*Invalid value \[\{'key': 'mae', 'value': 2\.5\}\] for parameter 'metrics' supplied/,
    );
    expect(await ask('GET', `//get-artifact?run_id=${run_id}&path=..`)).toMatchObject({ status: 400, body: { message: 'Invalid path' } });
  });

  test.each([[[]], [['metrics.m DESC']], [['params.p', 'tags.t DESC']]])(
    'pages ordered by %j miss and repeat nothing while runs are added',
    async (order_by) => {
      const runs: string[] = [];
      for (let index = 0; index < 7; index++) runs.push(await newRun({ start_time: index }));
      for (const [index, run_id] of runs.entries()) {
        if (index % 3 > 0)
          await call('POST', 'runs/log-metric', { run_id, key: 'm', value: index % 3 === 1 ? 'NaN' : index, timestamp: 1 });
        if (index % 2 === 0) await call('POST', 'runs/log-parameter', { run_id, key: 'p', value: 'same' });
      }
      const expected = idsOf(await search({ order_by }));
      expect(expected).toHaveLength(7);
      const seen: string[] = [];
      for (let page_token: string | undefined = ''; page_token !== undefined;) {
        const page: Answer = await search({ order_by, max_results: 2, page_token });
        seen.push(...idsOf(page));
        page_token = page.body.next_page_token as string | undefined;
        // Newer than all, so first in the default order.
        const added = await newRun({ start_time: Date.now() });
        await call('POST', 'runs/log-metric', { run_id: added, key: 'm', value: 1e9, timestamp: 1 });
      }
      expect(seen.slice(0, 7).filter((id) => runs.includes(id))).toEqual(expected.filter((id) => seen.slice(0, 7).includes(id)));
      expect(new Set(seen).size).toBe(seen.length);
      expect(runs.filter((id) => !seen.includes(id))).toEqual([]);
    },
    120_000,
  );

  test('garbage collection makes deletion final, and frees the name', async () => {
    const gc = (body: object = {}) => ask('POST', '/api/v1/runs/gc', body);
    const [kept, deleted, left] = [await newRun(), await newRun(), await newRun()];
    const file = `${experimentId}/${deleted}/artifacts/f`;
    await ask('PUT', `/api/2.0/mlflow-artifacts/artifacts/${file}`, 'x');
    await call('POST', 'runs/delete', { run_id: deleted });
    await call('POST', 'runs/delete', { run_id: left });
    expect((await gc({ olderThan: '1h' })).body).toEqual({ runs: [], experiments: [], left: [], notDeleted: [], needed: [] });
    expect((await gc({ runIds: [deleted, kept], dryRun: true })).body).toMatchObject({ runs: [deleted], notDeleted: [kept] });
    expect(await ask('GET', `/api/2.0/mlflow-artifacts/artifacts/${file}`)).toMatchObject({ status: 200 });
    expect((await gc({ runIds: [deleted, kept] })).body).toMatchObject({ runs: [deleted], notDeleted: [kept] });
    expect(await call('GET', `runs/get?run_id=${deleted}`)).toMatchObject({ status: 404 });
    expect(await call('POST', 'runs/restore', { run_id: deleted })).toMatchObject({ status: 404 });
    expect(await ask('GET', `/api/2.0/mlflow-artifacts/artifacts/${file}`)).toMatchObject({ status: 404 });
    expect(idsOf(await search({ run_view_type: 'ALL' })).sort()).toEqual([kept, left].sort());

    await call('POST', 'experiments/delete', { experiment_id: experimentId });
    expect(await call('POST', 'experiments/create', { name: 'e' })).toMatchObject({ status: 400 });
    const { body } = await gc();
    expect(body.experiments).toEqual([experimentId]);
    expect((body.runs as string[]).sort()).toEqual([kept, left].sort());
    expect(await call('GET', `experiments/get?experiment_id=${experimentId}`)).toMatchObject({ status: 404 });
    expect((await call('POST', 'experiments/create', { name: 'e' })).body.experiment_id).not.toBe(experimentId);
    expect(await gc({ older: '1d' })).toMatchObject({ status: 400, body: { code: 'MR_TRACKING_GC_INVALID' } });
  });

  test('an experiment’s name has 500 characters at most', async () => {
    const refused = {
      status: 400,
      body: { error_code: 'INVALID_PARAMETER_VALUE', message: "'name' exceeds the maximum length of 500 characters" },
    };
    const update = (new_name: string) => call('POST', 'experiments/update', { experiment_id: experimentId, new_name });
    expect(await call('POST', 'experiments/create', { name: 'n'.repeat(501) })).toEqual(refused);
    expect(await update('n'.repeat(501))).toEqual(refused);
    // Characters are counted, not the units that JavaScript keeps them in.
    expect((await call('POST', 'experiments/create', { name: '🎈'.repeat(500) })).status).toBe(200);
    expect((await update('n'.repeat(500))).status).toBe(200);
  });
});

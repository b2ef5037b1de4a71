import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, type TempDir } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { trackingConfig, TrackingModule } from './index.js';

interface Answer {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes, each looked at by its test
  readonly body: any;
}

describe('what servers of MLflow 3 take and those of MLflow 2 did not', () => {
  let directory: TempDir;
  let running: RunningService;
  let experimentId: string;

  async function call(method: string, path: string, body?: object | string, userAgent = 'mlflow-python-client/3.17.2'): Promise<Answer> {
    const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
    const response = await fetch(`${running.url}/api/2.0/mlflow/${path}`, { method, headers: { 'user-agent': userAgent }, ...sent });
    return { status: response.status, body: await response.json() };
  }

  async function newRun(more: object = {}): Promise<string> {
    return (await call('POST', 'runs/create', { experiment_id: experimentId, ...more })).body.run.info.run_id as string;
  }
  const refused = (message: RegExp) => ({ status: 400, body: { message: expect.stringMatching(message) } });

  beforeAll(async () => {
    directory = await tempDir('mlflow-3');
    const environment = {
      ...{ MILLRACE_DATA_DIR: directory.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_LOG_LEVEL: 'error' },
    };
    running = await bootstrap(TrackingModule, loadConfig([trackingConfig], environment));
    experimentId = (await call('POST', 'experiments/create', { name: 'e', tags: [{ key: 'k', value: 'v' }] })).body.experiment_id as string;
  }, 120_000);

  afterAll(async () => {
    await running.close();
    await directory.remove();
  });

  test('runs are found by whether they have a param or a tag at all', async () => {
    const [bare, full] = [await newRun({ run_name: 'null' }), await newRun({ run_name: 'null', tags: [{ key: 't', value: '' }] })];
    await call('POST', 'runs/log-parameter', { run_id: full, key: 'lr', value: '1' });
    const found = async (filter: string) => {
      const { body } = await call('POST', 'runs/search', { experiment_ids: [experimentId], filter: `run_name = 'null' AND ${filter}` });
      return ((body.runs ?? []) as { info: { run_id: string } }[]).map(({ info }) => info.run_id);
    };
    expect(await found('params.lr IS NULL')).toEqual([bare]);
    expect(await found('params.lr is not null and tags.t IS NOT NULL')).toEqual([full]);
    expect(await found('tags.t IS NULL')).toEqual([bare]);
    expect(await found('tags.none IS NOT NULL')).toEqual([]);
    const filter = 'metrics.m IS NULL';
    expect(await call('POST', 'runs/search', { experiment_ids: [experimentId], filter })).toMatchObject(
      refused(/only supported for tags and params/),
    );
  });

  test('experiments are found by id, and by whether they have a tag', async () => {
    const found = async (filter: string) => {
      const { body } = await call('POST', 'experiments/search', { max_results: 10, filter });
      return (body.experiments as { experiment_id: string }[]).map((one) => one.experiment_id).sort();
    };
    expect(await found('tags.k IS NOT NULL')).toEqual([experimentId]);
    expect(await found('tags.k IS NULL')).toEqual(['0']);
    expect(await found(`experiment_id = '${experimentId}'`)).toEqual([experimentId]);
    expect(await found(`experiment_id IN ('0', '${experimentId}')`)).toEqual(['0', experimentId]);
    expect(await call('POST', 'experiments/search', { max_results: 10, filter: 'name IS NULL' })).toMatchObject(
      refused(/only supported for tags/),
    );
  });
});

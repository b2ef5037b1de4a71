import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { addsModel, centredModel } from '@millrace/onnx';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, type TempDir } from '@millrace/testing';
import { InferenceModule, inferenceConfig } from './index.js';
import { BatchJobClient } from './testing/batch-job-client.js';
import { PublishedModels } from './testing/published-models.js';

let temp: TempDir;
let service: RunningService;

beforeAll(async () => {
  temp = await tempDir('batch-inputs');
  const environment = {
    ...{
      MILLRACE_DATA_DIR: temp.path,
      MILLRACE_PORT: '0',
      MILLRACE_CLICKHOUSE_PORT: '0',
      MILLRACE_GRPC_PORT: '0',
      MILLRACE_LOG_LEVEL: 'error',
    },
  };
  service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], environment));
  const models = new PublishedModels(service.host);
  await models.register('adds', addsModel(1));
  await models.register('centred', centredModel());
}, 60_000);
afterAll(async () => {
  await service.close();
  await temp.remove();
});

test('rows that differ in what is no number are other rows: each is scored, and none answered with another’s', async () => {
  const jobs = new BatchJobClient(service.url);
  const scored: Record<string, unknown> = {};
  const ids = new Set<string>();
  for (const value of ['NULL', 'nan', 'inf', '-inf']) {
    const query = `SELECT CAST(${value} AS Nullable(Float64)) AS x`;
    const { job } = await jobs.post({ model: 'models:/adds/1', input: { query } }, '?wait=30s');
    expect(job.status).toBe('completed');
    ids.add(job.id);
    scored[value] = (await jobs.rows(job.id))[0]?.['y'];
  }
  expect(ids.size).toBe(4);
  expect(scored).toEqual({ NULL: NaN, nan: NaN, inf: Infinity, '-inf': -Infinity });
}, 120_000);

test('bytes that are no text are refused where the output would have them as one, and kept out of it otherwise', async () => {
  const jobs = new BatchJobClient(service.url);
  const query = `SELECT toFloat64(number) AS x, number = 2 ? unhex('ff00') : toNullable('Köln') AS town, unhex('ff00') AS code FROM numbers(4)`;
  const { status, job } = await jobs.post({ model: 'models:/adds/1', input: { query } }, '?wait=30s');
  expect([status, job.detail]).toEqual([
    422,
    expect.stringMatching(/^column "town" has bytes in row 2 that are not UTF-8, .* leave it out of keep/),
  ]);
  const { job: scored } = await jobs.post({ model: 'models:/adds/1', input: { query }, keep: ['x'] }, '?wait=30s');
  expect(await jobs.rows(scored.id)).toHaveLength(4);
}, 120_000);

test('a model whose answers depend on the rows beside is run row by row, as requests to it are', async () => {
  const jobs = new BatchJobClient(service.url);
  const { job } = await jobs.post(
    { model: 'models:/centred/1', input: { query: 'SELECT toFloat64(number) AS x FROM numbers(4)' } },
    '?wait=30s',
  );
  expect(job.status).toBe('completed');
  expect((await jobs.rows(job.id)).map((row) => row['y'])).toEqual([0, 0, 0, 0]);
}, 120_000);

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

test('what Parquet has no word for is carried over as its text, and what it cannot hold is refused by name', async () => {
  const jobs = new BatchJobClient(service.url);
  const columns: Readonly<Record<string, readonly [sql: string, type: string, value: unknown]>> = {
    enum8: [`CAST('b' AS Enum8('a' = 1, 'b' = 2))`, 'String', 'b'],
    enum16: [`CAST('b' AS Nullable(Enum16('a' = 1, 'b' = 300)))`, 'Nullable(String)', 'b'],
    ipv4: [`toIPv4('1.2.3.4')`, 'String', '1.2.3.4'],
    none: ['CAST(NULL AS Nullable(IPv4))', 'Nullable(String)', null],
    ipv6: [`toIPv6('::1')`, 'String', '::1'],
    uuid: [`toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')`, 'String', '61f0c404-5cb3-11e7-907b-a6006ad3dba0'],
    wide: ['toInt256(-5)', 'String', '-5'],
    brain: ['toBFloat16(1.5)', 'Float32', 1.5],
    list: [`[toIPv4('1.2.3.4')]`, 'Array(String)', ['1.2.3.4']],
    map: [`map('a', CAST('b' AS Enum8('b' = 2)))`, 'Map(String, String)', { a: 'b' }],
  };
  const selected = Object.entries(columns).map(([name, [sql]]) => `${sql} AS ${name}`);
  const query = `SELECT toFloat64(1) AS x, ${selected.join(', ')}`;
  const { job } = await jobs.post({ model: 'models:/adds/1', input: { query }, output: 'table' }, '?wait=30s');
  expect([job.status, job.error]).toEqual(['completed', undefined]);
  const [row] = await jobs.rows(job.id);
  const types = new Map(job.output?.columns.map(({ name, type }) => [name, type]));
  for (const [name, [, type, value]] of Object.entries(columns)) expect([name, types.get(name), row?.[name]]).toEqual([name, type, value]);
  const odd = { model: 'models:/adds/1', input: { query: 'SELECT toFloat64(1) AS x, toIntervalDay(3) AS span' } };
  const refused = await jobs.post(odd, '?wait=30s');
  expect([refused.status, refused.job.detail]).toEqual([
    422,
    expect.stringMatching(/^column "span" is IntervalDay, .*leave it out of keep/),
  ]);
  expect((await jobs.post({ ...odd, keep: ['x'] }, '?wait=30s')).job.status).toBe('completed');
  const json = await jobs.post({ model: 'models:/adds/1', input: { query: `SELECT toFloat64(1) AS x, CAST('{}' AS JSON) AS doc` } });
  expect([json.status, json.job.detail]).toEqual([422, expect.stringMatching(/^column doc is JSON, .*leave it out of the query/)]);
}, 120_000);

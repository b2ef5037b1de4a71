import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decisionsTopic } from '@millrace/contracts';
import { encodeDecision } from '@millrace/event-log';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { InferenceModule, inferenceConfig } from './index.js';
import { BatchJobClient } from './testing/batch-job-client.js';
import { delayModel, delayProbability, departures, FLIGHTS } from './testing/flights.js';
import { PublishedModels } from './testing/published-models.js';
import { rowModel } from './testing/row-model.js';

const ROWS = 1_000;
/** Nulls and what is no number are among them. */
const QUERY = `SELECT number AS id, toFloat64(number % 7 * 100) AS distance, if(number % 5 = 0, NULL, number % 30) AS delay_mean_6h,
  number % 3 AS departures_1h, concat('O', toString(number % 4)) AS origin FROM numbers(${ROWS}) ORDER BY id`;
const CSV_ROWS = [
  [800, 20, 3],
  [500, null, 1],
  [100, 5, 2],
];
const CSV = `distance,delay_mean_6h,departures_1h\n${CSV_ROWS.map((row) => row.join(',')).join('\n')}\n`;

let temp: TempDir;
let service: RunningService;
let models: PublishedModels;
let jobs: BatchJobClient;

const start = (): Promise<RunningService> => {
  const environment = {
    ...{ MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_LOG_LEVEL: 'error' },
    MILLRACE_GRPC_PORT: '0',
    ...{ MILLRACE_INFERENCE_BATCH_CHUNK: '300', MILLRACE_INFERENCE_MAX_BATCH_ROWS: '64' },
  };
  return bootstrap(InferenceModule, loadConfig([inferenceConfig], environment));
};

beforeAll(async () => {
  temp = await tempDir('batch-jobs');
  service = await start();
  jobs = new BatchJobClient(service.url);
  models = new PublishedModels(service.host);
  await models.register('delay', delayModel(0));
  await models.register('delay', delayModel(2));
  await models.register('row', rowModel(100));
  await models.alias('delay', 'champion', 1);
  const applied = await fetch(`${service.url}/api/v1/apply`, {
    method: 'POST',
    headers: { 'content-type': 'application/yaml' },
    body: `${FLIGHTS}---
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: late}
spec: {model: models:/delay@champion, featureService: delay_model}
`,
  });
  if (!applied.ok) throw new Error(await applied.text());
  await departures(service.host, [
    { origin: 'O0', departed: '2001-01-01T08:00:00Z', delay: 30 },
    { origin: 'O0', departed: '2001-01-01T09:30:00Z', delay: 10 },
    { origin: 'O1', departed: '2001-01-01T09:45:00Z', delay: 0 },
  ]);
  await waitFor(async () => (await fetch(`${service.url}/v2/models/late/ready`)).ok, { what: 'the deployment to be ready' });
}, 60_000);
afterAll(async () => {
  await service.close();
  await temp.remove();
});

const expected = (bias: number, row: Record<string, unknown>): number =>
  delayProbability(
    bias,
    Number(row['distance']),
    row['delay_mean_6h'] === null || row['delay_mean_6h'] === undefined ? null : Number(row['delay_mean_6h']),
    Number(row['departures_1h']),
  );

describe('a batch job', () => {
  test('scores the rows of a query with the version pinned, to Parquet and to a table, in order', async () => {
    const asked = { model: 'models:/delay@champion', input: { query: QUERY }, output: 'table' };
    const { status, job } = await jobs.post(asked, '?wait=60s');
    expect({ status, job }).toMatchObject({ status: 200, job: { status: 'completed', version: 1, attempt: 1 } });
    // Whole runs of 64 rows.
    expect(job.progress).toEqual({ stage: 'over', rows: ROWS, failedRows: 0, totalRows: ROWS, chunks: 4, totalChunks: 4 });
    expect(job.output?.columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
      'id UInt64',
      'distance Float64',
      'delay_mean_6h Nullable(UInt8)',
      'departures_1h UInt8',
      'origin String',
      'probability Nullable(Float32)',
      'label Nullable(Int64)',
      'error Nullable(String)',
    ]);
    const rows = await jobs.rows(job.id);
    expect(rows.map((row) => Number(row['id']))).toEqual(Array.from({ length: ROWS }, (_, id) => id));
    for (const row of rows) expect(row['probability']).toBeCloseTo(expected(0, row), 5);
    expect(new Set(rows.map((row) => row['error'] ?? null))).toEqual(new Set([null]));
    expect(
      createHash('sha256')
        .update(await jobs.bytes(job.id))
        .digest('hex'),
    ).toBe(job.output?.sha256);
    const table = await service.host.offline.query<{ id: number; probability: number }>(
      `SELECT toInt32(id) AS id, probability FROM ${job.output?.table ?? ''} ORDER BY _row`,
    );
    expect(table.map(({ id, probability }) => [id, Math.fround(probability)])).toEqual(
      rows.map((row) => [Number(row['id']), row['probability']]),
    );
    // The alias moves on; the job that is there is that of version 1, and a new request is another.
    expect((await jobs.post(asked, '?wait=60s')).job.id).toBe(job.id);
    expect(await service.host.artifacts.list(`batch-jobs/${job.id}/chunks/1`)).toEqual([]);
    await models.alias('delay', 'champion', 2);
    const moved = (await jobs.post(asked, '?wait=60s')).job;
    expect(moved).toMatchObject({ status: 'completed', version: 2 });
    expect(moved.id).not.toBe(job.id);
    for (const row of await jobs.rows(moved.id)) expect(row['probability']).toBeCloseTo(expected(2, row), 5);
    await models.alias('delay', 'champion', 1);
  });

  test('gives the values that the gateway gives, to the last bit', async () => {
    const { job } = await jobs.upload(CSV, 'text/csv', { model: 'models:/delay/1', wait: '60s' });
    const rows = await jobs.rows(job.id);
    rows.forEach((row) => expect(row['probability']).toBeCloseTo(expected(0, row), 5));
    const data = CSV_ROWS.filter((row) => !row.includes(null));
    const inputs = [{ name: 'input', datatype: 'FP32', shape: [data.length, 3], data }];
    const reply = await fetch(`${service.url}/v2/models/delay/versions/1/infer`, { method: 'POST', body: JSON.stringify({ inputs }) });
    const answer = (await reply.json()) as { outputs: { data: number[] }[] };
    const complete = rows.filter((_, index) => !CSV_ROWS[index]?.includes(null));
    expect(complete.map((row) => row['probability'])).toEqual(answer.outputs[0]?.data.map(Math.fround));
  });

  test('takes a Parquet file, names for the columns, a choice of outputs, a prefix and columns to keep', async () => {
    const parquet = await buffer(
      await service.host.offline.raw('SELECT number AS n, number * 1.5 AS a, number AS b, number % 2 AS c FROM numbers(10)', 'Parquet'),
    );
    const query = { model: 'models:/delay/1', features: 'a,b,c', outputs: 'probability', prefix: 'p_', keep: 'n', wait: '60s' };
    const { job } = await jobs.upload(parquet, 'application/vnd.apache.parquet', query);
    expect(job.output?.columns.map(({ name }) => name)).toEqual(['n', 'p_probability', 'p_error']);
    const rows = await jobs.rows(job.id);
    rows.forEach((row, n) => expect(row['p_probability']).toBeCloseTo(delayProbability(0, n * 1.5, n, n % 2), 5));
  });

  test('leaves out lists of a Parquet file where keep does not name them', async () => {
    const sql =
      "SELECT number AS n, [number, 1] AS list, number * 1.5 AS a, map('k', number) AS m, number AS b, tuple(number AS x, [number] AS y) AS s, 1 AS c FROM numbers(10)";
    const parquet = await buffer(await service.host.offline.raw(sql, 'Parquet'));
    const query = { model: 'models:/delay/1', features: 'a,b,c', wait: '60s' };
    const send = (more: object) => jobs.upload(parquet, 'application/vnd.apache.parquet', { ...query, ...more });
    const { job } = await send({ keep: 'n,c' });
    expect(job).toMatchObject({ status: 'completed' });
    const rows = await jobs.rows(job.id);
    rows.forEach((row, n) =>
      expect([Number(row['n']), row['probability']]).toEqual([n, expect.closeTo(delayProbability(0, n * 1.5, n, 1), 5)]),
    );
    expect((await send({})).job.detail).toMatch(/column "list" of the Parquet file is nested; only flat columns are read; name in keep/);
    expect((await send({ keep: 'n,m' })).job.detail).toMatch(/column "m" .*leave it out of keep/);
    expect((await send({ features: 'a,list,c', keep: 'n' })).job.detail).toMatch(/column "list" .*the model takes it/);
  });

  test('refuses a CSV file that is not UTF-8, and says where', async () => {
    const text = (rows: string): Buffer => Buffer.from(`distance,delay_mean_6h,departures_1h,town\n${rows}`, 'latin1');
    const query = { model: 'models:/delay/1', wait: '60s' };
    const { status, job } = await jobs.upload(text('1,2,3,"Bonn,\n am Rhein"\n1,2,3,K\xf6ln\n'), 'text/csv', query);
    expect([status, job.detail]).toEqual([422, 'row 2, column town of the CSV file is not UTF-8; write the file with that encoding']);
    expect((await jobs.upload('', 'text/csv', query)).job.detail).toMatch(/the CSV file is empty/);
    expect((await jobs.upload('a;b\n1;2\n', 'text/csv', query)).job.detail).toMatch(/one column, "a;b"; separate columns by commas/);
    const ragged = (await jobs.upload('a\n1\n1,3\n', 'text/csv', query)).job.detail;
    expect(ragged).toMatch(/^the CSV file cannot be read: Expected end of line: \(at row 2\): There is no line feed. "3" found instead.$/);
  });

  test('takes a training set, whose columns are there already', async () => {
    const bytes = await buffer(await service.host.offline.raw(QUERY, 'Parquet'));
    const path = 'training-sets/0b8f/data.parquet';
    const { sha256, size } = await service.host.artifacts.put(path, bytes);
    await decideTrainingSet('0b8f', 1, 'TrainingSetRequested', {});
    const early = await jobs.post({ deployment: 'late', input: { trainingSet: '0b8f' } });
    expect([early.status, early.job.detail]).toEqual([422, expect.stringMatching(/training set 0b8f is requested; wait/)]);
    await decideTrainingSet('0b8f', 2, 'TrainingSetBuilt', { rows: ROWS, columns: [], bytes: size, sha256, path });
    const { job } = await jobs.post({ deployment: 'late', input: { trainingSet: '0b8f' } }, '?wait=60s');
    expect(job).toMatchObject({ status: 'completed', deployment: 'late', featureService: null });
    for (const row of await jobs.rows(job.id)) expect(row['probability']).toBeCloseTo(expected(0, row), 5);
  });

  test('reads features online where the input has keys, as of the time asked', async () => {
    const query = "SELECT concat('O', toString(number % 3)) AS origin, toFloat32(number) AS distance FROM numbers(200)";
    const asked = { deployment: 'late', input: { query }, eventTime: '2001-01-01T10:00:00Z' };
    const { job } = await jobs.post(asked, '?wait=60s');
    expect(job).toMatchObject({ status: 'completed', featureService: 'delay_model', featureTime: '2001-01-01T10:00:00.000Z' });
    const rows = await jobs.rows(job.id);
    expect(rows.length).toBe(200);
    for (const { origin, distance, probability } of rows) {
      const [mean, count] = origin === 'O0' ? [20, 1] : origin === 'O1' ? [0, 1] : [null, 1];
      expect(probability).toBeCloseTo(delayProbability(0, Number(distance), mean, count), 5);
    }
    expect((await jobs.post(asked)).job.id).toBe(job.id);
    const now = { deployment: 'late', input: { query } };
    const [one, other] = [(await jobs.post(now)).job.id, (await jobs.post(now)).job.id];
    expect(one).not.toBe(other);
  });

  test('tells of the rows that fail one by one, and scores the others', async () => {
    const query = `SELECT number AS id, if(number IN (3, 77), 500, if(number = 140, NULL, number % 90)) AS index FROM numbers(200) ORDER BY id`;
    const { job } = await jobs.post({ model: 'models:/row/1', input: { query } }, '?wait=60s');
    expect(job).toMatchObject({ status: 'completed', progress: { failedRows: 3 }, output: { failedRows: 3 } });
    const rows = await jobs.rows(job.id);
    const failed = rows.filter((row) => row['error'] !== null && row['error'] !== undefined);
    expect(failed.map((row) => Number(row['id']))).toEqual([3, 77, 140]);
    expect(failed.map((row) => row['value'] ?? null)).toEqual([null, null, null]);
    expect(String(failed[0]?.['error'])).toMatch(/the model failed: .*(out of bounds|out of data bounds|indices)/);
    expect(failed[2]?.['error']).toBe(`feature "index" has no value, and the model's INT64 input cannot say so`);
    for (const row of rows) {
      if (!failed.includes(row)) expect(Number(row['value'])).toBe(Number(row['index']) * 10);
    }
    const strict = await jobs.post({ model: 'models:/row/1', input: { query }, onRowError: 'fail' }, '?wait=60s');
    expect(strict.job).toMatchObject({
      status: 'failed',
      row: 3,
      code: 'MR_INFERENCE_BATCH_ROW',
      error: expect.stringMatching(/^row 3: /),
    });
    const data = await fetch(`${service.url}/api/v1/batch-jobs/${strict.job.id}/data`);
    expect([data.status, ((await data.json()) as { code: string }).code]).toEqual([409, 'MR_INFERENCE_BATCH_JOB_WITHOUT_DATA']);
    // Asked again, it begins again.
    const again = await jobs.post({ model: 'models:/row/1', input: { query }, onRowError: 'fail' }, '?wait=60s');
    expect(again.job).toMatchObject({ id: strict.job.id, status: 'failed', attempt: 2 });
  });

  test('records predictions only where it is asked to, each once', async () => {
    const query = `SELECT number AS distance, number % 9 AS delay_mean_6h, 1 AS departures_1h FROM numbers(400)`;
    const recorded = (id: string): Promise<{ row: number; inputs: string; outputs: string; batch_rows: number }[]> =>
      service.host.offline.query(
        `SELECT row, inputs, outputs, batch_rows, model, version FROM millrace.predictions WHERE request_id = '${id}' ORDER BY row`,
      );
    const none = (await jobs.post({ model: 'models:/delay/1', input: { query } }, '?wait=60s')).job;
    const all = (await jobs.post({ model: 'models:/delay/1', input: { query }, log: 'all' }, '?wait=60s')).job;
    expect([none.status, all.status]).toEqual(['completed', 'completed']);
    const found = await waitFor(async () => {
      const rows = await recorded(all.id);
      return rows.length >= 400 && rows;
    });
    expect(found.map(({ row }) => row)).toEqual(Array.from({ length: 400 }, (_, row) => row));
    expect(JSON.parse(found[8]?.inputs ?? '')).toEqual({ input: [8, 8, 1] });
    const scored = await jobs.rows(all.id);
    expect(found.map(({ outputs }) => (JSON.parse(outputs) as { probability: number }).probability)).toEqual(
      scored.map((row) => row['probability']),
    );
    const some = (await jobs.post({ model: 'models:/delay/1', input: { query }, log: 'sampled', sampleRate: 0.2 }, '?wait=60s')).job;
    const sample = await waitFor(async () => {
      const rows = await recorded(some.id);
      return rows.length > 0 && rows;
    });
    expect(sample.length).toBeGreaterThan(40);
    expect(sample.length).toBeLessThan(120);
    expect(await recorded(none.id)).toEqual([]);
  });

  test('is cancelled while it runs, and begins again when it is asked for again', async () => {
    const query = `SELECT number AS distance, number % 9 AS delay_mean_6h, 1 AS departures_1h FROM numbers(60000)`;
    const asked = { model: 'models:/delay/1', input: { query }, chunkRows: 64 };
    const { job, status } = await jobs.post(asked);
    expect([status, job.status]).toEqual([202, 'running']);
    await waitFor(async () => (await jobs.get(job.id)).progress.chunks > 2);
    const cancelled = await jobs.cancel(job.id);
    expect([cancelled.status, cancelled.job.status]).toEqual([200, 'cancelled']);
    expect(cancelled.job.progress.rows).toBeLessThan(60_000);
    expect((await jobs.cancel(job.id)).status).toBe(200);
    const list = await jobs.list('?limit=2');
    expect(list.batchJobs.length).toBe(2);
    const rest = await jobs.list(`?limit=200&pageToken=${list.nextPageToken ?? ''}`);
    expect(rest.batchJobs.map(({ id }) => id)).not.toContain(list.batchJobs[0]?.id);
    expect((await jobs.list('?status=cancelled')).batchJobs.map(({ id }) => id)).toEqual([job.id]);
    const again = await jobs.post({ ...asked, chunkRows: 20_000 }, '?wait=120s');
    expect(again.job).toMatchObject({ id: job.id, status: 'completed', attempt: 2, progress: { totalChunks: 3, rows: 60_000 } });
    expect((await jobs.cancel(job.id)).status).toBe(409);
  }, 180_000);
});

test.each<[string, object, number, RegExp]>([
  ['no target', { input: { query: 'SELECT 1' } }, 400, /say deployment .* or model/],
  ['an unknown field', { model: 'models:/delay/1', inputs: {} }, 400, /there is no field inputs; the fields are input, /],
  ['an unknown model', { model: 'models:/nobody/1', input: { query: 'SELECT 1' } }, 404, /no model "nobody" is registered/],
  [
    'an unknown deployment',
    { deployment: 'delay', input: { query: 'SELECT 1' } },
    404,
    /no deployment "delay"; a model is named in "model"/,
  ],
  [
    'a missing column',
    { model: 'models:/delay/1', input: { query: 'SELECT 1 AS distance, 2 AS departures_1h' } },
    422,
    /no column "delay_mean_6h", which the model takes in its input "input" \(FP32 \[-1,3\]\)/,
  ],
  [
    'a column of text',
    { model: 'models:/delay/1', input: { query: "SELECT 'far' AS distance, 1 AS delay_mean_6h, 2 AS departures_1h" } },
    422,
    /column "distance" is String; the model's input "input" \(FP32 \[-1,3\]\) takes numbers/,
  ],
  [
    'a missing join key',
    { deployment: 'late', input: { query: 'SELECT 1 AS distance' } },
    422,
    /no column "origin" \(String\), a join key of feature service delay_model/,
  ],
  [
    'an unknown output',
    { model: 'models:/delay/1', outputs: ['p'], input: { query: 'SELECT 1' } },
    422,
    /no output "p"; it has probability, label/,
  ],
  [
    'a clash of names',
    { model: 'models:/delay/1', input: { query: 'SELECT 1 AS distance, 1 AS delay_mean_6h, 2 AS departures_1h, 3 AS label' } },
    422,
    /the input has a column "label", and so has the output; say prefix/,
  ],
  [
    'a query that reaches outside',
    { model: 'models:/delay/1', input: { query: "SELECT * FROM file('/etc/passwd')" } },
    422,
    /input.query may not use file/,
  ],
  ['a query that fails', { model: 'models:/delay/1', input: { query: 'SELECT * FROM millrace.nowhere' } }, 422, /query cannot be read/],
  ['no rows', { model: 'models:/delay/1', input: { query: 'SELECT 1 AS distance WHERE 0' } }, 422, /the input has no rows/],
  ['an unknown training set', { model: 'models:/delay/1', input: { trainingSet: 'nope' } }, 404, /there is no training set nope/],
])('refuses %s', async (_name, body, status, message) => {
  const reply = await jobs.post(body);
  expect([reply.status, reply.job.detail]).toEqual([status, expect.stringMatching(message)]);
});

async function decideTrainingSet(id: string, sequence: number, type: string, data: object): Promise<void> {
  const { log, ids, clock } = service.host;
  await service.host.topics.ensure({ name: decisionsTopic('features'), partitions: 4, retention: 'forever' });
  const decision = {
    ...{ id: ids.next(), type, version: 1, subject: `training-set/${id}`, sequence, commandId: ids.next(), actor: 'test' },
    ...{ time: clock.now(), data: { ...data, ...(type === 'TrainingSetRequested' ? requestedSet(id) : {}) } },
  };
  await log.append([encodeDecision(decisionsTopic('features'), 'features', decision)]);
}

/** As the features service writes it. */
function requestedSet(trainingSetId: string): object {
  const spine = { kind: 'rows', path: 'training-sets/spines/aa.jsonl', digest: 'aa' };
  return {
    trainingSetId,
    featureService: 'delay_model',
    features: [],
    versions: {},
    definitions: [],
    spine,
    timestampColumn: 'at',
    positions: {},
  };
}

test('an output is deleted and the job stays; asked for again it is computed anew; what a kill left is cleared away', async () => {
  const asked = {
    model: 'models:/delay/1',
    input: { query: `SELECT 300 AS distance, 1 AS delay_mean_6h, number AS departures_1h FROM numbers(700)` },
  };
  const { job } = await jobs.post({ ...asked, output: 'table' }, '?wait=1m');
  const { sha256, table } = job.output as { sha256: string; table: string };
  const path = `batch-jobs/${job.id}/data.parquet`;
  const isThere = async (): Promise<unknown[]> => [
    (await service.host.artifacts.stat(path)) !== undefined,
    (await service.host.offline.query(`SELECT 1 FROM system.tables WHERE concat(database, '.', name) = '${table}'`)).length,
  ];
  expect(await isThere()).toEqual([true, 1]);
  for (let round = 0; round < 2; round++) {
    const { status, job: shown } = await jobs.deleteOutput(job.id);
    expect([status, shown]).toMatchObject([200, { status: 'completed', output: { sha256, deletedAt: expect.any(String) } }]);
    expect(shown.output).not.toHaveProperty('uri');
  }
  expect(await isThere()).toEqual([false, 0]);
  await expect(jobs.bytes(job.id)).rejects.toThrow(/^410 .*was deleted at .*ask for the job again/);
  expect(await jobs.deleteOutput('none')).toMatchObject({ status: 404, job: { detail: expect.stringContaining('no batch job none') } });

  const again = await jobs.post({ ...asked, output: 'table' }, '?wait=1m');
  expect(again.job).toMatchObject({ id: job.id, attempt: 2, status: 'completed', output: { sha256, uri: expect.any(String) } });
  expect(await isThere()).toEqual([true, 1]);

  // As a process leaves it that is killed after the end and before the chunks went, or after the decision and before the file went.
  const { artifacts } = service.host;
  await jobs.deleteOutput(job.id);
  const left = [`batch-jobs/${job.id}/chunks/1/0.native`, `batch-jobs/${job.id}/chunks/2/0.native`, path];
  for (const file of left) await artifacts.put(file, Readable.from([Buffer.from('left')]));
  await service.close();
  service = await start();
  jobs = new BatchJobClient(service.url);
  await waitFor(
    async () => (await Promise.all(left.map((file) => service.host.artifacts.stat(file)))).every((found) => found === undefined),
    {
      what: 'what was left to be gone',
    },
  );
}, 60_000);

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { freePort, startFromSources, startKafka, startRedis, tempDir, waitFor, type RunningProcess, type TempDir } from '@millrace/testing';
import { join } from 'node:path';
import { InferenceModule, inferenceConfig } from './index.js';
import { BatchJobClient } from './testing/batch-job-client.js';
import { delayModel, delayProbability } from './testing/flights.js';
import { PublishedModels } from './testing/published-models.js';

const CLICKHOUSE = 'libs/offline-store/http/src/main.ts';
const MAIN = 'services/inference/src/main.ts';
const ROWS = 20_000;
const QUERY = `SELECT number AS id, number % 700 AS distance, number % 30 AS delay_mean_6h, number % 3 AS departures_1h FROM numbers(${ROWS}) ORDER BY id`;

let directory: TempDir;
let here: RunningService;
let other: { process: RunningProcess; jobs: BatchJobClient };
const ends: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  directory = await tempDir('batch-replicas');
  ends.push(() => directory.remove());
  const [redis, kafka] = await Promise.all([startRedis(), startKafka()]);
  ends.push(
    () => redis.stop(),
    () => kafka.stop(),
  );
  const clickhouse = `http://127.0.0.1:${await freePort()}`;
  const script = [CLICKHOUSE, '--path', join(directory.path, 'clickhouse'), '--port', new URL(clickhouse).port] as const;
  const server = await startFromSources('clickhouse', script, `${clickhouse}/ping`, {});
  ends.push(() => server.stop());
  const environment = (name: string): Record<string, string> => ({
    MILLRACE_DATA_DIR: join(directory.path, name),
    MILLRACE_KAFKA_BROKERS: kafka.brokers,
    MILLRACE_REDIS_URL: redis.url,
    MILLRACE_CLICKHOUSE_URL: clickhouse,
    MILLRACE_ARTIFACTS: `file://${join(directory.path, 'artifacts')}`,
    MILLRACE_LOG_LEVEL: 'error',
    MILLRACE_GRPC_PORT: '0',
    MILLRACE_INFERENCE_BATCH_CHUNK: '256',
    // Whatever the other one does, this one takes it up at once.
    MILLRACE_INFERENCE_BATCH_SILENCE: name === 'here' ? '1ms' : '1h',
  });
  here = await bootstrap(InferenceModule, loadConfig([inferenceConfig], { ...environment('here'), MILLRACE_PORT: '0' }));
  ends.push(() => here.close());
  await new PublishedModels(here.host).register('delay', delayModel(0));
  const url = `http://127.0.0.1:${await freePort()}`;
  const process_ = await startFromSources('other', [MAIN], `${url}/readyz`, {
    ...environment('other'),
    MILLRACE_PORT: new URL(url).port,
  });
  ends.push(() => process_.stop());
  other = { process: process_, jobs: new BatchJobClient(url) };
}, 600_000);
afterAll(async () => {
  for (const end of ends.reverse()) await end();
}, 60_000);

test('two processes on one job do no harm, and one of them goes on when the other is killed', async () => {
  const asked = { model: 'models:/delay/1', input: { query: QUERY }, output: 'table' };
  const { job } = await other.jobs.post(asked);
  const jobs = new BatchJobClient(here.url);
  await waitFor(async () => (await jobs.get(job.id)).progress.chunks > 10, { timeoutMs: 60_000 });
  other.process.kill('SIGKILL');
  await other.process.exited;
  const over = await jobs.get(job.id, '?wait=2m');
  expect(over).toMatchObject({ status: 'completed', attempt: 1, progress: { rows: ROWS, chunks: Math.ceil(ROWS / 256) } });
  const rows = await jobs.rows(job.id);
  expect(rows.map((row) => Number(row['id']))).toEqual(Array.from({ length: ROWS }, (_, id) => id));
  for (const row of rows) {
    const [distance, mean, departures] = ['distance', 'delay_mean_6h', 'departures_1h'].map((name) => Number(row[name]));
    expect(row['probability']).toBeCloseTo(delayProbability(0, distance!, mean!, departures!), 5);
  }
  const [table] = await here.host.offline.query<{ rows: number }>(`SELECT toInt32(count()) AS rows FROM ${over.output?.table ?? ''}`);
  expect(table?.rows).toBe(ROWS);
  // Where it was asked for does not matter: it is the same job.
  expect((await jobs.post(asked)).job.id).toBe(job.id);
}, 240_000);

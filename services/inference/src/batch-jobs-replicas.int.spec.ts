import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { RunningService } from '@millrace/service';
import { waitFor, type RunningProcess } from '@millrace/testing';
import { BatchJobClient } from './testing/batch-job-client.js';
import { delayModel, delayProbability } from './testing/flights.js';
import { PublishedModels } from './testing/published-models.js';
import { Replicas } from './testing/replicas.js';

const ROWS = 20_000;
const QUERY = `SELECT number AS id, number % 700 AS distance, number % 30 AS delay_mean_6h, number % 3 AS departures_1h FROM numbers(${ROWS}) ORDER BY id`;

const replicas = new Replicas();
let here: RunningService;
let other: { process: RunningProcess; jobs: BatchJobClient };

/** Whatever the other one does, the one here takes it up at once. */
const settings = (silence: string) => ({ MILLRACE_INFERENCE_BATCH_CHUNK: '256', MILLRACE_INFERENCE_BATCH_SILENCE: silence });

beforeAll(async () => {
  await replicas.open('batch-replicas');
  here = await replicas.here('here', settings('1ms'));
  await new PublishedModels(here.host).register('delay', delayModel(0));
  const { process: started, url } = await replicas.apart('other', settings('1h'));
  other = { process: started, jobs: new BatchJobClient(url) };
}, 600_000);
afterAll(() => replicas.close(), 60_000);

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

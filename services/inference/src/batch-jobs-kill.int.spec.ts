import { afterEach, expect, test } from '@jest/globals';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { freePort, startFromSources, tempDir, waitFor, type RunningProcess, type TempDir } from '@millrace/testing';
import { InferenceModule, inferenceConfig } from './index.js';
import { BatchJobClient, type ShownJob } from './testing/batch-job-client.js';
import { delayModel } from './testing/flights.js';
import { PublishedModels } from './testing/published-models.js';
import { rowModel } from './testing/row-model.js';

const MAIN = 'services/inference/src/main.ts';
/** `MILLRACE_TEST_BATCH_KILLS=30` is the run of the release; each kill costs a start of the service. */
const KILLS = Number(process.env['MILLRACE_TEST_BATCH_KILLS'] ?? 4);
const ROWS = 12_000 + 3_000 * KILLS;

/** Values of many sizes, nulls, and no order but that of the query. */
const QUERY = `SELECT cityHash64(number) % 100000 / 7 AS distance, if(number % 11 = 0, NULL, sin(number) * 100) AS delay_mean_6h,
  number % 13 AS departures_1h, number AS id FROM numbers(${ROWS}) ORDER BY cityHash64(number)`;
/** Some rows fail. */
const FAILING = `SELECT number AS id, if(number % 997 = 5, 1000, number % 100) AS index FROM numbers(${ROWS}) ORDER BY id`;
const ASKED = [
  { model: 'models:/delay/1', input: { query: QUERY }, output: 'table', log: 'sampled', sampleRate: 0.5 },
  { model: 'models:/row/1', input: { query: FAILING }, log: 'all' },
];

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

test(
  `jobs killed ${KILLS} times give the output of the undisturbed run, row for row, and record each row once`,
  async () => {
    const undisturbed = await prepared('batch-undisturbed');
    const quiet = await live(undisturbed);
    const asked = await requestAll(quiet.jobs);
    const truth = await outcomeOf(undisturbed, quiet, asked);

    const directory = await prepared('batch-killed');
    const moments: number[] = [];
    let ids: string[] = [];
    let done = new Map<string, number>();
    for (let kill = 0; kill < KILLS; kill++) {
      const { process: child, jobs } = await live(directory);
      if (kill === 0) ids = await requestAll(jobs);
      const shown = await Promise.all(ids.map((id) => jobs.get(id)));
      // What was decided before a kill is still so.
      for (const { id, progress } of shown)
        expect({ moments, isBehind: progress.chunks < (done.get(id) ?? 0) }).toEqual({ moments, isBehind: false });
      // Now and then in the middle of what is done before the first chunk and after the last one.
      if (kill % 3 !== 2)
        await waitFor(async () => isFurther(await Promise.all(ids.map((id) => jobs.get(id))), done), { timeoutMs: 60_000 });
      const moment = Math.floor(Math.random() * 120);
      moments.push(moment);
      await new Promise((resolve) => setTimeout(resolve, moment));
      const before = await Promise.all(ids.map((id) => jobs.get(id)));
      done = new Map(before.map(({ id, progress }) => [id, progress.chunks]));
      child.kill('SIGKILL');
      await child.exited;
    }
    const outcome = await outcomeOf(directory, await live(directory), ids);
    expect({ moments, ids }).toEqual({ moments, ids: truth.ids });
    expect({ moments, rows: outcome.rows }).toEqual({ moments, rows: truth.rows });
    expect({ moments, shas: outcome.shas }).toEqual({ moments, shas: truth.shas });
    outcome.bytes.forEach((bytes, index) => expect(bytes.equals(truth.bytes[index] as Buffer)).toBe(true));
    expect({ moments, table: outcome.table }).toEqual({ moments, table: truth.table });
    expect({ moments, recorded: outcome.recorded }).toEqual({ moments, recorded: truth.recorded });
    expect(truth.table.rows).toBe(ROWS);
    expect(truth.failed).toEqual([0, Math.floor((ROWS - 6) / 997) + 1]);
    expect(truth.recorded[1]).toMatchObject({ rows: ROWS, told: ROWS });
  },
  (KILLS + 4) * 60_000,
);

const settings = (directory: TempDir): Record<string, string> => ({
  ...{ MILLRACE_DATA_DIR: directory.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_LOG_LEVEL: 'fatal' },
  MILLRACE_GRPC_PORT: '0',
  ...{ MILLRACE_INFERENCE_BATCH_CHUNK: '512', MILLRACE_INFERENCE_MAX_BATCH_ROWS: '128', MILLRACE_INFERENCE_BATCH_JOBS: '2' },
});

async function openService(directory: TempDir): Promise<RunningService> {
  const service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], settings(directory)));
  ends.push(() => service.close());
  return service;
}

/** A data directory with the models. */
async function prepared(name: string): Promise<TempDir> {
  const directory = await tempDir(name);
  ends.push(() => directory.remove());
  const service = await openService(directory);
  const models = new PublishedModels(service.host);
  await models.register('delay', delayModel(0));
  await models.register('row', rowModel(100));
  await service.close();
  return directory;
}

function requestAll(jobs: BatchJobClient): Promise<string[]> {
  return Promise.all(ASKED.map(async (asked) => (await jobs.post(asked)).job.id));
}

interface Live {
  readonly process: RunningProcess;
  readonly jobs: BatchJobClient;
}

async function live(directory: TempDir): Promise<Live> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = await startFromSources('inference', [MAIN], `${url}/readyz`, {
    ...settings(directory),
    MILLRACE_PORT: new URL(url).port,
  });
  ends.push(() => child.stop());
  return { process: child, jobs: new BatchJobClient(url) };
}

function isFurther(jobs: readonly ShownJob[], done: ReadonlyMap<string, number>): boolean {
  return jobs.some(({ id, status, progress }) => status !== 'running' || progress.chunks > (done.get(id) ?? 0));
}

interface Outcome {
  readonly ids: readonly string[];
  readonly shas: readonly (string | undefined)[];
  readonly failed: readonly (number | undefined)[];
  readonly bytes: readonly Buffer[];
  /** Of each job, each row as JSON. */
  readonly rows: readonly (readonly string[])[];
  readonly table: { readonly rows: number; readonly digest: string };
  /** Of each job: rows recorded, and different ones among them. */
  readonly recorded: readonly { readonly rows: number; readonly told: number; readonly digest: string }[];
}

/** Waits for all jobs, ends the process and looks at what there is. */
async function outcomeOf(directory: TempDir, { process: child, jobs }: Live, ids: readonly string[]): Promise<Outcome> {
  const over: ShownJob[] = [];
  for (const id of ids) over.push(await jobs.get(id, '?wait=5m'));
  expect(over.map(({ status, error }) => ({ status, error }))).toEqual(ids.map(() => ({ status: 'completed', error: undefined })));
  const bytes = await Promise.all(ids.map((id) => jobs.bytes(id)));
  const rows = await Promise.all(ids.map(async (id) => (await jobs.rows(id)).map((row) => JSON.stringify(row, asText))));
  await child.stop();
  const service = await openService(directory);
  const { offline, log } = service.host;
  const topic = 'millrace.inference.predictions';
  const expected = (await log.end(topic)).reduce((sum, end) => sum + end, 0);
  await waitFor(
    async () => {
      const [found] = await offline.query<{ told: string }>(`SELECT uniqExact(_partition, _offset) AS told FROM millrace.predictions`);
      return Number(found?.told) === expected;
    },
    { timeoutMs: 60_000 },
  );
  const [table] = await offline.query<{ rows: number; digest: string }>(
    `SELECT toInt32(count()) AS rows, toString(sum(cityHash64(*))) AS digest FROM ${over[0]?.output?.table ?? ''}`,
  );
  const recorded = await Promise.all(
    ids.map(async (id) => {
      const [found] = await offline.query<Outcome['recorded'][number]>(
        `SELECT toInt32(count()) AS rows, toInt32(uniqExact(row)) AS told, toString(sum(cityHash64(prediction_id, row, outputs))) AS digest
         FROM millrace.predictions WHERE request_id = '${id}'`,
      );
      return found as Outcome['recorded'][number];
    }),
  );
  await service.close();
  return {
    ids,
    shas: over.map(({ output }) => output?.sha256),
    failed: over.map(({ output }) => output?.failedRows),
    ...{ bytes, rows },
    table: table as Outcome['table'],
    recorded,
  };
}

function asText(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

import { afterEach, expect, test } from '@jest/globals';
import { freePort, startFromSources, tempDir, type RunningProcess, type TempDir } from '@millrace/testing';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BatchService, type Run } from './testing/batch.js';
import { HOUR, START, until as untilIn } from './testing/trips.js';

const MAIN = 'services/features/src/main.ts';
const ROWS = 3_000;

/** So many rows, a second apart, without any table; small pages make many places to be interrupted at. */
const RESOURCES = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: ticks}
spec:
  query: >-
    SELECT number % 20 AS sensor, toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + INTERVAL intDiv(number, 3) SECOND AS at, number AS id, number / 8 AS value
    FROM numbers(${ROWS})
  key: sensor
  eventTime: at
  eventId: id
  schema: {sensor: Int32, at: DateTime64(3), id: Int64, value: Float64}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: sensor}
spec: {joinKeys: {sensor: Int32}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: sensors}
spec: {entity: sensor, source: ticks, features: [{name: ticks_1h, aggregate: count, window: 1h}, {name: value, aggregate: last, column: value}]}
`;
const PATH = '/api/v1/sources/ticks/materializations';
const PAGE = { MILLRACE_FEATURES_MATERIALIZE_PAGE: '100' };

const until = <T>(ask: () => Promise<T>, done: (answer: T) => boolean): Promise<T> => untilIn(ask, done, 90_000);
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Every row is on the topic once, in the table once, and counted online once. */
async function expectOnce(service: BatchService): Promise<void> {
  await service.caughtUp('ticks');
  const { log } = service.running.host;
  const end = await log.end('millrace.features.sources.ticks');
  expect(end.reduce((sum, offset) => sum + offset, 0)).toBe(ROWS);
  const stored = await service.sql(
    'SELECT toInt32(count()) AS rows, toInt32(uniqExact(id)) AS ids, max(value) AS most FROM millrace.source_ticks',
  );
  expect(stored).toEqual([{ rows: ROWS, ids: ROWS, most: (ROWS - 1) / 8 }]);
  const sensors = Array.from({ length: 20 }, (_, sensor) => sensor);
  const [, counted, values] = await service.online(['sensors:ticks_1h', 'sensors:value'], { sensor: sensors }, START + HOUR);
  expect(counted).toEqual(sensors.map(() => ROWS / 20));
  expect(values).toEqual(sensors.map((sensor) => (ROWS - 20 + sensor) / 8));
}

test('a run that is stopped goes on with the next process where it has come to', async () => {
  const service = await BatchService.start(PAGE);
  ends.push(() => service.remove());
  await service.apply(RESOURCES);
  const [, { id }] = (await service.ask('POST', PATH, {})) as [number, Run];
  const show = async (): Promise<Run> => (await service.ask('GET', `${PATH}/${id}`))[1];
  const before = await until(show, ({ rows }) => rows.appended > 200);
  expect(before.rows.total).toBe(ROWS);
  await service.end();
  await service.begin();
  const after = await until(show, ({ status }) => status !== 'running');
  expect([after.status, after.rows.appended + after.rows.unchanged >= ROWS, after.rows.rejected]).toEqual(['finished', true, 0]);
  expect(after.rows.read).toBeLessThan(ROWS + before.rows.read);
  await expectOnce(service);
}, 120_000);

test('a run that is cancelled stops, keeps what it brought, and the next takes the rest', async () => {
  const service = await BatchService.start(PAGE);
  ends.push(() => service.remove());
  await service.apply(RESOURCES);
  const [, { id }] = (await service.ask('POST', PATH, {})) as [number, Run];
  const [status, busy] = (await service.ask('POST', PATH, {})) as [number, Run & { details: { materializationId: string } }];
  expect([status, busy.code, busy.details.materializationId]).toEqual([409, 'MR_FEATURES_MATERIALIZATION_RUNNING', id]);
  await until(
    async () => (await service.ask('GET', `${PATH}/${id}`))[1] as Run,
    ({ rows }) => rows.appended > 100,
  );
  const [, cancelled] = (await service.ask('POST', `${PATH}/${id}/cancel`)) as [number, Run];
  expect(cancelled.status).toBe('cancelled');
  const rest = await service.materialize('ticks');
  expect(rest).toMatchObject({ status: 'finished', from: null, rows: { read: ROWS } });
  expect(rest.rows.unchanged).toBeGreaterThanOrEqual(cancelled.rows.appended);
  await expectOnce(service);
}, 120_000);

test.each(['process', 'machine'])(
  'kill -9 of the %s in the middle, again and again, brings every row once',
  async (killed) => {
    const directory = await tempDir('materialize-kill');
    ends.push(() => directory.remove());
    const environment = environmentOf(directory);
    const moments = Array.from({ length: 4 }, () => 50 + Math.floor(Math.random() * 400));
    let id = '';
    let reached = '';
    for (const [life, milliseconds] of moments.entries()) {
      const { process, url } = await live(environment);
      const ask = async (method: string, path: string, body?: string, type = 'application/json'): Promise<Run> => {
        const response = await fetch(`${url}${path}`, {
          method,
          headers: { 'content-type': type },
          ...(body === undefined ? {} : { body }),
        });
        if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
        return (await response.json()) as Run;
      };
      if (life === 0) {
        await ask('POST', '/api/v1/apply', RESOURCES, 'application/yaml');
        ({ id } = await ask('POST', PATH, '{}'));
      }
      const run = await until(
        () => ask('GET', `${PATH}/${id}`),
        ({ reached: now }) => now !== null && now !== reached,
      );
      // What was told before the kill is still so.
      expect({ moments, isBehind: (run.reached as string) < reached }).toEqual({ moments, isBehind: false });
      reached = run.reached as string;
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      process.kill('SIGKILL');
      await process.exited;
      // With the machine ends what its cache held: the online store does not trust its file then, and has to be filled anew.
      if (killed === 'machine') await writeFile(join(directory.path, 'online.boot'), 'the one before', { flag: 'r+' });
      if (run.status !== 'running') break;
    }
    const service = await BatchService.over(directory, PAGE);
    ends.push(() => service.end());
    const run = await until(
      async () => (await service.ask('GET', `${PATH}/${id}`))[1] as Run,
      ({ status }) => status !== 'running',
    );
    expect({ moments, run }).toMatchObject({ moments, run: { status: 'finished' } });
    await expectOnce(service);
  },
  240_000,
);

function environmentOf(directory: TempDir): Record<string, string> {
  return {
    ...PAGE,
    MILLRACE_DATA_DIR: directory.path,
    MILLRACE_CLICKHOUSE_PORT: '0',
    MILLRACE_LOG_LEVEL: 'error',
    NODE_OPTIONS: '',
  };
}

async function live(environment: Readonly<Record<string, string>>): Promise<{ process: RunningProcess; url: string }> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const process_ = await startFromSources('features', [MAIN], `${url}/readyz`, { ...environment, MILLRACE_PORT: String(port) });
  ends.push(() => process_.stop());
  return { process: process_, url };
}

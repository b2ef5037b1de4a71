import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort, startFromSources, startKafka, startRedis, tempDir, type RunningProcess, type TempDir } from '@millrace/testing';
import { join } from 'node:path';
import type { Run } from './testing/batch.js';
import { START, until as untilIn } from './testing/trips.js';

const CLICKHOUSE = 'libs/offline-store/http/src/main.ts';
const MAIN = 'services/features/src/main.ts';
const ROWS = 6_000;
const TOPIC = 'millrace.features.sources.ticks';

const resources = (schedule: string): string => `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: ticks}
spec:
  query: >-
    SELECT number % 20 AS sensor, toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + INTERVAL intDiv(number, 3) SECOND AS at, number / 8 AS value
    FROM numbers(${ROWS})
  key: sensor
  eventTime: at
  ${schedule}
  schema: {sensor: Int32, at: DateTime64(3), value: Float64}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: sensor}
spec: {joinKeys: {sensor: Int32}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: sensors}
spec: {entity: sensor, source: ticks, features: [{name: ticks_2h, aggregate: count, window: 2h}]}
`;
const PATH = '/api/v1/sources/ticks/materializations';

describe('two replicas on Kafka and Redis', () => {
  let directory: TempDir;
  const replicas: { url: string; process: RunningProcess }[] = [];
  const ends: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    directory = await tempDir('materialize-replicas');
    ends.push(() => directory.remove());
    const [redis, kafka] = await Promise.all([startRedis(), startKafka()]);
    ends.push(
      () => redis.stop(),
      () => kafka.stop(),
    );
    const clickhouse = `http://127.0.0.1:${await freePort()}`;
    const port = new URL(clickhouse).port;
    await begin('clickhouse', [CLICKHOUSE, '--path', join(directory.path, 'clickhouse'), '--port', port], `${clickhouse}/ping`, {});
    for (const name of ['one', 'two']) {
      const url = `http://127.0.0.1:${await freePort()}`;
      const process_ = await begin(name, [MAIN], `${url}/readyz`, {
        MILLRACE_DATA_DIR: join(directory.path, name),
        MILLRACE_PORT: new URL(url).port,
        MILLRACE_KAFKA_BROKERS: kafka.brokers,
        MILLRACE_REDIS_URL: redis.url,
        MILLRACE_CLICKHOUSE_URL: clickhouse,
        MILLRACE_ARTIFACTS: `file://${join(directory.path, 'artifacts')}`,
        MILLRACE_LOG_LEVEL: 'error',
        MILLRACE_FEATURES_MATERIALIZE_PAGE: '200',
        MILLRACE_FEATURES_MATERIALIZE_SILENCE: '2s',
      });
      replicas.push({ url, process: process_ });
    }
  }, 240_000);
  afterAll(async () => {
    for (const end of ends.reverse()) await end();
  }, 60_000);

  async function begin(
    name: string,
    script: readonly [string, ...string[]],
    ready: string,
    env: Readonly<Record<string, string>>,
  ): Promise<RunningProcess> {
    const process_ = await startFromSources(name, script, ready, env);
    ends.push(() => process_.stop());
    return process_;
  }

  const ask = async <T>(
    replica: number,
    method: string,
    path: string,
    body?: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<T> => {
    const response = await fetch(`${replicas[replica]?.url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${response.status} ${text}`);
    return JSON.parse(text) as T;
  };
  const until = <T>(question: () => Promise<T>, isDone: (answer: T) => boolean): Promise<T> => untilIn(question, isDone, 120_000);
  const list = (replica: number): Promise<{ materializations: Run[] }> => ask(replica, 'GET', PATH);

  test('what both find due is one materialization, and what one leaves behind the other brings to its end', async () => {
    await ask(0, 'POST', '/api/v1/apply', resources('schedule: {every: 10d}'), { 'content-type': 'application/yaml' });
    const [run] = (
      await until(
        () => list(1),
        ({ materializations }) => (materializations[0]?.rows.appended ?? 0) > 200,
      )
    ).materializations as [Run];
    expect((await list(0)).materializations.map(({ id }) => id)).toEqual([run.id]);
    // Whichever of them reads is killed; the other is asked from then on.
    const reader = await readerOf(run.id);
    const killed = replicas[reader] as { process: RunningProcess };
    killed.process.kill('SIGKILL');
    await killed.process.exited;
    const left = 1 - reader;
    const done = await until(
      () => ask<Run>(left, 'GET', `${PATH}/${run.id}`),
      ({ status }) => status !== 'running',
    );
    // A page that was appended and not told is found there.
    expect([done.status, done.rows.appended + done.rows.unchanged >= ROWS, done.rows.rejected]).toEqual(['finished', true, 0]);
    const { end } = await until(
      () => ask<{ end: number[]; lag: number }>(left, 'GET', '/api/v1/sources/ticks'),
      ({ lag }) => lag === 0,
    );
    expect({ topic: TOPIC, records: end.reduce((sum, offset) => sum + offset, 0) }).toEqual({ topic: TOPIC, records: ROWS });
    const sensors = Array.from({ length: 20 }, (_, sensor) => sensor);
    const asked = JSON.stringify({ features: ['sensors:ticks_2h'], entities: { sensor: sensors }, at: START + 7_200_000 });
    const online = await ask<{ results: { values: unknown[] }[] }>(left, 'POST', '/get-online-features', asked);
    expect(online.results[1]?.values).toEqual(sensors.map(() => ROWS / 20));
  }, 240_000);

  /** The replica that knows how many rows there are is the one that reads them. */
  async function readerOf(id: string): Promise<number> {
    const found = await until(
      () => Promise.all([0, 1].map((replica) => ask<Run>(replica, 'GET', `${PATH}/${id}`))),
      (runs) => runs.some(({ rows }) => rows.total !== null),
    );
    return found.findIndex(({ rows }) => rows.total !== null);
  }
});

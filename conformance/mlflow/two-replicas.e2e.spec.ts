import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort, ServiceProcess, startKafka, tempDir, type KafkaEngine, type TempDir } from '@millrace/testing';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

interface Answer {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes, each looked at by its test
  readonly body: any;
}

/** Rounds of write here, read there. A replica that answered from what it happens to have folded would fail within a few. */
const ROUNDS = 15;

describe('two replicas of the tracking service on one Kafka', () => {
  let directory: TempDir;
  let kafka: KafkaEngine;
  let clickhouse: ServiceProcess;
  const replicas: ServiceProcess[] = [];
  const urls: string[] = [];

  beforeAll(async () => {
    directory = await tempDir('two-replicas');
    kafka = await startKafka();
    const clickhousePort = await freePort();
    const clickhouseUrl = `http://127.0.0.1:${clickhousePort}`;
    clickhouse = new ServiceProcess({
      name: 'clickhouse',
      script: 'libs/offline-store/http/dist/main.js',
      args: ['--path', join(directory.path, 'clickhouse'), '--port', String(clickhousePort)],
      readyUrl: `${clickhouseUrl}/ping`,
    });
    await clickhouse.start();
    for (const name of ['a', 'b']) {
      const port = await freePort();
      const url = `http://127.0.0.1:${port}`;
      mkdirSync(join(directory.path, name));
      const replica = new ServiceProcess({
        name: `tracking-${name}`,
        script: 'services/tracking/dist/main.js',
        env: {
          MILLRACE_DATA_DIR: join(directory.path, name),
          MILLRACE_PORT: String(port),
          MILLRACE_KAFKA_BROKERS: kafka.brokers,
          MILLRACE_CLICKHOUSE_URL: clickhouseUrl,
          MILLRACE_ARTIFACTS: `file://${join(directory.path, 'artifacts')}`,
          MILLRACE_LOG_LEVEL: 'warn',
        },
        readyUrl: `${url}/readyz`,
        readyTimeoutMs: 180_000,
      });
      await replica.start();
      replicas.push(replica);
      urls.push(url);
    }
  }, 400_000);

  afterAll(async () => {
    for (const replica of replicas) await replica.stop();
    await clickhouse?.stop();
    await kafka?.stop();
    await directory.remove();
  }, 60_000);

  async function call(replica: number, method: string, path: string, body?: object): Promise<Answer> {
    const response = await fetch(`${urls[replica]}/api/2.0/mlflow/${path}`, { method, ...(body ? { body: JSON.stringify(body) } : {}) });
    return { status: response.status, body: await response.json() };
  }

  const newRun = async (replica: number): Promise<string> => {
    const { body } = await call(replica, 'POST', 'runs/create', { experiment_id: '0' });
    return body.run.info.run_id as string;
  };

  test('what one has acknowledged, the other shows and finds at once', async () => {
    const runId = await newRun(0);
    for (let round = 1; round <= ROUNDS; round++) {
      const [writer, reader] = [round % 2, 1 - (round % 2)];
      const logged = await call(writer, 'POST', 'runs/log-metric', {
        run_id: runId,
        key: 'loss',
        value: round,
        timestamp: round,
        step: round,
      });
      expect(logged).toMatchObject({ status: 200 });
      const shown = await call(reader, 'GET', `runs/get?run_id=${runId}`);
      expect(shown.body.run.data.metrics).toEqual([{ key: 'loss', value: round, timestamp: round, step: round }]);
      const found = await call(reader, 'POST', 'runs/search', { experiment_ids: ['0'], filter: `metrics.loss = ${round}` });
      expect((found.body.runs as { info: { run_id: string } }[]).map((run) => run.info.run_id)).toEqual([runId]);
    }
    const history = await call(1, 'GET', `metrics/get-history?run_id=${runId}&metric_key=loss`);
    expect(history.body.metrics).toHaveLength(ROUNDS);
  }, 300_000);

  test('a run made by one can be written, finished, deleted and restored through the other', async () => {
    const runId = await newRun(0);
    expect(
      await call(1, 'POST', 'runs/log-batch', { run_id: runId, params: [{ key: 'lr', value: '1' }], tags: [{ key: 't', value: 'x' }] }),
    ).toMatchObject({ status: 200 });
    const refused = await call(0, 'POST', 'runs/log-parameter', { run_id: runId, key: 'lr', value: '2' });
    expect(refused).toMatchObject({ status: 400, body: { error_code: 'INVALID_PARAMETER_VALUE' } });
    expect(await call(0, 'POST', 'runs/update', { run_id: runId, status: 'FINISHED' })).toMatchObject({ status: 200 });
    expect(await call(1, 'POST', 'runs/delete', { run_id: runId })).toMatchObject({ status: 200 });
    expect(await call(0, 'POST', 'runs/set-tag', { run_id: runId, key: 'k', value: 'v' })).toMatchObject({ status: 400 });
    expect(await call(0, 'POST', 'runs/restore', { run_id: runId })).toMatchObject({ status: 200 });
    const found = await call(1, 'POST', 'runs/search', {
      experiment_ids: ['0'],
      filter: "params.lr = '1' AND attributes.status = 'FINISHED'",
    });
    expect((found.body.runs as { info: { run_id: string } }[]).map((run) => run.info.run_id)).toEqual([runId]);
  }, 120_000);

  test('of the same name, asked of both at once, one experiment is made', async () => {
    const answers = await Promise.all([0, 1, 0, 1].map((replica) => call(replica, 'POST', 'experiments/create', { name: 'raced' })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400]);
  }, 60_000);
});

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort, ServiceProcess, startKafka, tempDir, type KafkaEngine, type TempDir } from '@millrace/testing';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';

const CLIENTS = 50;

interface Entry {
  readonly subject: string;
  readonly type: string;
  readonly sequence: number;
  readonly data: { version: number; archived?: number[]; previous?: number | null; request?: number };
  readonly actor: string;
}

/** Two processes of the registry on one real Kafka: nothing but the order of the log settles who is in production. */
describe('races for production on Kafka', () => {
  let kafka: KafkaEngine;
  let directory: TempDir;
  let clickhouse: ServiceProcess;
  const replicas: { url: string; process: ServiceProcess }[] = [];

  beforeAll(async () => {
    [kafka, directory] = await Promise.all([startKafka(), tempDir('promotion-race')]);
    const clickhousePort = await freePort();
    clickhouse = new ServiceProcess({
      name: 'clickhouse',
      script: 'libs/offline-store/http/dist/main.js',
      args: ['--path', join(directory.path, 'clickhouse'), '--port', String(clickhousePort)],
      readyUrl: `http://127.0.0.1:${clickhousePort}/ping`,
    });
    await clickhouse.start();
    for (const name of ['one', 'two']) {
      const port = await freePort();
      const process = new ServiceProcess({
        name: `registry-${name}`,
        script: 'services/registry/dist/main.js',
        env: {
          MILLRACE_DATA_DIR: join(directory.path, name),
          MILLRACE_PORT: String(port),
          MILLRACE_KAFKA_BROKERS: kafka.brokers,
          MILLRACE_CLICKHOUSE_URL: `http://127.0.0.1:${clickhousePort}`,
          MILLRACE_ARTIFACTS: `file:${join(directory.path, 'artifacts')}`,
          MILLRACE_COMMAND_DEADLINE: '60s',
          MILLRACE_LOG_LEVEL: 'warn',
        },
        readyUrl: `http://127.0.0.1:${port}/readyz`,
      });
      replicas.push({ url: `http://127.0.0.1:${port}`, process });
    }
    await Promise.all(replicas.map(({ process }) => process.start()));
  }, 240_000);

  afterAll(async () => {
    await Promise.all(replicas.map(({ process }) => process.stop()));
    await clickhouse.stop();
    await kafka.stop();
    await directory.remove();
  }, 60_000);

  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes
  async function call(replica: number, method: string, path: string, body?: object | string, actor = 'ann'): Promise<any> {
    // As a client that means it does: the same command id until the log has said what became of it.
    const key = randomUUID();
    for (;;) {
      const response = await fetch(`${replicas[replica % 2]!.url}${path}`, {
        method,
        headers: { 'content-type': 'application/json', 'millrace-actor': actor, 'idempotency-key': key },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const answer: unknown = await response.json();
      if (response.ok) return answer;
      if (response.status < 500) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    }
  }

  const mlflow = (replica: number, path: string, body: object, actor?: string) =>
    call(replica, 'POST', `/api/2.0/mlflow/${path}`, body, actor);

  async function newModel(name: string): Promise<void> {
    await mlflow(0, 'registered-models/create', { name });
    for (let version = 1; version <= CLIENTS; version++) await mlflow(version, 'model-versions/create', { name, source: 's3://b/m' });
  }

  /** Everything decided about a model, by both replicas alike. */
  async function historyOf(name: string): Promise<Entry[]> {
    const [one, two] = await Promise.all([0, 1].map((replica) => call(replica, 'GET', `/api/v1/models/${name}/history?limit=1000`)));
    expect(two.entries).toEqual(one.entries);
    // Without the catalog's, which have a sequence of their own.
    const entries = (one.entries as Entry[]).filter(({ subject }) => subject.startsWith('model/'));
    expect(entries.map(({ sequence }) => sequence).sort((a, b) => a - b)).toEqual(entries.map((_, index) => index + 1));
    return entries.sort((a, b) => a.sequence - b.sequence);
  }

  const everyone = Array.from({ length: CLIENTS }, (_, index) => index + 1);

  test('50 clients move different versions to production at once, archiving: one ends there, and the history says who lost to whom', async () => {
    const name = 'ungoverned';
    await newModel(name);
    const body = (version: number) => ({ name, version: String(version), stage: 'Production', archive_existing_versions: true });
    await Promise.all(everyone.map((version) => mlflow(version, 'model-versions/transition-stage', body(version), `client-${version}`)));
    const moves = (await historyOf(name)).filter(({ type }) => type === 'VersionMoved');
    expect(moves.map(({ data }) => data.version).sort((a, b) => a - b)).toEqual(everyone);
    expect(moves.every(({ data, actor }) => actor === `client-${data.version}`)).toBe(true);
    // A line: each move archives exactly the one before it.
    expect(moves.map(({ data }) => data.archived)).toEqual(moves.map((_, index) => (index === 0 ? [] : [moves[index - 1]!.data.version])));
    for (const replica of [0, 1]) {
      const found = await call(replica, 'GET', `/api/2.0/mlflow/model-versions/search?filter=${encodeURIComponent(`name = '${name}'`)}`);
      const versions = found.model_versions as { version: string; current_stage: string }[];
      const inProduction = versions.filter((one) => one.current_stage === 'Production');
      expect(inProduction.map((one) => Number(one.version))).toEqual([moves.at(-1)!.data.version]);
      expect(versions.filter((one) => one.current_stage === 'Archived')).toHaveLength(CLIENTS - 1);
    }
  }, 120_000);

  test('50 clients ask for a governed alias at once: each request is fulfilled once, in a line, and one holds the alias', async () => {
    const name = 'governed';
    await newModel(name);
    const policy = {
      apiVersion: 'millrace.dev/v1',
      kind: 'Policy',
      metadata: { name: 'champions' },
      spec: { models: [name], aliases: ['champion'], approvals: 1 },
    };
    await call(0, 'POST', '/api/v1/apply', policy);
    const requests = await Promise.all(
      everyone.map((version) => call(version, 'POST', `/api/v1/models/${name}/promotions`, { version, alias: 'champion', reason: 'race' })),
    );
    expect(requests.map(({ request }) => request as number).sort((a, b) => a - b)).toEqual(everyone);
    // Two approvers press the button at once, each at another replica; one approval is enough.
    await Promise.all(
      requests.flatMap(({ request }) =>
        ['bob', 'bea'].map((actor, replica) =>
          call(replica, 'POST', `/api/v1/models/${name}/promotions/${request}/approve`, {}, actor).catch((error: Error) => {
            expect(error.message).toContain('MR_REGISTRY_PROMOTION_CLOSED');
          }),
        ),
      ),
    );
    const moves = (await historyOf(name)).filter(({ type }) => type === 'AliasAssigned');
    expect(moves.map(({ data }) => data.request).sort((a, b) => a! - b!)).toEqual(everyone);
    expect(moves.map(({ data }) => data.previous)).toEqual(moves.map((_, index) => (index === 0 ? null : moves[index - 1]!.data.version)));
    for (const replica of [0, 1]) {
      const holder = await call(replica, 'GET', `/api/2.0/mlflow/registered-models/alias?name=${name}&alias=champion`);
      expect(Number(holder.model_version.version)).toBe(moves.at(-1)!.data.version);
    }
  }, 120_000);
});

import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { freePort, startFromSources, startKafka, startRedis, tempDir, type RunningProcess } from '@millrace/testing';
import { join } from 'node:path';
import { InferenceModule, inferenceConfig } from '../index.js';

const CLICKHOUSE = 'libs/offline-store/http/src/main.ts';
const MAIN = 'services/inference/src/main.ts';

/** Replicas of the service on one Kafka, Redis and ClickHouse, all real: some in this process, others in processes of their own that can be killed. */
export class Replicas {
  readonly #ends: (() => Promise<unknown>)[] = [];
  #shared: ((name: string) => Record<string, string>) | undefined;

  /** Starts the engines. */
  async open(name: string): Promise<void> {
    const directory = await tempDir(name);
    this.#ends.push(() => directory.remove());
    const [redis, kafka] = await Promise.all([startRedis(), startKafka()]);
    this.#ends.push(
      () => redis.stop(),
      () => kafka.stop(),
    );
    const clickhouse = `http://127.0.0.1:${await freePort()}`;
    const script = [CLICKHOUSE, '--path', join(directory.path, 'clickhouse'), '--port', new URL(clickhouse).port] as const;
    const server = await startFromSources('clickhouse', script, `${clickhouse}/ping`, {});
    this.#ends.push(() => server.stop());
    this.#shared = (replica) => ({
      MILLRACE_DATA_DIR: join(directory.path, replica),
      MILLRACE_KAFKA_BROKERS: kafka.brokers,
      MILLRACE_REDIS_URL: redis.url,
      MILLRACE_CLICKHOUSE_URL: clickhouse,
      MILLRACE_ARTIFACTS: `file://${join(directory.path, 'artifacts')}`,
      MILLRACE_LOG_LEVEL: 'error',
      MILLRACE_GRPC_PORT: '0',
    });
  }

  /** One in this process. */
  async here(name: string, settings: Readonly<Record<string, string>> = {}): Promise<RunningService> {
    const environment = { ...this.#environment(name), ...settings, MILLRACE_PORT: '0' };
    const service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], environment));
    this.#ends.push(() => service.close());
    return service;
  }

  /** One in a process of its own. */
  async apart(
    name: string,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly process: RunningProcess; readonly url: string }> {
    const url = `http://127.0.0.1:${await freePort()}`;
    const environment = { ...this.#environment(name), ...settings, MILLRACE_PORT: new URL(url).port };
    const started = await startFromSources(name, [MAIN], `${url}/readyz`, environment);
    this.#ends.push(() => started.stop());
    return { process: started, url };
  }

  /** Done before what is open now is closed. */
  beforeClose(end: () => Promise<unknown>): void {
    this.#ends.push(end);
  }

  async close(): Promise<void> {
    for (const end of this.#ends.reverse()) await end();
  }

  #environment(name: string): Record<string, string> {
    if (!this.#shared) throw new Error('open the engines first');
    return this.#shared(name);
  }
}

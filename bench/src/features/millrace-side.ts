import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, ServiceProcess, startRedis, waitFor } from '@millrace/testing';

/** How long one turn may take. */
const TURN_MS = 10 * 60_000;
const POLL_MS = 50;

/** What a turn computes. */
export interface Windows {
  /** Of each view. */
  readonly features: readonly string[];
  /** `airport` by origin, `route` by origin and destination. */
  readonly entities: readonly ('airport' | 'route')[];
}

const SLIDING = ['1h', '6h', '24h'].flatMap((window) => [
  `{name: flights_${window}, aggregate: count, window: ${window}}`,
  `{name: delay_mean_${window}, aggregate: mean, column: delay, window: ${window}}`,
  `{name: delay_max_${window}, aggregate: max, column: delay, window: ${window}}`,
]);

/** Three windows with three aggregates, of one entity or of two. */
export const OF_AIRPORTS: Windows = { features: SLIDING, entities: ['airport'] };
export const OF_BOTH: Windows = { features: SLIDING, entities: ['airport', 'route'] };
export const TUMBLING: Windows = {
  features: [
    '{name: flights, aggregate: count, window: 5m, windowKind: tumbling}',
    '{name: delay, aggregate: sum, column: delay, window: 5m, windowKind: tumbling}',
  ],
  entities: ['airport'],
};

function resources(topic: string, { features, entities }: Windows): string {
  const view = (entity: string): string =>
    document('FeatureView', `${entity}_delays`, `\n  entity: ${entity}\n  source: ${topic}\n  features: [${features.join(', ')}]`);
  return [
    document(
      'Source',
      topic,
      `{topic: ${topic}, key: origin, eventTime: departed, eventId: id, schema: {id: String, date: DateTime64(3), departed: DateTime64(3), delay: Int32, distance: Int32, origin: String, destination: String}}`,
    ),
    document('Entity', 'airport', '{joinKeys: {origin: String}}'),
    document('Entity', 'route', '{joinKeys: {origin: String, destination: String}}'),
    ...entities.map(view),
  ].join('\n---\n');
}

function document(kind: string, name: string, spec: string): string {
  return `apiVersion: millrace.dev/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}`;
}

/** What an origin's features have to be once everything is applied. */
export interface Expected {
  readonly origin: string;
  readonly at: number;
  /** Feature -> value. */
  readonly values: Readonly<Record<string, number>>;
}

/**
 * The features service as a process, with a Redis and a ClickHouse (chdb behind its HTTP interface) of its own, all of them new in every turn.
 */
export class MillraceSide {
  constructor(
    private readonly directory: string,
    private readonly brokers: string,
    private readonly topic: string,
  ) {}

  /**
   * Events per second from the moment the source and its views are applied (nothing of the topic is read before) to the moment when both
   * the online store and the table hold `count` events. Joining the group, making the table and filling the last block count.
   */
  async rate(turn: string, count: number, windows: Windows, expected: Expected): Promise<number> {
    const redis = await startRedis();
    const clickhousePort = await freePort();
    const clickhouse = new ServiceProcess({
      name: 'clickhouse',
      script: 'libs/offline-store/http/dist/main.js',
      args: ['--path', join(this.directory, turn, 'clickhouse'), '--port', String(clickhousePort)],
      readyUrl: `http://127.0.0.1:${clickhousePort}/ping`,
    });
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const data = join(this.directory, turn, 'features');
    mkdirSync(data, { recursive: true });
    const service = new ServiceProcess({
      name: 'features',
      script: 'services/features/dist/main.js',
      env: {
        MILLRACE_DATA_DIR: data,
        MILLRACE_PORT: String(port),
        MILLRACE_KAFKA_BROKERS: this.brokers,
        MILLRACE_REDIS_URL: redis.url,
        MILLRACE_CLICKHOUSE_URL: `http://127.0.0.1:${clickhousePort}`,
        MILLRACE_LOG_LEVEL: 'warn',
      },
      readyUrl: `${url}/readyz`,
    });
    try {
      await clickhouse.start();
      await service.start();
      const clickhouseUrl = `http://127.0.0.1:${clickhousePort}`;
      const started = performance.now();
      await apply(url, resources(this.topic, windows));
      await this.#complete(url, clickhouseUrl, count, windows.entities.length);
      const seconds = (performance.now() - started) / 1000;
      await this.#check(url, clickhouseUrl, count, expected);
      await this.#remove(url, windows);
      return count / seconds;
    } finally {
      await service.stop();
      await clickhouse.stop();
      await redis.stop();
    }
  }

  async #complete(url: string, clickhouseUrl: string, count: number, expectedViews: number): Promise<void> {
    const patience = { timeoutMs: TURN_MS, intervalMs: POLL_MS };
    const status = async () => {
      const { lag, views } = await json<{ lag: number; views: unknown[] }>(await fetch(`${url}/api/v1/sources/${this.topic}`));
      return views.length === expectedViews && lag === 0;
    };
    await waitFor(status, { ...patience, what: 'the online store to hold every event' });
    const rows = async () => (await ask(clickhouseUrl, `SELECT count() FROM millrace.source_${this.topic}`)) === String(count);
    await waitFor(rows, { ...patience, what: 'the table to hold every event' });
  }

  /** What was fast must also be right. */
  async #check(url: string, clickhouseUrl: string, count: number, { origin, at, values }: Expected): Promise<void> {
    const stored = await ask(clickhouseUrl, `SELECT uniqExact(id) FROM millrace.source_${this.topic}`);
    if (stored !== String(count)) throw new Error(`the table holds ${stored} flights, not ${count}`);
    const names = Object.keys(values);
    const features = names.map((feature) => `airport_delays:${feature}`);
    const body = JSON.stringify({ features, entities: { origin: [origin] }, at: new Date(at).toISOString() });
    const headers = { 'content-type': 'application/json' };
    const reply = await json<{ results: { values: unknown[] }[] }>(
      await fetch(`${url}/get-online-features`, { method: 'POST', headers, body }),
    );
    const found = reply.results.slice(1).map((column) => column.values[0]);
    const wanted = names.map((name) => values[name]);
    if (found.join() !== wanted.join()) throw new Error(`${names.join()} of ${origin} are ${found.join()}, not ${wanted.join()}`);
  }

  /** The next turn's service must find nothing to run. */
  async #remove(url: string, { entities }: Windows): Promise<void> {
    const names = [...entities.map((entity) => `FeatureView/${entity}_delays`), 'Entity/airport', 'Entity/route', `Source/${this.topic}`];
    for (const name of names) await json(await fetch(`${url}/api/v1/resources/${name}`, { method: 'DELETE' }));
  }
}

async function apply(url: string, body: string): Promise<void> {
  await json(await fetch(`${url}/api/v1/apply`, { method: 'POST', headers: { 'content-type': 'application/yaml' }, body }));
}

async function ask(clickhouseUrl: string, sql: string): Promise<string> {
  const response = await fetch(clickhouseUrl, { method: 'POST', body: sql });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text.trim();
}

async function json<T>(response: Response): Promise<T> {
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${text}`);
  return JSON.parse(text) as T;
}

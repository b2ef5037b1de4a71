import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, type TempDir } from '@millrace/testing';
import { FeaturesModule, featuresConfig } from '../index.js';
import { until, type OnlineReply } from './trips.js';

/** A run as the API shows it. */
export interface Run {
  readonly id: string;
  readonly status: string;
  readonly version: number;
  readonly from: string | null;
  readonly to: string;
  readonly reached: string | null;
  readonly rows: {
    readonly read: number;
    readonly appended: number;
    readonly unchanged: number;
    readonly rejected: number;
    readonly total: number;
  };
  readonly rejected: readonly { readonly time: string | null; readonly reason: string }[];
  readonly error?: string;
  readonly detail?: string;
  readonly code?: string;
}

/** The features service on a data directory that outlives it, with sources of rows to materialize. */
export class BatchService {
  #running: RunningService | undefined;

  private constructor(
    readonly temp: TempDir,
    private readonly environment: Readonly<Record<string, string>>,
  ) {}

  static async start(environment: Readonly<Record<string, string>> = {}): Promise<BatchService> {
    return BatchService.over(await tempDir('batch'), environment);
  }

  /** On a data directory that somebody else has made and removes. */
  static async over(temp: TempDir, environment: Readonly<Record<string, string>>): Promise<BatchService> {
    const service = new BatchService(temp, environment);
    await service.begin();
    return service;
  }

  get running(): RunningService {
    if (!this.#running) throw new Error('the service does not run');
    return this.#running;
  }

  async begin(more: Readonly<Record<string, string>> = {}): Promise<void> {
    const environment = {
      MILLRACE_DATA_DIR: this.temp.path,
      MILLRACE_PORT: '0',
      MILLRACE_CLICKHOUSE_PORT: '0',
      MILLRACE_LOG_LEVEL: 'fatal',
      MILLRACE_FEATURES_MATERIALIZE_PAGE: '100',
      ...this.environment,
      ...more,
    };
    this.#running = await bootstrap(FeaturesModule, loadConfig([featuresConfig], environment));
  }

  async end(): Promise<void> {
    await this.#running?.close();
    this.#running = undefined;
  }

  async remove(): Promise<void> {
    await this.end();
    await this.temp.remove();
  }

  async ask(
    method: string,
    path: string,
    body?: object | string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<[number, never]> {
    const response = await fetch(`${this.running.url}${path}`, {
      method,
      headers: { 'content-type': typeof body === 'string' ? 'application/yaml' : 'application/json', ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return [response.status, (text === '' ? null : JSON.parse(text)) as never];
  }

  async apply(text: string): Promise<void> {
    const [status, body] = await this.ask('POST', '/api/v1/apply', text);
    if (status !== 200) throw new Error(JSON.stringify(body));
  }

  /** What is wrong with resources, `field: message` a line. */
  async problems(text: string): Promise<string[]> {
    const [, body] = await this.ask('POST', '/api/v1/apply', text);
    const { details } = body as { details?: { problems: readonly { field: string; message: string }[] } };
    return (details?.problems ?? []).map(({ field, message }) => `${field}: ${message}`);
  }

  /** Runs to the end, whatever that is. */
  async materialize(source: string, asked: object = {}): Promise<Run> {
    const [status, body] = await this.ask('POST', `/api/v1/sources/${source}/materializations?wait=60s`, asked);
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
    return body;
  }

  async runs(
    source: string,
    query = '',
  ): Promise<{ watermark: string | null; running: string | null; materializations: Run[]; nextPageToken?: string }> {
    const [, body] = await this.ask('GET', `/api/v1/sources/${source}/materializations${query}`);
    return body;
  }

  async online(features: readonly string[], entities: object, at: number): Promise<unknown[][]> {
    const [status, body] = await this.ask('POST', '/get-online-features', { features, entities, at });
    if (status !== 200) throw new Error(JSON.stringify(body));
    return (body as OnlineReply).results.map(({ values }) => values);
  }

  /** Waits until the online store holds what the log holds. */
  async caughtUp(source: string): Promise<void> {
    await until(
      async () => (await this.ask('GET', `/api/v1/sources/${source}`))[1] as { lag: number },
      ({ lag }) => lag === 0,
    );
  }

  sql<Row>(text: string): Promise<Row[]> {
    return this.running.host.offline.query<Row>(text);
  }

  command(text: string): Promise<void> {
    return this.running.host.offline.command(text);
  }
}

/** Counts of a run, in the order in which they are shown. */
export function counts({ status, rows: { read, appended, unchanged, rejected } }: Run): unknown[] {
  return [status, read, appended, unchanged, rejected];
}

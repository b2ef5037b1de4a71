import { Fault } from '@millrace/kernel';
import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';
import { Readable } from 'node:stream';
import { clickHouseFault, withFaults } from './clickhouse-fault.js';
import { about, insertParts, loadParts, withoutEnd } from './chdb-offline-store.js';
import { jsonLines, splitLines } from './json-lines.js';
import type { InsertLayout, LoadFormat, OfflineStore, QueryOptions, SqlParameters } from './offline-store.js';

export interface ServerOptions {
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** 60 s. Longer than any statement we send; a query's own `deadlineMs` is shorter. */
  readonly requestTimeoutMs?: number;
  readonly maxConnections?: number;
}

const SIGN_OF_LIFE_MS = 20_000;
/** Signs of life are headers, one every twenty seconds. */
const MOST_HEADER_BYTES = 256 * 1024;

/** A ClickHouse server (or the HTTP façade over chdb), through `@clickhouse/client`. */
export class ServerOfflineStore implements OfflineStore {
  readonly kind = 'server';

  private constructor(private readonly client: ClickHouseClient) {}

  static async open(options: ServerOptions, database: string): Promise<ServerOfflineStore> {
    const client = createClient({
      url: options.url,
      ...(options.username === undefined ? {} : { username: options.username }),
      ...(options.password === undefined ? {} : { password: options.password }),
      application: 'millrace',
      // Failures are thrown as faults; whoever catches them logs them.
      log: { level: ClickHouseLogLevel.OFF },
      request_timeout: options.requestTimeoutMs ?? 60_000,
      max_open_connections: options.maxConnections ?? 16,
      max_response_headers_size: MOST_HEADER_BYTES,
      clickhouse_settings: {
        session_timezone: 'UTC',
        output_format_json_quote_64bit_integers: 1,
        date_time_input_format: 'best_effort',
        // Errors come as errors, not in the middle of a body that began with 200.
        wait_end_of_query: 1,
      },
    });
    const store = new ServerOfflineStore(client);
    await store.command(`CREATE DATABASE IF NOT EXISTS ${database}`);
    return store;
  }

  async query<Row>(sql: string, parameters: SqlParameters = {}, options: QueryOptions = {}): Promise<Row[]> {
    return withFaults(about(sql), async () => {
      const { clickhouse_settings, ...rest } = limits(options);
      // The server itself keeps what is somebody's own from anything but reading tables.
      const settings = options.isGuests === true ? { ...clickhouse_settings, readonly: '1' as const } : clickhouse_settings;
      const result = await this.client.query({
        ...{ query: sql, format: 'JSONEachRow' as const, query_params: { ...parameters }, ...rest },
        ...(settings ? { clickhouse_settings: settings } : {}),
      });
      return await result.json<Row>();
    });
  }

  async *stream<Row>(sql: string, parameters: SqlParameters = {}): AsyncIterable<Row> {
    try {
      const query = `${withoutEnd(sql)}\nFORMAT JSONEachRow`;
      const result = await this.client.exec({ query, query_params: { ...parameters }, clickhouse_settings: { wait_end_of_query: 0 } });
      yield* splitLines<Row>(result.stream as AsyncIterable<Buffer>);
    } catch (error) {
      throw clickHouseFault(error, about(sql));
    }
  }

  async raw(sql: string, format: string, parameters: SqlParameters = {}, options: QueryOptions = {}): Promise<Readable> {
    return withFaults(about(sql), async () => {
      const query = `${withoutEnd(sql)}\nFORMAT ${format}`;
      const result = await this.client.exec({ query, query_params: { ...parameters }, ...limits(options) });
      return result.stream;
    });
  }

  async command(sql: string, parameters: SqlParameters = {}, options: QueryOptions = {}): Promise<void> {
    await withFaults(about(sql), () => this.client.command({ query: sql, query_params: { ...parameters }, ...limits(options) }));
  }

  async insert(table: string, rows: readonly object[] | Buffer, token: string, layout?: InsertLayout): Promise<void> {
    const data = Buffer.isBuffer(rows) ? rows : jsonLines(rows);
    if (data.length === 0) return;
    await withFaults(`inserting ${token} into ${table}`, async () => {
      const values = Readable.from([data], { objectMode: false });
      const { into, settings, format } = insertParts(table, token, layout);
      const { stream } = await this.client.exec({ query: `${into} ${settings} FORMAT ${format}`, values });
      for await (const _ of stream);
    });
  }

  async load(table: string, format: LoadFormat, data: Buffer): Promise<void> {
    await withFaults(`reading ${format} into ${table}`, async () => {
      const values = Readable.from([data], { objectMode: false });
      const { into, settings } = loadParts(table, format);
      const { stream } = await this.client.exec({ query: `${into} ${settings} FORMAT ${format}`, values });
      for await (const _ of stream);
    });
  }

  async ping(): Promise<void> {
    // A question whose answer is read: servers of other kinds answer 200 to what comes, and would pass for ClickHouse until the first real query.
    const [row] = await this.query<{ one: number }>('SELECT 1 AS one');
    if (row?.one !== 1) throw new Fault('MR_OFFLINE_STORE_UNAVAILABLE', 'what answers there does not speak as ClickHouse does', true);
  }

  close(): Promise<void> {
    return this.client.close();
  }
}

/** The server stops at the deadline; the client gives up a little later, so that the server's word comes first. */
function limits(options: QueryOptions) {
  if (options.deadlineMs === undefined) return {};
  // The client ends a connection on which nothing comes; a statement that may take longer lets the server say that it is still at it.
  const signs =
    options.deadlineMs > SIGN_OF_LIFE_MS
      ? { send_progress_in_http_headers: 1 as const, http_headers_progress_interval_ms: String(SIGN_OF_LIFE_MS) }
      : {};
  return {
    clickhouse_settings: { max_execution_time: options.deadlineMs / 1000, ...signs },
    abort_signal: AbortSignal.timeout(options.deadlineMs + 500),
  };
}

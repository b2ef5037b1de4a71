import { randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ChdbSession } from '@millrace/offline-store';
import { ClickHouseError, errorReply } from './clickhouse-error.js';
import { compressBlocks, type BlockMethod } from './compressed-blocks.js';
import { acceptedEncoding, encode } from './content-encoding.js';
import { credentialsOf, header, isOn, readRequest, type Credentials, type HttpRequest } from './http-request.js';
import { QueryHandler, type QueryAnswer, type QueryLimits } from './query-handler.js';
import { ReadOnlyGuard } from './read-only-guard.js';

export interface ClickHouseHttpOptions extends Partial<QueryLimits> {
  /** The engine, shared with the offline store of this process. The port does not close it. */
  readonly session: ChdbSession;
  /** 0 takes a free one. */
  readonly port: number;
  readonly host?: string;
  /** Analysts read; only the tests' "server" writes. */
  readonly readOnly: boolean;
  /** Who may come in; anyone when absent. */
  readonly users?: readonly Credentials[];
  /** Asked who may come in, beside `users`: resolves with the reason why not. `authorization` and `host` are the headers as they came. */
  readonly admit?: (caller: Caller) => Promise<string | undefined>;
  /** Database of a request that names none. */
  readonly defaultDatabase?: string;
  readonly maxBodyBytes?: number;
  /** Told of each request when it is answered. */
  readonly onAnswer?: (answer: { status: number; code: number; milliseconds: number; bytes: number }) => void;
}

export interface Caller extends Credentials {
  readonly authorization: string | undefined;
  readonly host: string | undefined;
}

export interface ClickHouseHttp {
  readonly port: number;
  readonly url: string;
  /** Takes no more requests and waits for those that run. */
  close(): Promise<void>;
}

const MIB = 1024 * 1024;
const LONGEST_QUERY = 256 * 1024;

/**
 * ClickHouse's HTTP interface over chdb: what `clickhouse-connect`, `@clickhouse/client`, Grafana and curl speak. Results are held
 * whole before the first byte goes out, so an error is always a status and never the middle of a body; their size is bounded.
 */
export async function startClickHouseHttp(options: ClickHouseHttpOptions): Promise<ClickHouseHttp> {
  const { session, readOnly, host = '127.0.0.1' } = options;
  const limits: QueryLimits = {
    maxExecutionSeconds: options.maxExecutionSeconds ?? (readOnly ? 60 : 0),
    maxMemoryBytes: options.maxMemoryBytes ?? 1024 * MIB,
    maxResultBytes: options.maxResultBytes ?? 256 * MIB,
    queueMs: options.queueMs ?? 60_000,
  };
  const handler = new QueryHandler(
    session,
    readOnly ? await ReadOnlyGuard.of(session) : undefined,
    limits,
    options.defaultDatabase ?? 'default',
  );
  const front = new Front(handler, options, await versionOf(session));
  const server = createServer(
    { maxHeaderSize: MIB, keepAliveTimeout: 10_000 },
    (request, response) => void front.answer(request, response),
  );
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(options.port, host, resolve));
  const { port } = server.address() as AddressInfo;
  const name = host.includes(':') ? `[${host}]` : host;
  return { port, url: `http://${name}:${port}`, close: () => close(server) };
}

class Front {
  readonly #maxBodyBytes: number;

  constructor(
    private readonly handler: QueryHandler,
    private readonly options: ClickHouseHttpOptions,
    private readonly version: string,
  ) {
    this.#maxBodyBytes = options.maxBodyBytes ?? (options.readOnly ? LONGEST_QUERY : 512 * MIB);
  }

  async answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    let code = 0;
    let bytes = 0;
    try {
      const request = await readRequest(incoming, this.#maxBodyBytes);
      const fixed = fixedAnswer(request);
      if (fixed) {
        bytes = fixed.body.length;
        response.writeHead(fixed.status, { 'Content-Type': 'text/html; charset=UTF-8', ...this.#headers() }).end(fixed.body);
        return;
      }
      await this.#authenticate(request);
      const answer = await this.handler.handle(request);
      bytes = answer.bytes.length;
      await this.#send(request, response, answer);
    } catch (error) {
      if (response.headersSent) return void response.destroy();
      const reply = errorReply(error, this.version);
      code = reply.code;
      response.writeHead(reply.status, {
        'Content-Type': 'text/plain; charset=UTF-8',
        'X-ClickHouse-Exception-Code': String(reply.code),
        ...(reply.status === 401 ? { 'WWW-Authenticate': 'Basic realm="ClickHouse server HTTP API"' } : {}),
        ...this.#headers(),
      });
      response.end(reply.body);
    } finally {
      this.options.onAnswer?.({ status: response.statusCode, code, milliseconds: performance.now() - started, bytes });
    }
  }

  async #send(request: HttpRequest, response: ServerResponse, answer: QueryAnswer): Promise<void> {
    const { parameters } = request;
    response.statusCode = 200;
    const headers = {
      ...this.#headers(),
      'Content-Type': contentType(answer.format),
      'X-ClickHouse-Query-Id': parameters.get('query_id') ?? randomUUID(),
      'X-ClickHouse-Format': answer.format,
      'X-ClickHouse-Timezone': parameters.get('session_timezone') ?? 'UTC',
      'X-ClickHouse-Summary': JSON.stringify(answer.summary),
      'X-ClickHouse-Database': encodeURIComponent(answer.database),
    };
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    const isHead = request.method === 'HEAD';
    if (isOn(parameters.get('compress'))) {
      if (isHead) return void response.end();
      return pipeline(Readable.from(compressBlocks(answer.bytes, blockMethod(parameters))), response);
    }
    const encoding = isOn(parameters.get('enable_http_compression')) ? acceptedEncoding(header(request, 'accept-encoding')) : undefined;
    const body = encoding ? await encode(answer.bytes, encoding, level(parameters)) : answer.bytes;
    if (encoding) response.setHeader('Content-Encoding', encoding);
    response.setHeader('Content-Length', body.length);
    response.end(isHead ? undefined : body);
  }

  async #authenticate(request: HttpRequest): Promise<void> {
    const { users, admit } = this.options;
    if (!users && !admit) return;
    const { user, password } = credentialsOf(request);
    const known = users?.find((candidate) => candidate.user === user);
    if (known && same(known.password, password)) return;
    const reason =
      admit && (await admit({ user, password, authorization: header(request, 'authorization'), host: header(request, 'host') }));
    if (admit && reason === undefined) return;
    throw new ClickHouseError(
      516,
      'AUTHENTICATION_FAILED',
      `${user}: Authentication failed: ${reason ?? 'password is incorrect, or there is no user with such name'}`,
    );
  }

  #headers(): Record<string, string> {
    return { 'X-ClickHouse-Server-Display-Name': hostname(), Connection: 'Keep-Alive' };
  }
}

function fixedAnswer({ method, path, parameters, body }: HttpRequest): { status: number; body: string } | undefined {
  if (method === 'OPTIONS') return { status: 204, body: '' };
  if (path === '/ping' || path === '/replicas_status') return { status: 200, body: 'Ok.\n' };
  if (path !== '/') return { status: 404, body: `There is no handle ${path}\n\nUse / or /ping for health checks.\n` };
  if (!['GET', 'POST', 'HEAD'].includes(method)) return { status: 405, body: 'Use GET or POST.\n' };
  return body.length === 0 && !parameters.has('query') && method !== 'POST' ? { status: 200, body: 'Ok.\n' } : undefined;
}

async function versionOf(session: ChdbSession): Promise<string> {
  const { bytes } = await session.run('read', { sql: 'SELECT version()', format: 'TSVRaw' });
  return bytes.toString().trim();
}

/** Compared in a time that says nothing about where they differ. */
function same(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function blockMethod(parameters: URLSearchParams): BlockMethod {
  const asked = parameters.get('network_compression_method')?.toUpperCase();
  return asked === 'ZSTD' || asked === 'NONE' ? asked : 'LZ4';
}

function level(parameters: URLSearchParams): number {
  const asked = Number(parameters.get('http_zlib_compression_level') ?? 3);
  return Number.isInteger(asked) && asked >= 1 && asked <= 9 ? asked : 3;
}

function contentType(format: string): string {
  if (/^JSON.*EachRow/.test(format)) return 'application/x-ndjson; charset=UTF-8';
  if (format.startsWith('JSON')) return 'application/json; charset=UTF-8';
  if (/^CSV/.test(format)) return 'text/csv; charset=UTF-8';
  if (/^(TabSeparated|TSV)/.test(format)) return 'text/tab-separated-values; charset=UTF-8';
  if (/^(Native|RowBinary|Parquet|Arrow|ORC|Avro|MsgPack)/.test(format)) return 'application/octet-stream';
  return 'text/plain; charset=UTF-8';
}

function close(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()));
    server.closeIdleConnections();
  });
}

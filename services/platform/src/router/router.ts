import { ASK_HEADER, basePathOf, OPENAPI_PATH, PROBLEM_JSON, takePrefix, type Host, type Metrics } from '@millrace/service';
import { Agent, createServer, request as ask, type ClientRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { landingPage } from '../landing-page.js';
import { openApiOfServices, ServiceSilent } from './openapi.js';
import { SERVICES, serviceOf, type ServiceName } from './routes.js';

export interface RouterOptions {
  /** Where the replicas of each service listen, `http://host:port`. They take turns, request by request. */
  readonly upstreams: Readonly<Record<ServiceName, readonly string[]>>;
  readonly logger: Host['logger'];
  readonly metrics: Metrics;
  /** Have the services ask who comes, also those that would ask nobody because only this machine reaches them. */
  readonly isAuthRequired?: boolean;
  /** Ask who reads the router's own `/metrics`. */
  readonly metricsAuth?: boolean;
  /** Path below which a proxy shows the router and which it does not take away. The services are told as by a proxy that does. */
  readonly pathPrefix?: string | undefined;
  readonly maxHeaderBytes: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** How long it goes on answering after it was told to end. */
  readonly drainMs?: number;
}

/** RFC 9110, 7.6.1: these belong to one connection and are not passed on. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The router adds to what came. */
const OWN = new Set(['x-forwarded-for', 'x-forwarded-prefix']);

const PROBE_TIMEOUT_MS = 5000;
const MOST_CONNECTIONS = 1024;

/**
 * Gives the five services one address: a reverse proxy that streams both ways and knows nothing but the table of paths. Stateless,
 * so any number of them may run.
 */
export class Router {
  readonly server: Server;
  readonly #options: RouterOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MOST_CONNECTIONS });
  readonly #turns = new Map<ServiceName, number>();
  #isStopping = false;

  constructor(options: RouterOptions) {
    this.#options = options;
    const {
      maxHeaderBytes: maxHeaderSize,
      headersTimeoutMs: headersTimeout,
      requestTimeoutMs: requestTimeout,
      keepAliveTimeoutMs: keepAliveTimeout,
    } = options;
    this.server = createServer({ maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout, noDelay: true }, (request, response) =>
      this.#route(request, response),
    );
  }

  listen(port: number, host: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, () => {
        this.server.removeListener('error', reject);
        resolve();
      });
    });
  }

  get url(): string {
    const { address, port } = this.server.address() as AddressInfo;
    return `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
  }

  /** Says it is not ready and goes on answering while it drains; then stops accepting, and lets running requests end. */
  async close(): Promise<void> {
    this.#isStopping = true;
    const { drainMs = 0 } = this.#options;
    if (drainMs > 0) await delay(drainMs);
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeIdleConnections();
    await closed;
    this.#agent.destroy();
  }

  #route(request: IncomingMessage, response: ServerResponse): void {
    const { pathPrefix } = this.#options;
    if (pathPrefix !== undefined) takePrefix(request, pathPrefix);
    const url = request.url ?? '/';
    // Who keeps a connection to a process that is about to end is to open the next one elsewhere.
    if (this.#isStopping) response.shouldKeepAlive = false;
    switch (url) {
      case '/':
        respond(
          response,
          200,
          'text/html; charset=utf-8',
          landingPage('five services behind a router', { base: basePathOf(request.headers) }),
        );
        return;
      case '/healthz':
        respond(response, 200, 'application/json', JSON.stringify({ status: 'ok', fatal: [] }));
        return;
      case '/readyz':
        void this.#readiness(response);
        return;
      case '/metrics':
        void this.#metrics(request, response);
        return;
      default:
    }
    if (url.split('?')[0] === OPENAPI_PATH && (request.method === 'GET' || request.method === 'HEAD')) {
      void this.#openApi(request, response);
      return;
    }
    const service = serviceOf(url);
    if (!service) {
      problem(response, 404, 'MR_ROUTER_NOT_FOUND', `no service answers ${url.split('?')[0]}`);
      return;
    }
    const started = performance.now();
    response.once('close', () => {
      const labels = { method: request.method ?? '', route: service, status: String(response.statusCode) };
      this.#options.metrics.httpSeconds.observe(labels, (performance.now() - started) / 1000);
    });
    this.#forward(service, request, response);
  }

  #forward(service: ServiceName, request: IncomingMessage, response: ServerResponse, isSecondTry = false): void {
    const upstream = this.#ask(service, request, (answer) => {
      response.writeHead(answer.statusCode ?? 502, headersOf(answer.rawHeaders));
      answer.pipe(response);
      // An answer cut short must not look whole to the client.
      answer.once('error', () => response.destroy());
    });
    upstream.once('error', (error: NodeJS.ErrnoException) => {
      if (response.headersSent || response.destroyed) {
        response.destroy();
        return;
      }
      // A kept connection may be closed by the other side just as it is used again, and a replica may be gone. Without a body, asking
      // once more, which asks the next replica, is safe.
      const isBodyless = request.method === 'GET' || request.method === 'HEAD';
      const isWorthIt = upstream.reusedSocket
        ? error.code === 'ECONNRESET'
        : error.code === 'ECONNREFUSED' && this.#options.upstreams[service].length > 1;
      if (isWorthIt && isBodyless && !isSecondTry) {
        this.#forward(service, request, response, true);
        return;
      }
      this.#options.logger.warn({ service, url: request.url, reason: error.message }, 'a service could not be reached');
      request.unpipe(upstream);
      request.resume();
      problem(response, 502, 'MR_ROUTER_UNREACHABLE', `the ${service} service cannot be reached`);
    });
    response.once('close', () => {
      if (!response.writableFinished) upstream.destroy();
    });
    if (isSecondTry) upstream.end();
    else request.pipe(upstream);
  }

  #ask(service: ServiceName, request: IncomingMessage, onAnswer: (answer: IncomingMessage) => void): ClientRequest {
    const { hostname, port } = new URL(this.#next(service));
    const headers = headersOf(request.rawHeaders);
    const forwarded = [request.headers['x-forwarded-for'], request.socket.remoteAddress].filter(Boolean).join(', ');
    headers.push('x-forwarded-for', forwarded);
    const prefix = request.headers['x-forwarded-prefix'];
    if (typeof prefix === 'string') headers.push('x-forwarded-prefix', prefix);
    if (this.#options.isAuthRequired) headers.push(ASK_HEADER, 'required');
    // A body of unknown length goes on as one.
    if (request.headers['transfer-encoding'] !== undefined) headers.push('transfer-encoding', 'chunked');
    return ask({ hostname, port, method: request.method, path: request.url, headers, agent: this.#agent }, onAnswer);
  }

  #next(service: ServiceName): string {
    const replicas = this.#options.upstreams[service];
    const turn = this.#turns.get(service) ?? 0;
    this.#turns.set(service, (turn + 1) % replicas.length);
    return replicas[turn] as string;
  }

  /** The router holds no keys: it asks a service whether these credentials open anything. */
  async #metrics(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { metrics, metricsAuth } = this.#options;
    try {
      if (metricsAuth) {
        const { authorization } = request.headers;
        const asked = await fetch(`${this.#next('registry')}/api/v1/access/whoami`, {
          headers: { [ASK_HEADER]: 'required', ...(authorization === undefined ? {} : { authorization }) },
          signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
        });
        if (!asked.ok) {
          const challenge = asked.headers.get('www-authenticate');
          if (challenge !== null) response.setHeader('www-authenticate', challenge);
          respond(response, asked.status, PROBLEM_JSON, await asked.text());
          return;
        }
      }
      respond(response, 200, metrics.registry.contentType, await metrics.scrape());
    } catch (error) {
      this.#options.logger.warn({ reason: String(error) }, 'whoever reads the metrics could not be asked who they are');
      problem(response, 502, 'MR_ROUTER_UNREACHABLE', 'the registry service cannot be reached to ask who may read this');
    }
  }

  /** What all services answer; without one of them it would be half the truth, so there is none. */
  async #openApi(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { status, contentType, body, challenge } = await openApiOfServices({
        addressOf: (service) => this.#next(service),
        authorization: request.headers.authorization,
        base: basePathOf(request.headers),
        isAuthRequired: this.#options.isAuthRequired ?? false,
        timeoutMs: PROBE_TIMEOUT_MS,
      });
      if (challenge !== undefined) response.setHeader('www-authenticate', challenge);
      respond(response, status, contentType, body);
    } catch (error) {
      const silent = error instanceof ServiceSilent ? error : undefined;
      this.#options.logger.warn({ reason: String(silent?.cause ?? error) }, 'the services’ routes could not be told');
      const detail = `${silent?.message ?? 'a service answers in a form that is not known here'}, and its routes belong to this document`;
      problem(response, 502, 'MR_ROUTER_UNREACHABLE', detail);
    }
  }

  /** Ready when every replica of every service is; says which is not and what it misses. */
  async #readiness(response: ServerResponse): Promise<void> {
    const { upstreams } = this.#options;
    const replicas = SERVICES.flatMap((service) =>
      upstreams[service].map((address) => ({ name: upstreams[service].length > 1 ? `${service} at ${address}` : service, address })),
    );
    const checks = await Promise.all(replicas.map(async ({ name, address }) => ({ name, ...(await this.#probe(address)) })));
    if (this.#isStopping) checks.push({ name: 'router', ok: false, detail: 'is stopping', warnings: [] });
    const ready = checks.every((check) => check.ok);
    const told = checks.map(({ name, ok, detail }) => (detail === undefined ? { name, ok } : { name, ok, detail }));
    const warnings = checks.flatMap((check) => check.warnings.map(({ name, detail }) => ({ name: `${check.name}: ${name}`, detail })));
    const body = { status: ready ? 'ready' : 'not ready', missing: told.filter((check) => !check.ok), warnings, checks: told };
    respond(response, ready ? 200 : 503, 'application/json', JSON.stringify(body));
  }

  async #probe(address: string): Promise<{ ok: boolean; detail?: unknown; warnings: readonly { name: string; detail: string }[] }> {
    try {
      const answer = await fetch(`${address}/readyz`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
      const body = (await answer.json()) as { missing?: unknown; warnings?: { name: string; detail: string }[] };
      return { ...(answer.ok ? { ok: true } : { ok: false, detail: body.missing }), warnings: body.warnings ?? [] };
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
      return { ok: false, detail: `cannot be reached: ${cause}`, warnings: [] };
    }
  }
}

/** Name, value, name, value: repeated headers and their case stay as they came, but for the router's own. */
function headersOf(raw: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    const lower = name.toLowerCase();
    if (!HOP_BY_HOP.has(lower) && !OWN.has(lower)) kept.push(name, raw[i + 1] as string);
  }
  return kept;
}

function respond(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function problem(response: ServerResponse, status: number, code: string, detail: string): void {
  const title = status === 404 ? 'Not Found' : 'Bad Gateway';
  if (status === 502) response.setHeader('retry-after', '1');
  respond(response, status, PROBLEM_JSON, JSON.stringify({ type: `urn:millrace:problem:${code}`, title, status, detail, code }));
}

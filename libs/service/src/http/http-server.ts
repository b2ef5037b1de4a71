import { isSpanContextValid, SpanKind, SpanStatusCode, type Context, type Span } from '@opentelemetry/api';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { addAccessHook } from '../access/access-hook.js';
import type { Access } from '../access/access.js';
import type { Config } from '../config/config.js';
import type { Health } from '../host/health.js';
import type { Ids } from '@millrace/kernel';
import type { Metrics } from '../telemetry/metrics.js';
import { traceparentOfSpan, validTraceparent, type Telemetry } from '../telemetry/telemetry.js';
import { PROBLEM_JSON } from './problem.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Trace the request belongs to: its own span's when traces are recorded, the client's otherwise. */
    traceparent: string | undefined;
    trace: { readonly span: Span; readonly context: Context } | undefined;
    startedAt: number;
    isCounted: boolean;
  }
}

export interface HttpServerOptions {
  readonly config: Config;
  readonly ids: Ids;
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
  readonly access: Access;
  readonly health: Health;
}

/** A route as it was registered, parameters by name: `/api/v1/models/:name`. */
export interface Route {
  readonly method: string;
  readonly path: string;
}

export interface HttpServer {
  readonly adapter: FastifyAdapter;
  /** Grows as routes are registered. */
  readonly routes: readonly Route[];
}

/** Probes and scrapes have to get through when everything else is refused. */
const ENDING_INTERVAL_MS = 20;
const NEVER_REFUSED = new Set(['/healthz', '/readyz', '/metrics']);

/**
 * The Fastify server every service listens with: its limits, the request id, and the three hooks that measure, bound and trace requests.
 * The hooks see every route, raw ones too; they cost about a microsecond.
 */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { config, ids } = options;
  const adapter = new FastifyAdapter({
    logger: false,
    bodyLimit: config.maxBodyBytes,
    requestTimeout: config.requestTimeoutMs,
    keepAliveTimeout: config.keepAliveTimeoutMs,
    http: { headersTimeout: config.headersTimeoutMs, maxHeaderSize: config.maxHeaderBytes },
    routerOptions: { maxParamLength: 1024, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true },
    requestIdHeader: false,
    genReqId: () => ids.next(),
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    skipMiddie: true,
  });
  const routes: Route[] = [];
  const server = adapter.getInstance<FastifyInstance>();
  server.addHook('onRoute', ({ method, url }) => {
    for (const one of Array.isArray(method) ? method : [method]) if (one !== 'HEAD') routes.push({ method: one, path: url });
  });
  addHooks(server, options);
  addAccessHook(server, options.access);
  return { adapter, routes };
}

function addHooks(server: FastifyInstance, { config, metrics, telemetry, health }: HttpServerOptions): void {
  let inFlight = 0;
  server.decorateRequest('traceparent', undefined);
  server.decorateRequest('trace', undefined);
  server.decorateRequest('startedAt', 0);
  server.decorateRequest('isCounted', false);
  metrics.onScrape('http', () => metrics.httpInFlight.set(inFlight));

  server.addHook('onRequest', (request, reply, done) => {
    request.startedAt = performance.now();
    void reply.header('x-request-id', request.id);
    // Who keeps a connection to a process that is about to end is to open the next one elsewhere.
    if (health.isStopping) void reply.header('connection', 'close');
    if (inFlight >= config.maxInFlight && !NEVER_REFUSED.has(request.url)) {
      metrics.httpRefused.inc();
      refuse(request, reply, inFlight);
      return;
    }
    request.isCounted = true;
    inFlight++;
    const header = request.headers['traceparent'];
    request.traceparent = validTraceparent(typeof header === 'string' ? header : undefined);
    if (telemetry.enabled) startSpan(telemetry, request);
    done();
  });
  // The body is read in the socket's own context, so the trace is entered only now, right before the handler.
  if (telemetry.enabled) {
    server.addHook('preHandler', (request, _reply, done) => {
      if (request.trace) telemetry.with(request.trace.context, done);
      else done();
    });
  }
  // A client may keep a connection on which it has asked nothing (browsers and balancers do), and Node does not count that one as
  // idle: it would hold up the stop until a time-out. Once every request has its answer, nobody is owed anything.
  server.addHook('preClose', (done) => {
    if (server.server.listening) {
      const ending = setInterval(() => {
        if (inFlight === 0) server.server.closeAllConnections();
      }, ENDING_INTERVAL_MS);
      server.server.once('close', () => clearInterval(ending));
    }
    done();
  });
  server.addHook('onResponse', (request, reply, done) => {
    finish(request, reply);
    done();
  });
  // A client that hangs up before the answer gets no onResponse.
  server.addHook('onRequestAbort', (request, done) => {
    release(request);
    done();
  });

  function release(request: FastifyRequest): void {
    if (!request.isCounted) return;
    request.isCounted = false;
    inFlight--;
  }

  function finish(request: FastifyRequest, reply: FastifyReply): void {
    release(request);
    const route = request.routeOptions.url ?? '(unknown)';
    metrics.httpSeconds.observe(
      { method: request.method, route, status: String(reply.statusCode) },
      (performance.now() - request.startedAt) / 1000,
    );
    if (!request.trace?.span.isRecording()) return;
    const { span } = request.trace;
    span.updateName(`${request.method} ${route}`);
    span.setAttributes({ 'http.route': route, 'http.response.status_code': reply.statusCode });
    if (reply.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  }
}

function startSpan(telemetry: Telemetry, request: FastifyRequest): void {
  request.trace = telemetry.start(request.method, {
    kind: SpanKind.SERVER,
    traceparent: request.traceparent,
    attributes: { 'http.request.method': request.method, 'url.path': request.url.split('?')[0] ?? '' },
  });
  // A new trace that is not recorded has no ids, and nobody could find it.
  if (request.trace && isSpanContextValid(request.trace.span.spanContext())) request.traceparent = traceparentOfSpan(request.trace.span);
}

function refuse(request: FastifyRequest, reply: FastifyReply, inFlight: number): void {
  const code = 'MR_HTTP_OVERLOADED';
  const detail = `${inFlight} requests are being answered already; nothing was done, retry after a moment`;
  void reply
    .code(503)
    .header('retry-after', '1')
    .header('content-type', PROBLEM_JSON)
    .send(
      JSON.stringify({
        type: `urn:millrace:problem:${code}`,
        title: 'Service Unavailable',
        status: 503,
        detail,
        code,
        requestId: request.id,
      }),
    );
}

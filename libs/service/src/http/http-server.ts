import type { Ids } from '@millrace/kernel';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { addAccessHook } from '../access/access-hook.js';
import type { Access } from '../access/access.js';
import type { AccessRule } from '../access/identity.js';
import type { Config } from '../config/config.js';
import type { Health } from '../host/health.js';
import type { Metrics } from '../telemetry/metrics.js';
import type { Telemetry } from '../telemetry/telemetry.js';
import { HotRoutes } from './hot-routes.js';
import { basePathOf, takePrefix } from './path-prefix.js';
import { PlainConnections } from './plain/plain-connections.js';
import { PROBLEM_JSON, problemOf } from './problem.js';
import { RequestWatch, type WatchedRequest } from './request-watch.js';
import type { RouteDoc } from './route-doc.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Trace the request belongs to: its own span's when traces are recorded, the client's otherwise. */
    traceparent: string | undefined;
    /** `undefined`: refused before it began. */
    watched: WatchedRequest | undefined;
  }
  interface FastifyInstance {
    readonly hotRoutes: HotRoutes;
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
  /** Who may call it. */
  readonly access: AccessRule;
  /** What it does; every route under `/api/v1` says so. */
  readonly doc: RouteDoc | undefined;
}

export interface HttpServer {
  readonly adapter: FastifyAdapter;
  /** Grows as routes are registered. */
  readonly routes: readonly Route[];
}

const ENDING_INTERVAL_MS = 20;
/** Probes and scrapes have to get through when everything else is refused. */
const NEVER_REFUSED = new Set(['/healthz', '/readyz', '/metrics']);

/** What Fastify refuses before it knows the route: no hook and no filter sees it, so it is written here, as a problem like every other. */
function refuseUnread(error: Error & { readonly code: string }, request: FastifyRequest, reply: FastifyReply): void {
  const { problem } = problemOf(error);
  const detail =
    error.code === 'FST_ERR_BAD_URL'
      ? 'the path has a % that is not followed by two hexadecimal digits; write %25 for a % itself'
      : error.message;
  const instance = `${basePathOf(request.headers)}${request.url.split('?')[0]}`;
  reply.hijack();
  reply.raw
    .writeHead(problem.status, { 'content-type': PROBLEM_JSON })
    .end(JSON.stringify({ ...problem, detail, instance, requestId: request.id }));
}

/**
 * The Fastify server every service listens with: its limits, the request id, and the hooks that measure, bound and trace requests. They see every route, raw ones
 * too. What hot routes take does not come as far as Fastify, and is measured, bounded and traced all the same.
 */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { config, ids, metrics, telemetry, access, health } = options;
  const watch = new RequestWatch({ metrics, telemetry, maxInFlight: config.maxInFlight });
  const hotRoutes = new HotRoutes({ watch, access, health, ids, maxBodyBytes: config.maxBodyBytes });
  const plain = new PlainConnections({ hotRoutes, ...config });
  const serverFactory = (rest: RequestListener): Server => {
    const server = createServer(serverOptions(config), (request, response) => {
      if (config.pathPrefix !== undefined) takePrefix(request, config.pathPrefix);
      if (!hotRoutes.take(request, response)) rest(request, response);
    });
    plain.attach(server);
    return server;
  };
  const adapter = new FastifyAdapter({
    logger: false,
    bodyLimit: config.maxBodyBytes,
    serverFactory,
    routerOptions: { maxParamLength: 1024, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true },
    requestIdHeader: false,
    genReqId: () => ids.next(),
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    skipMiddie: true,
    frameworkErrors: refuseUnread,
  });
  const routes: Route[] = [];
  const server = adapter.getInstance<FastifyInstance>();
  server.decorate('hotRoutes', hotRoutes);
  addHooks(server, { watch, plain }, options);
  addAccessHook(server, access);
  // After the hook that says who may call a route.
  server.addHook('onRoute', ({ method, url, config }) => {
    const said = { access: config?.access ?? 'viewer', doc: config?.doc };
    for (const one of Array.isArray(method) ? method : [method]) if (one !== 'HEAD') routes.push({ method: one, path: url, ...said });
  });
  return { adapter, routes };
}

function serverOptions(config: Config): ServerOptions {
  return {
    requestTimeout: config.requestTimeoutMs,
    keepAliveTimeout: config.keepAliveTimeoutMs,
    headersTimeout: config.headersTimeoutMs,
    maxHeaderSize: config.maxHeaderBytes,
  };
}

function addHooks(
  server: FastifyInstance,
  { watch, plain }: { readonly watch: RequestWatch; readonly plain: PlainConnections },
  { metrics, telemetry, health }: HttpServerOptions,
): void {
  server.decorateRequest('traceparent', undefined);
  server.decorateRequest('watched', undefined);

  server.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id);
    // Who keeps a connection to a process that is about to end is to open the next one elsewhere.
    if (health.isStopping) void reply.header('connection', 'close');
    if (watch.isFull && !NEVER_REFUSED.has(request.url)) {
      metrics.httpRefused.inc();
      refuse(request, reply, watch.inFlight);
      return;
    }
    const watched = watch.began(request.method, request.url, request.headers['traceparent']);
    request.watched = watched;
    request.traceparent = watched.traceparent;
    done();
  });
  // The body is read in the socket's own context, so the trace is entered only now, right before the handler.
  if (telemetry.enabled) {
    server.addHook('preHandler', (request, _reply, done) => {
      if (request.watched) watch.in(request.watched, done);
      else done();
    });
  }
  // A client may keep a connection on which it has asked nothing (browsers and balancers do), and Node does not count that one as
  // idle: it would hold up the stop until a time-out. Once every request has its answer, nobody is owed anything.
  server.addHook('preClose', (done) => {
    plain.close();
    if (server.server.listening) {
      const ending = setInterval(() => {
        if (watch.inFlight === 0) server.server.closeAllConnections();
      }, ENDING_INTERVAL_MS);
      server.server.once('close', () => clearInterval(ending));
    }
    done();
  });
  server.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? '(unknown)';
    if (request.watched) watch.answered(request.watched, route, reply.statusCode);
    else watch.measured(request.method, route, reply.statusCode, reply.elapsedTime);
    done();
  });
  // A client that hangs up before the answer gets no onResponse.
  server.addHook('onRequestAbort', (request, done) => {
    if (request.watched) watch.left(request.watched);
    done();
  });
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

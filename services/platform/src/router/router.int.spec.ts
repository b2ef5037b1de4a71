import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createLogger, Metrics } from '@millrace/service';
import { waitFor } from '@millrace/testing';
import { once } from 'node:events';
import { createServer, request as ask, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Router, type RouterOptions } from './router.js';
import { SERVICES, type ServiceName } from './routes.js';

describe('the router', () => {
  const servers = new Map<ServiceName, Server>();
  const handlers = new Map<ServiceName, RequestListener>();
  let upstreams: Record<ServiceName, string[]>;
  let options: RouterOptions;
  let router: Router;

  beforeEach(async () => {
    handlers.clear();
    upstreams = {} as Record<ServiceName, string[]>;
    for (const service of SERVICES) {
      const server = createServer((request, response) => {
        const handler = handlers.get(service);
        if (handler) handler(request, response);
        else if (request.url === '/readyz') response.end(JSON.stringify({ status: 'ready', missing: [] }));
        else response.end(service);
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      servers.set(service, server);
      upstreams[service] = [`http://127.0.0.1:${(server.address() as AddressInfo).port}`];
    }
    options = {
      upstreams,
      logger: createLogger({ level: 'silent', service: 'router' }),
      metrics: new Metrics('router'),
      maxHeaderBytes: 32_768,
      headersTimeoutMs: 20_000,
      requestTimeoutMs: 300_000,
      keepAliveTimeoutMs: 75_000,
    };
    router = new Router(options);
    await router.listen(0, '127.0.0.1');
  });

  afterEach(async () => {
    await router.close();
    await Promise.all([...servers.keys()].map((service) => stop(service)));
  });

  async function stop(service: ServiceName): Promise<void> {
    const server = servers.get(service);
    if (!server?.listening) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  test('told to end, it drains: unready, and answering still', async () => {
    const draining = new Router({ ...options, drainMs: 1_000 });
    await draining.listen(0, '127.0.0.1');
    const { url } = draining;
    const closing = draining.close();
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    const answer = await fetch(`${url}/api/2.0/mlflow/runs/get`);
    expect([await answer.text(), answer.headers.get('connection')]).toEqual(['tracking', 'close']);
    await closing;
    await expect(fetch(`${url}/readyz`)).rejects.toThrow();
  });

  test('replicas take turns, and one that is gone is passed over', async () => {
    const replica = createServer((_, response) => response.end('the other'));
    replica.listen(0, '127.0.0.1');
    await once(replica, 'listening');
    const other = `http://127.0.0.1:${(replica.address() as AddressInfo).port}`;
    const two = new Router({ ...options, upstreams: { ...upstreams, tracking: [...upstreams.tracking, other] } });
    await two.listen(0, '127.0.0.1');
    try {
      const ask = async () => (await fetch(`${two.url}/api/2.0/mlflow/runs/get`)).text();
      expect([await ask(), await ask(), await ask()]).toEqual(['tracking', 'the other', 'tracking']);
      replica.closeAllConnections();
      await new Promise((resolve) => replica.close(resolve));
      expect([await ask(), await ask(), await ask()]).toEqual(['tracking', 'tracking', 'tracking']);
      expect(await (await fetch(`${two.url}/readyz`)).json()).toMatchObject({ missing: [{ name: `tracking at ${other}` }] });
    } finally {
      await two.close();
    }
  });

  test('sends each path to its service', async () => {
    const answered = async (path: string) => (await fetch(`${router.url}${path}`)).text();
    expect(await answered('/api/2.0/mlflow/runs/search')).toBe('tracking');
    expect(await answered('/v2/health/live')).toBe('inference');
    expect(await answered('/api/v1/experiments/x/results?level=0.9')).toBe('experimentation');
    expect((await fetch(`${router.url}/nowhere`)).status).toBe(404);
    expect(await answered('/')).toContain('Millrace');
  });

  test('passes method, query, headers, body and status on as they are', async () => {
    let seen: IncomingMessage | undefined;
    handlers.set('features', (request, response) => {
      seen = request;
      response.writeHead(207, { 'millrace-position': 't/0@1', 'set-cookie': ['a=1', 'b=2'] });
      request.pipe(response);
    });
    const response = await fetch(`${router.url}/api/v1/sources/flights/events?wait=1`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', 'x-forwarded-for': '10.0.0.1', 'idempotency-key': 'k' },
      body: '{"a":1}\n',
    });
    expect(response.status).toBe(207);
    expect(await response.text()).toBe('{"a":1}\n');
    expect(response.headers.get('millrace-position')).toBe('t/0@1');
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(seen).toMatchObject({ method: 'POST', url: '/api/v1/sources/flights/events?wait=1' });
    expect(seen?.headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      'idempotency-key': 'k',
      'x-forwarded-for': '10.0.0.1, 127.0.0.1',
    });
  });

  test('takes the path prefix away, says so to the service, and answers without it as well', async () => {
    const seen: [string | undefined, unknown][] = [];
    handlers.set('tracking', ({ url, headers }, response) => {
      seen.push([url, headers['x-forwarded-prefix']]);
      response.end('tracking');
    });
    const below = new Router({ ...options, pathPrefix: '/millrace' });
    await below.listen(0, '127.0.0.1');
    const asked = async (path: string, prefix?: string) =>
      (await fetch(`${below.url}${path}`, { headers: prefix === undefined ? {} : { 'x-forwarded-prefix': prefix } })).text();
    try {
      expect(await asked('/millrace/api/2.0/mlflow/runs/get?run_id=1')).toBe('tracking');
      expect(await asked('/millrace/api/2.0/mlflow/runs/get', '/team')).toBe('tracking');
      expect(await asked('/api/2.0/mlflow/runs/get')).toBe('tracking');
      expect(await asked('/api/2.0/mlflow/runs/get', '/team')).toBe('tracking');
      expect(seen).toEqual([
        ['/api/2.0/mlflow/runs/get?run_id=1', '/millrace'],
        ['/api/2.0/mlflow/runs/get', '/team/millrace'],
        ['/api/2.0/mlflow/runs/get', undefined],
        ['/api/2.0/mlflow/runs/get', '/team'],
      ]);
      for (const path of ['/healthz', '/readyz', '/metrics'])
        expect([await asked(`/millrace${path}`), await asked(path)]).not.toContain('no service answers');
      expect(await asked('/millrace')).toContain('href="/millrace/api/v1/openapi.json"');
      expect(await asked('/')).toContain('href="/api/v1/openapi.json"');
    } finally {
      await below.close();
    }
  });

  test('streams: the client reads the first part while the service still writes', async () => {
    let finish: () => void = () => undefined;
    handlers.set('tracking', (_request, response) => {
      response.write('first');
      finish = () => response.end('last');
    });
    const response = await fetch(`${router.url}/api/2.0/mlflow-artifacts/artifacts/x`);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    expect(Buffer.from((await reader.read()).value as Uint8Array).toString()).toBe('first');
    finish();
    expect(Buffer.from((await reader.read()).value as Uint8Array).toString()).toBe('last');
  });

  test('a body of unknown length arrives whole', async () => {
    handlers.set('tracking', (request, response) => void request.pipe(response));
    const chunks = Array.from({ length: 50 }, (_, i) => Buffer.alloc(10_000, i));
    const answer = await new Promise<Buffer>((resolve, reject) => {
      const request = ask(`${router.url}/api/2.0/mlflow-artifacts/artifacts/x`, { method: 'PUT' }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => resolve(Buffer.concat(parts)));
      });
      request.on('error', reject);
      for (const chunk of chunks) request.write(chunk);
      request.end();
    });
    expect(answer.equals(Buffer.concat(chunks))).toBe(true);
  });

  test('readiness tells what troubles a service that is ready', async () => {
    const warnings = [{ name: 'artifact-store', detail: 'the disk is short of room' }];
    handlers.set('tracking', (_, response) => response.end(JSON.stringify({ status: 'ready', missing: [], warnings })));
    const readiness = await fetch(`${router.url}/readyz`);
    expect(readiness.status).toBe(200);
    expect(await readiness.json()).toMatchObject({
      missing: [],
      warnings: [{ name: 'tracking: artifact-store', detail: 'the disk is short of room' }],
    });
  });

  test('a service that is away is a 502 with a reason, and readiness names it', async () => {
    await stop('registry');
    const response = await fetch(`${router.url}/api/2.0/mlflow/registered-models/get`);
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ code: 'MR_ROUTER_UNREACHABLE' });
    const readiness = await fetch(`${router.url}/readyz`);
    expect(readiness.status).toBe(503);
    expect(((await readiness.json()) as { missing: { name: string }[] }).missing.map((check) => check.name)).toEqual(['registry']);
    expect((await fetch(`${router.url}/healthz`)).status).toBe(200);
  });

  test('readiness passes on what a service misses', async () => {
    handlers.set('features', (_request, response) => {
      response.writeHead(503);
      response.end(JSON.stringify({ status: 'not ready', missing: [{ name: 'event-log', ok: false }] }));
    });
    const readiness = await fetch(`${router.url}/readyz`);
    expect(await readiness.json()).toMatchObject({ status: 'not ready', missing: [{ name: 'features', detail: [{ name: 'event-log' }] }] });
  });

  test('an answer cut short does not look whole', async () => {
    handlers.set('tracking', (_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('part', () => response.destroy());
    });
    const response = await fetch(`${router.url}/api/2.0/mlflow/runs/get`);
    await expect(response.text()).rejects.toThrow();
  });

  test('a client that hangs up ends the question to the service', async () => {
    let closed = false;
    handlers.set('inference', (_request, response) => void response.once('close', () => (closed = true)));
    const abort = new AbortController();
    const asking = fetch(`${router.url}/v2/models/slow/infer`, { method: 'POST', body: '{}', signal: abort.signal }).catch(() => 'aborted');
    await waitFor(async () => connections('inference').then((count) => count > 0));
    abort.abort();
    expect(await asking).toBe('aborted');
    await waitFor(() => closed);
  });

  test('a connection the service closed while it was idle is not the client’s trouble', async () => {
    await (await fetch(`${router.url}/v2/health/live`)).text();
    servers.get('inference')?.closeIdleConnections();
    expect(await (await fetch(`${router.url}/v2/health/live`)).text()).toBe('inference');
  });

  const connections = (service: ServiceName) =>
    new Promise<number>((resolve) => servers.get(service)?.getConnections((_error, count) => resolve(count)));
});

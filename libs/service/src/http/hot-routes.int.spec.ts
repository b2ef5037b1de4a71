import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { InMemorySpanExporter } from '@opentelemetry/sdk-trace-base';
import { Agent, request as httpRequest, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { loadConfig } from '../config/config.js';
import { bootstrap, type RunningService } from './bootstrap.js';
import type { HttpReply, HttpRequest } from './hot-routes.js';
import { rawRoutes } from './raw-routes.js';

const ADMIN_KEY = 'an-admin-key-of-this-test-alone';
const TRACE = '0af7651916cd43dd8448eb211c80319c';

/** Resolved by a test when a request is to go on. */
const held: (() => void)[] = [];

async function echo(request: HttpRequest<{ model: string }>, reply: HttpReply): Promise<HttpReply> {
  const body = String(request.body);
  if (body === 'hold') await new Promise<void>((resolve) => void held.push(resolve));
  if (body === 'fail') throw new Error('in its own words');
  if (body === 'bad header') return reply.header('x-bad', 'a\nb').send('never');
  if (body === 'text') return reply.code(202).header('content-type', 'text/plain').send('näh');
  const { params, identity, headers } = request;
  const way = 'routeOptions' in request ? 'far' : 'hot';
  return reply.send({
    model: params.model,
    way,
    bytes: (request.body as Buffer).length,
    actor: identity?.actor,
    test: headers['x-test'],
  });
}

@Module({})
class EchoModule implements OnModuleInit {
  constructor(@Inject(HttpAdapterHost) private readonly http: HttpAdapterHost) {}

  onModuleInit(): void {
    const onError = (error: unknown, _request: unknown, reply: HttpReply): void =>
      void reply
        .code(error instanceof Error && error.message === 'in its own words' ? 418 : 500)
        .header('retry-after', '7')
        .send({ error: String(error) });
    rawRoutes(this.http, { body: 'buffer', onError }, (_scope, addHotRoute) =>
      addHotRoute<{ model: string }>({
        path: '/v2/models/:model/infer',
        handler: echo,
        onError,
      }),
    );
  }
}

const PATH = '/v2/models/m/infer';

function started(more: Record<string, string>) {
  const exporter = new InMemorySpanExporter();
  let temp: TempDir;
  let service: RunningService;
  beforeAll(async () => {
    temp = await tempDir('hot-routes');
    const environment = {
      MILLRACE_DATA_DIR: temp.path,
      MILLRACE_PORT: '0',
      MILLRACE_LOG_LEVEL: 'fatal',
      MILLRACE_TRACE_RATIO: '0',
      ...more,
    };
    service = await bootstrap(EchoModule, loadConfig([], environment), { spanExporter: exporter, show: () => undefined });
  }, 60_000);
  afterAll(async () => {
    await service.close();
    await temp.remove();
  });
  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(`${service.url}${path}`, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });
  const metric = async (line: string): Promise<number> => {
    const text = await (await fetch(`${service.url}/metrics`)).text();
    const found = text.split('\n').find((one) => one.startsWith(line));
    return Number(found?.split(' ').at(-1) ?? 0);
  };
  const isHot = async (response: Response): Promise<boolean> => ((await response.json()) as { way: string }).way === 'hot';
  const server = (): Server => service.app.getHttpServer();
  return { exporter, post, metric, isHot, server, port: () => (server().address() as AddressInfo).port };
}

describe('a hot route', () => {
  const { exporter, post, metric, isHot, server, port } = started({ MILLRACE_MAX_BODY: '1MiB', MILLRACE_MAX_IN_FLIGHT: '3' });

  test.each(['{}', 'text', 'fail'])('answers %j as Fastify does', async (body) => {
    const [hot, other] = [await post(PATH, body, { 'x-test': 'given' }), await post(`${PATH}?`, body, { 'x-test': 'given' })];
    expect(hot.status).toBe(other.status);
    expect((await hot.text()).replace('"way":"hot"', '"way":"far"')).toBe(await other.text());
    const headersOf = (response: Response) => ({ ...Object.fromEntries(response.headers), 'x-request-id': '', date: '' });
    expect(headersOf(hot)).toEqual(headersOf(other));
    expect(hot.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('answers what is written plainly before Node has read it, and everything else after', async () => {
    let seen = 0;
    const see = (): void => void seen++;
    server().on('request', see);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const asked = (headers: Record<string, string>) =>
      new Promise<string>((resolve, reject) => {
        const given = { 'content-length': '2', 'x-test': 'given', ...headers };
        const sent = httpRequest({ agent, port: port(), path: PATH, method: 'POST', headers: given }, (response) => {
          let text = `${response.statusCode} ${Object.keys(response.headers).sort().join()} `;
          response.on('data', (chunk: Buffer) => (text += chunk.toString()));
          response.on('end', () => resolve(text));
        });
        sent.on('error', reject).end('{}');
      });
    const plain = [await asked({}), await asked({})];
    expect(seen).toBe(0);
    const others = [await asked({ 'x-beyond': 'ä' }), await asked({})];
    expect(seen).toBe(2);
    server().off('request', see);
    agent.destroy();
    expect(new Set([...plain, ...others]).size).toBe(1);
    expect(plain[0]).toMatch(/"way":"hot","bytes":2,"test":"given"/);
  });

  test.each<[string, string, string, Record<string, string>]>([
    ['a query', `${PATH}?a=b`, '{}', {}],
    ['a name that is encoded', '/v2/models/%6d/infer', '{}', {}],
    ['a slash too many', `/${PATH}`, '{}', {}],
    ['a page of this site', PATH, '{}', { 'sec-fetch-site': 'same-origin' }],
  ])('leaves %s to Fastify', async (_what, path, body, headers) => {
    expect(await isHot(await post(path, body, headers))).toBe(false);
    expect(await isHot(await post(PATH, body))).toBe(true);
  });

  test('leaves it to Fastify to refuse', async () => {
    expect((await post(PATH, 'x'.repeat(2 ** 20 + 1))).status).toBe(500);
    expect((await post(PATH, '{}', { 'sec-fetch-site': 'cross-site' })).status).toBe(500);
    expect((await post(PATH, '{}', { origin: 'http://evil.example' })).status).toBe(500);
    expect((await post(PATH, '{}', { 'millrace-auth': 'required' })).status).toBe(500);
    expect((await fetch(`http://127.0.0.1:${port()}${PATH}`)).status).toBe(404);
  });

  test('answers to names of this machine only, while nobody is asked who they are', async () => {
    const asked = (method: string, path: string, host: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        const sent = httpRequest({ port: port(), path, method, headers: { host, 'content-length': '2' } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        sent.on('error', reject).end('{}');
      });
    for (const host of ['localhost', `127.0.0.1:${port()}`, 'mill', 'host.docker.internal:8080'])
      expect(await asked('POST', PATH, host)).toBe(200);
    // The routes of this test tell every error as 500.
    expect(await asked('POST', PATH, 'evil.example')).toBe(500);
    expect(await asked('GET', '/api/v1/status', 'evil.example')).toBe(403);
    expect(await asked('GET', '/healthz', 'evil.example')).toBe(200);
  });

  test('takes a body that comes in pieces, and one that comes in chunks', async () => {
    const sent = (headers: Record<string, string>) =>
      new Promise<string>((resolve, reject) => {
        const request = httpRequest({ port: port(), path: PATH, method: 'POST', headers }, (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => (text += chunk.toString()));
          response.on('end', () => resolve(text));
        }).on('error', reject);
        request.write('0123');
        setTimeout(() => request.end('456789'), 20);
      });
    expect(JSON.parse(await sent({ 'content-length': '10' }))).toMatchObject({ way: 'hot', bytes: 10 });
    expect(JSON.parse(await sent({}))).toMatchObject({ way: 'far', bytes: 10 });
  });

  test('answers requests of one connection in their order', async () => {
    const one = (body: string) => `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const socket = connect(port(), '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.write(`${one('hold')}${one('ab')}${one('abc')}`);
    await waitFor(() => held.length === 1);
    held.shift()?.();
    await waitFor(() => [...text.matchAll(/"bytes":(\d+)/g)].map(([, bytes]) => bytes).join() === '4,2,3');
    socket.destroy();
  });

  test('is counted and traced under its pattern', async () => {
    const line = 'millrace_http_request_seconds_count{method="POST",route="/v2/models/:model/infer",status="200"';
    const before = await metric(line);
    exporter.reset();
    expect(await isHot(await post(PATH, '{}', { traceparent: `00-${TRACE}-b7ad6b7169203331-01` }))).toBe(true);
    await waitFor(async () => (await metric(line)) === before + 1);
    const [span] = exporter.getFinishedSpans();
    expect(span).toMatchObject({ name: 'POST /v2/models/:model/infer', attributes: { 'http.response.status_code': 200 } });
    expect(span?.spanContext().traceId).toBe(TRACE);
  });

  test('counts who waits, and forgets who leaves', async () => {
    const leaving = new AbortController();
    const stays = post(PATH, 'hold');
    const leaves = fetch(`http://127.0.0.1:${port()}${PATH}`, { method: 'POST', body: 'hold', signal: leaving.signal });
    await waitFor(() => held.length === 2);
    // The scrape is one itself.
    expect(await metric('millrace_http_in_flight')).toBe(3);
    leaving.abort();
    await expect(leaves).rejects.toThrow();
    await waitFor(async () => (await metric('millrace_http_in_flight')) === 2);
    for (const go of held.splice(0)) go();
    expect((await stays).status).toBe(200);
  });

  test('is refused where too many are answered already', async () => {
    const holding = Array.from({ length: 3 }, () => post(PATH, 'hold'));
    await waitFor(() => held.length === 3);
    expect((await post(PATH, '{}')).status).toBe(503);
    for (const go of held.splice(0)) go();
    for (const one of holding) expect((await one).status).toBe(200);
  });

  test('ends the connection where not even the error can be told', async () => {
    await expect(post(PATH, 'bad header')).rejects.toThrow();
    expect(await isHot(await post(PATH, '{}'))).toBe(true);
  });
});

describe('a hot route where keys are asked for', () => {
  const { post, isHot } = started({ MILLRACE_AUTH: 'required', MILLRACE_ADMIN_KEY: ADMIN_KEY });

  test('answers who is known, and nobody else', async () => {
    const headers = { authorization: `Bearer ${ADMIN_KEY}` };
    expect((await post(PATH, '{}')).status).toBe(500);
    // Looked up once, known from then on.
    expect(await isHot(await post(PATH, '{}', headers))).toBe(false);
    const known = (await (await post(PATH, '{}', headers)).json()) as object;
    expect(known).toMatchObject({ way: 'hot', actor: 'admin' });
    expect((await post(PATH, '{}', { authorization: 'Bearer another' })).status).toBe(500);
  });
});

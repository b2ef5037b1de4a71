import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Agent, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import { loadConfig } from '../config/config.js';
import { bootstrap, type RunningService } from './bootstrap.js';
import type { HttpReply, HttpRequest } from './hot-routes.js';
import { OPENAPI_PATH } from './openapi.js';
import { publicPath } from './path-prefix.js';
import { rawRoutes } from './raw-routes.js';

const HOT = '/v2/models/m/infer';

@Module({})
class PlacesModule implements OnModuleInit {
  constructor(@Inject(HttpAdapterHost) private readonly http: HttpAdapterHost) {}

  onModuleInit(): void {
    const onError = (_error: unknown, _request: unknown, reply: HttpReply): void => void reply.code(500).send({});
    rawRoutes(this.http, { body: 'buffer' }, (_scope, addHotRoute) =>
      addHotRoute<{ model: string }>({
        path: '/v2/models/:model/infer',
        handler: async (request: HttpRequest<{ model: string }>, reply) =>
          reply.send({ url: request.url, model: request.params.model, way: 'routeOptions' in request ? 'far' : 'hot' }),
        onError,
      }),
    );
    rawRoutes(this.http, { body: 'stream' }, (scope) => {
      scope.put('/files/*', async (request, reply) => {
        let size = 0;
        for await (const chunk of request.body as Readable) size += (chunk as Buffer).length;
        return reply.header('location', publicPath(request, '/files/1')).send({ size });
      });
      scope.get('/events', (_request, reply) => {
        reply.hijack();
        reply.raw.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: first\n\n');
      });
    });
  }
}

let temp: TempDir;
let service: RunningService;
const environment = (more: Record<string, string>) => ({
  ...{ MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0', MILLRACE_LOG_LEVEL: 'fatal', MILLRACE_MAX_IN_FLIGHT: '3', ...more },
});

beforeAll(async () => {
  temp = await tempDir('path-prefix');
  service = await bootstrap(PlacesModule, loadConfig([], environment({ MILLRACE_PATH_PREFIX: '/team/millrace' })));
}, 60_000);
afterAll(async () => {
  await service.close();
  await temp.remove();
});

const get = (path: string, headers: Record<string, string> = {}) => fetch(`${service.url}${path}`, { headers });

test('a hot route answers below the prefix, and without it, before Node has read the request and after', async () => {
  const server: Server = service.app.getHttpServer();
  let seen = 0;
  const see = (): void => void seen++;
  server.on('request', see);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const asked = (path: string, headers: Record<string, string> = {}) =>
    new Promise<unknown>((resolve, reject) => {
      const { port } = server.address() as AddressInfo;
      const sent = httpRequest({ agent, port, path, method: 'POST', headers: { 'content-length': '2', ...headers } }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve(JSON.parse(text)));
      });
      sent.on('error', reject).end('{}');
    });
  const hot = { url: HOT, model: 'm', way: 'hot' };
  expect([await asked(`/team/millrace${HOT}`), await asked(HOT), await asked(`/team/millrace${HOT}`)]).toEqual([hot, hot, hot]);
  expect(seen).toBe(0);
  expect([await asked(`/team/millrace${HOT}`, { 'x-beyond': 'ä' }), await asked(HOT)]).toEqual([hot, hot]);
  expect(await asked(`/team/millrace/${HOT}`)).toMatchObject({ model: 'm', way: 'far' });
  expect(seen).toBe(3);
  server.off('request', see);
  agent.destroy();
});

test.each(['', '/team/millrace'])('probes and scrapes are answered below %j, also while everything else is refused', async (prefix) => {
  const leaving = new AbortController();
  for (let i = 0; i < 3; i++) {
    const { body } = await fetch(`${service.url}${prefix}/events`, { signal: leaving.signal });
    const { value } = await (body as ReadableStream<Uint8Array>).getReader().read();
    expect(Buffer.from(value as Uint8Array).toString()).toBe('data: first\n\n');
  }
  expect((await get(`${prefix}/api/v1/status`)).status).toBe(503);
  for (const path of ['/healthz', '/readyz', '/metrics']) expect([path, (await get(`${prefix}${path}`)).status]).toEqual([path, 200]);
  leaving.abort();
  await waitFor(async () => (await get('/api/v1/status')).status === 200);
});

test('a stream goes up below the prefix, and the answer’s link is one that the client can ask for', async () => {
  const put = (path: string) => fetch(`${service.url}${path}`, { method: 'PUT', body: 'x'.repeat(1_000_000) });
  const [below, without] = [await put('/team/millrace/files/a/b'), await put('/files/a/b')];
  expect([await below.json(), below.headers.get('location')]).toEqual([{ size: 1_000_000 }, '/team/millrace/files/1']);
  expect([await without.json(), without.headers.get('location')]).toEqual([{ size: 1_000_000 }, '/files/1']);
});

test('a problem and the OpenAPI document name the path as the client has it', async () => {
  const { instance } = (await (await get('/team/millrace/api/v1/resources/No/thing?x=1')).json()) as { instance: string };
  expect(instance).toBe('/team/millrace/api/v1/resources/No/thing');
  expect(await (await get('/team/millrace/a%zz')).json()).toMatchObject({ instance: '/team/millrace/a%zz' });
  const servers = async (path: string, headers = {}) => ((await (await get(path, headers)).json()) as { servers: unknown }).servers;
  expect(await servers(`/team/millrace${OPENAPI_PATH}`)).toEqual([{ url: '/team/millrace' }]);
  expect(await servers(OPENAPI_PATH)).toEqual([{ url: '/' }]);
  expect(await servers(OPENAPI_PATH, { 'x-forwarded-prefix': '/elsewhere' })).toEqual([{ url: '/elsewhere' }]);
});

test('a prefix that is a path of ours is refused at the start', async () => {
  // Only one process of chdb may be open in a process.
  await service.close();
  const config = loadConfig([], environment({ MILLRACE_PATH_PREFIX: '/v2' }));
  await expect(bootstrap(PlacesModule, config)).rejects.toThrow(
    'MILLRACE_PATH_PREFIX is /v2, and Millrace has paths of its own there (/v2/models/:model/infer)',
  );
});

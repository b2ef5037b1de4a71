import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { MillraceClient } from './client.js';

let server: Server;
const seen: IncomingHttpHeaders[] = [];
const asked: (string | undefined)[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    seen.push(request.headers);
    asked.push(request.url);
    request.resume().on('end', () => response.end('{}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => void server.close());

test('every call says who asks, those that send and fetch files too', async () => {
  const { port } = server.address() as AddressInfo;
  const interrupted = new AbortController().signal;
  const options = { server: `http://127.0.0.1:${port}`, timeoutMs: 10_000, actor: 'ada', interrupted };
  for (const apiKey of ['secret', undefined]) {
    const client = new MillraceClient({ ...options, apiKey });
    await client.json('GET', '/api/v1/status');
    await (await client.transfer('GET', '/file')).text();
    await (await client.transfer('PUT', '/file', Readable.from([Buffer.from('bytes')]))).text();
  }
  expect(seen.map((headers) => [headers['millrace-actor'], headers.authorization])).toEqual([
    ...Array.from({ length: 3 }, () => ['ada', 'Bearer secret']),
    ...Array.from({ length: 3 }, () => ['ada', undefined]),
  ]);
});

test('a server below a path of its own is asked there', async () => {
  const { port } = server.address() as AddressInfo;
  const interrupted = new AbortController().signal;
  asked.length = 0;
  for (const path of ['', '/', '/mill', '/mill/']) {
    const client = new MillraceClient({
      server: `http://127.0.0.1:${port}${path}`,
      timeoutMs: 10_000,
      actor: 'ada',
      apiKey: undefined,
      interrupted,
    });
    await client.json('GET', '/api/v1/audit?limit=1');
    await (await client.transfer('GET', '/file')).text();
  }
  const [bare, below] = [
    ['/api/v1/audit?limit=1', '/file'],
    ['/mill/api/v1/audit?limit=1', '/mill/file'],
  ];
  expect(asked).toEqual([...bare, ...bare, ...below, ...below]);
});

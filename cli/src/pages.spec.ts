import { expect, test } from '@jest/globals';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MillraceClient } from './client.js';
import { everyItem } from './pages.js';

test('a list is read to its end, page by page, with what was asked for on each', async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const token = new URL(request.url ?? '', 'http://here').searchParams.get('pageToken');
    response.end(JSON.stringify(token === null ? { keys: [1, 2], nextPageToken: 'a/2' } : { keys: [3] }));
  }).listen(0);
  const { port } = server.address() as AddressInfo;
  const client = new MillraceClient({
    ...{ server: `http://127.0.0.1:${port}`, timeoutMs: 10_000, actor: 'ada', apiKey: undefined },
    interrupted: new AbortController().signal,
  });
  expect(await everyItem(client, '/list', 'keys')).toEqual([1, 2, 3]);
  expect(await everyItem(client, '/list', 'keys', { status: 'open', kind: undefined })).toEqual([1, 2, 3]);
  expect(asked).toEqual(['/list', '/list?pageToken=a%2F2', '/list?status=open', '/list?status=open&pageToken=a%2F2']);
  server.close();
});

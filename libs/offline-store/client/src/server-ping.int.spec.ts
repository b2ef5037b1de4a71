import { expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openOfflineStore } from './index.js';

test.each(['<?xml version="1.0"?><Error/>', '', '{"status":"ok"}\n'])(
  'a server that is not ClickHouse and answers %j to everything is no offline store',
  async (body) => {
    const server = createServer((request, response) => {
      request.resume();
      response.writeHead(200).end(body);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const store = await openOfflineStore({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    try {
      await expect(store.ping()).rejects.toMatchObject({ code: 'MR_OFFLINE_STORE_UNAVAILABLE' });
    } finally {
      await store.close();
      server.close();
    }
  },
);

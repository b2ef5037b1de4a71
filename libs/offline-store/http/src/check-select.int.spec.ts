import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { checkSelect, openOfflineStore, type ChdbOfflineStore, type OfflineStore } from '@millrace/offline-store';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startClickHouseHttp, type ClickHouseHttp } from './index.js';

let directory: string;
let engine: OfflineStore;
let server: ClickHouseHttp;
let store: OfflineStore;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-select-'));
  engine = await openOfflineStore({ path: join(directory, 'chdb') });
  server = await startClickHouseHttp({ session: (engine as ChdbOfflineStore).session, port: 0, readOnly: false });
  store = await openOfflineStore({ url: server.url });
});

afterAll(async () => {
  await store.close();
  await server.close();
  await engine.close();
  await rm(directory, { recursive: true, force: true });
});

test('SQL of others is resolved on a server as in process: where it may only read', async () => {
  await store.command('CREATE TABLE millrace.rides (city String) ENGINE = MergeTree ORDER BY city');
  const check = (sql: string) => checkSelect(store, sql, 'spine.sql');
  expect(await check('SELECT city FROM millrace.rides')).toEqual({ sql: 'SELECT city FROM millrace.rides' });
  expect(await check('SELECT * FROM `secret.csv`')).toEqual({
    reason: expect.stringMatching(/^spine\.sql (may read tables|cannot be read)/),
  });
  expect(await check('SELECT * FROM millrace.nothing')).toEqual({ reason: expect.stringContaining('spine.sql cannot be read') });
  await store.command(
    'CREATE TABLE millrace.copy ENGINE = Memory AS SELECT city FROM millrace.rides LIMIT 2 SETTINGS max_threads = 1',
    undefined,
    {
      isGuests: true,
    },
  );
});

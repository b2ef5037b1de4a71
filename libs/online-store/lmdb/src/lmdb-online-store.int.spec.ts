import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { onlineStoreContract } from '@millrace/online-store/contract';
import { LmdbOnlineStore } from './lmdb-online-store.js';

let directory = '';
onlineStoreContract('LmdbOnlineStore', {
  open: async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-online-'));
    return LmdbOnlineStore.open({ path: directory });
  },
  done: () => rm(directory, { recursive: true, force: true }),
});

test('a store opened again holds what it held', async () => {
  const path = await mkdtemp(join(tmpdir(), 'millrace-online-'));
  const first = await LmdbOnlineStore.open({ path });
  await first.writeMany([{ key: Buffer.from('a'), value: Buffer.from('1') }]);
  await first.close();
  const second = await LmdbOnlineStore.open({ path });
  expect((await second.getMany([Buffer.from('a')]))[0]?.toString()).toBe('1');
  await second.close();
  await rm(path, { recursive: true, force: true });
});

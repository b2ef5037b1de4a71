import { expect, test } from '@jest/globals';
import { isFault } from '@millrace/kernel';
import { onlineStoreContract } from '@millrace/online-store/contract';
import { createClient } from 'redis';
import { RedisOnlineStore } from './redis-online-store.js';

const url = process.env['MILLRACE_TEST_REDIS_URL'] ?? '';

onlineStoreContract('RedisOnlineStore', { open: () => RedisOnlineStore.connect({ url, prefix: 'contract-suite:' }) });

test('houses with different prefixes do not see each other', async () => {
  const one = await RedisOnlineStore.connect({ url, prefix: 'house-one:' });
  const two = await RedisOnlineStore.connect({ url, prefix: 'house-*:' });
  await one.writeMany([{ key: Buffer.from('a'), value: Buffer.from('1') }]);
  expect(await two.getMany([Buffer.from('a')])).toEqual([null]);
  expect(await two.clear(Buffer.alloc(0))).toBe(0);
  expect(await one.clear(Buffer.alloc(0))).toBe(1);
  await Promise.all([one.close(), two.close()]);
});

test('writes go on after Redis has forgotten the script', async () => {
  const store = await RedisOnlineStore.connect({ url, prefix: 'script:' });
  await store.writeMany([{ key: Buffer.from('a'), value: Buffer.from('1') }]);
  const admin = await createClient({ url }).connect();
  await admin.sendCommand(['SCRIPT', 'FLUSH', 'SYNC']);
  expect(await store.writeMany([{ key: Buffer.from('a'), value: Buffer.from('2') }])).toBe(true);
  expect((await store.getMany([Buffer.from('a')]))[0]?.toString()).toBe('2');
  await store.clear(Buffer.alloc(0));
  admin.destroy();
  await store.close();
});

test('a Redis that cannot be reached is a retryable fault', async () => {
  const refused = await RedisOnlineStore.connect({ url: 'redis://127.0.0.1:1' }).catch((error: unknown) => error);
  expect(isFault(refused) && refused.code === 'MR_ONLINE_STORE' && refused.retryable).toBe(true);
});

test('reads that come while others are under way leave together, and each gets what it asked for', async () => {
  const store = await RedisOnlineStore.connect({ url, prefix: 'together:' });
  const key = (index: number) => Buffer.from(`k${index}`);
  await store.writeMany(Array.from({ length: 100 }, (_, index) => ({ key: key(index), value: Buffer.from(`v${index}`) })));
  const reads = Array.from({ length: 200 }, (_, from) => Array.from({ length: 1 + (from % 30) }, (_, at) => key(from + at)));
  const found = await Promise.all(reads.map((keys) => store.getMany(keys)));
  const texts = found.map((values) => values.map((value) => value?.toString() ?? null));
  expect(texts).toEqual(
    reads.map((keys) => keys.map((one) => (Number(one.toString().slice(1)) < 100 ? one.toString().replace('k', 'v') : null))),
  );
  await store.clear(Buffer.alloc(0));
  await store.close();
  const closed = await Promise.all(reads.map((keys) => store.getMany(keys).catch((error: unknown) => error)));
  expect(closed.every((error) => isFault(error) && error.code === 'MR_ONLINE_STORE')).toBe(true);
});

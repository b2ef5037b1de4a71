import { RedisOnlineStore } from '@millrace/online-store-redis';
import { startRedis } from '@millrace/testing';
import { expect, test } from '@jest/globals';

test('a command that waits in vain for Redis says why there is no connection', async () => {
  const redis = await startRedis();
  const store = await RedisOnlineStore.connect({ url: redis.url, commandTimeoutMs: 500 });
  await redis.stop();
  await expect(store.getMany([Buffer.from('a')])).rejects.toThrow(/\(Redis\) failed to read: .*(ECONNREFUSED|closed unexpectedly)/);
  await expect(store.ping()).rejects.toThrow(/failed to answer: .*ECONNREFUSED/);
  await store.close();
});

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startRedis, type RedisEngine } from '@millrace/testing';
import { HOUR, START, trip, TripsService, type OnlineReply } from './testing/trips.js';

let redis: RedisEngine;
let trips: TripsService;
beforeAll(async () => {
  redis = await startRedis();
  trips = await TripsService.start({ MILLRACE_REDIS_URL: redis.url });
}, 60_000);
afterAll(async () => {
  await trips.stop();
  await redis.stop();
});

test('while Redis is away features are refused with 503 and Retry-After, and are there again when it is back and filled', async () => {
  const at_least = await trips.send([trip('a', 0, 2.5)]);
  const request = { feature_service: 'fares', entities: { city: ['Bern'], line: [9] }, at: START + HOUR };
  const before = await trips.online({ ...request, at_least });
  await redis.stop();
  // More than a process would answer if each were held up for as long as a command may take.
  for (let again = 0; again < 20; again++) {
    const refused = await trips.post('/get-online-features', request);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await refused.text()).toMatch(/the online store \(Redis\) failed to read/);
  }
  redis = await startRedis({ port: redis.port });
  const position = await trips.send([trip('b', 10, 0.5, 'Zürich')]);
  const again = () => trips.post('/get-online-features', { ...request, at_least: [at_least, position].join(',') });
  let answer = await again();
  for (; answer.status === 503; answer = await again()) await answer.text();
  const after = (await answer.json()) as OnlineReply;
  expect(after.results.map(({ values }) => values)).toEqual(before.results.map(({ values }) => values));
}, 90_000);

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LmdbOnlineStore } from '@millrace/online-store-lmdb';
import { RedisOnlineStore } from '@millrace/online-store-redis';
import {
  distributedTopology,
  embeddedTopology,
  SERVICES,
  startKafka,
  startRedis,
  tempDir,
  type KafkaEngine,
  type RedisEngine,
  type TempDir,
  type Topology,
} from '@millrace/testing';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Flights } from './flights.js';
import { mainJob } from './main-job/main-job.js';
import { eventually, PlatformClient } from './main-job/platform-client.js';
import type { MainJobReport } from './main-job/report.js';
import { offlineDigests, onlineDigest, stateDigest, type StoreDigests } from './main-job/store-digests.js';

const FLIGHTS = 200_000;
const TEN_MINUTES = 600_000;

let flights: Flights;
let temp: TempDir;
let redis: RedisEngine;
let kafka: KafkaEngine;
const reports = new Map<string, MainJobReport>();

beforeAll(async () => {
  flights = await Flights.load(FLIGHTS);
  temp = await tempDir('main-job');
  // Engines of its own: the rebuild flushes Redis, and both topologies have to begin with an empty log to come to the same bytes.
  [redis, kafka] = await Promise.all([startRedis(), startKafka()]);
}, TEN_MINUTES);
afterAll(async () => {
  await Promise.all([redis.stop(), kafka.stop()]);
  await temp.remove();
});

interface Case {
  readonly kind: Topology['kind'];
  readonly make: () => Promise<Topology>;
  /** The offline store while the platform runs; the online store while it does not (embedded, one process owns it). */
  readonly online: () => Promise<{ keys: number; hash: string }>;
  /** Empties everything that can be rebuilt: what stays is the log and the artifacts. */
  readonly forget: (topology: Topology) => Promise<void>;
}

const CASES: readonly Case[] = [
  {
    kind: 'embedded',
    make: () => embeddedTopology(join(temp.path, 'embedded')),
    online: () => digestOf(LmdbOnlineStore.open({ path: join(temp.path, 'embedded', 'online') })),
    forget: async () => {
      for (const folder of ['state', 'online', 'offline']) await rm(join(temp.path, 'embedded', folder), { recursive: true });
    },
  },
  {
    kind: 'distributed',
    make: () => distributedTopology({ directory: join(temp.path, 'distributed'), kafkaBrokers: kafka.brokers, redisUrl: redis.url }),
    online: () => digestOf(RedisOnlineStore.connect({ url: redis.url })),
    forget: async () => {
      const store = await RedisOnlineStore.connect({ url: redis.url });
      await store.clear(Buffer.alloc(0));
      await store.close();
      for (const service of SERVICES) await rm(join(temp.path, 'distributed', service, 'state'), { recursive: true, force: true });
      await rm(join(temp.path, 'distributed', 'clickhouse'), { recursive: true });
    },
  },
];

async function digestOf(opening: Promise<LmdbOnlineStore | RedisOnlineStore>): Promise<{ keys: number; hash: string }> {
  const store = await opening;
  try {
    return await onlineDigest(store);
  } finally {
    await store.close();
  }
}

describe.each(CASES)('the main job, $kind', ({ kind, make, online, forget }) => {
  let topology: Topology;
  let client: PlatformClient;
  beforeAll(async () => {
    topology = await make();
    client = new PlatformClient(topology.url, topology.clickhouseUrl);
    await topology.start();
  }, TEN_MINUTES);
  afterAll(() => topology.stop());

  test(
    'goes through all five services on 200,000 flights, and every check holds',
    async () => {
      const report = await mainJob(client, flights, { trainingRows: 20_000, predictions: 2_000 });
      reports.set(kind, report);
      expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
      expect(report.verified).toMatchObject({ mismatches: 0 });
    },
    TEN_MINUTES,
  );

  test(
    'everything but the log can be deleted, and comes back the same',
    async () => {
      const before = await digestsAtTheEnd(topology, client, online);
      await forget(topology);
      await topology.start();
      await caughtUp(client, before);
      expect(await digestsAtTheEnd(topology, client, online)).toEqual(before);
    },
    TEN_MINUTES,
  );

  /** Stops the platform before it looks at the online store, which has one owner where the platform is embedded. */
  async function digestsAtTheEnd(running: Topology, asked: PlatformClient, onlineDigestNow: Case['online']): Promise<StoreDigests> {
    const state = await stateDigest(asked);
    const offline = await offlineDigests(asked);
    await running.stop();
    return { offline, online: await onlineDigestNow(), state };
  }
});

/** Ready means caught up with the log as it was at the start; tables may still have a block on its way. */
async function caughtUp(client: PlatformClient, before: StoreDigests): Promise<void> {
  for (const [table, digest] of Object.entries(before.offline)) {
    const rows = Number(digest.split(' ')[0]);
    await eventually(
      `${rows} rows in ${table}`,
      () => client.sql<{ n: string }>(`SELECT count() AS n FROM millrace.${table} ${table === 'runs' ? '' : 'FINAL'}`),
      ([row]) => Number(row?.n) >= rows,
      300_000,
    );
  }
  await eventually(
    'the online store',
    () => client.get<{ lag: number }>('/api/v1/sources/flights'),
    ({ lag }) => lag === 0,
    300_000,
  );
}

test('both topologies give the same feature values, bit for bit', () => {
  expect(reports.get('distributed')?.featureDigest).toBe(reports.get('embedded')?.featureDigest);
  expect(reports.get('embedded')?.featureDigest).toMatch(/^[0-9a-f]{64}$/);
});

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ALL_TOPICS } from '@millrace/contracts';
import { deadLetterTopicOf, readDeadLetter, type DeadLetter, type LogRecord } from '@millrace/event-log';
import { KafkaEventLog } from '@millrace/event-log-kafka';
import { openOfflineStore, type OfflineStore } from '@millrace/offline-store';
import {
  damageBatches,
  distributedTopology,
  startKafka,
  startRedis,
  tempDir,
  waitFor,
  type DamagedBatch,
  type KafkaEngine,
  type RedisEngine,
  type TempDir,
  type Topology,
} from '@millrace/testing';
import kafkajs, { type Producer } from 'kafkajs';
import { join } from 'node:path';
import { countOf, hasLag, scrape, type Scrape } from './testing/consumer-counts.js';
import { poisonOf, successor, type Poison } from './testing/poison.js';
import { openTopics, SOURCE_TOPIC, UNREAD, type TopicUnderTest } from './testing/topics-under-test.js';

const MINUTES = 60_000;
const NAMES = [...ALL_TOPICS.map(({ name }) => name).filter((name) => !UNREAD.includes(name)), SOURCE_TOPIC];

/** Engines of its own: the topics' names are fixed, and this broker is stopped and takes records that no other should. */
let kafka: KafkaEngine;
let redis: RedisEngine;
let temp: TempDir;
let topology: Topology;
let log: KafkaEventLog;
let store: OfflineStore;
let producer: Producer;
let topics: ReadonlyMap<string, TopicUnderTest>;
let written = 0;

beforeAll(async () => {
  [kafka, redis, temp] = await Promise.all([
    startKafka({ settings: { 'message.max.bytes': String(32 * 1024 * 1024) } }),
    startRedis(),
    tempDir('poison'),
  ]);
  topology = await distributedTopology({
    ...{ directory: join(temp.path, 'platform'), kafkaBrokers: kafka.brokers, redisUrl: redis.url },
    // Webhooks are told of what is decided, and their receiver is this machine.
    env: { MILLRACE_REGISTRY_WEBHOOK_PRIVATE: 'true' },
  });
  await topology.start();
  log = await KafkaEventLog.connect({ brokers: [kafka.brokers], clientId: 'poison-test' });
  store = await openOfflineStore({ url: topology.clickhouseUrl });
  const client = new kafkajs.Kafka({ brokers: [kafka.brokers], clientId: 'poisoner', logLevel: kafkajs.logLevel.NOTHING });
  producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await producer.connect();
  topics = new Map((await openTopics(topology.url)).map((topic) => [topic.name, topic]));
}, 5 * MINUTES);

afterAll(async () => {
  await producer?.disconnect();
  await log?.close();
  await store?.close();
  await topology?.stop();
  await Promise.all([kafka?.stop(), redis?.stop()]);
  await temp?.remove();
}, MINUTES);

describe('poison in a topic', () => {
  test.each(NAMES)(
    '%s',
    async (name) => {
      const topic = topicOf(name);
      const valid = await aValidRecord(topic);
      const before = await scrape(topology);
      const poison = poisonOf(topic, valid);
      const doomed: (Poison & { readonly offset: number })[] = [];
      // Each in a batch of its own, as a producer that knows nothing of the others would send them; a service may write a record of its own in between.
      for (const one of poison) {
        const { key, value, headers } = one;
        doomed.push({ ...one, offset: await produce(name, valid.partition, { key, value, headers }) });
      }
      await passes(topic, valid.partition);

      const letters = await lettersOf(name);
      expect(letters.map(({ id, consumer, code }) => ({ id, consumer, code }))).toEqual(
        doomed.map(({ offset }) => ({ id: `${name}/${valid.partition}@${offset}`, consumer: topic.keeper, code: 'UNDECODABLE' })),
      );
      for (const [index, { name: what, key, value, reason }] of doomed.entries()) {
        const letter = letters[index] as DeadLetter;
        expect([what, letter.reason]).toEqual([what, expect.stringMatching(reason)]);
        expect([what, letter.record.key, letter.record.value.equals(value)]).toEqual([what, key, true]);
      }
      const after = await scrape(topology);
      const counted = (outcome: string): number => countOf(after, topic, outcome) - countOf(before, topic, outcome);
      expect({ deadLettered: counted('dead_lettered'), skipped: counted('skipped') }).toEqual({
        deadLettered: doomed.length,
        skipped: 0,
      });
      await staysUp(after);
    },
    3 * MINUTES,
  );

  test('nobody reads the topics that nobody writes to', async () => {
    const all = await scrape(topology);
    expect(UNREAD.filter((name) => [...all.values()].some((text) => text.includes(`topic="${name}"`)))).toEqual([]);
  });
});

describe('a batch whose bytes are not compressed as it says', () => {
  const spoilt: (DamagedBatch & { readonly value: Buffer })[] = [];
  let known: ReadonlyMap<string, number>;

  // A broker takes no such batch from a producer, so it is made on its disk, at the end of what the readers will find.
  beforeAll(async () => {
    const valid: LogRecord[] = [];
    for (const name of NAMES) valid.push(await aValidRecord(topicOf(name)));
    known = new Map(await Promise.all(NAMES.map(async (name) => [name, (await lettersOf(name)).length] as const)));
    await topology.stop();
    for (const record of valid) {
      const { topic, partition } = record;
      const next = successor(record);
      const offset = await produce(topic, partition, next);
      spoilt.push({ topic, partition, offset, damage: 'compression', value: next.value });
    }
    await damageBatches(kafka, spoilt);
    await topology.start();
  }, 5 * MINUTES);

  test.each(NAMES)(
    '%s',
    async (name) => {
      const topic = topicOf(name);
      const { partition, offset, value } = spoilt.find((one) => one.topic === name) as (typeof spoilt)[number];
      const letters = (await lettersOf(name)).slice(known.get(name));
      const id = `${name}/${partition}@${offset}`;
      expect(new Set(letters.map((letter) => `${letter.id} ${letter.consumer} ${letter.code}`))).toEqual(
        new Set([`${id} ${topic.keeper} UNREADABLE`]),
      );
      for (const { reason, record } of letters) {
        expect(reason).toMatch(/cannot be read/);
        expect(record.value.includes(value)).toBe(true);
      }
      const counted = await scrape(topology);
      expect(countOf(counted, topic, 'dead_lettered')).toBeGreaterThanOrEqual(letters.length);
      const shown = await fetch(`${topology.url}/api/v1/events/${name}?partition=${partition}&from=${offset}`);
      expect([shown.status, shown.headers.get('millrace-next-offset')]).toEqual([200, String(offset + 1)]);
      await passes(topic, partition);
      await staysUp(counted);
    },
    2 * MINUTES,
  );

  test('a view applied afterwards is brought up past it', async () => {
    const view = `apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: late_view}
spec:
  entity: sensor
  source: sensors
  features: [{name: values_6h, aggregate: count, window: 6h}]
`;
    const applied = await fetch(`${topology.url}/api/v1/apply`, {
      method: 'POST',
      headers: { 'content-type': 'application/yaml' },
      body: view,
    });
    expect(applied.status).toBe(200);
    await waitFor(
      async () => {
        const response = await fetch(`${topology.url}/api/v1/sources/sensors`);
        const { views } = (await response.json()) as { views: { view: string; lag: number }[] };
        return views.some(({ view: name, lag }) => name === 'late_view' && lag === 0);
      },
      { what: 'late_view at the end of its source', timeoutMs: MINUTES },
    );
    await staysUp(await scrape(topology));
  });
});

function topicOf(name: string): TopicUnderTest {
  const topic = topics.get(name);
  if (!topic) throw new Error(`it is not said how ${name} is written to`);
  return topic;
}

/** A record the platform has written itself and its readers have taken. */
async function aValidRecord(topic: TopicUnderTest): Promise<LogRecord> {
  const before = await log.end(topic.name);
  await topic.write(++written);
  return waitFor(
    async () => {
      const ends = await log.end(topic.name);
      const partition = ends.findIndex((end, index) => end > (before[index] as number));
      return partition >= 0 && lastRecord(topic.name, partition);
    },
    { what: `a record in ${topic.name}` },
  );
}

/** What somebody writes after the poison through the public API arrives in the table, and the readers have nothing left to read. */
async function passes(topic: TopicUnderTest, partition: number): Promise<void> {
  const before = await endOf(topic.name, partition);
  // Some keys are made by the platform: written until one falls to this partition.
  await waitFor(
    async () => {
      await topic.write(++written);
      return (await endOf(topic.name, partition)) > before;
    },
    { what: `a valid record in ${topic.name}/${partition}`, timeoutMs: MINUTES, intervalMs: 50 },
  );
  await waitFor(
    async () => {
      const [row] = await store.query<{ at: string }>(
        `SELECT max(_offset) AS at FROM ${topic.table} WHERE _topic = {topic:String} AND _partition = {partition:UInt32}`,
        { topic: topic.name, partition },
      );
      return Number(row?.at) >= before;
    },
    { what: `${topic.name}/${partition}@${before} in ${topic.table}`, timeoutMs: MINUTES, intervalMs: 50 },
  );
  // All metrics of all services at each look: seldom enough not to be what they are busy with.
  await waitFor(async () => !hasLag(await scrape(topology), topic.name), {
    what: `every reader of ${topic.name} at its end`,
    intervalMs: 100,
  });
}

/** Ready behind the router, and no service has met a defect it would have to be restarted for. */
async function staysUp(scraped: Scrape): Promise<void> {
  const answers = [`${topology.url}/readyz`, ...[...scraped.keys()].map((url) => `${url}/healthz`)].map(async (url) => {
    const response = await fetch(url);
    return `${response.status} ${response.ok ? '' : await response.text()}`.trim();
  });
  expect(new Set(await Promise.all(answers))).toEqual(new Set(['200']));
}

async function produce(
  topic: string,
  partition: number,
  record: { key: string | null; value: Buffer; headers: Readonly<Record<string, string>> },
): Promise<number> {
  const [made] = await producer.send({ topic, messages: [{ ...record, headers: { ...record.headers }, partition }] });
  return Number(made?.baseOffset);
}

async function endOf(topic: string, partition: number): Promise<number> {
  return (await log.end(topic))[partition] as number;
}

async function lastRecord(topic: string, partition: number): Promise<LogRecord | undefined> {
  let last: LogRecord | undefined;
  for await (const record of log.read(topic, partition, (await endOf(topic, partition)) - 1)) last = record;
  return last;
}

async function lettersOf(topic: string): Promise<DeadLetter[]> {
  const name = deadLetterTopicOf(topic);
  const letters: DeadLetter[] = [];
  if ((await log.partitions(name)) === undefined) return letters;
  for await (const record of log.read(name, 0, 0)) letters.push(readDeadLetter(record));
  return letters;
}

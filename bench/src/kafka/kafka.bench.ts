import type { NewRecord } from '@millrace/event-log';
import { KafkaEventLog } from '@millrace/event-log-kafka';
import { startKafka } from '@millrace/testing';
import kafkajs from 'kafkajs';
import { median, runAlone, type BenchResult } from '../bench-result.js';

const { Kafka, logLevel, Partitioners } = kafkajs;

const PARTITIONS = 4;
const BATCH = 500;
const BATCHES = 200;
/** The topic that is read is longer, so that joining and leaving do not count. */
const READ_TIMES = 5;
const SINGLES = 4_000;
const SINGLE_WRITERS = 64;
const ROUNDS = 5;
const TARGET = 0.8;
const PEER = 'bare kafkajs';

const VALUE = Buffer.from(
  JSON.stringify({ id: 'f-0199c5c2', origin: 'ATL', destination: 'ORD', delay: 12, distance: 606, departed: 978307200000 }),
);
const HEADERS = { ce_id: '0199c5c2-7c1e-7b52-9d0f-0a6c3f6f2f11', ce_type: 'millrace.bench.Happened.v1', ce_source: '/bench' };

/** One side of the comparison: the same records, the same partitions, acknowledged by all replicas. */
interface Client {
  produce(topic: string, partition: number, count: number): Promise<void>;
  /** Reads the whole topic and resolves when `count` records have been seen. */
  consume(topic: string, count: number): Promise<void>;
}

/** The adapter beside bare kafkajs, in turn against one broker, so that both meet the same machine. */
export async function run(): Promise<BenchResult[]> {
  const kafka = await startKafka({ jvmOptions: ['-Xmx1g', '-XX:TieredStopAtLevel=4'] });
  const log = await KafkaEventLog.connect({ brokers: [kafka.brokers], clientId: 'bench' });
  const client = new Kafka({ brokers: [kafka.brokers], clientId: 'bench-bare', logLevel: logLevel.NOTHING });
  const producer = client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const ours: Client = {
    produce: async (topic, partition, count) => void (await log.append(records(topic, partition, count))),
    consume: (topic, count) => consumeOurs(log, topic, count),
  };
  const theirs: Client = {
    produce: async (topic, partition, count) => {
      const messages = Array.from({ length: count }, (_, index) => ({ key: `ATL-${index}`, value: VALUE, headers: HEADERS, partition }));
      await producer.send({ topic, messages, acks: -1 });
    },
    consume: (topic, count) => consumeTheirs(client, topic, count),
  };
  try {
    const topicOf = async (name: string) => {
      await log.ensureTopic({ name, partitions: PARTITIONS, retention: 'forever' });
      return name;
    };
    const [batches, singles] = [await topicOf('batches'), await topicOf('singles')];
    await inBatches(ours, await topicOf('warm'));
    await inBatches(theirs, 'warm');
    const read = await topicOf('read');
    for (let times = 0; times < READ_TIMES; times++) await inBatches(ours, read);
    const count = BATCH * BATCHES;
    const all = count * READ_TIMES;
    return [
      await compare('produce', `records/s, ${BATCH} records an append, one append after the other`, ours, theirs, count, (side) =>
        inBatches(side, batches),
      ),
      await compare('produce', `records/s, one record an append, ${SINGLE_WRITERS} writers`, ours, theirs, SINGLES, (side) =>
        oneByOne(side, singles),
      ),
      await compare('consume', `records/s, ${PARTITIONS} partitions from the beginning`, ours, theirs, all, (side) =>
        side.consume(read, all),
      ),
    ];
  } finally {
    await producer.disconnect();
    await log.close();
    await kafka.stop();
  }
}

function records(topic: string, partition: number, count: number): NewRecord[] {
  return Array.from({ length: count }, (_, index) => ({ topic, partition, key: `ATL-${index}`, value: VALUE, headers: HEADERS }));
}

async function inBatches(side: Client, topic: string): Promise<void> {
  for (let batch = 0; batch < BATCHES; batch++) await side.produce(topic, batch % PARTITIONS, BATCH);
}

async function oneByOne(side: Client, topic: string): Promise<void> {
  const writer = async (partition: number) => {
    for (let done = 0; done < SINGLES / SINGLE_WRITERS; done++) await side.produce(topic, partition, 1);
  };
  await Promise.all(Array.from({ length: SINGLE_WRITERS }, (_, index) => writer(index % PARTITIONS)));
}

async function consumeOurs(log: KafkaEventLog, topic: string, count: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let seen = 0;
  const subscription = await log.subscribe({
    topic,
    from: () => 0,
    onBatch: async (batch) => {
      seen += batch.records.length;
      if (seen === count) resolve();
    },
  });
  await promise;
  await subscription.stop();
}

let groups = 0;

async function consumeTheirs(client: kafkajs.Kafka, topic: string, count: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const consumer = client.consumer({ groupId: `bench-${++groups}`, maxWaitTimeInMs: 500 });
  let seen = 0;
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: PARTITIONS,
    eachBatch: async ({ batch }) => {
      seen += batch.messages.length;
      if (seen === count) resolve();
    },
  });
  await promise;
  await consumer.disconnect();
}

/** Both sides in turn, the order changing each round; the medians are compared. */
async function compare(
  name: string,
  metric: string,
  ours: Client,
  theirs: Client,
  count: number,
  work: (side: Client) => Promise<void>,
): Promise<BenchResult> {
  const rates = new Map<Client, number[]>([
    [ours, []],
    [theirs, []],
  ]);
  for (let round = 0; round < ROUNDS; round++) {
    for (const side of round % 2 === 0 ? [ours, theirs] : [theirs, ours]) {
      const started = performance.now();
      await work(side);
      rates.get(side)?.push((count / (performance.now() - started)) * 1000);
    }
  }
  const [value, peerValue] = [ours, theirs].map((side) => median(rates.get(side) ?? [])) as [number, number];
  const ratio = value / peerValue;
  return {
    name,
    metric,
    value,
    unit: 'records/s',
    target: `>= ${TARGET} of the peer`,
    peer: PEER,
    peerValue,
    ratio,
    pass: ratio >= TARGET,
  };
}

await runAlone(import.meta.url, run);

import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { collector } from '@millrace/event-log/contract';
import { waitFor } from '@millrace/testing';
import kafkajs from 'kafkajs';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import { compressSync, uncompressSync } from 'snappy';
import { KafkaEventLog } from './kafka-event-log.js';

const { CompressionCodecs, CompressionTypes, Kafka, logLevel, Partitioners } = kafkajs;
const brokers = (process.env['MILLRACE_TEST_KAFKA_BROKERS'] as string).split(',');

type Encoder = { buffer: Buffer };
const codec = (compress: (bytes: Buffer) => Buffer, decompress: (bytes: Buffer) => Buffer) => () => ({
  compress: (encoder: Encoder) => Promise.resolve(compress(encoder.buffer)),
  decompress: (bytes: Buffer) => Promise.resolve(decompress(bytes)),
});
CompressionCodecs[CompressionTypes.Snappy] = codec(compressSync, (bytes) => uncompressSync(bytes) as Buffer);
CompressionCodecs[CompressionTypes.LZ4] = codec(compressFrameSync, decompressFrameSync);
CompressionCodecs[CompressionTypes.ZSTD] = codec(zstdCompressSync, zstdDecompressSync);

const client = new Kafka({ brokers, clientId: 'foreign', logLevel: logLevel.NOTHING });
let log: KafkaEventLog;
let topics = 0;

async function newTopic(): Promise<string> {
  const name = `foreign.${process.pid}.${Date.now()}.${++topics}`;
  await log.ensureTopic({ name, partitions: 1, retention: 'forever' });
  return name;
}

beforeAll(async () => {
  log = await KafkaEventLog.connect({ brokers, clientId: 'foreign-test' });
});
afterAll(() => log.close());

describe('records of foreign producers', () => {
  test('every compression is read', async () => {
    const topic = await newTopic();
    const producer = client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    const codecs = ['None', 'GZIP', 'Snappy', 'LZ4', 'ZSTD'] as const;
    for (const name of codecs) {
      const messages = Array.from({ length: 100 }, (_, index) => ({ key: name, value: `${name} ${index} `.repeat(20) }));
      await producer.send({ topic, messages, compression: CompressionTypes[name] });
    }
    await producer.disconnect();
    const { onBatch, has, records } = collector();
    const subscription = await log.subscribe({ topic, from: () => 0, onBatch });
    await has(500);
    expect(records().map((record) => record.value.toString())).toEqual(
      codecs.flatMap((name) => Array.from({ length: 100 }, (_, index) => `${name} ${index} `.repeat(20))),
    );
    await subscription.stop();
  });

  test('a header given twice keeps its last value, a missing value is no bytes, a missing header value is no text', async () => {
    const topic = await newTopic();
    const producer = client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    await producer.send({ topic, messages: [{ key: null, value: null, headers: { twice: ['one', 'two'], plain: Buffer.from('ä') } }] });
    await producer.disconnect();
    const read = [];
    for await (const record of log.read(topic, 0, 0)) read.push(record);
    expect(read).toMatchObject([{ key: null, value: Buffer.alloc(0), headers: { twice: 'two', plain: 'ä' } }]);
  });

  test('what a transaction aborted is not read; readers pass its end all the same', async () => {
    const topic = await newTopic();
    const producer = client.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      transactionalId: topic,
      idempotent: true,
      maxInFlightRequests: 1,
    });
    await producer.connect();
    for (const [values, ending] of [
      [['a', 'b'], 'commit'],
      [['lost'], 'abort'],
      [['c'], 'commit'],
      [['lost too'], 'abort'],
    ] as const) {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: values.map((value) => ({ key: 'k', value })) });
      await transaction[ending]();
    }
    await producer.disconnect();
    // Five records and a marker after each transaction; a broker writes the marker after it has answered.
    const end = 9;
    await waitFor(async () => (await log.end(topic))[0] === end, { what: 'the last marker' });
    const { onBatch, has, values, batches } = collector();
    let passed: () => void = () => undefined;
    const atEnd = new Promise<void>((resolve) => (passed = resolve));
    const subscription = await log.subscribe({
      topic,
      from: () => 0,
      onBatch: async (batch) => {
        await onBatch(batch);
        if (batch.nextOffset === end) passed();
      },
    });
    await has(3);
    await atEnd;
    expect(values()).toEqual(['a', 'b', 'c']);
    expect(batches.at(-1)?.nextOffset).toBe(end);
    expect(subscription.lag()).toBe(0);
    await subscription.stop();
    const read = [];
    for await (const record of log.read(topic, 0, 0)) read.push(record.value.toString());
    expect(read).toEqual(['a', 'b', 'c']);
  });
});

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LogConsumer, parseJson, readDeadLetter, type DeadLetter } from '@millrace/event-log';
import { collector, eventually } from '@millrace/event-log/contract';
import { damageBatches, startKafka, type KafkaEngine } from '@millrace/testing';
import { KafkaEventLog } from './kafka-event-log.js';

/** A broker of its own, because the tests stop it. */
let kafka: KafkaEngine;
let log: KafkaEventLog;
const faults: string[] = [];

beforeAll(async () => {
  kafka = await startKafka({ settings: { 'message.max.bytes': '1048588' } });
  log = await KafkaEventLog.connect({
    brokers: [kafka.brokers],
    clientId: 'damage',
    // A broker that is alone takes longer to start than appends wait for any.
    awayTimeoutMs: 30_000,
    onFault: (fault) => faults.push(fault.code),
  });
}, 120_000);
afterAll(async () => {
  await log.close();
  await kafka.stop();
});

async function letters(topic: string): Promise<DeadLetter[]> {
  const found = [];
  for await (const record of log.read(`${topic}.dead-letters`, 0, 0)) found.push(readDeadLetter(record));
  return found;
}

async function write(topic: string, ...values: (string | Buffer)[]): Promise<void> {
  // One append each, so that each is a batch of its own.
  for (const value of values) await log.append([{ topic, partition: 0, key: 'k', value: Buffer.from(value) }]);
}

describe('poison in a topic', () => {
  test('what cannot be read or decoded goes to the dead letters with its bytes, and the consumer goes on', async () => {
    const topic = 'poison';
    const large = Buffer.alloc(20 * 1024 * 1024, 0x78);
    await log.ensureTopic({ name: topic, partitions: 1, retention: 'forever', maxRecordBytes: 32 * 1024 * 1024 });
    await write(topic, '{"n":1}', '{"n":', '{"n":3}', '{"n":4}', '{"n":5}', large, '{"n":7}');
    await damageBatches(kafka, [
      { topic, partition: 0, offset: 2, damage: 'checksum' },
      { topic, partition: 0, offset: 4, damage: 'compression' },
    ]);

    const handled: unknown[] = [];
    const passed: number[] = [];
    const consumer = new LogConsumer<unknown>({
      log,
      name: 'test.poison',
      topic,
      from: () => 0,
      decode: (record) => parseJson(record.value),
      handle: (batch) => {
        handled.push(...batch.items.map((item) => item.value));
        passed.push(batch.nextOffset);
        return Promise.resolve({ kind: 'ok' });
      },
      scheduler: {
        after: (milliseconds, run) => {
          const timer = setTimeout(run, milliseconds);
          return () => clearTimeout(timer);
        },
      },
      now: Date.now,
    });
    await consumer.start();
    await eventually(() => handled.length === 3, 'the readable records');
    expect(handled).toEqual([{ n: 1 }, { n: 4 }, { n: 7 }]);
    await eventually(() => consumer.lag() === 0, 'no lag');
    // Who waits for a position hears that an unreadable record was passed, even while nothing comes after it.
    expect(passed).toEqual(expect.arrayContaining([3, 5]));
    const found = await letters(topic);
    expect(found.map(({ id, code }) => [id, code])).toEqual([
      ['poison/0@1', 'UNDECODABLE'],
      ['poison/0@2', 'UNREADABLE'],
      ['poison/0@4', 'UNREADABLE'],
      ['poison/0@5', 'UNDECODABLE'],
    ]);
    expect(found[0]?.record.value.toString()).toBe('{"n":');
    expect(found[1]?.reason).toContain('checksum');
    expect(found[2]?.record.value.includes('{"n":5}')).toBe(true);
    expect(found[3]?.record.value.equals(large)).toBe(true);
    await write(topic, '{"n":8}');
    await eventually(() => handled.length === 4, 'a later record');
    await consumer.stop();
  }, 120_000);

  test('an unreadable record ends a bounded read with the place to go on at', async () => {
    const reading = async () => {
      for await (const record of log.read('poison', 0, 0)) expect(record.offset).toBeLessThan(2);
    };
    await expect(reading()).rejects.toMatchObject({ code: 'MR_RECORD_UNREADABLE', retryable: false, details: { nextOffset: 3 } });
  }, 60_000);

  test('a record larger than the topic takes is refused before it is sent, and its neighbours pass', async () => {
    await log.ensureTopic({ name: 'small', partitions: 1, retention: 'forever' });
    const append = (value: Buffer) => log.append([{ topic: 'small', key: null, value }]);
    const results = await Promise.allSettled([append(Buffer.from('a')), append(Buffer.alloc(20 * 1024 * 1024)), append(Buffer.from('b'))]);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: { code: 'MR_RECORD_TOO_LARGE', retryable: false } });
  }, 60_000);
});

describe('a broker that is killed and comes back', () => {
  test('appends wait for it, readers go on, nothing is lost, doubled or overtaken', async () => {
    const topic = 'restart';
    await log.ensureTopic({ name: topic, partitions: 2, retention: 'forever' });
    const [all, shared] = [collector(), collector()];
    const reader = await log.subscribe({ topic, from: () => 0, onBatch: all.onBatch });
    const positions = [0, 0];
    const member = await log.subscribe({
      topic,
      group: 'restart',
      from: (partition) => positions[partition] as number,
      onBatch: async (batch) => {
        await shared.onBatch(batch);
        positions[batch.partition] = batch.nextOffset;
      },
    });
    const values = Array.from({ length: 400 }, (_, index) => String(index));
    const appends: Promise<unknown>[] = [];
    for (const [index, value] of values.entries()) {
      appends.push(log.append([{ topic, partition: index % 2, key: null, value: Buffer.from(value) }]));
      if (index === 100) await appends[50];
      if (index === 200) appends.push(kafka.restart('SIGKILL'));
      if (index % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(appends);
    await all.has(400);
    await shared.has(400);
    for (const reading of [all, shared]) {
      for (const partition of [0, 1]) expect(reading.values(partition)).toEqual(values.filter((_, index) => index % 2 === partition));
    }
    expect(faults).toContain('MR_LOG_UNAVAILABLE');
    await reader.stop();
    await member.stop();
  }, 120_000);

  test('an append that no broker takes in time fails and says that it may be there all the same', async () => {
    const impatient = await KafkaEventLog.connect({ brokers: [kafka.brokers], clientId: 'impatient', appendTimeoutMs: 300 });
    await impatient.append([{ topic: 'small', key: null, value: Buffer.from('c') }]);
    kafka.process.kill('SIGSTOP');
    const append = impatient.append([{ topic: 'small', key: null, value: Buffer.from('d') }]);
    await expect(append).rejects.toMatchObject({ code: 'MR_LOG_UNAVAILABLE', retryable: true });
    await expect(append).rejects.toThrow('may be in the log all the same');
    kafka.process.kill('SIGCONT');
    await impatient.append([{ topic: 'small', key: null, value: Buffer.from('e') }]);
    const read = [];
    for await (const record of impatient.read('small', 0, 0)) read.push(record.value.toString());
    expect(read.filter((value) => value !== 'd')).toEqual(['a', 'b', 'c', 'e']);
    await impatient.close();
  }, 120_000);
});

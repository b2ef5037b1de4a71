import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { isFault } from '@millrace/kernel';
import { startKafka, type KafkaEngine } from '@millrace/testing';
import { KafkaEventLog } from './kafka-event-log.js';

const TOPIC = 'away';
/** Longer than any test may take: who waited for it would be found out. */
const FOR_EVER_MS = 600_000;

/** A broker of its own, because the test stops it. */
let kafka: KafkaEngine;
beforeAll(async () => {
  kafka = await startKafka();
}, 120_000);
afterAll(() => kafka.stop());

test('while no broker can be reached appends are refused, are not written later, and go on when one is back', async () => {
  const log = await KafkaEventLog.connect({
    brokers: [kafka.brokers],
    clientId: 'away',
    appendTimeoutMs: FOR_EVER_MS,
    awayTimeoutMs: 300,
  });
  await log.ensureTopic({ name: TOPIC, partitions: 2, retention: 'forever' });
  const append = (value: string, partition = 0) => log.append([{ topic: TOPIC, partition, key: null, value: Buffer.from(value) }]);
  const failureOf = (value: string) => append(value).catch((error: unknown) => error);
  const read = async (): Promise<string[]> => {
    const values = [];
    for (const partition of [0, 1]) for await (const record of log.read(TOPIC, partition, 0)) values.push(record.value.toString());
    return values;
  };
  await Promise.all([append('a'), append('b', 1)]);

  await kafka.whileStopped(async () => {
    const waiting = await failureOf('never 1');
    expect(isFault(waiting) && waiting.code === 'MR_LOG_UNAVAILABLE' && waiting.retryable && waiting.isRefusal).toBe(true);
    expect(String(waiting)).toMatch(
      /no Kafka broker has been reached for \d+ s.*see that the brokers run and can be reached.*are not in the log/,
    );
    // Alone, together, and to both partitions.
    expect(isFault(await failureOf('never 2'))).toBe(true);
    const many = await Promise.allSettled(Array.from({ length: 50 }, (_, index) => append(`never ${index}`, index % 2)));
    expect(many.every(({ status }) => status === 'rejected')).toBe(true);
    // Of two partitions one may have taken its part: that is for the reader to find out.
    const split = log.append([0, 1].map((partition) => ({ topic: TOPIC, partition, key: null, value: Buffer.from('never 3') })));
    expect(await split.catch((error: unknown) => isFault(error) && error.code)).toBe('MR_LOG_UNAVAILABLE');
    // Whoever asks how far the log is need not wait either, nor who appends to a topic that nothing was appended to before.
    const end = await log.end(TOPIC).catch((error: unknown) => error);
    expect(isFault(end) && end.isRefusal && end.message).toMatch(/asking for the end of away failed: no Kafka broker has been reached/);
    const other = await log.append([{ topic: 'other', key: null, value: Buffer.from('never 4') }]).catch((error: unknown) => error);
    expect(isFault(other) && other.isRefusal && other.message).toMatch(/nothing of this was written/);
  });

  // The broker is back: the very next append finds it, whatever was known before.
  await append('c');
  await append('d', 1);
  expect(await read()).toEqual(['a', 'c', 'b', 'd']);
  await log.close();
}, 120_000);

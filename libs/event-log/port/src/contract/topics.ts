import { expect, test } from '@jest/globals';
import { failureOf, PATIENCE_MS, text, type ContractTopics } from './fixture.js';

export function topicContract(topics: ContractTopics): void {
  test(
    'a topic is made once, with its partitions, and found',
    async () => {
      const topic = await topics.topic(3);
      const log = topics.log();
      await log.ensureTopic({ name: topic, partitions: 3, retention: 'forever' });
      expect(await log.partitions(topic)).toBe(3);
      expect(await log.topics()).toContain(topic);
      expect(await log.begin(topic)).toEqual([0, 0, 0]);
      expect(await log.end(topic)).toEqual([0, 0, 0]);
    },
    PATIENCE_MS,
  );

  test(
    'another client finds the topic and what is in it',
    async () => {
      const topic = await topics.topic(2);
      await topics.log().append([text(topic, 1, 'a')]);
      const other = await topics.connect();
      expect(await other.partitions(topic)).toBe(2);
      expect(await other.end(topic)).toEqual([0, 1]);
    },
    PATIENCE_MS,
  );

  test(
    'another partition count is refused: it would tear the order of keys',
    async () => {
      const topic = await topics.topic(3);
      expect(await failureOf(topics.log().ensureTopic({ name: topic, partitions: 4, retention: 'forever' }))).toMatchObject({
        code: 'MR_TOPIC_PARTITIONS',
        retryable: false,
      });
      expect(await topics.log().partitions(topic)).toBe(3);
    },
    PATIENCE_MS,
  );

  test(
    'two clients that make the same topic at once agree',
    async () => {
      const name = `${await topics.topic(1)}.twice`;
      const other = await topics.connect();
      const spec = { name, partitions: 2, retention: { milliseconds: 3_600_000 } } as const;
      await Promise.all([topics.log().ensureTopic(spec), other.ensureTopic(spec)]);
      expect(await topics.log().partitions(name)).toBe(2);
      expect(await other.partitions(name)).toBe(2);
    },
    PATIENCE_MS,
  );

  test(
    'what names an unknown topic is refused',
    async () => {
      const log = topics.log();
      const unknown = `${await topics.topic(1)}.unknown`;
      expect(await log.partitions(unknown)).toBeUndefined();
      const refused = { code: 'MR_TOPIC_UNKNOWN', retryable: false };
      expect(await failureOf(log.append([text(unknown, 0, 'x')]))).toMatchObject(refused);
      expect(await failureOf(log.end(unknown))).toMatchObject(refused);
      expect(await failureOf(log.begin(unknown))).toMatchObject(refused);
      expect(await failureOf(log.subscribe({ topic: unknown, from: () => 0, onBatch: () => Promise.resolve() }))).toMatchObject(refused);
      expect(await log.topics()).not.toContain(unknown);
    },
    PATIENCE_MS,
  );

  test(
    'the log answers a ping',
    async () => {
      await topics.log().ping();
    },
    PATIENCE_MS,
  );
}

import { expect, test } from '@jest/globals';
import type { LogBatch } from '../event-log.js';
import { collector, eventually, numbered, PATIENCE_MS, range, text, type ContractTopics } from './fixture.js';

export function subscribeContract(topics: ContractTopics): void {
  test(
    'a subscriber gets every partition from its beginning, in order, then what comes',
    async () => {
      const topic = await topics.topic(3);
      const log = topics.log();
      for (const partition of [0, 1, 2]) await log.append(numbered(topic, partition, 50));
      const { onBatch, has, values } = collector();
      const subscription = await topics.subscribe({ topic, from: () => 0, onBatch });
      await has(150);
      for (let index = 50; index < 60; index++) await log.append([0, 1, 2].map((partition) => text(topic, partition, String(index))));
      await has(180);
      for (const partition of [0, 1, 2]) expect(values(partition)).toEqual(range(60));
      expect(subscription.assigned()).toEqual([0, 1, 2]);
      await eventually(() => subscription.lag() === 0, 'no lag');
      await subscription.stop();
    },
    PATIENCE_MS,
  );

  test(
    'a subscriber begins where it says, by partition',
    async () => {
      const topic = await topics.topic(3);
      for (const partition of [0, 1, 2]) await topics.log().append(numbered(topic, partition, 20));
      const { onBatch, has, values } = collector();
      const from = async (partition: number) => Promise.resolve([0, 13, 20][partition]!);
      const subscription = await topics.subscribe({ topic, from, onBatch });
      await has(27);
      await topics.log().append([text(topic, 2, '20')]);
      await has(28);
      expect([0, 1, 2].map((partition) => values(partition))).toEqual([range(20), range(7, 13), ['20']]);
      await subscription.stop();
    },
    PATIENCE_MS,
  );

  test(
    'batches follow one another, keep their bounds and tell where they end',
    async () => {
      const topic = await topics.topic(1);
      const log = topics.log();
      await log.append(numbered(topic, 0, 100));
      const { onBatch, has, batches } = collector();
      const subscription = await topics.subscribe({ topic, from: () => 5, onBatch, maxBatchRecords: 7 });
      await has(95);
      let next = 5;
      for (const batch of batches) {
        expect(batch).toMatchObject({ topic, partition: 0 });
        expect(batch.records.length).toBeLessThanOrEqual(7);
        expect(batch.records[0]?.offset).toBe(next);
        expect(batch.nextOffset).toBeGreaterThan(batch.records.at(-1)!.offset);
        expect(batch.end).toBeGreaterThanOrEqual(batch.nextOffset);
        next = batch.nextOffset;
      }
      expect(next).toBe(100);
      await subscription.stop();
    },
    PATIENCE_MS,
  );

  test(
    'batches keep their bound in bytes, but hold at least one record',
    async () => {
      const topic = await topics.topic(1);
      const sizes = [10, 400, 400, 400, 5_000, 10, 10];
      await topics.log().append(sizes.map((size) => ({ ...text(topic, 0, ''), value: Buffer.alloc(size) })));
      const { onBatch, has, batches } = collector();
      const subscription = await topics.subscribe({ topic, from: () => 0, onBatch, maxBatchBytes: 1_000 });
      await has(sizes.length);
      for (const { records } of batches) {
        const bytes = records.reduce((sum, record) => sum + record.value.length, 0);
        expect(records.length === 1 || bytes <= 1_000).toBe(true);
      }
      await subscription.stop();
    },
    PATIENCE_MS,
  );

  test(
    'there is one call at a time per partition',
    async () => {
      const topic = await topics.topic(2);
      const log = topics.log();
      const running = [0, 0];
      let most = 0;
      let seen = 0;
      const onBatch = async (batch: LogBatch) => {
        most = Math.max(most, ++running[batch.partition]!);
        await log.ping();
        seen += batch.records.length;
        running[batch.partition]!--;
      };
      const subscription = await topics.subscribe({ topic, from: () => 0, onBatch, maxBatchRecords: 5 });
      await Promise.all(range(200).map((value) => log.append([text(topic, Number(value) % 2, value)])));
      await eventually(() => seen === 200, '200 records');
      expect(most).toBe(1);
      await subscription.stop();
    },
    PATIENCE_MS,
  );

  test(
    'a batch that is rejected comes again; nothing is lost or overtaken, and other partitions go on',
    async () => {
      const topic = await topics.topic(2);
      const log = topics.log();
      await log.append([...numbered(topic, 0, 10), ...numbered(topic, 1, 10)]);
      const { onBatch, has, values } = collector();
      let refusals = 0;
      const subscription = await topics.subscribe({
        topic,
        from: () => 0,
        maxBatchRecords: 4,
        onBatch: async (batch) => {
          // Partition 0 gets through only when partition 1 is done, so a partition that waits must not hold up another.
          if (batch.partition === 0 && (values(1).length < 10 || refusals < 2)) {
            refusals++;
            throw new TypeError('not yet');
          }
          await onBatch(batch);
        },
      });
      await has(20);
      expect(values(0)).toEqual(range(10));
      expect(values(1)).toEqual(range(10));
      expect(refusals).toBeGreaterThanOrEqual(2);
      await subscription.stop();
    },
    PATIENCE_MS,
  );

  test(
    'subscribers without a group each get everything',
    async () => {
      const topic = await topics.topic(2);
      const other = await topics.connect();
      const collectors = [collector(), collector(), collector()];
      const subscriptions = await Promise.all(
        collectors.map(({ onBatch }, index) => topics.subscribe({ topic, from: () => 0, onBatch }, index === 2 ? other : topics.log())),
      );
      await topics.log().append([...numbered(topic, 0, 25), ...numbered(topic, 1, 25)]);
      await other.append([text(topic, 0, '25')]);
      for (const { has, values } of collectors) {
        await has(51);
        expect([values(0), values(1)]).toEqual([range(26), range(25)]);
      }
      await Promise.all(subscriptions.map((subscription) => subscription.stop()));
    },
    PATIENCE_MS,
  );

  test(
    'a subscriber that is held up falls behind and catches up',
    async () => {
      const topic = await topics.topic(1);
      const { onBatch, has, values } = collector();
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      const subscription = await topics.subscribe({
        topic,
        from: () => 0,
        onBatch: async (batch) => {
          await held;
          await onBatch(batch);
        },
      });
      for (let first = 0; first < 3_000; first += 300) await topics.log().append(numbered(topic, 0, 300, first));
      await eventually(() => subscription.lag() > 0, 'a lag');
      release();
      await has(3_000);
      expect(values()).toEqual(range(3_000));
      await eventually(() => subscription.lag() === 0, 'no lag');
      await subscription.stop();
    },
    PATIENCE_MS,
  );

  test(
    'stop waits for the running batch, and nothing comes after it',
    async () => {
      const topic = await topics.topic(1);
      await topics.log().append(numbered(topic, 0, 10));
      const events: string[] = [];
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      const subscription = await topics.subscribe({
        topic,
        from: () => 0,
        maxBatchRecords: 1,
        onBatch: async () => {
          events.push('begun');
          await held;
          events.push('done');
        },
      });
      await eventually(() => events.length === 1, 'a running batch');
      const stopped = subscription.stop().then(() => events.push('stopped'));
      release();
      await stopped;
      await topics.log().append([text(topic, 0, 'unheard')]);
      expect(events).toEqual(['begun', 'done', 'stopped']);
    },
    PATIENCE_MS,
  );

  test(
    'stop does not wait for a batch that is rejected again and again',
    async () => {
      const topic = await topics.topic(1);
      await topics.log().append([text(topic, 0, 'poison')]);
      let refusals = 0;
      const subscription = await topics.subscribe({
        topic,
        from: () => 0,
        onBatch: () => {
          refusals++;
          return Promise.reject(new Error('never'));
        },
      });
      await eventually(() => refusals >= 2, 'two refusals');
      await subscription.stop();
    },
    PATIENCE_MS,
  );
}

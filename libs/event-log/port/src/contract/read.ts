import { expect, test } from '@jest/globals';
import { numbered, PATIENCE_MS, range, readAll, text, type ContractTopics } from './fixture.js';

export function readContract(topics: ContractTopics): void {
  const values = async (topic: string, partition: number, from: number, to?: number) =>
    (await readAll(topics.log().read(topic, partition, from, to))).map((record) => record.value.toString());

  test(
    'a read gives the range asked for, the end excluded',
    async () => {
      const topic = await topics.topic(2);
      for (let first = 0; first < 30; first += 10) await topics.log().append(numbered(topic, 1, 10, first));
      expect(await values(topic, 1, 0)).toEqual(range(30));
      expect(await values(topic, 1, 7, 23)).toEqual(range(16, 7));
      expect(await values(topic, 1, 29)).toEqual(['29']);
      expect(await values(topic, 1, 12, 13)).toEqual(['12']);
      expect(await values(topic, 1, 12, 12)).toEqual([]);
      expect(await values(topic, 1, 25, 1_000)).toEqual(range(5, 25));
      expect(await values(topic, 1, 30)).toEqual([]);
      expect(await values(topic, 1, 1_000)).toEqual([]);
      expect(await values(topic, 0, 0)).toEqual([]);
    },
    PATIENCE_MS,
  );

  test(
    'a read says where each record is',
    async () => {
      const topic = await topics.topic(3);
      await topics.log().append(numbered(topic, 2, 3));
      const read = await readAll(topics.log().read(topic, 2, 1));
      expect(read.map(({ topic: name, partition, offset }) => ({ name, partition, offset }))).toEqual([
        { name: topic, partition: 2, offset: 1 },
        { name: topic, partition: 2, offset: 2 },
      ]);
    },
    PATIENCE_MS,
  );

  test(
    'a read ends where the log ended when it began, and may be left early',
    async () => {
      const topic = await topics.topic(1);
      await topics.log().append(numbered(topic, 0, 100));
      const read: string[] = [];
      for await (const record of topics.log().read(topic, 0, 0)) {
        if (read.length === 0) await topics.log().append([text(topic, 0, 'later')]);
        read.push(record.value.toString());
      }
      expect(read).toEqual(range(100));
      for await (const record of topics.log().read(topic, 0, 50)) {
        expect(record.value.toString()).toBe('50');
        break;
      }
      expect(await values(topic, 0, 98)).toEqual(['98', '99', 'later']);
    },
    PATIENCE_MS,
  );
}

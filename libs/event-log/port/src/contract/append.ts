import { expect, test } from '@jest/globals';
import type { NewRecord } from '../event-log.js';
import { partitionOf } from '../partition.js';
import { failureOf, numbered, PATIENCE_MS, range, readAll, text, type ContractTopics } from './fixture.js';

export function appendContract(topics: ContractTopics): void {
  test(
    'offsets are dense from 0, and positions come in the order of the records given',
    async () => {
      const topic = await topics.topic(2);
      const log = topics.log();
      const first = await log.append([text(topic, 1, 'a'), text(topic, 0, 'b'), text(topic, 1, 'c')]);
      expect(first).toEqual([
        { topic, partition: 1, offset: 0 },
        { topic, partition: 0, offset: 0 },
        { topic, partition: 1, offset: 1 },
      ]);
      expect(await log.append([text(topic, 1, 'd')])).toEqual([{ topic, partition: 1, offset: 2 }]);
      expect(await log.end(topic)).toEqual([1, 3]);
      expect(await log.begin(topic)).toEqual([0, 0]);
    },
    PATIENCE_MS,
  );

  test(
    'one batch may go to several topics',
    async () => {
      const [one, two] = [await topics.topic(1), await topics.topic(1)];
      const positions = await topics.log().append([text(one, 0, 'a'), text(two, 0, 'b'), text(one, 0, 'c')]);
      expect(positions.map(({ topic, offset }) => [topic, offset])).toEqual([
        [one, 0],
        [two, 0],
        [one, 1],
      ]);
    },
    PATIENCE_MS,
  );

  test(
    'no records, no positions',
    async () => {
      expect(await topics.log().append([])).toEqual([]);
    },
    PATIENCE_MS,
  );

  test(
    'the partition is the hash of the key unless it is given',
    async () => {
      const topic = await topics.topic(4);
      const keys = ['run/1', 'run/2', 'ключ', '', 'a'.repeat(200)];
      const positions = await topics.log().append(keys.map((key) => ({ topic, key, value: Buffer.from('x') })));
      expect(positions.map(({ partition }) => partition)).toEqual(keys.map((key) => partitionOf(key, 4)));
      const [given] = await topics.log().append([{ topic, key: 'run/1', partition: 3, value: Buffer.from('x') }]);
      expect(given?.partition).toBe(3);
    },
    PATIENCE_MS,
  );

  test(
    'key, value, headers and timestamp come back as they were given',
    async () => {
      const topic = await topics.topic(1);
      const binary = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      const given: Omit<NewRecord, 'topic'>[] = [
        {
          key: 'k',
          value: Buffer.from('{"a":1}'),
          headers: { ce_id: '1', 'content-type': 'application/json' },
          timestamp: 1_000_000_000_000,
        },
        { key: null, value: binary, headers: { note: 'größer als 3 µm – ☃ 𝄞', empty: '' }, timestamp: 1_000_000_000_001 },
        { key: '', value: Buffer.alloc(0), timestamp: 1_000_000_000_002 },
        { key: 'ключ 𝄞', value: Buffer.from([0]), headers: {}, timestamp: 1_000_000_000_003 },
      ];
      await topics.log().append(given.map((record) => ({ topic, partition: 0, ...record })));
      const read = await readAll(topics.log().read(topic, 0, 0));
      expect(read.map(({ key, value, headers, timestamp }) => ({ key, value: value.toString('hex'), headers, timestamp }))).toEqual(
        given.map(({ key, value, headers, timestamp }) => ({ key, value: value.toString('hex'), headers: headers ?? {}, timestamp })),
      );
      expect(read.map(({ offset }) => offset)).toEqual([0, 1, 2, 3]);
      expect(read.every((record) => Buffer.isBuffer(record.value))).toBe(true);
    },
    PATIENCE_MS,
  );

  test(
    'a record without a timestamp gets the time of its append',
    async () => {
      const topic = await topics.topic(1);
      await topics.log().append([text(topic, 0, 'x')]);
      const [record] = await readAll(topics.log().read(topic, 0, 0));
      // Only its kind is looked at: clocks of broker and client may differ.
      expect(record?.timestamp).toBeGreaterThan(1_500_000_000_000);
    },
    PATIENCE_MS,
  );

  test(
    'a record of a megabyte passes whole, beside small ones',
    async () => {
      const topic = await topics.topic(1);
      const large = Buffer.alloc(1_000_000, 'millrace');
      await topics.log().append([text(topic, 0, 'before'), { ...text(topic, 0, ''), value: large }, text(topic, 0, 'after')]);
      const read = await readAll(topics.log().read(topic, 0, 0));
      expect(read.map((record) => record.value.length)).toEqual([6, large.length, 5]);
      expect(read[1]?.value.equals(large)).toBe(true);
    },
    PATIENCE_MS,
  );

  test(
    'a record too large is refused, and nothing of its batch is written',
    async () => {
      const topic = await topics.topic(1);
      const large = { ...text(topic, 0, ''), value: Buffer.alloc(topics.refusedBytes()) };
      expect(await failureOf(topics.log().append([text(topic, 0, 'a'), large]))).toMatchObject({
        code: 'MR_RECORD_TOO_LARGE',
        retryable: false,
      });
      await topics.log().append([text(topic, 0, 'b')]);
      expect((await readAll(topics.log().read(topic, 0, 0))).map((record) => record.value.toString())).toEqual(['b']);
    },
    PATIENCE_MS,
  );

  test(
    'appends of one caller keep their order although none is awaited',
    async () => {
      const topic = await topics.topic(2);
      const log = topics.log();
      const positions = await Promise.all(
        Array.from({ length: 300 }, (_, index) => log.append([text(topic, index % 2, String(Math.floor(index / 2)))])),
      );
      for (const partition of [0, 1]) {
        expect(positions.flat().flatMap((position) => (position.partition === partition ? [String(position.offset)] : []))).toEqual(
          range(150),
        );
        expect((await readAll(log.read(topic, partition, 0))).map((record) => record.value.toString())).toEqual(range(150));
      }
    },
    PATIENCE_MS,
  );

  test(
    'concurrent appends of two clients are all there, each where its position says',
    async () => {
      const topic = await topics.topic(3);
      const clients = [topics.log(), await topics.connect()];
      const written = new Map<string, string>();
      await Promise.all(
        Array.from({ length: 20 }, async (_, writer) => {
          for (let round = 0; round < 15; round++) {
            const values = range(3).map((part) => `${writer}.${round}.${part}`);
            const log = clients[writer % clients.length]!;
            const positions = await log.append(values.map((value, part) => text(topic, (writer + part) % 3, value)));
            positions.forEach(({ partition, offset }, index) => written.set(`${partition}@${offset}`, values[index]!));
          }
        }),
      );
      expect(written.size).toBe(20 * 15 * 3);
      const found = new Map<string, string>();
      for (const partition of [0, 1, 2]) {
        for await (const record of topics.log().read(topic, partition, 0)) {
          found.set(`${partition}@${record.offset}`, record.value.toString());
        }
      }
      expect(new Map([...found].sort())).toEqual(new Map([...written].sort()));
    },
    PATIENCE_MS,
  );

  test(
    'a large batch is written whole and in order',
    async () => {
      const topic = await topics.topic(1);
      const positions = await topics.log().append(numbered(topic, 0, 10_000));
      expect(positions.map(({ offset }) => String(offset))).toEqual(range(10_000));
      expect((await readAll(topics.log().read(topic, 0, 0))).map((record) => record.value.toString())).toEqual(range(10_000));
    },
    PATIENCE_MS,
  );
}

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LmdbEventLog } from './lmdb-event-log.js';

describe('an LMDB log that is emptied', () => {
  let directory: string;
  let log: LmdbEventLog;
  const append = (value: string) => log.append([{ topic: 't', key: null, partition: 0, value: Buffer.from(value) }]);

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-clear-'));
    log = await LmdbEventLog.open({ path: join(directory, 'log.mdb') });
    await log.ensureTopic({ name: 't', partitions: 1, retention: 'forever' });
  });

  afterEach(async () => {
    await log.close();
    await rm(directory, { recursive: true });
  });

  test('holds no record, goes on with the next offset, and its readers with it', async () => {
    const read: string[] = [];
    const onBatch = async ({ records }: { records: readonly { offset: number; value: Buffer }[] }) => {
      for (const { offset, value } of records) read.push(`${offset} ${value.toString()}`);
    };
    const reader = await log.subscribe({ topic: 't', from: () => 0, onBatch });
    for (let number = 0; number < 3; number++) await append(`old ${number}`);
    while (reader.lag() > 0) await new Promise((resolve) => setImmediate(resolve));
    await log.clear();
    expect([await log.begin('t'), await log.end('t')]).toEqual([[3], [3]]);
    await append('new');
    while (reader.lag() > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(read).toEqual(['0 old 0', '1 old 1', '2 old 2', '3 new']);
    const late: string[] = [];
    for await (const record of log.read('t', 0, 0)) late.push(record.value.toString());
    expect(late).toEqual(['new']);
  });
});

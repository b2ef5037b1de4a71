import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { LogBatch, UnreadableRecord } from '@millrace/event-log';
import { eventually } from '@millrace/event-log/contract';
import { open } from 'lmdb';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chunkKey } from './keys.js';
import { LmdbEventLog, type LmdbEventLogOptions } from './lmdb-event-log.js';

let directory: string;
let path: string;
const logs: LmdbEventLog[] = [];

async function openLog(options: Partial<LmdbEventLogOptions> = {}): Promise<LmdbEventLog> {
  const log = await LmdbEventLog.open({ path, ...options });
  logs.push(log);
  return log;
}

const record = (value: string | Buffer, topic = 't') => ({ topic, key: null, partition: 0, value: Buffer.from(value) });

async function values(log: LmdbEventLog, from = 0): Promise<string[]> {
  const read: string[] = [];
  for await (const { value } of log.read('t', 0, from)) read.push(value.toString());
  return read;
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-log-'));
  path = join(directory, 'log.mdb');
});

afterEach(async () => {
  await Promise.all(logs.splice(0).map((log) => log.close()));
  await rm(directory, { recursive: true });
});

describe('LmdbEventLog', () => {
  test('keeps topics and records over a restart', async () => {
    const first = await openLog();
    await first.ensureTopic({ name: 't', partitions: 2, retention: 'forever' });
    await first.append([record('a'), record('b')]);
    await first.close();
    const second = await openLog();
    expect(await second.end('t')).toEqual([2, 0]);
    await expect(second.ensureTopic({ name: 't', partitions: 3, retention: 'forever' })).rejects.toMatchObject({
      code: 'MR_TOPIC_PARTITIONS',
    });
    await second.append([record('c')]);
    expect(await values(second)).toEqual(['a', 'b', 'c']);
  });

  test('refuses appends beyond its queue, takes them again when there is room, and loses none it took', async () => {
    const log = await openLog({ maxQueuedBytes: 100_000 });
    await log.ensureTopic({ name: 't', partitions: 1, retention: 'forever' });
    const outcomes = await Promise.allSettled(Array.from({ length: 300 }, () => log.append([record(Buffer.alloc(1_000))])));
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as { code: string }] : []));
    expect(refused.length).toBeGreaterThan(150);
    for (const fault of refused) expect(fault).toMatchObject({ code: 'MR_LOG_OVERLOADED', retryable: true });
    expect(await log.end('t')).toEqual([300 - refused.length]);
    await log.append([record('again')]);
    // One append larger than the whole queue still passes when nothing else waits.
    await log.append([record(Buffer.alloc(200_000))]);
  });

  test('removes what has outlived its retention, keeps counting, and starts late readers at what is left', async () => {
    let now = 1_000_000;
    const log = await openLog({ clock: { now: () => now } });
    await log.ensureTopic({ name: 't', partitions: 1, retention: { milliseconds: 1_000 } });
    await log.ensureTopic({ name: 'kept', partitions: 1, retention: 'forever' });
    await log.append([record('a'), { ...record('b'), timestamp: 1 }, record('for ever', 'kept')]);
    now += 900;
    await log.append([record('c')]);
    now += 200;
    expect(await log.prune()).toBe(1);
    expect([await log.begin('t'), await log.end('t'), await log.begin('kept')]).toEqual([[2], [3], [0]]);
    expect(await values(log)).toEqual(['c']);
    now += 10_000;
    expect(await log.prune()).toBe(1);
    expect([await log.begin('t'), await log.end('t')]).toEqual([[3], [3]]);

    const batches: LogBatch[] = [];
    const subscription = await log.subscribe({ topic: 't', from: () => 0, onBatch: async (batch) => void batches.push(batch) });
    await eventually(() => subscription.lag() === 0, 'the reader to step over what is gone');
    expect(await log.append([record('d')])).toEqual([{ topic: 't', partition: 0, offset: 3 }]);
    await eventually(() => batches.some(({ records }) => records.length > 0), 'a record');
    expect(batches.flatMap(({ records }) => records.map(({ offset, value }) => [offset, value.toString()]))).toEqual([[3, 'd']]);
    await log.close();
    const again = await openLog({ clock: { now: () => now } });
    expect(await again.end('t')).toEqual([4]);
  });

  test('hands a damaged chunk to the subscriber with its bytes and goes on after it', async () => {
    const first = await openLog();
    await first.ensureTopic({ name: 't', partitions: 1, retention: 'forever' });
    await first.append([record('a')]);
    await first.append([record('b'), record('c')]);
    await first.append([record('d')]);
    await first.close();
    const env = open({ path, encoding: 'binary', keyEncoding: 'binary', maxDbs: 4, noSubdir: true, overlappingSync: false });
    const chunks = env.openDB<Buffer, Buffer>({ name: 'chunks', encoding: 'binary', keyEncoding: 'binary' });
    const key = chunkKey(1, 0, 1);
    const damaged = Buffer.from(chunks.get(key)!);
    damaged[30]! ^= 1;
    await chunks.put(key, damaged);
    await env.close();

    const log = await openLog();
    const [read, unreadable]: [string[], UnreadableRecord[]] = [[], []];
    const subscription = await log.subscribe({
      topic: 't',
      from: () => 0,
      onBatch: async ({ records }) => void read.push(...records.map(({ value }) => value.toString())),
      onUnreadable: async (bad) => void unreadable.push(bad),
    });
    await eventually(() => subscription.lag() === 0 && read.length === 2, 'the records around the damage');
    expect(read).toEqual(['a', 'd']);
    expect(unreadable).toMatchObject([{ topic: 't', partition: 0, offset: 1, nextOffset: 3, reason: expect.stringContaining('checksum') }]);
    expect(unreadable[0]?.bytes?.equals(damaged)).toBe(true);
    await expect(values(log)).rejects.toMatchObject({ code: 'MR_RECORD_UNREADABLE', details: { nextOffset: 3 } });
    expect(await values(log, 3)).toEqual(['d']);
  });

  test('feeds a reader that is caught up from memory and one that is not from disk, and both read the same', async () => {
    const log = await openLog({ maxRecentBytes: 2_000 });
    await log.ensureTopic({ name: 't', partitions: 1, retention: 'forever' });
    const [quick, slow]: [string[], string[]] = [[], []];
    const collect = (into: string[]) => async (batch: LogBatch) =>
      void into.push(...batch.records.map((one) => JSON.stringify([one.offset, one.key, one.value.toString('hex'), one.headers])));
    await log.subscribe({ topic: 't', from: () => 0, onBatch: collect(quick) });
    for (let index = 0; index < 200; index++) {
      await log.append([{ ...record(`value ${index}`), key: `k${index % 3}`, headers: { n: String(index) } }, record(Buffer.alloc(index))]);
    }
    await log.subscribe({ topic: 't', from: () => 0, onBatch: collect(slow), maxBatchRecords: 13 });
    await eventually(() => quick.length === 400 && slow.length === 400, 'both to have read everything');
    expect(slow).toEqual(quick);
  });

  test('may be read beside the writer by one who cannot write', async () => {
    const writer = await openLog();
    await writer.ensureTopic({ name: 't', partitions: 1, retention: 'forever' });
    await writer.append([record('a')]);
    const reader = await openLog({ readOnly: true });
    const read: string[] = [];
    await reader.subscribe({
      topic: 't',
      from: () => 0,
      onBatch: async ({ records }) => void read.push(...records.map(({ value }) => value.toString())),
    });
    await writer.append([record('b')]);
    await eventually(() => read.length === 2, 'the reader to see both');
    await expect(reader.append([record('c')])).rejects.toMatchObject({ code: 'MR_LOG_READ_ONLY' });
  });

  test('lets no append in once it is closing, and finishes those it took', async () => {
    const log = await openLog();
    await log.ensureTopic({ name: 't', partitions: 1, retention: 'forever' });
    const taken = log.append([record('a')]);
    const closed = log.close();
    await expect(log.append([record('b')])).rejects.toMatchObject({ code: 'MR_LOG_CLOSED', retryable: false });
    await Promise.all([taken, closed]);
    expect(await values(await openLog())).toEqual(['a']);
  });
});

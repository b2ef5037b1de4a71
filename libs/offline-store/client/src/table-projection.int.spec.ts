import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parseJson, readDeadLetter, type LogRecord, type Subscription } from '@millrace/event-log';
import { LmdbEventLog } from '@millrace/event-log-lmdb';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  digest,
  migrate,
  offlineStoreMigrations,
  openOfflineStore,
  TableProjection,
  type OfflineStore,
  type TableProjectionOptions,
} from './index.js';
import { READINGS, readings, type Reading } from './projection.fixture.js';

let directory: string;
let store: OfflineStore;
let log: LmdbEventLog;
const running: TableProjection<never>[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-projection-'));
  store = await openOfflineStore({ path: join(directory, 'chdb') });
  log = await LmdbEventLog.open({ path: join(directory, 'log.mdb') });
  await log.ensureTopic({ name: 'readings', partitions: 3, retention: 'forever' });
  await store.command(READINGS);
});

afterEach(async () => {
  for (const projection of running.splice(0)) await projection.stop();
  await log.close();
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

async function project<T = Reading>(changes: Partial<TableProjectionOptions<T>> = {}): Promise<TableProjection<T>> {
  const projection = new TableProjection<T>({
    ...(readings as unknown as TableProjectionOptions<T>),
    store,
    log,
    maxAgeMs: 60_000,
    ...changes,
  });
  running.push(projection as unknown as TableProjection<never>);
  await projection.start();
  return projection;
}

const NOTHING: Subscription = { assigned: () => [], lag: () => 0, hurry: () => {}, stop: () => Promise.resolve() };

function bound<T extends object>(target: T, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name, target);
  return typeof value === 'function' ? value.bind(target) : value;
}

/** The same store, as one that other processes write to as well. */
const sharedStore = (target: OfflineStore) => new Proxy(target, { get: (_, name) => (name === 'kind' ? 'server' : bound(target, name)) });

const append = (from: number, to: number, value = (n: number): unknown => ({ n, text: `reading ${n}` })) =>
  log.append(
    Array.from({ length: to - from }, (_, i) => ({
      topic: 'readings',
      key: null,
      partition: (from + i) % 3,
      value: Buffer.from(JSON.stringify(value(from + i))),
    })),
  );

async function counted(): Promise<{ rows: number; distinct: number; sum: number }> {
  const [row] = await store.query<{ rows: number; distinct: number; sum: number }>(
    `SELECT toUInt32(count()) AS rows, toUInt32(uniqExact(_partition, _offset)) AS distinct, toUInt32(sum(n)) AS sum FROM millrace.readings`,
  );
  return row!;
}

const sumTo = (n: number) => (n * (n - 1)) / 2;

describe('TableProjection', () => {
  test('puts every record into the table once, and at once when somebody waits', async () => {
    const projection = await project();
    const positions = await append(0, 1000);
    await projection.waitFor(positions.at(-1)!);
    await projection.barrier();
    expect(await counted()).toEqual({ rows: 1000, distinct: 1000, sum: sumTo(1000) });
    expect([...projection.positions().values()].reduce((a, b) => a + b)).toBe(1000);
  });

  test('goes on after its own rows: nothing is kept but the table', async () => {
    const first = await project({ maxRows: 70 });
    await append(0, 1000);
    await first.barrier();
    await first.stop();
    await append(1000, 1500);
    const second = await project();
    await second.barrier();
    expect(await counted()).toEqual({ rows: 1500, distinct: 1500, sum: sumTo(1500) });
  });

  test('inserts by age when nobody waits, and what is buffered when it stops', async () => {
    const inserted: number[] = [];
    let told = () => {};
    const byAge = new Promise<void>((resolve) => (told = resolve));
    const projection = await project({
      maxAgeMs: 1,
      observer: {
        inserted: (_, __, rows) => {
          inserted.push(rows);
          told();
        },
      },
    });
    await append(0, 3);
    await byAge;
    await append(3, 60);
    await projection.stop();
    const again = await project();
    await again.barrier();
    expect((await counted()).rows).toBe(60);
  });

  test('takes ready JSON bytes, several rows a record, and records without rows', async () => {
    await store.command(`CREATE TABLE millrace.parts
      (_topic LowCardinality(String), _partition UInt32, _offset UInt64, _row UInt32, n UInt32)
      ENGINE = ReplacingMergeTree ORDER BY (_topic, _partition, _offset, _row) SETTINGS non_replicated_deduplication_window = 100`);
    const projection = await project<Buffer>({
      name: 'test.parts',
      table: 'millrace.parts',
      decode: (record) => ({ ok: true, value: record.value }),
      toRows: ({ record, value }) => (record.offset % 3 === 0 ? [value, { n: 100 }] : record.offset % 3 === 1 ? [] : undefined),
    });
    await append(0, 30);
    await projection.barrier();
    expect(await store.query('SELECT _partition, _offset, _row, n FROM millrace.parts WHERE _partition = 0 ORDER BY ALL LIMIT 4')).toEqual([
      { _partition: 0, _offset: '0', _row: 0, n: 0 },
      { _partition: 0, _offset: '0', _row: 1, n: 100 },
      { _partition: 0, _offset: '3', _row: 0, n: 9 },
      { _partition: 0, _offset: '3', _row: 1, n: 100 },
    ]);
    expect([...projection.positions().values()]).toEqual([10, 10, 10]);
  });

  test('tells processes that only wait how far it is when the last records gave no rows', async () => {
    await migrate(store, offlineStoreMigrations);
    const server = sharedStore(store);
    // A group gives each partition to one process; here the second one gets none, as the log is all the first one's.
    const owner = await project({ store: server, shared: true, toRows: ({ value }) => (value.n < 30 ? value : undefined) });
    const bystander = await project({
      store: server,
      shared: true,
      log: new Proxy(log, { get: (target, name) => (name === 'subscribe' ? () => Promise.resolve(NOTHING) : bound(target, name)) }),
    });
    const positions = await append(0, 60);
    await Promise.all([owner.barrier(), bystander.barrier()]);
    expect((await counted()).rows).toBe(30);
    expect(bystander.positions().size).toBe(0);
    await append(60, 63);
    await bystander.barrier();
    // A table that lost its rows is not taken for one that holds them.
    await store.command('TRUNCATE TABLE millrace.readings');
    await expect(bystander.waitFor(positions[59]!, 300)).rejects.toMatchObject({ code: 'MR_DEADLINE_EXCEEDED' });
  });

  test('puts aside what cannot be decoded, projected or inserted, and goes on', async () => {
    const projection = await project({
      toRows: ({ value }) => {
        if (value.text === 'reading 20') throw new Error('no such reading');
        return value;
      },
    });
    await append(0, 200, (n) => ({ n: n === 70 || n === 71 || n === 190 ? 'many' : n, text: n === 33 ? { not: 'text' } : `reading ${n}` }));
    await log.append([{ topic: 'readings', key: 'k', partition: 0, value: Buffer.from('{not json') }]);
    await append(200, 300);
    await projection.barrier();
    const letters: LogRecord[] = [];
    for await (const letter of log.read('readings.dead-letters', 0, 0)) letters.push(letter);
    const values = letters.map((letter) => readDeadLetter(letter)).map(({ record }) => parseJson(record.value));
    expect(values.map((parsed) => (parsed.ok ? String((parsed.value as Reading).n) : '{not json')).sort()).toEqual(
      ['20', 'many', 'many', 'many', '{not json'].sort(),
    );
    const { rows } = await counted();
    expect(rows).toBe(300 - 4);
  });

  test('asks the table again after an insert whose outcome it does not know', async () => {
    let inserts = 0;
    const shaky: OfflineStore = {
      ...store,
      kind: store.kind,
      query: (...query) => store.query(...query),
      stream: (...query) => store.stream(...query),
      raw: (...query) => store.raw(...query),
      command: (...command) => store.command(...command),
      ping: () => store.ping(),
      close: () => store.close(),
      insert: async (table, rows, token) => {
        inserts++;
        // Lost on the way there, and lost on the way back.
        if (inserts % 3 === 1) throw new Error('socket hang up');
        await store.insert(table, rows, token);
        if (inserts % 3 === 2) throw new Error('socket hang up');
      },
    };
    const projection = await project({ store: shaky, maxRows: 50 });
    await append(0, 600);
    await projection.barrier();
    expect(inserts).toBeGreaterThan(12);
    expect(await counted()).toEqual({ rows: 600, distinct: 600, sum: sumTo(600) });
  });

  test('rebuilds a dropped table to the same digest', async () => {
    const projection = await project();
    await append(0, 500);
    await projection.barrier();
    const before = await digest(store, 'millrace.readings');
    expect(before.rows).toBe(500);
    await store.command('DROP TABLE millrace.readings SYNC');
    await store.command(READINGS);
    await projection.restart();
    await projection.barrier();
    expect(await digest(store, 'millrace.readings')).toEqual(before);
  });

  test('starts over when its table is dropped under it', async () => {
    let failed = () => {};
    const failure = new Promise<void>((resolve) => (failed = resolve));
    const projection = await project({ maxRows: 100, observer: { insertFailed: () => failed() } });
    await append(0, 300);
    await projection.barrier();
    await store.command('DROP TABLE millrace.readings SYNC');
    const positions = await append(300, 310);
    const waiting = Promise.all(positions.map((position) => projection.waitFor(position, 30_000)));
    await failure;
    await store.command(READINGS);
    await waiting;
    expect(await counted()).toEqual({ rows: 310, distinct: 310, sum: sumTo(310) });
  });

  test('starts over when its table is dropped and made again between two inserts', async () => {
    let minutes = 0;
    const projection = await project({ now: () => Date.now() + minutes * 60_000 });
    await append(0, 300);
    await projection.barrier();
    minutes++;
    await store.command('DROP TABLE millrace.readings SYNC');
    await store.command(READINGS);
    await append(300, 310);
    await projection.barrier();
    expect(await counted()).toEqual({ rows: 310, distinct: 310, sum: sumTo(310) });
  });

  test.each([
    ['is a MergeTree', 'ENGINE = MergeTree ORDER BY (_partition, _offset)'],
    [
      'the key has to end',
      'ENGINE = ReplacingMergeTree ORDER BY (_partition, _offset, n) SETTINGS non_replicated_deduplication_window = 1',
    ],
    ['ignore the insert tokens', 'ENGINE = ReplacingMergeTree ORDER BY (_topic, _partition, _offset)'],
    [
      'would not be atomic',
      'ENGINE = ReplacingMergeTree PARTITION BY n ORDER BY (_partition, _offset) SETTINGS non_replicated_deduplication_window = 1',
    ],
  ])('refuses a table that %s', async (message, engine) => {
    await store.command(`CREATE OR REPLACE TABLE millrace.unfit (_topic String, _partition UInt32, _offset UInt64, n UInt32) ${engine}`);
    await expect(project({ table: 'millrace.unfit' })).rejects.toThrow(message);
  });
});

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isFault } from '@millrace/kernel';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { ChdbOfflineStore } from './chdb-offline-store.js';
import { digest, migrate, offlineStoreMigrations, openOfflineStore, type OfflineStore } from './index.js';

let directory: string;
let store: OfflineStore;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-offline-'));
  await mkdir(join(directory, 'chdb', 'outputs'), { recursive: true });
  await writeFile(join(directory, 'chdb', 'outputs', '0'), 'half a file');
  store = await openOfflineStore({ path: join(directory, 'chdb') });
});

afterAll(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

const failure = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('the offline store on chdb', () => {
  test('removed at its start what a kill had left of a result', async () => {
    expect(await readdir(join(directory, 'chdb', 'outputs'))).toEqual([]);
  });

  test('binds parameters of every kind', async () => {
    const text = 'a\'b\\c\td\ne{f:String};--é☃"`';
    const [row] = await store.query<Record<string, unknown>>(
      `SELECT {text:String} AS text, {n:Nullable(String)} AS nothing, {i:Int64} AS big, {f:Float64} AS float, {b:Bool} AS bool,
              {names:Array(String)} AS names, {numbers:Array(Float64)} AS numbers`,
      { text, n: null, i: '9223372036854775807', f: 0.1, b: true, names: [text, ''], numbers: [1, -2.5] },
    );
    expect(row).toEqual({
      text,
      nothing: null,
      big: '9223372036854775807',
      float: 0.1,
      bool: true,
      names: [text, ''],
      numbers: [1, -2.5],
    });
  });

  test('keeps parameters and settings of concurrent queries apart', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, value) => {
        const [row] = await store.query<{ value: number }>('SELECT {value:UInt32} AS value FROM numbers(1)', { value });
        return row?.value;
      }),
    );
    expect(answers).toEqual(Array.from({ length: 200 }, (_, value) => value));
  });

  test('streams rows without holding them and can be left early', async () => {
    let sum = 0;
    for await (const { number } of store.stream<{ number: number }>('SELECT toUInt32(number) AS number FROM numbers({n:UInt64})', {
      n: 200_000,
    })) {
      sum += number;
    }
    expect(sum).toBe((200_000 * 199_999) / 2);
    for await (const { number } of store.stream<{ number: number }>('SELECT toUInt32(number) AS number FROM numbers(10000000)')) {
      if (number === 5) break;
    }
    expect(await store.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('gives bytes in other formats', async () => {
    const parquet = await buffer(await store.raw('SELECT number FROM numbers(10)', 'Parquet'));
    expect(parquet.subarray(0, 4).toString()).toBe('PAR1');
    const csv = await buffer(await store.raw('SELECT {a:String} AS a', 'CSVWithNames', { a: 'x' }));
    expect(csv.toString()).toBe('"a"\n"x"\n');
    expect(await buffer(await store.raw('SELECT 1 WHERE 0;', 'CSV'))).toEqual(Buffer.alloc(0));
  });

  test('has the engine write large results to a file, with the bytes it gives in memory, and keeps none of it', async () => {
    const { session } = store as ChdbOfflineStore;
    const outputs = join(session.path, 'outputs');
    // Three row groups of one thread, one of several, Arrow's batches, blocks.
    const rows =
      'SELECT number AS n, cityHash64(number) / 1e3 AS value, if(number % 7 = 0, NULL, toString(number)) AS text FROM numbers(250000)';
    for (const [format, settings] of [
      ['Parquet', "max_threads = 1, output_format_parquet_row_group_size = 100000, output_format_parquet_compression_method = 'snappy'"],
      ['Parquet', 'output_format_parquet_row_group_size_bytes = 1000000000000'],
      ['Arrow', 'max_threads = 1'],
      ['Native', 'max_threads = 1'],
    ] as const) {
      const sql = `${rows} ORDER BY n SETTINGS ${settings}`;
      const { bytes } = await session.run('read', { sql, format });
      const chunks: Buffer[] = [];
      for await (const chunk of (await store.raw(sql, format)) as AsyncIterable<Buffer>) chunks.push(chunk);
      expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
      expect(Math.max(...chunks.map((chunk) => chunk.length))).toBeLessThan(bytes.length / 4);
    }
    const unread = await store.raw(rows, 'Native');
    expect(await failure(store.raw('SELECT throwIf(number = 150000) FROM numbers(200000)', 'Native'))).toMatchObject({
      code: 'MR_OFFLINE_STORE_REFUSED',
    });
    expect(await readdir(outputs)).toEqual([]);
    unread.destroy();
  });

  test('says what failed, with the number of ClickHouse and whether retrying helps', async () => {
    const unknown = await failure(store.query('SELECT * FROM millrace.nothing'));
    expect(isFault(unknown) && [unknown.code, unknown.retryable, unknown.details['clickhouseCode']]).toEqual([
      'MR_OFFLINE_STORE_REFUSED',
      false,
      60,
    ]);
    const late = await failure(store.query('SELECT max(sipHash64(number)) FROM numbers(100000000000)', {}, { deadlineMs: 50 }));
    expect(isFault(late) && [late.code, late.retryable, late.details['clickhouseCode']]).toEqual(['MR_DEADLINE_EXCEEDED', true, 159]);
    const syntax = await failure(store.command('SELEC 1'));
    expect(isFault(syntax) && syntax.details['clickhouseCode']).toBe(62);
  });

  test('answers while a long query runs, and writes beside it', async () => {
    await store.command('CREATE TABLE IF NOT EXISTS millrace.beside (a UInt64) ENGINE = MergeTree ORDER BY a');
    let over = false;
    const long = failure(store.query('SELECT max(sipHash64(number)) FROM numbers(100000000000)', {}, { deadlineMs: 2_000 })).then(() => {
      over = true;
    });
    await store.insert('millrace.beside', [{ a: 1 }], 'beside:1');
    expect(over).toBe(false);
    await long;
  });

  test('takes an insert with the same token once, and answers 64-bit integers as text and times in UTC', async () => {
    await store.command(
      `CREATE TABLE IF NOT EXISTS millrace.tokens (a UInt64, at DateTime64(3, 'UTC'), plain DateTime) ENGINE = MergeTree ORDER BY a
       SETTINGS non_replicated_deduplication_window = 100`,
    );
    for (let time = 0; time < 3; time++) {
      await store.insert('millrace.tokens', [{ a: '18446744073709551615', at: '2001-01-02T03:04:05.678Z', plain: 0, unknown: 1 }], 'one');
    }
    await store.insert('millrace.tokens', Buffer.from('{"a":1,"at":"2001-01-01 00:00:00"}\n{"a":2,"at":"1999-12-31T23:59:59Z"}\n'), 'two');
    expect(await store.query('SELECT * FROM millrace.tokens ORDER BY a DESC')).toMatchObject([
      { a: '18446744073709551615', at: '2001-01-02 03:04:05.678', plain: '1970-01-01 00:00:00' },
      { a: '2', at: '1999-12-31 23:59:59.000' },
      { a: '1', at: '2001-01-01 00:00:00.000' },
    ]);
  });

  test('reads whole files into a table, their rows in order, and says what is wrong with one', async () => {
    const rows = "SELECT number AS n, if(number % 3 = 0, NULL, concat('a\n\n', toString(number))) AS text FROM numbers(100000)";
    for (const format of ['Parquet', 'CSV', 'Native'] as const) {
      const table = `millrace.loaded_${format}`;
      await store.command(`CREATE TABLE ${table} (n UInt64, text Nullable(String)) ENGINE = StripeLog`);
      await store.load(table, format, await buffer(await store.raw(rows, format)));
      const [found] = await store.query<Record<string, unknown>>(
        `SELECT count() AS rows, countIf(n != place) AS misplaced, countIf(text IS NULL) AS nothing, max(text) AS greatest
         FROM (SELECT n, text, rowNumberInAllBlocks() AS place FROM ${table}) SETTINGS max_threads = 1`,
      );
      expect(found).toEqual({ rows: '100000', misplaced: '0', nothing: '33334', greatest: 'a\n\n99998' });
      expect(await failure(store.load(table, format, Buffer.from('no such file,"')))).toMatchObject({ code: 'MR_OFFLINE_STORE_REFUSED' });
    }
  });

  test('digests a table by its rows, not by their order or parts', async () => {
    for (const name of ['left', 'right']) {
      await store.command(
        `CREATE TABLE millrace.${name} (k UInt64, rows Float64, at DateTime, note Nullable(String)) ENGINE = ReplacingMergeTree ORDER BY k`,
      );
    }
    const rows = Array.from({ length: 100 }, (_, k) => ({ k, rows: Math.sqrt(k), at: k, note: null }));
    await store.insert('millrace.left', rows, 'all');
    await store.insert('millrace.right', rows.slice(50).reverse(), 'second');
    await store.insert('millrace.right', rows.slice(0, 60), 'first');
    const left = await digest(store, 'millrace.left');
    expect(left.rows).toBe(100);
    expect(await digest(store, 'millrace.right')).toEqual(left);
    await store.insert('millrace.right', [{ k: 7, rows: 7, at: 0 }], 'changed');
    expect(await digest(store, 'millrace.right')).not.toEqual(left);
    const noted = await digest(store, 'millrace.left');
    await store.insert('millrace.left', [{ k: 8, rows: Math.sqrt(8), at: 8, note: 'null' }], 'noted');
    expect(await digest(store, 'millrace.left')).not.toEqual(noted);
    expect(await digest(store, 'millrace.missing')).toEqual({ rows: 0, hash: '0' });
    const hashes = new Set<string>();
    await store.command('CREATE TABLE millrace.odd (x Nullable(Float64)) ENGINE = MergeTree ORDER BY tuple()');
    for (const value of ['NULL', 'nan', 'inf', '-inf', '0']) {
      await store.command('TRUNCATE TABLE millrace.odd');
      await store.command(`INSERT INTO millrace.odd SELECT ${value}`);
      hashes.add((await digest(store, 'millrace.odd')).hash);
    }
    expect(hashes.size).toBe(5);
  });
});

describe('migrate', () => {
  test('runs each file once, also when two start together, and refuses a changed one', async () => {
    expect(await migrate(store, offlineStoreMigrations)).toContain('0001-decisions.sql');
    expect(await migrate(store, offlineStoreMigrations)).toEqual([]);

    const folder = await mkdtemp(join(directory, 'migrations-'));
    await writeFile(
      join(folder, '0001-first.sql'),
      `CREATE TABLE IF NOT EXISTS millrace.first (a String DEFAULT ';') ENGINE = MergeTree ORDER BY a; -- two; statements
       CREATE OR REPLACE VIEW millrace.first_view AS SELECT a FROM millrace.first;`,
    );
    const both = await Promise.all([
      migrate(store, { name: 'mine', directory: folder }),
      migrate(store, { name: 'mine', directory: folder }),
    ]);
    expect(both.flat()).toEqual(['0001-first.sql']);
    await writeFile(join(folder, '0002-second.sql'), 'ALTER TABLE millrace.first ADD COLUMN IF NOT EXISTS b UInt8;');
    expect(await migrate(store, { name: 'mine', directory: folder })).toEqual(['0002-second.sql']);
    await writeFile(join(folder, '0001-first.sql'), 'CREATE TABLE IF NOT EXISTS millrace.first (a UInt8) ENGINE = Memory');
    await expect(migrate(store, { name: 'mine', directory: folder })).rejects.toMatchObject({ code: 'MR_MIGRATION_REFUSED' });
  });
});

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { chdir, cwd } from 'node:process';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { checkSelect, openOfflineStore, type ChdbOfflineStore, type ChdbResult, type OfflineStore } from './index.js';

const before = cwd();
let directory: string;
let store: OfflineStore;

beforeAll(async () => {
  directory = await realpath(await mkdtemp(join(tmpdir(), 'millrace-select-')));
  await writeFile(join(directory, 'secret.csv'), 'word\nsesame\n');
  await writeFile(join(directory, 'secret'), 'sesame\n');
  // The engine takes names for those of files in the folder it is in.
  chdir(directory);
  store = await openOfflineStore({ path: join(directory, 'chdb'), guestMemoryBytes: 256 * 1024 * 1024 });
  await store.command('CREATE TABLE millrace.rides (city String, fare Float64) ENGINE = MergeTree ORDER BY city');
});

afterAll(async () => {
  await store.close();
  chdir(before);
  await rm(directory, { recursive: true, force: true });
});

const check = (sql: string) => checkSelect(store, sql, 'spine.sql');

test.each([
  ['a table', 'SELECT city, avg(fare) AS fare FROM millrace.rides GROUP BY city -- by city'],
  ['a common table expression', 'WITH some AS (SELECT * FROM millrace.rides) SELECT * FROM some WHERE fare IN (SELECT 1)'],
  ['numbers', 'SELECT number FROM numbers(10)'],
  ['a slash in a column’s name', 'SELECT fare AS "eur/km", city AS "a\\\\b" FROM millrace.rides ORDER BY "eur/km"'],
  [
    'a slash in a column of a subquery',
    'SELECT "eur/km", upper(city) AS c FROM (SELECT city, fare AS "eur/km" FROM millrace.rides) WHERE "eur/km" IN (1, 2)',
  ],
  ['a word that is text', "SELECT 'file(''/etc/passwd'')' AS text"],
])('takes %s', async (_what, sql) => {
  expect(await check(sql)).toEqual({ sql: expect.stringMatching(/^(SELECT|WITH)/) });
});

test.each([
  ['a file', (path: string) => `SELECT * FROM \`${path}\``],
  ['a file in double quotes', (path: string) => `SELECT * FROM "${path}"`],
  ['a file of the folder', () => 'SELECT * FROM `secret.csv`'],
  ['a file of the folder by its database', () => 'SELECT * FROM default.`secret.csv`'],
  ['a file without an ending', () => 'SELECT * FROM default.secret'],
  ['a file in a subquery', () => 'SELECT (SELECT count() FROM `secret.csv`) AS n'],
  ['a file in a condition', () => 'SELECT 1 AS a WHERE a IN (SELECT word FROM `secret.csv`)'],
  ['a file to join', () => 'SELECT * FROM millrace.rides AS r LEFT JOIN `secret.csv` AS s ON s.word = r.city'],
  ['a file as a set', () => "SELECT 1 AS a WHERE 'sesame' IN `secret.csv`"],
  ['a path as a set', (path: string) => `SELECT 1 AS a WHERE 'sesame' IN "${path}"`],
  ['a path in parentheses as a set', (path: string) => `SELECT 1 AS a WHERE 'sesame' IN ("${path}")`],
  ['a path beside another table', (path: string) => `SELECT * FROM millrace.rides AS r, "${path}" AS s`],
  [
    'a path after a condition of a join',
    (path: string) => `SELECT * FROM numbers(1) AS a JOIN numbers(1) AS b ON a.number = b.number, "${path}"`,
  ],
  ['a path as a set of a function', (path: string) => `SELECT in('sesame', "${path}") AS a`],
  ['a path as a set of another function', (path: string) => `SELECT globalNotIn('sesame', "${path}") AS a`],
  ['a path as a set in a condition', (path: string) => `SELECT 1 AS a WHERE nullIn('sesame', "${path}")`],
  ['a path by its database', (path: string) => `SELECT * FROM default."${path}"`],
  ['a function that reads a file', () => "SELECT file('/etc/passwd')"],
  ['a table function', () => "SELECT * FROM url('http://127.0.0.1:1/')"],
])('refuses %s', async (_what, sql) => {
  expect(await check(sql(join(directory, 'secret.csv')))).toEqual({ reason: expect.stringMatching(/^spine\.sql /) });
});

test('says that tables alone may be read, and what else is wrong', async () => {
  expect(await check('SELECT * FROM `secret.csv`')).toEqual({
    reason: 'spine.sql may read tables of the database only, no files and nothing elsewhere',
  });
  expect(await check('SELECT * FROM millrace.nothing')).toEqual({ reason: expect.stringMatching(/^spine\.sql cannot be read: .*nothing/) });
});

test('what is somebody’s own runs within bounds, and nothing of the platform waits for it', async () => {
  const long = store.command(
    'CREATE TABLE millrace.slow ENGINE = Memory AS SELECT max(sipHash64(number)) AS m FROM numbers(100000000000)',
    undefined,
    {
      deadlineMs: 3_000,
      isGuests: true,
    },
  );
  let isOver = false;
  const ended = long.catch((error: unknown) => error).finally(() => (isOver = true));
  await store.insert('millrace.rides', [{ city: 'Bern', fare: 1 }], 'rides:0');
  expect(await store.query('SELECT count() AS n FROM millrace.rides')).toEqual([{ n: '1' }]);
  expect(isOver).toBe(false);
  expect(await ended).toMatchObject({ code: 'MR_DEADLINE_EXCEEDED' });
  const greedy = store.query('SELECT length(groupArray(number)) AS n FROM numbers(100000000000)', undefined, {
    isGuests: true,
    deadlineMs: 60_000,
  });
  await expect(greedy).rejects.toMatchObject({ code: 'MR_OFFLINE_STORE_REFUSED', retryable: false, details: { clickhouseCode: 241 } });
}, 60_000);

test('what is somebody’s own and analysts do not wait for each other, and its wait counts', async () => {
  const session = (store as ChdbOfflineStore).session;
  const sql = 'SELECT max(sipHash64(number)) AS m FROM numbers(100000000000)';
  const own = () => store.query(sql, undefined, { isGuests: true, deadlineMs: 3_000 }).catch((error: unknown) => error);
  const began = performance.now();
  const both = Promise.all([own(), own()]);
  const answer = await session.guest({ statement: 'SELECT 1', deadlineMs: 2_500, readOnly: true });
  expect((answer as ChdbResult).bytes.toString()).toBe('1\n');
  expect(await both).toEqual([
    expect.objectContaining({ code: 'MR_DEADLINE_EXCEEDED' }),
    expect.objectContaining({ code: 'MR_DEADLINE_EXCEEDED' }),
  ]);
  expect(performance.now() - began).toBeLessThan(5_500);
}, 60_000);

test('a small file that unfolds into more than there is room for is refused', async () => {
  const many = "SELECT repeat('x', 2000) AS text FROM numbers(300000) SETTINGS output_format_parquet_row_group_size = 300000";
  const bytes = await buffer(await store.raw(many, 'Parquet'));
  expect(bytes.length).toBeLessThan(2 * 1024 * 1024);
  await store.command('CREATE TABLE millrace.unfolded (text String) ENGINE = Memory');
  await expect(store.load('millrace.unfolded', 'Parquet', bytes)).rejects.toMatchObject({
    ...{ code: 'MR_OFFLINE_STORE_REFUSED', retryable: false, details: { clickhouseCode: 241 } },
  });
  await store.load(
    'millrace.unfolded',
    'Parquet',
    await buffer(await store.raw("SELECT repeat('x', 2000) AS text FROM numbers(1000)", 'Parquet')),
  );
  expect(await store.query("SELECT max_memory_usage FROM (SELECT getSetting('max_memory_usage') AS max_memory_usage)")).not.toEqual([
    { max_memory_usage: String(256 * 1024 * 1024) },
  ]);
}, 60_000);

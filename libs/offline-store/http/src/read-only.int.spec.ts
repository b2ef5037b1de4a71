import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ChdbSession } from '@millrace/offline-store';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startClickHouseHttp, type ClickHouseHttp } from './clickhouse-http.js';

const SECRET = 'root:x:0:0';

let directory: string;
let secret: string;
let session: ChdbSession;
let http: ClickHouseHttp;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-read-only-'));
  secret = join(directory, 'secret');
  await writeFile(secret, `${SECRET}\n`);
  session = ChdbSession.open(join(directory, 'chdb'));
  for (const sql of [
    'CREATE DATABASE millrace',
    'CREATE TABLE millrace.t (a UInt64, file String) ENGINE = MergeTree ORDER BY a',
    "INSERT INTO millrace.t VALUES (1, 'mine')",
  ])
    await session.run('write', { sql });
  http = await startClickHouseHttp({
    session,
    port: 0,
    readOnly: true,
    defaultDatabase: 'millrace',
    maxExecutionSeconds: 5,
    maxMemoryBytes: 500_000_000,
    maxResultBytes: 1_000_000,
  });
});

afterAll(async () => {
  await http.close();
  await session.close();
  await rm(directory, { recursive: true, force: true });
});

const query = (sql: string, parameters: Record<string, string> = {}) =>
  fetch(`${http.url}/?${new URLSearchParams(parameters).toString()}`, { method: 'POST', body: sql });

async function refusal(sql: string, parameters: Record<string, string> = {}): Promise<string | null> {
  const response = await query(sql, parameters);
  const text = await response.text();
  expect(text).not.toContain(SECRET);
  expect(response.ok).toBe(false);
  return response.headers.get('x-clickhouse-exception-code');
}

describe('the read-only port', () => {
  test.each([
    'SELECT a, t.file FROM t',
    'WITH x AS (SELECT 1 AS a) SELECT a FROM x',
    '(SELECT 1)',
    'FROM t SELECT count()',
    'SHOW TABLES',
    'DESCRIBE TABLE t',
    'EXPLAIN SELECT * FROM t',
    'EXISTS TABLE t',
    'SHOW CREATE TABLE t',
    'SELECT * FROM system.settings LIMIT 1',
    "SELECT 'file(1); DROP TABLE t' AS a, `t`.`file` FROM t -- ; file('/etc/passwd')",
    '/* ; */ SELECT number FROM numbers(3);',
    'SELECT a FROM t SETTINGS join_use_nulls = 1, max_threads = 1 FORMAT JSON',
    'SELECT * FROM t SETTINGS max_execution_time = 1',
    'SELECT 1 UNION ALL SELECT * FROM (SELECT 2 SETTINGS max_block_size = 10)',
  ])('reads: %s', async (sql) => {
    const response = await query(sql);
    expect([response.status, response.ok ? '' : await response.text()]).toEqual([200, '']);
  });

  test.each([
    'CREATE TABLE x (a Int8) ENGINE = Memory',
    'CREATE TEMPORARY TABLE x (a Int8)',
    "INSERT INTO t VALUES (2, '')",
    'INSERT INTO t SELECT 1, 2',
    "INSERT INTO FUNCTION file('x.csv', 'CSV', 'a Int8') VALUES (1)",
    'DROP TABLE t',
    'TRUNCATE TABLE t',
    'ALTER TABLE t DELETE WHERE 1',
    'OPTIMIZE TABLE t',
    'SET readonly = 0',
    'SET max_memory_usage = 0',
    'USE system',
    'SYSTEM SHUTDOWN',
    'KILL QUERY WHERE 1',
    'GRANT ALL ON *.* TO default',
    "BACKUP TABLE t TO File('x')",
    'ATTACH TABLE y (a Int8) ENGINE = File(CSV)',
    '/* SELECT */ DROP TABLE t',
    '-- SELECT 1\nDROP TABLE t',
    '# SELECT 1\nDROP TABLE t',
    "SELECT 1 INTO OUTFILE 'TARGET'",
    "SELECT 1 INTO/**/OUTFILE 'TARGET' TRUNCATE",
    'SELECT 1 SETTINGS readonly = 0, max_memory_usage = 0, additional_result_filter = 1',
    "SELECT 1 SETTINGS format_schema = 'x'",
  ])('refuses: %s', async (sql) => {
    expect(await refusal(sql.replace('TARGET', join(directory, 'out')))).toBe('164');
    await expect(access(join(directory, 'out'))).rejects.toThrow();
  });

  test.each(['SELECT 1; DROP TABLE t', 'SELECT 1;;SELECT 2', "SELECT 1; INSERT INTO t VALUES (1, 'x')", 'SELECT (('])(
    'does not take: %s',
    async (sql) => {
      expect(await refusal(sql)).toBe('62');
    },
  );

  test.each([
    "SELECT file('SECRET')",
    "SELECT `file`('SECRET')",
    'SELECT "file"(\'SECRET\')',
    "SELECT `fil\\x65`('SECRET')",
    "SELECT “file”('SECRET')",
    "SELECT/**/file/**/('SECRET')",
    "SELECT * APPLY(file) FROM (SELECT 'SECRET' AS x)",
    "SELECT * APPLY file FROM (SELECT 'SECRET' AS x)",
    "SELECT COLUMNS('x') APPLY (x -> file(x)) FROM (SELECT 'SECRET' AS x)",
    "SELECT arrayMap(file, ['SECRET'])",
    "SELECT arrayMap(x -> file(x), ['SECRET'])",
    "WITH file('SECRET') AS a SELECT a",
    "EXPLAIN SELECT file('SECRET')",
    "EXPLAIN QUERY TREE SELECT file('SECRET')",
    "SELECT 1 WHERE length(file('SECRET')) > 0",
    "SELECT * FROM t WHERE a IN (SELECT length(file('SECRET')))",
    "SELECT * FROM view(SELECT file('SECRET'))",
    "SELECT * FROM eval('SELECT file(\\'SECRET\\')')",
    "SELECT * FROM file('SECRET', 'LineAsString')",
    "DESCRIBE file('SECRET', 'CSVWithNames')",
    "DESCRIBE TABLE file('SECRET')",
    'SELECT * FROM `SECRET`',
    'SELECT * FROM default.`SECRET`',
    "SELECT * FROM fileCluster('default', 'SECRET', 'LineAsString')",
    "SELECT * FROM filesystem('/etc')",
    "SELECT * FROM url('file://SECRET', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM URL('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM s3('http://127.0.0.1:1/bucket/a.csv', 'CSV', 'a String')",
    "SELECT * FROM executable('id', 'LineAsString', 'a String')",
    "SELECT * FROM remote('127.0.0.1', 'system.one')",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM sqlite('SECRET', 'x')",
    "SELECT * FROM icebergLocal('SECRET')",
    "SELECT * FROM format('CSV', '1')",
    "SELECT 1 IN file('SECRET', 'LineAsString')",
    "SELECT catboostEvaluate('SECRET', 1)",
  ])('keeps away from files and the network: %s', async (sql) => {
    expect(await refusal(sql.replaceAll('SECRET', secret))).toBe('164');
  });

  test('does not let parameters stand for what is refused', async () => {
    expect(await refusal('SELECT arrayMap({f:Identifier}, [{path:String}])', { param_f: 'file', param_path: secret })).toBe('164');
    expect(await refusal('SELECT * FROM {t:Identifier}', { param_t: secret })).toBe('164');
    expect(await refusal('SELECT * FROM {t:Identifier}', { param_t: '`file`' })).toBe('164');
    expect(await (await query('SELECT a FROM {t:Identifier}', { param_t: 't' })).text()).toBe('1\n');
    expect(await (await query('SELECT {x:String}', { param_x: "file('/etc/passwd')" })).text()).toBe("file(\\'/etc/passwd\\')\n");
  });

  test('sets what analysts need and nothing else', async () => {
    const nulls = 'SELECT b.y FROM (SELECT 1 AS x) AS a LEFT JOIN (SELECT 2 AS x, 3 AS y) AS b USING x';
    expect(await (await query(nulls)).text()).toBe('0\n');
    expect(await (await query(nulls, { join_use_nulls: '1' })).text()).toBe('\\N\n');
    expect(await (await query(`${nulls} SETTINGS join_use_nulls = 1`)).text()).toBe('\\N\n');
    for (const name of [
      'additional_result_filter',
      'format_schema',
      'allow_introspection_functions',
      'dialect',
      'output_format_schema',
      'format_template_row',
    ])
      expect(await refusal('SELECT 1', { [name]: '1' })).toBe('164');
    expect(await (await query("SELECT getSetting('max_execution_time')", { max_execution_time: '3', readonly: '0' })).text()).toBe('3\n');
    expect(await (await query("SELECT getSetting('max_execution_time')", { max_execution_time: '99999' })).text()).toBe('5\n');
    expect(await (await query("SELECT getSetting('max_memory_usage')", { max_memory_usage: '0' })).text()).toBe('500000000\n');
    expect(await (await query("SELECT getSetting('readonly')")).text()).toBe('1\n');
  });

  test('forgets a request with its end, tolerates sessions, and bounds what a query may take', async () => {
    await query('SELECT 1', { extremes: '1', param_x: '1', session_id: 's' });
    expect(await (await query("SELECT getSetting('extremes')", { session_id: 's' })).text()).toBe('false\n');
    expect(await refusal('SELECT {x:String}', { session_id: 's' })).toBe('456');
    expect(await refusal("SELECT repeat('x', 1000) FROM numbers(100000)")).toBe('396');
    // Half a gigabyte is there long before the time is over, also on a busy machine.
    expect(await refusal("SELECT length(groupArray(repeat('x', 100000 + number % 2))) FROM numbers(1000000)")).toBe('241');
    expect(await refusal(`SELECT '${'x'.repeat(300 * 1024)}'`)).toBe('223');
    expect(await refusal('SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1', { max_execution_time: '0.2' })).toBe(
      '159',
    );
  });
});

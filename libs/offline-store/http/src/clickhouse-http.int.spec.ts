import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { buffer } from 'node:stream/consumers';
import { migrate, offlineStoreMigrations, openOfflineStore, ChdbSession, digest } from '@millrace/offline-store';
import { compressFrameSync } from 'lz4-napi';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { brotliDecompressSync, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { startClickHouseHttp, type ClickHouseHttp } from './clickhouse-http.js';
import { compressBlock, decompressBlocks } from './compressed-blocks.js';

let directory: string;
let session: ChdbSession;
let http: ClickHouseHttp;
let client: ClickHouseClient;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-http-'));
  session = ChdbSession.open(join(directory, 'chdb'));
  http = await startClickHouseHttp({ session, port: 0, readOnly: false, users: [{ user: 'ann', password: 'sécret:' }] });
  client = createClient({
    url: http.url,
    username: 'ann',
    password: 'sécret:',
    log: { level: ClickHouseLogLevel.OFF },
    compression: { request: true, response: true },
  });
  await client.command({ query: 'CREATE DATABASE millrace' });
  await client.command({ query: 'CREATE TABLE millrace.t (a UInt64, s String) ENGINE = MergeTree ORDER BY a' });
});

afterAll(async () => {
  await client.close();
  await http.close();
  await session.close();
  await rm(directory, { recursive: true, force: true });
});

const ask = (path: string, init: RequestInit = {}) =>
  fetch(`${http.url}${path}`, {
    ...init,
    headers: { 'X-ClickHouse-User': 'ann', 'X-ClickHouse-Key': Buffer.from('sécret:').toString('latin1'), ...init.headers },
  });

const query = (sql: string, parameters: Record<string, string> = {}, init: RequestInit = {}) =>
  fetch(`${http.url}/?${new URLSearchParams({ user: 'ann', password: 'sécret:', ...parameters }).toString()}`, {
    method: 'POST',
    body: sql,
    ...init,
  });

const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());

describe('@clickhouse/client against the façade', () => {
  test('pings and reads with parameters', async () => {
    expect((await client.ping()).success).toBe(true);
    expect((await client.ping({ select: true })).success).toBe(true);
    const result = await client.query({
      query: 'SELECT {n:UInt64} AS n, {s:String} AS s, {list:Array(String)} AS list, {none:Nullable(String)} AS none',
      query_params: { n: 7, s: "it's\t\\ ☃", list: ["a'b", 'c'], none: null },
      format: 'JSONEachRow',
    });
    expect(await result.json()).toEqual([{ n: 7, s: "it's\t\\ ☃", list: ["a'b", 'c'], none: null }]);
    expect(result.query_id).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('inserts rows and streams, and streams results', async () => {
    await client.insert({ table: 'millrace.t', values: [{ a: 1, s: 'one' }], format: 'JSONEachRow' });
    await client.insert({
      table: 'millrace.t',
      values: Readable.from(['2\ttwo\n', '3\tthree\n'], { objectMode: false }),
      format: 'TabSeparated',
    });
    const rows = Array.from({ length: 5000 }, (_, i) => ({ a: 10 + i, s: `row ${i}` }));
    const inserted = await client.insert({ table: 'millrace.t', values: Readable.from(rows, { objectMode: true }), format: 'JSONEachRow' });
    expect(inserted.summary).toMatchObject({ written_rows: '5000' });
    const result = await client.query({ query: 'SELECT a, s FROM millrace.t ORDER BY a', format: 'JSONEachRow' });
    let count = 0;
    for await (const chunk of result.stream<{ a: string }>()) count += chunk.length;
    expect(count).toBe(5003);
  });

  test.each(['JSON', 'JSONCompact', 'JSONObjectEachRow', 'JSONCompactEachRowWithNamesAndTypes', 'CSVWithNames', 'TabSeparated'] as const)(
    'answers in %s',
    async (format) => {
      const result = await client.query({
        query: "SELECT number AS n, 'x' AS s FROM numbers(2)",
        format,
        clickhouse_settings: { output_format_write_statistics: 0 },
      });
      expect(await result.text()).toMatchSnapshot();
    },
  );

  test('hands errors on with their number and name', async () => {
    await expect(client.query({ query: 'SELECT * FROM millrace.missing' })).rejects.toMatchObject({ code: '60', type: 'UNKNOWN_TABLE' });
    await expect(client.query({ query: 'SELEC 1' })).rejects.toMatchObject({ code: '62', type: 'SYNTAX_ERROR' });
    await expect(client.command({ query: 'SELECT 1', clickhouse_settings: { no_such_setting: 1 } })).rejects.toMatchObject({
      code: '115',
    });
    await expect(client.insert({ table: 'millrace.t', values: [{ a: 'no number' }], format: 'JSONEachRow' })).rejects.toMatchObject({
      code: '27',
    });
  });

  test('is a server to the offline store', async () => {
    const store = await openOfflineStore({ url: http.url, username: 'ann', password: 'sécret:' });
    try {
      const both = await Promise.all([migrate(store, offlineStoreMigrations), migrate(store, offlineStoreMigrations)]);
      expect(both.flat().filter((file) => file === '0001-decisions.sql')).toHaveLength(1);
      await store.command(
        'CREATE TABLE millrace.once (a UInt64, at DateTime64(3)) ENGINE = ReplacingMergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 10',
      );
      for (let time = 0; time < 2; time++) await store.insert('millrace.once', [{ a: 1, at: '2020-01-01T00:00:00Z' }], 'token');
      expect(await store.query('SELECT a, at FROM millrace.once WHERE a = {a:UInt64}', { a: 1 })).toEqual([
        { a: '1', at: '2020-01-01 00:00:00.000' },
      ]);
      const streamed: unknown[] = [];
      for await (const row of store.stream('SELECT toUInt32(number) AS n FROM numbers(3)')) streamed.push(row);
      expect(streamed).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
      expect((await digest(store, 'millrace.once')).rows).toBe(1);
      const file = await buffer(
        await store.raw("SELECT number AS n, concat('x\n\n', toString(number)) AS text FROM numbers(70000)", 'Parquet'),
      );
      await store.command('CREATE TABLE millrace.loaded (n UInt64, text String) ENGINE = StripeLog');
      await store.load('millrace.loaded', 'Parquet', file);
      expect(
        await store.query(
          'SELECT count() AS rows, countIf(n != place) AS misplaced FROM (SELECT n, rowNumberInAllBlocks() AS place FROM millrace.loaded) SETTINGS max_threads = 1',
        ),
      ).toEqual([{ rows: '70000', misplaced: '0' }]);
      await store.ping();
      await expect(store.query('SELECT nothing')).rejects.toMatchObject({
        name: 'Fault',
        retryable: false,
        details: { clickhouseCode: 47 },
      });
      await expect(
        store.query('SELECT sleepEachRow(1) FROM numbers(3) SETTINGS max_block_size = 1', {}, { deadlineMs: 200 }),
      ).rejects.toMatchObject({
        code: 'MR_DEADLINE_EXCEEDED',
        retryable: true,
      });
    } finally {
      await store.close();
    }
  });
});

describe('the HTTP interface', () => {
  test('answers health checks without a name', async () => {
    for (const path of ['/ping', '/replicas_status', '/']) expect(await (await fetch(`${http.url}${path}`)).text()).toBe('Ok.\n');
    expect((await fetch(`${http.url}/nowhere`)).status).toBe(404);
  });

  test('lets only its users in', async () => {
    const wrong = await fetch(`${http.url}/?query=SELECT+1&user=ann&password=no`);
    expect([wrong.status, wrong.headers.get('x-clickhouse-exception-code')]).toEqual([403, '516']);
    expect((await fetch(`${http.url}/?query=SELECT+1`)).status).toBe(403);
    const basic = { Authorization: `Basic ${Buffer.from('ann:sécret:').toString('base64')}` };
    expect(await (await fetch(`${http.url}/?query=SELECT+1`, { headers: basic })).text()).toBe('1\n');
  });

  test('takes the statement from the URL, the body, or both, and says what it did', async () => {
    expect(await (await query('SELECT 1 FORMAT CSV')).text()).toBe('1\n');
    expect(await (await query('1', { query: 'SELECT' })).text()).toBe('1\n');
    const response = await query('SELECT currentDatabase() AS d, {x:String} AS x', {
      database: 'millrace',
      default_format: 'JSONEachRow',
      param_x: 'a\\tb',
      query_id: 'mine',
    });
    expect(await response.json()).toEqual({ d: 'millrace', x: 'a\tb' });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-clickhouse-format': 'JSONEachRow',
      'x-clickhouse-query-id': 'mine',
      'x-clickhouse-timezone': 'UTC',
      'x-clickhouse-server-display-name': expect.any(String),
      'x-clickhouse-summary': expect.stringContaining('"elapsed_ns"'),
    });
  });

  test.each([
    'Native',
    'RowBinary',
    'RowBinaryWithNamesAndTypes',
    'Parquet',
    'Arrow',
    'ArrowStream',
    'CSV',
    'Avro',
    'ORC',
    'Values',
    'TSVWithNamesAndTypes',
  ])('takes %s in and gives it out, statement in the URL or in front of the data', async (format) => {
    const sql = "SELECT number + 9 AS a, concat('; é\\n', toString(number)) AS s FROM numbers(10)";
    const bytes = await bytesOf(await query(sql, { default_format: format }));
    await query(`CREATE OR REPLACE TABLE millrace.formats (a UInt64, s String) ENGINE = MergeTree ORDER BY a`);
    const insert = `INSERT INTO millrace.formats FORMAT ${format}`;
    expect((await query('', { query: insert }, { body: new Uint8Array(bytes) })).status).toBe(200);
    const both = Buffer.concat([Buffer.from(`-- FORMAT of it\n${insert}\n`), bytes]);
    expect((await query('', {}, { body: new Uint8Array(both) })).status).toBe(200);
    const check = await query("SELECT count(), uniqExact(a, s), sum(a), countIf(startsWith(s, '; é\\n')) FROM millrace.formats");
    expect(await check.text()).toBe('20\t10\t270\t20\n');
  });

  test('takes data for data: nothing in it ends the insert or is run', async () => {
    await query('CREATE OR REPLACE TABLE millrace.data (s String) ENGINE = MergeTree ORDER BY s');
    const hostile = Buffer.from('\n\nDROP TABLE millrace.data;\n\n');
    for (const sql of [
      'INSERT INTO millrace.data FORMAT LineAsString',
      'INSERT INTO millrace.data SETTINGS max_threads = 1 FORMAT RawBLOB',
    ])
      expect((await query('', { query: sql }, { body: new Uint8Array(hostile) })).status).toBe(200);
    await query("INSERT INTO millrace.data VALUES ('a\n\nb'), ('; DROP TABLE millrace.data;')");
    await query("INSERT INTO millrace.data VALUES ('c'); DROP TABLE millrace.data");
    expect(
      Number(
        await (
          await query(
            "SELECT countIf(s = 'a\\n\\nb') + countIf(s LIKE '; DROP%') + countIf(startsWith(s, '\\n\\nDROP')) FROM millrace.data",
          )
        ).text(),
      ),
    ).toBe(3);
  });

  test('compresses as asked', async () => {
    const sql = 'SELECT toString(number) FROM numbers(200000)';
    const plain = await bytesOf(await query(sql));
    const raw = async (parameters: Record<string, string>, headers: Record<string, string> = {}) => {
      // Node's fetch would decode it; this asks the way a client with its own codecs does.
      const { request } = await import('node:http');
      const search = new URLSearchParams({ user: 'ann', password: 'sécret:', query: sql, ...parameters }).toString();
      return new Promise<{ encoding: string | undefined; body: Buffer }>((resolve, reject) => {
        request(`${http.url}/?${search}`, { headers }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => resolve({ encoding: response.headers['content-encoding'], body: Buffer.concat(chunks) }));
        })
          .on('error', reject)
          .end();
      });
    };
    const on = { enable_http_compression: '1' };
    expect((await raw({}, { 'Accept-Encoding': 'gzip' })).encoding).toBeUndefined();
    expect(gunzipSync((await raw(on, { 'Accept-Encoding': 'gzip' })).body).equals(plain)).toBe(true);
    expect(brotliDecompressSync((await raw(on, { 'Accept-Encoding': 'gzip, br;q=0.5' })).body).equals(plain)).toBe(true);
    expect(zstdDecompressSync((await raw(on, { 'Accept-Encoding': 'zstd' })).body).equals(plain)).toBe(true);
    expect((await raw(on, { 'Accept-Encoding': 'lz4' })).encoding).toBe('lz4');
    for (const method of ['LZ4', 'ZSTD', 'NONE']) {
      const { body } = await raw({ compress: '1', network_compression_method: method });
      expect((await decompressBlocks(body, 1e9)).equals(plain)).toBe(true);
    }
  });

  test('reads compressed bodies and refuses damaged ones', async () => {
    const sql = Buffer.from('SELECT 40 + 2');
    const encoded = { gzip: gzipSync(sql), zstd: zstdCompressSync(sql), lz4: compressFrameSync(sql) };
    for (const [encoding, body] of Object.entries(encoded)) {
      const response = await query('', {}, { body: new Uint8Array(body), headers: { 'Content-Encoding': encoding } });
      expect(await response.text()).toBe('42\n');
    }
    for (const method of ['LZ4', 'ZSTD', 'NONE'] as const) {
      const body = Buffer.concat([compressBlock(sql.subarray(0, 5), method), compressBlock(sql.subarray(5), method)]);
      expect(await (await query('', { decompress: '1' }, { body: new Uint8Array(body) })).text()).toBe('42\n');
      body[body.length - 1]! ^= 1;
      expect(await (await query('', { decompress: '1' }, { body: new Uint8Array(body) })).text()).toMatch(
        /^Code: 40\. .*CHECKSUM_DOESNT_MATCH/,
      );
    }
    expect(await (await query('', {}, { body: 'not gzip', headers: { 'Content-Encoding': 'gzip' } })).text()).toMatch(/^Code: 271\./);
    expect((await query('', {}, { body: 'x', headers: { 'Content-Encoding': 'xz' } })).status).toBe(501);
  });

  test('gives errors the status and text of ClickHouse', async () => {
    const syntax = await query('SELECT FROM WHERE');
    expect([syntax.status, syntax.headers.get('x-clickhouse-exception-code')]).toEqual([400, '62']);
    expect(await syntax.text()).toMatch(/^Code: 62\. DB::Exception: Syntax error: [\s\S]*\(SYNTAX_ERROR\) \(version [\d.]+\)\n$/);
    expect((await query('SELECT * FROM millrace.missing')).status).toBe(404);
    expect((await query('')).status).toBe(400);
    expect((await query('SELECT 1; SELECT 2')).status).toBe(400);
    const get = await ask('/?query=DROP+TABLE+millrace.t', {
      headers: { Authorization: `Basic ${Buffer.from('ann:sécret:').toString('base64')}` },
    });
    expect(get.headers.get('x-clickhouse-exception-code')).toBe('164');
    const late = await query('SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1', { max_execution_time: '0.1' });
    expect([late.status, late.headers.get('x-clickhouse-exception-code')]).toEqual([408, '159']);
  });

  test('takes parameters as a form', async () => {
    const form = new FormData();
    form.set('query', 'SELECT {word:String}');
    form.set('param_word', 'é'.repeat(1000));
    expect(await (await query('', {}, { body: form })).text()).toBe(`${'é'.repeat(1000)}\n`);
  });
});

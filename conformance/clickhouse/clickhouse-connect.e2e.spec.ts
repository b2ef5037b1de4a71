import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startClickHouseHttp, type ClickHouseHttp } from '@millrace/clickhouse-http';
import { ChdbSession } from '@millrace/offline-store';
import { ensureVenv, runCommand, tempDir, type TempDir } from '@millrace/testing';
import { join } from 'node:path';

const CLIENT = '1.12.0';

describe('clickhouse-connect', () => {
  let directory: TempDir;
  let session: ChdbSession;
  let writable: ClickHouseHttp;
  let readOnly: ClickHouseHttp;

  beforeAll(async () => {
    directory = await tempDir('clickhouse-connect');
    session = ChdbSession.open(join(directory.path, 'chdb'));
    for (const sql of [
      'CREATE DATABASE millrace',
      'CREATE TABLE millrace.readings (name String, value Float64) ENGINE = MergeTree ORDER BY name',
      "INSERT INTO millrace.readings VALUES ('a', 1), ('b', 2), ('c', 3)",
    ])
      await session.run('write', { sql });
    writable = await startClickHouseHttp({ session, port: 0, readOnly: false });
    readOnly = await startClickHouseHttp({ session, port: 0, readOnly: true });
  });

  afterAll(async () => {
    await writable.close();
    await readOnly.close();
    await session.close();
    await directory.remove();
  });

  test(`${CLIENT} writes where it may and reads everywhere`, async () => {
    const venv = await ensureVenv('clickhouse-connect', [
      `clickhouse-connect==${CLIENT}`,
      'pandas==3.1.1',
      'numpy==2.4.6',
      'lz4==4.4.5',
      'Brotli==1.2.0',
    ]);
    const output = await runCommand(venv.python, [join(import.meta.dirname, 'clickhouse_session.py'), writable.url, readOnly.url]);
    expect(output).toContain(`"client": "${CLIENT}"`);
  }, 600_000);
});

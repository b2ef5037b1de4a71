import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { timerScheduler } from '@millrace/event-log/local';
import { LmdbEventLog } from '@millrace/event-log-lmdb';
import { openOfflineStore, TableProjection, type OfflineStore } from '@millrace/offline-store';
import { freePort, startProcess, tempDir, type RunningProcess, type TempDir } from '@millrace/testing';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const SOURCES = fileURLToPath(new URL('../../../../tools/run-sources.mjs', import.meta.url));
const KILLS = 6;

let directory: TempDir;
let log: LmdbEventLog;
let store: OfflineStore;
let server: RunningProcess;
let port: number;

beforeEach(async () => {
  directory = await tempDir('kill-server');
  port = await freePort();
  server = await serve();
  log = await LmdbEventLog.open({ path: join(directory.path, 'log.mdb') });
  await log.ensureTopic({ name: 'readings', partitions: 3, retention: 'forever' });
  store = await openOfflineStore({ url: `http://127.0.0.1:${port}` });
  await store.command(
    `CREATE TABLE millrace.readings (_topic LowCardinality(String), _partition UInt32, _offset UInt64, n UInt32)
     ENGINE = ReplacingMergeTree ORDER BY (_partition, _offset) SETTINGS non_replicated_deduplication_window = 1000`,
  );
});

afterEach(async () => {
  await store.close();
  await log.close();
  await server.stop();
  await directory.remove();
});

const serve = () =>
  startProcess({
    command: process.execPath,
    args: ['--conditions=source', '--import', SOURCES, MAIN, '--path', join(directory.path, 'data'), '--port', String(port)],
    env: { NODE_OPTIONS: '' },
    readyWhen: /^http:/,
  });

describe('a projection whose ClickHouse is killed under it', () => {
  test('counts each offset exactly once', async () => {
    let inserts = 0;
    let more = () => {};
    const projection = new TableProjection<Buffer>({
      store,
      log,
      name: 'test.readings',
      topic: 'readings',
      table: 'millrace.readings',
      decode: (record) => ({ ok: true, value: record.value }),
      toRows: ({ value }) => value,
      maxRows: 2000,
      maxAgeMs: 5,
      observer: {
        inserted: () => {
          inserts++;
          more();
        },
      },
      scheduler: timerScheduler,
      now: () => Date.now(),
    });
    await projection.start();
    let appended = 0;
    let isOver = false;
    const appending = (async () => {
      while (!isOver) {
        await log.append(
          Array.from({ length: 100 }, () => ({
            topic: 'readings',
            key: null,
            partition: appended % 3,
            value: Buffer.from(`{"n":${appended++}}`),
          })),
        );
      }
    })();
    for (let kill = 0; kill < KILLS; kill++) {
      // After a few more inserts, in the middle of the next ones.
      const enough = inserts + 5 + kill * 3;
      await new Promise<void>((resolve) => (more = () => inserts >= enough && resolve()));
      server.kill('SIGKILL');
      await server.exited;
      server = await serve();
    }
    isOver = true;
    await appending;
    await projection.barrier(60_000);
    await projection.stop();
    const [counted] = await store.query(
      'SELECT toUInt32(count()) AS rows, toUInt32(uniqExact(_partition, _offset)) AS distinct, toUInt32(uniqExact(n)) AS numbers FROM millrace.readings',
    );
    expect(counted).toEqual({ rows: appended, distinct: appended, numbers: appended });
  }, 120_000);
});

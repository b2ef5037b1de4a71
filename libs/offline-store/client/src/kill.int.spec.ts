import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LmdbEventLog } from '@millrace/event-log-lmdb';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openOfflineStore, TableProjection } from './index.js';
import { readings } from './projection.fixture.js';

const CHILD = fileURLToPath(new URL('project-until-killed.ts', import.meta.url));
const SOURCES = fileURLToPath(new URL('../../../../tools/run-sources.mjs', import.meta.url));
const LIVES = 8;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-kill-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** One life: starts the process, lets it project for a while, kills it with SIGKILL. */
async function live(first: number, milliseconds: number): Promise<void> {
  const child = spawn(process.execPath, ['--conditions=source', '--import', SOURCES, CHILD, directory, String(first)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), milliseconds));
  const signal = await new Promise((resolve) => child.on('close', (_, by) => resolve(by)));
  expect({ signal, errors: signal === 'SIGKILL' ? '' : errors }).toEqual({ signal: 'SIGKILL', errors: '' });
}

describe('TableProjection after kill -9', () => {
  test('counts each offset of the log exactly once', async () => {
    // The moment of the kill is the test's one piece of chance; it is told when the test fails.
    const lives = Array.from({ length: LIVES }, () => 50 + Math.floor(Math.random() * 400));
    for (const [life, milliseconds] of lives.entries()) await live(life * 10_000_000, milliseconds);

    const store = await openOfflineStore({ path: join(directory, 'chdb') });
    const log = await LmdbEventLog.open({ path: join(directory, 'log.mdb') });
    const projection = new TableProjection({ ...readings, store, log });
    try {
      const [killed] = await store.query<{ parts: string }>(
        `SELECT count() AS parts FROM system.parts WHERE active AND table = 'readings'`,
      );
      expect(Number(killed?.parts)).toBeGreaterThan(0);
      await projection.start();
      await projection.barrier(60_000);
      const ends = await log.end('readings');
      // Without FINAL: not a single row twice, not even until the next merge.
      const counted = await store.query<{ partition: number; rows: number; distinct: number; last: number }>(
        `SELECT _partition AS partition, toUInt32(count()) AS rows, toUInt32(uniqExact(_offset)) AS distinct, toUInt32(max(_offset)) AS last
           FROM millrace.readings GROUP BY partition ORDER BY partition`,
      );
      expect({ lives, counted }).toEqual({
        lives,
        counted: ends.map((end, partition) => ({ partition, rows: end, distinct: end, last: end - 1 })),
      });
    } finally {
      await projection.stop();
      await log.close();
      await store.close();
    }
  }, 240_000);
});

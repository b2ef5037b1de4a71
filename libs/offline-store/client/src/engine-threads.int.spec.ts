import { expect, test } from '@jest/globals';
import { tempDir, waitFor } from '@millrace/testing';
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority, totalmem } from 'node:os';
import { ChdbSession } from './chdb-session.js';

const onLinux = process.platform === 'linux' ? test : test.skip;

/** Threads of this process by what they are called, with their niceness beside the process's. */
function nicenessOf(name: string): number[] {
  return readdirSync('/proc/self/task')
    .filter((task) => readFileSync(`/proc/self/task/${task}/comm`, 'latin1').trimEnd() === name)
    .map((task) => getPriority(Number(task)) - getPriority());
}

onLinux("the engine's threads give way to the process's own, those that come later too", async () => {
  await using temp = await tempDir('engine-threads');
  const session = ChdbSession.open(temp.path);
  try {
    const sql = 'SELECT count() FROM (SELECT number % 1000 AS n, sum(number) FROM numbers_mt(20000000) GROUP BY n)';
    await Promise.all(Array.from({ length: 4 }, () => session.run('read', { sql, settings: { max_threads: 8 } })));
    await waitFor(() => {
      // Another test of this process may have left threads enough in the pool: then no new ones come.
      const pool = nicenessOf('ThreadPool');
      return pool.length > 0 && pool.every((niceness) => niceness === 10);
    });
    expect(nicenessOf('libuv-worker').every((niceness) => niceness === 0)).toBe(true);
    expect(getPriority(process.pid)).toBe(getPriority());
  } finally {
    await session.close();
  }
});

test('what a statement of somebody’s may take is bounded by the machine', async () => {
  await using temp = await tempDir('guest-memory');
  const session = ChdbSession.open(temp.path);
  try {
    expect(session.guestMemoryBytes).toBeLessThanOrEqual(Math.max(2 ** 30, totalmem() / 4));
  } finally {
    await session.close();
  }
});

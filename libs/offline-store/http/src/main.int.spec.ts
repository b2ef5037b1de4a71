import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openOfflineStore } from '@millrace/offline-store';
import { startProcess, tempDir, type RunningProcess, type TempDir } from '@millrace/testing';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const SOURCES = fileURLToPath(new URL('../../../../tools/run-sources.mjs', import.meta.url));

let directory: TempDir;

beforeEach(async () => {
  directory = await tempDir('clickhouse-main');
});

afterEach(async () => {
  await directory.remove();
});

async function serve(): Promise<{ process: RunningProcess; url: string }> {
  let url = '';
  const process_ = await startProcess({
    command: process.execPath,
    args: ['--conditions=source', '--import', SOURCES, MAIN, '--path', join(directory.path, 'data'), '--port', '0'],
    env: { NODE_OPTIONS: '' },
    readyWhen: /^http:/,
    onLine: (line) => {
      if (line.startsWith('http:')) url = line;
    },
  });
  return { process: process_, url };
}

test('the server keeps its data through SIGTERM and SIGKILL, and ends by itself', async () => {
  for (const [life, end] of (['SIGTERM', 'SIGKILL', 'SIGTERM'] as const).entries()) {
    const server = await serve();
    const store = await openOfflineStore({ url: server.url });
    await store.command('CREATE TABLE IF NOT EXISTS millrace.kept (life UInt32) ENGINE = MergeTree ORDER BY life');
    await store.insert('millrace.kept', [{ life }], `life:${life}`);
    expect(await store.query('SELECT life FROM millrace.kept ORDER BY life')).toEqual(
      Array.from({ length: life + 1 }, (_, n) => ({ life: n })),
    );
    // More at a time than Node's pool has threads by default.
    await Promise.all(Array.from({ length: 6 }, () => store.query('SELECT sleep(0.2)')));
    await store.close();
    server.process.kill(end);
    expect(await server.process.exited).toEqual(end === 'SIGKILL' ? { code: null, signal: 'SIGKILL' } : { code: 0, signal: null });
  }
});

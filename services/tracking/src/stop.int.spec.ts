import { expect, test } from '@jest/globals';
import { freePort, startFromSources, tempDir, waitFor } from '@millrace/testing';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const CLIENTS = 4;
const POINTS = Array.from({ length: 50 }, (_, step) => ({ key: 'm', value: step, step, timestamp: step }));

test('a process that is told to end while points are logged comes to the end of its stop', async () => {
  const directory = await tempDir('tracking-stop');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = { MILLRACE_DATA_DIR: directory.path, MILLRACE_PORT: String(port), MILLRACE_CLICKHOUSE_PORT: '0' };
  const child = await startFromSources('tracking', ['services/tracking/src/main.ts'], `${url}/readyz`, env);
  try {
    const post = async (path: string, body: unknown): Promise<unknown> => {
      const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
      return (await fetch(`${url}/api/2.0/mlflow/${path}`, init)).json();
    };
    let answers = 0;
    const clients = Array.from({ length: CLIENTS }, async () => {
      try {
        for (;;) {
          const { run } = (await post('runs/create', { experiment_id: '0' })) as { run: { info: { run_id: string } } };
          for (let batch = 0; batch < 10; batch++, answers++) await post('runs/log-batch', { run_id: run.info.run_id, metrics: POINTS });
        }
      } catch {
        // The process has gone.
      }
    });
    await waitFor(() => answers > 50 * CLIENTS, { what: 'load', timeoutMs: 60_000 });
    child.kill('SIGTERM');
    expect((await child.exited).code).toBe(0);
    await Promise.all(clients);
    // The data directory is let go last of all.
    expect(existsSync(join(directory.path, 'millrace.lock'))).toBe(false);
  } finally {
    await child.stop();
    await directory.remove();
  }
});

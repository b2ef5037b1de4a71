import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, type TempDir } from '@millrace/testing';
import { trackingConfig, TrackingModule } from './index.js';

const ADMIN_KEY = 'an-admin-key-of-the-tests-0123456789';

describe('live events of a run, where keys are asked for', () => {
  let directory: TempDir;
  let running: RunningService;
  let runId: string;

  beforeAll(async () => {
    directory = await tempDir('live-events');
    const environment = {
      ...{ MILLRACE_DATA_DIR: directory.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_LOG_LEVEL: 'error' },
      ...{ MILLRACE_AUTH: 'required', MILLRACE_ADMIN_KEY: ADMIN_KEY },
    };
    running = await bootstrap(TrackingModule, loadConfig([trackingConfig], environment));
    const { run } = (await call('POST', '/api/2.0/mlflow/runs/create', { experiment_id: '0' })) as { run: { info: { run_id: string } } };
    runId = run.info.run_id;
  }, 60_000);
  afterAll(async () => {
    await running.close();
    await directory.remove();
  });

  async function call(method: string, path: string, body?: object): Promise<unknown> {
    const headers = { authorization: `Bearer ${ADMIN_KEY}`, ...(body ? { 'content-type': 'application/json' } : {}) };
    return (await fetch(`${running.url}${path}`, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) })).json();
  }
  const open = (key: string) => fetch(`${running.url}/api/v1/runs/${runId}/events`, { headers: { authorization: `Bearer ${key}` } });

  test.each<[string, number | undefined, string]>([
    ['is revoked', undefined, 'was revoked'],
    ['expires', 1500, 'has expired'],
  ])(
    'a stream ends when its key %s, and says so; another goes on',
    async (what, livesMs, reason) => {
      const name = what.replace(' ', '-');
      const asked = { name, role: 'viewer', ...(livesMs === undefined ? {} : { expiresAt: new Date(Date.now() + livesMs).toISOString() }) };
      const { key, keyId } = (await call('POST', '/api/v1/access/keys', asked)) as { key: string; keyId: string };
      const [mine, others] = [await open(key), await open(ADMIN_KEY)];
      expect([mine.status, others.status]).toEqual([200, 200]);
      if (livesMs === undefined) await call('DELETE', `/api/v1/access/keys/${keyId}`);
      const text = await mine.text();
      expect(text).toContain('event: run');
      const last = text.trimEnd().split('\n\n').at(-1);
      expect(last).toBe(`event: end\ndata: {"code":"MR_ACCESS_UNAUTHENTICATED","detail":"the API key ${name} ${reason}"}`);
      expect((await open(key)).status).toBe(401);
      // The admin's stream tells of what comes after.
      await call('POST', '/api/2.0/mlflow/runs/log-metric', { run_id: runId, key: 'm', value: 1, timestamp: 1 });
      const decoder = new TextDecoder();
      let told = '';
      for await (const chunk of others.body as unknown as AsyncIterable<Uint8Array>) {
        told += decoder.decode(chunk);
        if (told.includes('event: points')) break;
      }
      expect(told).toContain('event: points');
    },
    30_000,
  );
});

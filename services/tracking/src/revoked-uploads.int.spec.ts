import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { readdir } from 'node:fs/promises';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { trackingConfig, TrackingModule } from './index.js';

const ADMIN_KEY = 'an-admin-key-of-the-tests-0123456789';
const PROXY = '/api/2.0/mlflow-artifacts';

describe('an upload that runs, where keys are asked for', () => {
  let directory: TempDir;
  let running: RunningService;

  beforeAll(async () => {
    directory = await tempDir('revoked-uploads');
    const environment = {
      ...{ MILLRACE_DATA_DIR: directory.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_LOG_LEVEL: 'fatal' },
      ...{ MILLRACE_AUTH: 'required', MILLRACE_ADMIN_KEY: ADMIN_KEY, MILLRACE_ARTIFACTS: `file:${join(directory.path, 'files')}` },
    };
    running = await bootstrap(TrackingModule, loadConfig([trackingConfig], environment));
  }, 60_000);
  afterAll(async () => {
    await running.close();
    await directory.remove();
  });

  async function call(method: string, path: string, body?: object): Promise<unknown> {
    const headers = { authorization: `Bearer ${ADMIN_KEY}`, ...(body ? { 'content-type': 'application/json' } : {}) };
    return (await fetch(`${running.url}${path}`, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) })).json();
  }

  /** Every file of the store, finished or not. */
  async function files(): Promise<string[]> {
    const found = await readdir(join(directory.path, 'files'), { recursive: true, withFileTypes: true });
    return found.filter((one) => one.isFile()).map((one) => one.name);
  }

  function upload(path: string, key: string): { sent: ClientRequest; answered: Promise<{ status: number | undefined; text: string }> } {
    const sent = request(`${running.url}${path}`, { method: 'PUT', headers: { authorization: `Bearer ${key}` } });
    const answered = new Promise<IncomingMessage>((resolve, reject) => sent.once('response', resolve).once('error', reject)).then(
      async (response) => {
        let text = '';
        for await (const chunk of response) text += String(chunk);
        return { status: response.statusCode, text };
      },
    );
    return { sent, answered };
  }

  test.each<[string, number | undefined, string]>([
    ['is revoked', undefined, 'was revoked'],
    ['expires', 2500, 'has expired'],
  ])(
    'is cut off when its key %s, and leaves nothing; another goes on',
    async (what, livesMs, reason) => {
      const name = what.replace(' ', '-');
      const asked = { name, role: 'editor', ...(livesMs === undefined ? {} : { expiresAt: new Date(Date.now() + livesMs).toISOString() }) };
      const { key, keyId } = (await call('POST', '/api/v1/access/keys', asked)) as { key: string; keyId: string };
      const { upload_id } = (await call('POST', `${PROXY}/mpu/create/${name}`, { path: 'parts', num_parts: 1 })) as { upload_id: string };
      const before = await files();
      const mine = upload(`${PROXY}/artifacts/${name}/mine`, key);
      const part = upload(`${PROXY}/mpu/part/${name}/parts?upload_id=${encodeURIComponent(upload_id)}&part_number=1`, key);
      const others = upload(`${PROXY}/artifacts/${name}/others`, ADMIN_KEY);
      for (const { sent } of [mine, part, others]) sent.write('the first half, ');
      await waitFor(async () => (await files()).length === before.length + 3);
      if (livesMs === undefined) await call('DELETE', `/api/v1/access/keys/${keyId}`);
      for (const { answered } of [mine, part]) {
        const { status, text } = await answered;
        expect([status, text]).toEqual([401, expect.stringContaining(`the API key ${name} ${reason}`)]);
      }
      others.sent.end('the second half');
      expect((await others.answered).status).toBe(200);
      await waitFor(async () => (await files()).length === before.length + 1);
      const kept = await fetch(`${running.url}${PROXY}/artifacts/${name}/others`, { headers: { authorization: `Bearer ${ADMIN_KEY}` } });
      expect(await kept.text()).toBe('the first half, the second half');
      const gone = await fetch(`${running.url}${PROXY}/artifacts/${name}/mine`, { headers: { authorization: `Bearer ${ADMIN_KEY}` } });
      expect(gone.status).toBe(404);
    },
    30_000,
  );

  test('leaves nothing when its client goes', async () => {
    const before = await files();
    const { sent, answered } = upload(`${PROXY}/artifacts/left`, ADMIN_KEY);
    sent.write('the first half, ');
    await waitFor(async () => (await files()).length === before.length + 1);
    sent.destroy();
    await expect(answered).rejects.toThrow();
    await waitFor(async () => (await files()).length === before.length);
  }, 30_000);
});

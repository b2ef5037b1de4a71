import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { embeddedTopology, repositoryRoot, tempDir, waitFor, type TempDir, type Topology } from '@millrace/testing';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

let temp: TempDir;
let platform: Topology;

beforeAll(async () => {
  temp = await tempDir('backup');
});
afterAll(async () => {
  await platform.stop();
  await temp.remove();
});

const [backUp = '', restore = ''] = [
  ...readFileSync(join(repositoryRoot, 'docs/how-to/back-up-and-restore.md'), 'utf8').matchAll(/^```sh\n(.*?)^```/gms),
].map(([, block]) => block);

/** A block of the page as it is typed, on this folder. */
function typed(block: string, folder: string): Promise<unknown> {
  const env = { ...process.env, MILLRACE_DATA_DIR: join(temp.path, folder), BACKUP: join(temp.path, 'backup.tar') };
  return promisify(execFile)('sh', ['-ec', block], { env });
}

async function ask<T>(path: string, body?: unknown, type = 'application/json'): Promise<T> {
  const init = body === undefined ? {} : { method: 'POST', headers: { 'content-type': type } };
  const response = await fetch(`${platform.url}${path}`, {
    ...init,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return JSON.parse(text) as T;
}

async function start(folder: string): Promise<void> {
  platform = await embeddedTopology(join(temp.path, folder));
  await platform.start();
}

const SOURCE = `apiVersion: millrace.dev/v1
kind: Source
metadata: {name: visits}
spec: {topic: visits, eventTime: at, eventId: id, schema: {id: String, at: DateTime64(3), shop: String}}
`;
const EVENT = '{"id": "1", "at": "2026-01-01T00:00:00Z", "shop": "north"}';
const MLFLOW = '/api/2.0/mlflow';

test('what was backed up as the page says is there after it was restored as the page says', async () => {
  await start('data');
  const { experiment_id } = await ask<{ experiment_id: string }>(`${MLFLOW}/experiments/create`, { name: 'kept' });
  const { run } = await ask<{ run: { info: { run_id: string } } }>(`${MLFLOW}/runs/create`, { experiment_id });
  const { run_id } = run.info;
  await ask(`${MLFLOW}/runs/log-metric`, { run_id, key: 'rmse', value: 0.7, timestamp: 1, step: 0 });
  const file = `/api/2.0/mlflow-artifacts/artifacts/${experiment_id}/${run_id}/artifacts/notes.txt`;
  expect((await fetch(`${platform.url}${file}`, { method: 'PUT', body: 'kept as well' })).status).toBe(200);
  await ask('/api/v1/apply', SOURCE, 'application/yaml');
  await waitFor(() => ask('/api/v1/sources/visits/events', EVENT, 'application/x-ndjson'), { what: 'the source to take events' });
  const hook = {
    name: 'told',
    url: 'https://example.org/hook',
    events: [{ entity: 'MODEL_VERSION', action: 'CREATED' }],
    secret: 'a secret',
  };
  await ask(`${MLFLOW}/webhooks`, hook);

  await expect(typed(backUp, 'data')).rejects.toThrow();
  await platform.stop();
  await typed(backUp, 'data');
  const before = readdirSync(join(temp.path, 'data'));

  await typed(restore, 'restored');
  await expect(typed(restore, 'restored')).rejects.toThrow();
  expect(readdirSync(join(temp.path, 'restored')).sort()).toEqual(before.filter((name) => !/^(online|state)/.test(name)).sort());
  await start('restored');

  const restored = await ask<{ run: { data: { metrics: unknown[] } } }>(`${MLFLOW}/runs/get?run_id=${run_id}`);
  expect(restored.run.data.metrics).toMatchObject([{ key: 'rmse', value: 0.7 }]);
  expect(await (await fetch(`${platform.url}${file}`)).text()).toBe('kept as well');
  expect(await ask(`${MLFLOW}/webhooks`)).toMatchObject({ webhooks: [{ name: 'told' }] });
  const rows = await fetch(`${platform.clickhouseUrl}/`, { method: 'POST', body: 'SELECT id, shop FROM millrace.source_visits' });
  expect(await rows.text()).toBe('1\tnorth\n');
}, 300_000);

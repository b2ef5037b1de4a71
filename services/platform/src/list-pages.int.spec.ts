import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { platformConfig } from './config.js';
import { PlatformModule } from './platform.module.js';

const ADMIN_KEY = 'an-admin-key-for-tests-only-0123456789';
const NAMES = ['a', 'b', 'c'];
const MLFLOW = '/api/2.0/mlflow';

const RESOURCES = `
${NAMES.map(
  (name) => `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: ${name}}
spec: {topic: topic-${name}, key: town, eventTime: at, eventId: id, schema: {id: String, at: DateTime64(3), town: String}}
---`,
).join('')}
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: town}
spec: {joinKeys: {town: String}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: towns}
spec: {entity: town, source: a, features: [{name: events_1h, aggregate: count, window: 1h}]}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: town_model}
spec: {features: [towns]}
---
apiVersion: millrace.dev/v1
kind: Policy
metadata: {name: all}
spec: {models: ['*'], aliases: ['champion'], approvals: 1}
`;

let temp: TempDir;
let platform: RunningService;

async function call(method: string, path: string, body?: object | string): Promise<{ status: number; json: never }> {
  const isText = typeof body === 'string';
  const response = await fetch(`${platform.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': isText ? 'application/yaml' : 'application/json' },
    ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as never };
}

async function done<T>(method: string, path: string, body?: object | string): Promise<T> {
  const { status, json } = await call(method, path, body);
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(json)}`);
  return json;
}

beforeAll(async () => {
  temp = await tempDir('list-pages');
  const environment = {
    ...{ MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_GRPC_PORT: '0' },
    ...{ MILLRACE_AUTH: 'required', MILLRACE_ADMIN_KEY: ADMIN_KEY, MILLRACE_LOG_LEVEL: 'fatal' },
  };
  platform = await bootstrap(PlatformModule, loadConfig(platformConfig, environment), { service: 'platform' });
  await done('POST', '/api/v1/apply', RESOURCES);
  for (const [index, name] of NAMES.entries()) {
    await done('POST', '/api/v1/access/keys', { name, role: 'viewer' });
    await done('POST', `${MLFLOW}/webhooks`, {
      ...{ name, url: 'http://127.0.0.1:9/hook', events: [{ entity: 'REGISTERED_MODEL', action: 'CREATED' }], status: 'DISABLED' },
    });
    await done('POST', `${MLFLOW}/registered-models/create`, { name });
    await done('POST', `${MLFLOW}/model-versions/create`, { name, source: 's3://elsewhere/model' });
    await done('POST', `/api/v1/models/${name}/promotions`, { version: 1, alias: 'champion' });
    const spine = { rows: [{ town: name, timestamp: `2026-01-0${index + 1}T00:00:00Z` }] };
    const asked = { featureService: 'town_model', timestampColumn: 'timestamp', spine };
    // 503 while the source that was just applied is being started.
    await waitFor(async () => (await call('POST', '/api/v1/training-sets?wait=30s', asked)).status === 200, { what: 'a training set' });
  }
  await done('POST', '/api/v1/models/b/promotions/1/withdraw', {});
  await waitFor(async () => (await done<{ sources: object[] }>('GET', '/api/v1/sources')).sources.length === NAMES.length);
}, 120_000);
afterAll(async () => {
  await platform.close();
  await temp.remove();
});

type Page = Readonly<Record<string, unknown>> & { readonly nextPageToken?: string };

test.each([
  ['/api/v1/promotions', 'promotions', 'MR_REGISTRY_REQUEST_INVALID'],
  ['/api/v1/webhooks', 'webhooks', 'MR_REGISTRY_REQUEST_INVALID'],
  ['/api/v1/sources', 'sources', 'MR_FEATURES_SOURCE_INVALID'],
  ['/api/v1/training-sets', 'trainingSets', 'MR_FEATURES_TRAINING_SET_INVALID'],
  ['/api/v1/access/keys', 'keys', 'MR_ACCESS_REQUEST_INVALID'],
])('%s is read in pages', async (path, field, code) => {
  // What a source is about to read may move while it is looked at.
  const named = (item: object): unknown => (field === 'sources' ? (item as { name: string }).name : item);
  const whole = await done<Page>('GET', path);
  const all = (whole[field] as object[]).map(named);
  expect(all).toHaveLength(NAMES.length);
  expect(whole).not.toHaveProperty('nextPageToken');
  const paged: unknown[] = [];
  const sizes: number[] = [];
  let token: string | undefined;
  do {
    const page = await done<Page>('GET', `${path}?limit=2${token === undefined ? '' : `&pageToken=${encodeURIComponent(token)}`}`);
    const items = page[field] as object[];
    paged.push(...items.map(named));
    sizes.push(items.length);
    token = page.nextPageToken;
  } while (token !== undefined);
  expect(paged).toEqual(all);
  expect(sizes).toEqual([2, 1]);
  for (const limit of ['0', '1001', 'many']) {
    expect(await call('GET', `${path}?limit=${limit}`)).toEqual({
      status: 400,
      json: expect.objectContaining({ code, detail: 'limit must be a whole number from 1 to 1000' }),
    });
  }
  if (field === 'sources') return;
  expect(await call('GET', `${path}?pageToken=nonsense`)).toEqual({
    status: 400,
    json: expect.objectContaining({ code, detail: 'pageToken is not one this list gave' }),
  });
});

test('promotion requests of one status are paged, also after one that has another by now', async () => {
  const open = await done<{ promotions: { model: string }[]; nextPageToken: string }>('GET', '/api/v1/promotions?status=open&limit=1');
  expect(open.promotions).toEqual([expect.objectContaining({ model: 'a', status: 'open' })]);
  await done('POST', '/api/v1/models/a/promotions/1/withdraw', {});
  const next = await done<Page>('GET', `/api/v1/promotions?status=open&limit=1&pageToken=${open.nextPageToken}`);
  expect(next).toEqual({ promotions: [expect.objectContaining({ model: 'c', status: 'open' })] });
  expect(await done<Page>('GET', '/api/v1/models/c/promotions?limit=1')).toEqual(next);
});

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { Module } from '@nestjs/common';
import { loadConfig } from '../config/config.js';
import { bootstrap, type RunningService } from '../http/bootstrap.js';

@Module({})
class EmptyModule {}

const ENTITY = `
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: airport, description: where planes leave}
spec: {joinKeys: {origin: String}}
`;

let temp: TempDir;
let service: RunningService;
const start = () =>
  bootstrap(EmptyModule, loadConfig([], { MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0', MILLRACE_LOG_LEVEL: 'error' }));

beforeAll(async () => {
  temp = await tempDir('resources');
  service = await start();
  await waitFor(async () => (await fetch(`${service.url}/readyz`)).ok);
}, 60_000);
afterAll(async () => {
  await service.close();
  await temp.remove();
});

async function call(method: string, path: string, body?: string, headers: Record<string, string> = {}) {
  const init: RequestInit = { method, headers: { ...(body === undefined ? {} : { 'content-type': 'application/yaml' }), ...headers } };
  if (body !== undefined) init.body = body;
  const response = await fetch(`${service.url}${path}`, init);
  return {
    status: response.status,
    position: response.headers.get('millrace-position'),
    body: (await response.json()) as Record<string, unknown>,
  };
}

test('what is applied can be read at its position, and applied again changes nothing', async () => {
  const applied = await call('POST', '/api/v1/apply', ENTITY);
  expect(applied.status).toBe(200);
  expect(applied.body).toEqual({
    dryRun: false,
    documents: [{ kind: 'Entity', name: 'airport', outcome: 'created', version: 1, position: applied.position }],
  });
  const read = await call('GET', '/api/v1/resources/entity/airport', undefined, { 'at-least': String(applied.position) });
  expect(read.body).toMatchObject({
    kind: 'Entity',
    metadata: { name: 'airport', description: 'where planes leave' },
    spec: { joinKeys: { origin: 'String' } },
    status: { version: 1 },
  });
  expect((await call('POST', '/api/v1/apply', ENTITY)).body).toMatchObject({ documents: [{ outcome: 'unchanged', version: 1 }] });
});

test('an Idempotency-Key gets the first reply, also when the text has changed since', async () => {
  const text = ENTITY.replace('airport', 'harbour');
  const first = await call('POST', '/api/v1/apply', text, { 'idempotency-key': 'k1' });
  const second = await call('POST', '/api/v1/apply', text.replace('planes', 'ships'), { 'idempotency-key': 'k1' });
  expect(second.position).toBe(first.position);
});

test('a dry run that is asked for in other words is refused, and nothing is applied', async () => {
  const text = ENTITY.replace('airport', 'quay');
  for (const query of ['dryRun=yes', 'dryRun=1', 'dryRun', 'dry_run=true', 'dryRun=true&dryRun=false']) {
    const { status, body } = await call('POST', `/api/v1/apply?${query}`, text);
    expect([status, body['code'], body['detail']]).toEqual([400, 'MR_RESOURCES_REQUEST_INVALID', expect.stringContaining('true or false')]);
  }
  expect((await call('GET', '/api/v1/resources/entity/quay')).status).toBe(404);
  expect((await call('POST', '/api/v1/apply?dryRun=true', text)).body).toMatchObject({ dryRun: true, documents: [{ outcome: 'created' }] });
  expect((await call('GET', '/api/v1/resources/entity/quay')).status).toBe(404);
});

test('every problem is told with its document and field, as a problem document', async () => {
  const wrong = await call(
    'POST',
    '/api/v1/apply',
    `${ENTITY.replace('joinKeys', 'joinKey')}---${ENTITY.replace('String', 'Text').replace('airport', 'b')}`,
  );
  expect(wrong.status).toBe(422);
  expect(wrong.body).toMatchObject({ code: 'MR_RESOURCES_INVALID', status: 422 });
  const { problems } = wrong.body['details'] as { problems: { document: number; field: string }[] };
  expect(problems.map(({ document, field }) => [document, field])).toEqual(
    expect.arrayContaining([
      [1, 'spec.joinKeys'],
      [2, 'spec.joinKeys.origin'],
    ]),
  );
});

test('lists are paged, kinds are found as people type them', async () => {
  await call('POST', '/api/v1/apply', ['a', 'b', 'c'].map((name) => ENTITY.replace('airport', name)).join('---'));
  const seen: string[] = [];
  let token: string | undefined;
  do {
    const page = await call('GET', `/api/v1/resources?kind=entities&limit=2${token ? `&pageToken=${token}` : ''}`);
    seen.push(...(page.body['resources'] as { metadata: { name: string } }[]).map((resource) => resource.metadata.name));
    token = page.body['nextPageToken'] as string | undefined;
  } while (token);
  expect(seen).toEqual([...seen].sort());
  expect(seen).toEqual(expect.arrayContaining(['a', 'b', 'c', 'airport']));
});

test('a deleted resource is gone, its versions stay readable, and what is not there is 404', async () => {
  await call('POST', '/api/v1/apply', ENTITY.replace('airport', 'gone'));
  expect((await call('DELETE', '/api/v1/resources/Entity/gone')).body).toMatchObject({ deleted: true });
  expect((await call('GET', '/api/v1/resources/Entity/gone')).status).toBe(404);
  expect((await call('GET', '/api/v1/resources/Entity/gone?version=1')).status).toBe(200);
  expect((await call('DELETE', '/api/v1/resources/Entity/gone')).status).toBe(404);
  expect((await call('GET', '/api/v1/resources/Pipeline/x')).status).toBe(400);
});

test('resources are there after a restart, folded from the log', async () => {
  await service.close();
  service = await start();
  await waitFor(async () => (await fetch(`${service.url}/readyz`)).ok);
  expect((await call('GET', '/api/v1/resources/Entity/airport')).status).toBe(200);
}, 60_000);

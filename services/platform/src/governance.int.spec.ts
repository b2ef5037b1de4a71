import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { encodeDecision } from '@millrace/event-log';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { platformConfig } from './config.js';
import { PlatformModule } from './platform.module.js';

const ADMIN_KEY = 'an-admin-key-for-tests-only-0123456789';

let temp: TempDir;
let platform: RunningService;
const keys = new Map([['admin', ADMIN_KEY]]);

beforeAll(async () => {
  temp = await tempDir('governance');
  const environment = {
    ...{ MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_GRPC_PORT: '0' },
    ...{ MILLRACE_AUTH: 'required', MILLRACE_ADMIN_KEY: ADMIN_KEY, MILLRACE_LOG_LEVEL: 'fatal' },
  };
  platform = await bootstrap(PlatformModule, loadConfig(platformConfig, environment), { service: 'platform' });
  for (const [name, role] of Object.entries({ ana: 'editor', ed: 'editor', bob: 'approver', bea: 'approver' })) {
    const { key } = (await send('admin', 'POST', '/api/v1/access/keys', { name, role })) as { key: string };
    keys.set(name, key);
  }
}, 120_000);
afterAll(async () => {
  await platform.close();
  await temp.remove();
});

const FEATURES = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: flights}
spec: {topic: flights, key: origin, eventTime: departed, eventId: id, schema: {id: String, departed: DateTime64(3), origin: String}}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: airport}
spec: {joinKeys: {origin: String}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: departures}
spec: {entity: airport, source: flights, features: [{name: departures_1h, aggregate: count, window: 1h}]}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: delays}
spec: {features: [departures]}
`;

const MLFLOW = '/api/2.0/mlflow';

interface Promotion {
  readonly request: number;
  readonly status: string;
  readonly unmet?: readonly { readonly policy: string; readonly check?: string; readonly message: string }[];
}

async function answer(
  actor: string,
  method: string,
  path: string,
  body?: object | string,
  more: Readonly<Record<string, string>> = {},
): Promise<{ status: number; text: string }> {
  const isText = typeof body === 'string';
  const headers = {
    'content-type': isText ? 'application/yaml' : 'application/json',
    authorization: `Bearer ${keys.get(actor) ?? ''}`,
    ...more,
  };
  const response = await fetch(`${platform.url}${path}`, {
    ...{ method, headers },
    ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

async function send(actor: string, method: string, path: string, body?: object | string): Promise<never> {
  const { status, text } = await answer(actor, method, path, body);
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
  return JSON.parse(text) as never;
}

/** A policy over the alias `champion` of one model. */
async function govern(model: string, spec: object, name = model): Promise<void> {
  const whole = { models: [model], aliases: ['champion'], approvals: 0, ...spec };
  const resource = { apiVersion: 'millrace.dev/v1', kind: 'Policy', metadata: { name }, spec: whole };
  await send('admin', 'POST', '/api/v1/apply', JSON.stringify(resource));
}

/** A registered model with one version whose MLmodel is the text. */
async function register(name: string, mlmodel = 'flavors: {}'): Promise<void> {
  await send('ana', 'POST', `${MLFLOW}/registered-models/create`, { name });
  const { run } = (await send('ana', 'POST', `${MLFLOW}/runs/create`, { experiment_id: '0', start_time: Date.now() })) as {
    run: { info: { artifact_uri: string } };
  };
  const uri = run.info.artifact_uri;
  await send('ana', 'PUT', `/api/2.0/mlflow-artifacts/artifacts/${uri.replace(/^mlflow-artifacts:\/+/, '')}/model/MLmodel`, mlmodel);
  await send('ana', 'POST', `${MLFLOW}/model-versions/create`, { name, source: `${uri}/model` });
}

const tag = (name: string, key: string, value: string): Promise<unknown> =>
  send('ana', 'POST', `${MLFLOW}/model-versions/set-tag`, { name, version: '1', key, value });

const shown = async (name: string): Promise<Promotion> => await send('ana', 'GET', `/api/v1/models/${name}/promotions/1`);

const request = async (name: string, version = 1): Promise<Promotion> =>
  await send('ana', 'POST', `/api/v1/models/${name}/promotions`, { version, alias: 'champion' });

test('approving and rejecting take the role approver', async () => {
  await register('hooked');
  await govern('hooked', { approvals: 1 });
  expect(await request('hooked')).toMatchObject({ status: 'open' });
  for (const [verb, body] of Object.entries({ approve: {}, reject: { reason: 'no' } })) {
    const refused = await answer('ed', 'POST', `/api/v1/models/hooked/promotions/1/${verb}`, body);
    expect([refused.status, JSON.parse(refused.text)]).toEqual([403, expect.objectContaining({ code: 'MR_ACCESS_FORBIDDEN' })]);
  }
  expect(await send('bob', 'POST', '/api/v1/models/hooked/promotions/1/approve', {})).toMatchObject({ status: 'promoted' });
});

test('checks of one name in two policies are both made', async () => {
  await register('two');
  await tag('two', 'licence', 'Evil');
  await govern('two', { checks: [{ name: 'licence', type: 'licence', allowed: ['*'] }] }, 'any-licence');
  await govern('two', { checks: [{ name: 'licence', type: 'licence', allowed: ['MIT'] }] }, 'open-licence');
  expect(await request('two')).toMatchObject({
    status: 'open',
    unmet: [{ policy: 'open-licence', check: 'licence', message: expect.stringContaining('Evil is not one of MIT') }],
  });
  const { checks } = (await send('ana', 'GET', '/api/v1/models/two/versions/1/checks')) as { checks: object[] };
  expect(checks).toEqual([
    expect.objectContaining({ check: 'licence', policy: 'any-licence', passed: true }),
    expect.objectContaining({ check: 'licence', policy: 'open-licence', passed: false }),
  ]);
});

test('what a check looked at may change until the promotion: it is looked at again', async () => {
  await register('later');
  await tag('later', 'licence', 'MIT');
  await govern('later', { approvals: 1, checks: [{ name: 'licence', type: 'licence', allowed: ['MIT'] }] });
  expect((await request('later')).unmet).toHaveLength(1);
  await tag('later', 'licence', 'Proprietary');
  expect(await send('bob', 'POST', '/api/v1/models/later/promotions/1/approve', {})).toMatchObject({
    status: 'open',
    unmet: [{ check: 'licence', message: expect.stringContaining('Proprietary is not one of MIT') }],
  });
});

test('MLflow’s own call, too, looks again at what the registry checks', async () => {
  await register('direct');
  await tag('direct', 'licence', 'MIT');
  await govern('direct', { promotion: 'manual', checks: [{ name: 'licence', type: 'licence', allowed: ['MIT'] }] });
  expect(await request('direct')).toMatchObject({ status: 'open', unmet: [] });
  const assign = async (): Promise<{ status: number; text: string }> =>
    await answer('ana', 'POST', `${MLFLOW}/registered-models/alias`, { name: 'direct', alias: 'champion', version: '1' });
  await tag('direct', 'licence', 'Proprietary');
  expect(await assign()).toMatchObject({ status: 403, text: expect.stringContaining('Proprietary is not one of MIT') });
  await tag('direct', 'licence', 'MIT');
  expect(await assign()).toMatchObject({ status: 200 });
});

test('a command id that a client chooses keeps no check from being made and no promotion from happening', async () => {
  await register('chosen');
  await tag('chosen', 'licence', 'MIT');
  await govern('chosen', { promotion: 'manual', checks: [{ name: 'licence', type: 'licence', allowed: ['MIT'] }] });
  expect(await request('chosen')).toMatchObject({ status: 'open', unmet: [] });
  const withKey = async (key: string, path: string, body: object) =>
    (await answer('ana', 'POST', path, body, { 'idempotency-key': key })).status;
  const noted = { name: 'chosen', version: '1', key: 'note', value: 'x' };
  expect(await withKey('mine:check:chosen:licence:', `${MLFLOW}/model-versions/set-tag`, noted)).toBe(200);
  await tag('chosen', 'licence', 'Proprietary');
  const move = { name: 'chosen', alias: 'champion', version: '1' };
  expect(await withKey('mine', `${MLFLOW}/registered-models/alias`, move)).toBe(403);
  expect(await withKey('again', '/api/v1/models/chosen/promotions/1/promote', {})).toBe(409);
  await tag('chosen', 'licence', 'MIT');
  expect(await withKey('again', '/api/v1/models/chosen/promotions/1/promote', {})).toBe(200);
  expect(await shown('chosen')).toMatchObject({ status: 'promoted' });
});

test.each([
  ['broken', 'a: b: c\nx', 'its MLmodel is not YAML'],
  ['listed', '- a', 'its MLmodel holds no fields'],
  ['void', 'flavors:\nsignature:\nmetadata:\n', 'its signature names no columns'],
])('a version whose MLmodel says nothing (%s) fails the check with the reason', async (name, mlmodel, reason) => {
  await register(name, mlmodel);
  await send('admin', 'POST', '/api/v1/apply', FEATURES);
  await govern(name, { checks: [{ name: 'inputs', type: 'signature', featureService: 'delays' }] });
  expect(await request(name)).toMatchObject({ status: 'open', unmet: [{ check: 'inputs', message: expect.stringContaining(reason) }] });
  expect(await send('ana', 'GET', `/api/v1/models/${name}/versions/1/card`)).toMatchObject({
    flavours: [],
    registeredAt: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T.*Z$/),
  });
});

describe('a failed check that was mended', () => {
  const LICENCE = { checks: [{ name: 'licence', type: 'licence', allowed: ['MIT'] }] };

  test('is looked at again when the version or the model is tagged, and when the policy is changed', async () => {
    for (const name of ['mended-version', 'mended-model', 'mended-policy']) {
      await register(name);
      await govern(name, LICENCE);
      const { status, unmet } = await request(name);
      expect([status, unmet?.[0]?.message]).toEqual(['open', expect.stringContaining(`"millrace models check ${name} 1 --evaluate"`)]);
    }
    // Every open request has been looked at since.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await tag('mended-version', 'licence', 'MIT');
    const ofModel = { name: 'mended-model', key: 'licence', value: 'MIT' };
    await send('ana', 'POST', `${MLFLOW}/registered-models/set-tag`, ofModel);
    await tag('mended-policy', 'licence', 'Apache-2.0');
    for (const name of ['mended-version', 'mended-model']) {
      await waitFor(async () => (await shown(name)).status === 'promoted', { what: `${name} to be promoted` });
    }
    await govern('mended-policy', { checks: [{ name: 'licence', type: 'licence', allowed: ['Apache-2.0'] }] });
    await waitFor(async () => (await shown('mended-policy')).status === 'promoted', { what: 'the change of the policy to count' });
  });

  test('is looked at again on an approval and on a reported check, also where people promote', async () => {
    await register('asked');
    await govern('asked', {
      ...{ promotion: 'manual', approvals: 1 },
      checks: [...LICENCE.checks, { name: 'validation', type: 'reported' }],
    });
    expect((await request('asked')).unmet).toHaveLength(3);
    await tag('asked', 'licence', 'MIT');
    const { unmet } = (await send('bob', 'POST', '/api/v1/models/asked/promotions/1/approve', {})) as Promotion;
    expect(unmet?.map(({ check }) => check)).toEqual(['validation']);
    await tag('asked', 'licence', 'Proprietary');
    await send('ana', 'POST', '/api/v1/models/asked/versions/1/checks/evaluate', {});
    expect((await shown('asked')).unmet?.map(({ check }) => check)).toEqual(['licence', 'validation']);
    await tag('asked', 'licence', 'MIT');
    await send('ana', 'POST', '/api/v1/models/asked/versions/1/checks', { check: 'validation', passed: true });
    expect(await shown('asked')).toMatchObject({ status: 'open', unmet: [] });
  });
});

test('the audit trail by a model’s name has the model itself, and finds renamed and deleted ones', async () => {
  interface Entries {
    readonly entries: readonly { readonly type: string; readonly actor: string; readonly model: string; readonly subject: string }[];
  }
  const about = async (name: string): Promise<[string, string, string][]> => {
    const { entries } = (await send('ana', 'GET', `/api/v1/models/${name}/history`)) as Entries;
    const audit = (await send('ana', 'GET', `/api/v1/audit?model=${name}`)) as Entries;
    expect(audit.entries).toEqual(entries);
    return entries.map(({ type, actor, model }) => [type, actor, model]);
  };
  await register('race');
  await send('ed', 'POST', `${MLFLOW}/registered-models/set-tag`, { name: 'race', key: 'licence', value: 'MIT' });
  await send('ed', 'PATCH', `${MLFLOW}/registered-models/update`, { name: 'race', description: 'who wins' });
  await send('ed', 'POST', `${MLFLOW}/registered-models/rename`, { name: 'race', new_name: 'race2' });
  const told = (name: string): [string, string, string][] => [
    ['ModelRegistered', 'ana', name],
    ['VersionRegistered', 'ana', name],
    ['ModelTagged', 'ed', name],
    ['ModelDescribed', 'ed', name],
    ['ModelRenamed', 'ed', name],
  ];
  expect([await about('race'), await about('race2')]).toEqual([told('race2'), told('race2')]);
  await send('ed', 'DELETE', `${MLFLOW}/registered-models/delete`, { name: 'race2' });
  await register('race2');
  expect(await about('race')).toEqual([...told('race2'), ['ModelDeleted', 'ed', 'race2']]);
  expect(await about('race2')).toEqual([
    ...[...told('race2'), ['ModelDeleted', 'ed', 'race2']],
    ...[
      ['ModelRegistered', 'ana', 'race2'],
      ['VersionRegistered', 'ana', 'race2'],
    ],
  ]);
  expect(await answer('ana', 'GET', '/api/v1/models/nobody/history')).toMatchObject({ status: 404 });
});

test('the audit trail has what was decided a moment ago, also of keys and runs', async () => {
  const last = async (query: string): Promise<unknown> => {
    const { text } = await answer('ana', 'GET', `/api/v1/audit?format=jsonl&${query}`);
    const line = text.trimEnd().split('\n').at(-1);
    return line ? (JSON.parse(line) as unknown) : undefined;
  };
  const name = 'leaver';
  const { keyId } = (await send('admin', 'POST', '/api/v1/access/keys', { name, role: 'viewer' })) as { keyId: string };
  expect(await last('domain=access')).toMatchObject({ type: 'ApiKeyCreated', data: { keyId } });
  await send('admin', 'DELETE', `/api/v1/access/keys/${name}?reason=left`);
  expect(await last('actor=admin')).toMatchObject({ type: 'ApiKeyRevoked', reason: 'left', data: { keyId } });
  const { experiment_id } = (await send('ed', 'POST', `${MLFLOW}/experiments/create`, { name })) as { experiment_id: string };
  expect(await last('actor=ed')).toMatchObject({ domain: 'tracking', data: { experimentId: experiment_id } });
});

test('the audit trail and a model’s history show the data of a decision as they were written, with every digit', async () => {
  await register('digits');
  await send('ed', 'POST', '/api/v1/models/digits/versions/1/checks', { check: 'rows', passed: true, evidence: { rows: 1 } });
  interface Logged {
    readonly type: string;
    readonly subject: string;
    readonly sequence: number;
    readonly data: object;
  }
  const page = (await send('ed', 'GET', '/api/v1/audit?model=digits&order=desc&limit=1')) as { entries: Logged[] };
  const { type, subject, sequence, data } = page.entries[0] as Logged;
  // Written by somebody whose numbers are not doubles.
  const next = { id: 'd1', type, version: 1, subject, sequence: sequence + 1, commandId: 'c1', actor: 'ed', time: Date.now(), data };
  const record = encodeDecision('millrace.registry.decisions', 'registry', next);
  const value = record.value.toString('utf8').replace('"rows":1', '"rows": 9007199254740993');
  await platform.host.log.append([{ ...record, value: Buffer.from(value) }]);
  for (const path of ['/api/v1/audit?model=digits', '/api/v1/audit?format=jsonl&model=digits', '/api/v1/models/digits/history']) {
    const { text } = await answer('ed', 'GET', path);
    expect(text).toContain('"evidence":{"rows":9007199254740993}');
    expect(text).toContain('"model":"digits"');
  }
});

test('lineage of nothing says what it is asked of', async () => {
  const { status, text } = await answer('ana', 'GET', '/api/v1/lineage');
  expect([status, text]).toEqual([400, expect.stringContaining('node is source:<name>, feature-view:<name>')]);
});

test('the audit trail tells two keys of one actor apart, and names no key where none was shown', async () => {
  const made = async (name: string): Promise<{ key: string; keyId: string }> =>
    await send('admin', 'POST', '/api/v1/access/keys', { name, role: 'editor', actor: 'twin' });
  const [one, other] = [await made('twin-1'), await made('twin-2')];
  for (const [index, { key }] of [one, other].entries()) {
    keys.set(`twin-${index}`, key);
    await send(`twin-${index}`, 'POST', `${MLFLOW}/registered-models/create`, { name: `twin-${index}` });
  }
  const trail = async (query: string): Promise<readonly object[]> =>
    ((await send('ana', 'GET', `/api/v1/audit?${query}`)) as { entries: readonly object[] }).entries;
  const entry = ({ keyId }: { keyId: string }, index: number): object =>
    expect.objectContaining({ actor: 'twin', keyId, data: expect.objectContaining({ name: `twin-${index}` }) });
  expect(await trail('actor=twin')).toEqual([entry(one, 0), entry(other, 1)]);
  expect(await trail(`keyId=${other.keyId}`)).toEqual([entry(other, 1)]);
  // The admin key has no id, and what a policy has the registry do is nobody's key's.
  expect(await trail('actor=admin&type=ApiKeyCreated&order=desc')).toEqual(
    expect.arrayContaining([expect.objectContaining({ keyId: null, data: expect.objectContaining({ keyId: other.keyId }) })]),
  );
  await govern('twin-0', { promotion: 'automatic' });
  await send('twin-0', 'POST', `${MLFLOW}/model-versions/create`, { name: 'twin-0', source: 's3://elsewhere/model' });
  await send('twin-0', 'POST', '/api/v1/models/twin-0/promotions', { version: 1, alias: 'champion' });
  expect(await trail('model=twin-0&order=desc')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ type: 'AliasAssigned', actor: 'millrace', keyId: null }),
      expect.objectContaining({ type: 'PromotionRequested', actor: 'twin', keyId: one.keyId }),
    ]),
  );
});

test('collecting garbage leaves a deleted run whose files a version needs, until the version is deleted', async () => {
  await register('kept');
  const search = `${MLFLOW}/model-versions/search?filter=${encodeURIComponent("name='kept'")}`;
  const { model_versions } = (await send('ana', 'GET', search)) as { model_versions: readonly { source: string }[] };
  const folder = (model_versions[0]?.source ?? '').replace(/^mlflow-artifacts:\/+/, '');
  const runId = folder.split('/').at(-3) ?? '';
  await send('ed', 'POST', `${MLFLOW}/runs/delete`, { run_id: runId });
  const collect = (): Promise<unknown> => send('ed', 'POST', '/api/v1/runs/gc', { runIds: [runId] });
  const needed = [{ run: runId, by: ['version 1 of kept'] }];
  expect(await collect()).toEqual({ runs: [], experiments: [], left: [], notDeleted: [], needed });
  expect(await answer('ed', 'GET', `/api/2.0/mlflow-artifacts/artifacts/${folder}/MLmodel`)).toMatchObject({ status: 200 });
  await send('ed', 'POST', `${MLFLOW}/runs/restore`, { run_id: runId });
  await send('ed', 'POST', `${MLFLOW}/runs/delete`, { run_id: runId });
  await send('ed', 'DELETE', `${MLFLOW}/model-versions/delete`, { name: 'kept', version: '1' });
  expect(await collect()).toMatchObject({ runs: [runId], needed: [] });
});

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { loadConfig } from '../config/config.js';
import { bootstrap, type RunningService } from '../http/bootstrap.js';
import { tallyService } from '../testing/tally.module.js';

const NAME = 'guarded';
const ADMIN_KEY = 'an-admin-key-for-tests-only-0123456789';
const { module: TallyModule } = tallyService(NAME);

interface CreatedKey {
  readonly key: string;
  readonly keyId: string;
}

describe('a service that asks who comes', () => {
  const lines: string[] = [];
  let temp: TempDir;
  let service: RunningService;
  let issuer: Server;
  let issuerUrl: string;
  let sign: (claims: Record<string, unknown>) => Promise<string>;

  beforeAll(async () => {
    temp = await tempDir('access');
    const { publicKey, privateKey } = await generateKeyPair('RS256');
    const keys = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }] });
    issuer = createServer((_request, response) => response.end(keys)).listen(0, '127.0.0.1');
    await new Promise((resolve) => issuer.once('listening', resolve));
    issuerUrl = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
    sign = (claims) =>
      new SignJWT({ iss: issuerUrl, aud: 'millrace', exp: Date.now() / 1000 + 60, ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
        .sign(privateKey);
    service = await start({ MILLRACE_ADMIN_KEY: ADMIN_KEY });
  }, 60_000);
  afterAll(async () => {
    await service.close();
    issuer.close();
    await temp.remove();
  });

  async function start(environment: Record<string, string>, show?: (text: string) => void): Promise<RunningService> {
    const config = loadConfig([], {
      MILLRACE_DATA_DIR: temp.path,
      MILLRACE_PORT: '0',
      MILLRACE_AUTH: 'required',
      MILLRACE_METRICS_AUTH: 'true',
      ...(environment['MILLRACE_ADMIN_KEY'] === undefined
        ? {}
        : { MILLRACE_OIDC_ISSUER: issuerUrl, MILLRACE_OIDC_AUDIENCE: 'millrace', MILLRACE_OIDC_JWKS_URL: `${issuerUrl}/jwks` }),
      ...environment,
    });
    const options = { logDestination: { write: (line: string) => void lines.push(line) }, ...(show ? { show } : {}) };
    const started = await bootstrap(TallyModule, config, options);
    await waitFor(async () => (await fetch(`${started.url}/readyz`)).ok);
    return started;
  }

  const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });
  const basic = (secret: string) => ({ authorization: `Basic ${Buffer.from(`anybody:${secret}`).toString('base64')}` });
  const call = (method: string, path: string, headers: Record<string, string> = {}, body?: unknown) =>
    fetch(`${service.url}${path}`, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const status = async (...args: Parameters<typeof call>) => (await call(...args)).status;
  const whoami = async (headers: Record<string, string>) => (await call('GET', '/api/v1/access/whoami', headers)).json();
  const createKey = async (body: object): Promise<CreatedKey> => {
    const response = await call('POST', '/api/v1/access/keys', bearer(ADMIN_KEY), body);
    expect([response.status, response.headers.get('cache-control')]).toEqual([201, 'no-store']);
    return (await response.json()) as CreatedKey;
  };

  test('a policy is defined, changed and deleted by an admin; an editor may apply one that changes nothing', async () => {
    const { key } = await createKey({ name: 'policy-editor', role: 'editor' });
    const policy = (approvals: number, more = '') =>
      `apiVersion: millrace.dev/v1\nkind: Policy\nmetadata: {name: guarded}\nspec: {models: [delay], stages: [Production], approvals: ${approvals}}\n${more}`;
    const entity = '---\napiVersion: millrace.dev/v1\nkind: Entity\nmetadata: {name: guarded}\nspec: {joinKeys: {guarded: String}}\n';
    const apply = async (secret: string, text: string) => {
      const response = await fetch(`${service.url}/api/v1/apply`, { method: 'POST', headers: bearer(secret), body: text });
      const answer = (await response.json()) as { code?: string; documents?: { outcome: string }[] };
      return [response.status, answer.code ?? answer.documents?.map(({ outcome }) => outcome)];
    };
    const forbidden = [403, 'MR_ACCESS_FORBIDDEN'];
    expect(await apply(key, policy(1, entity))).toEqual(forbidden);
    expect(await status('GET', '/api/v1/resources/Entity/guarded', bearer(key))).toBe(404);
    expect(await apply(key, entity)).toEqual([200, ['created']]);
    expect(await apply(ADMIN_KEY, policy(1))).toEqual([200, ['created']]);
    expect(await apply(key, policy(1, entity))).toEqual([200, ['unchanged', 'unchanged']]);
    expect(await apply(key, policy(0, entity))).toEqual(forbidden);
    expect(await status('DELETE', '/api/v1/resources/policies/guarded', bearer(key))).toBe(403);
    expect(await status('DELETE', '/api/v1/resources/policy/guarded', bearer(ADMIN_KEY))).toBe(200);
  });

  test('probes get in, nobody else does, and is told how', async () => {
    for (const path of ['/healthz', '/readyz']) expect(await status('GET', path)).toBe(200);
    for (const path of ['/metrics', '/api/v1/status', '/api/v1/tallies/x', '/nowhere', '/json', '/api/v1/access/whoami']) {
      const response = await call('GET', path);
      expect([path, response.status, response.headers.get('www-authenticate')]).toEqual([
        path,
        401,
        expect.stringContaining('Basic realm='),
      ]);
      expect(await response.json()).toMatchObject({
        code: 'MR_ACCESS_UNAUTHENTICATED',
        detail: expect.stringContaining('MILLRACE_API_KEY'),
      });
    }
    // A protocol of its own says it in its own words.
    expect(await (await call('POST', '/v2/bytes')).json()).toEqual({ error: expect.stringContaining('who you are') });
    for (const wrong of [
      'Bearer',
      'Bearer nonsense',
      'Basic !!!',
      'Digest x',
      `Bearer mr_${'0'.repeat(16)}_${'A'.repeat(43)}`,
      'Basic YTo=',
    ]) {
      expect([wrong, await status('GET', '/api/v1/status', { authorization: wrong })]).toEqual([wrong, 401]);
    }
  });

  test('a key opens as token and as password, and its actor is on the log whatever the header says', async () => {
    const { key } = await createKey({ name: 'trainer', role: 'editor', actor: 'ana' });
    for (const headers of [bearer(key), basic(key)]) {
      expect(await whoami(headers)).toMatchObject({ actor: 'ana', role: 'editor', by: 'key', isRequired: true, workspace: 'default' });
    }
    const entity = { apiVersion: 'millrace.dev/v1', kind: 'Entity', metadata: { name: 'town' }, spec: { joinKeys: { town: 'String' } } };
    const applied = await call('POST', '/api/v1/apply', { ...bearer(key), 'millrace-actor': 'mallory' }, entity);
    expect(applied.status).toBe(200);
    const [topic, partition, offset] = (applied.headers.get('millrace-position') ?? '').split(/[/@]/);
    const events = await call('GET', `/api/v1/events/${topic}?partition=${partition}&from=${offset}&limit=1`, bearer(key));
    expect(JSON.parse(await events.text())).toMatchObject({ actor: 'ana' });
  });

  test('roles: a viewer reads, an editor writes, an admin gives out keys', async () => {
    const keys = Object.fromEntries(
      await Promise.all(
        ['viewer', 'editor', 'approver', 'admin'].map(
          async (role) => [role, bearer((await createKey({ name: `a-${role}`, role })).key)] as const,
        ),
      ),
    );
    const table = await Promise.all(
      Object.entries(keys).map(async ([role, headers]) => [
        role,
        await status('GET', '/api/v1/tallies/roles', headers),
        await status('POST', '/api/v1/tallies/roles/grow', headers, { by: 1 }),
        await status('GET', '/api/v1/access/keys', headers),
      ]),
    );
    expect(table).toEqual([
      ['viewer', 200, 403, 403],
      ['editor', 200, 201, 403],
      ['approver', 200, 201, 403],
      ['admin', 200, 201, 200],
    ]);
    expect(await (await call('POST', '/api/v1/tallies/roles/grow', keys['viewer'], { by: 1 })).json()).toMatchObject({
      ...{ code: 'MR_ACCESS_FORBIDDEN', status: 403 },
      details: { actor: 'a-viewer', role: 'viewer', needs: 'editor' },
    });
  });

  test('a revoked key opens nothing from that moment on, an expired one from its time on', async () => {
    const { key, keyId } = await createKey({ name: 'short', role: 'viewer' });
    expect(await status('GET', '/api/v1/status', bearer(key))).toBe(200);
    expect(await status('DELETE', '/api/v1/access/keys/short?reason=leaked', bearer(ADMIN_KEY))).toBe(200);
    const refused = await call('GET', '/api/v1/status', bearer(key));
    expect([refused.status, await refused.json()]).toEqual([401, expect.objectContaining({ detail: 'the API key short was revoked' })]);
    const listed = await (await call('GET', '/api/v1/access/keys', bearer(ADMIN_KEY))).text();
    expect(listed).not.toMatch(/hash|mr_/);
    const { keys } = JSON.parse(listed) as { keys: { keyId: string }[] };
    expect(keys.find((one) => one.keyId === keyId)).toMatchObject({ state: 'revoked', revokedBy: 'admin', reason: 'leaked' });
    const brief = await createKey({ name: 'brief', role: 'viewer', expiresAt: new Date(Date.now() + 700).toISOString() });
    expect(await status('GET', '/api/v1/status', bearer(brief.key))).toBe(200);
    await delay(800);
    expect(await status('GET', '/api/v1/status', bearer(brief.key))).toBe(401);
  });

  test('mistakes in what is asked for are told by field; a key is shown once', async () => {
    const refusal = async (body: object) => {
      const response = await call('POST', '/api/v1/access/keys', bearer(ADMIN_KEY), body);
      return [response.status, ((await response.json()) as { details?: { field?: string } }).details?.field];
    };
    expect(await refusal({ role: 'viewer' })).toEqual([400, 'name']);
    expect(await refusal({ name: 'a b', role: 'viewer' })).toEqual([400, 'name']);
    expect(await refusal({ name: 'x', role: 'owner' })).toEqual([400, 'role']);
    expect(await refusal({ name: 'x', role: 'viewer', expiresIn: 'soon' })).toEqual([400, 'expiresIn']);
    expect(await refusal({ name: 'x', role: 'viewer', expiresAt: 'soon' })).toEqual([400, 'expiresAt']);
    expect(await refusal({ name: 'x', role: 'viewer', colour: 'red' })).toEqual([400, 'colour']);
    expect(await refusal({ name: 'x', role: 'viewer', actor: 'millrace' })).toEqual([400, 'actor']);
    expect(await refusal({ name: 'Anonymous', role: 'viewer' })).toEqual([400, 'actor']);
    const headers = { ...bearer(ADMIN_KEY), 'idempotency-key': 'once' };
    expect(await status('POST', '/api/v1/access/keys', headers, { name: 'once', role: 'viewer' })).toBe(201);
    const again = await call('POST', '/api/v1/access/keys', headers, { name: 'once', role: 'viewer' });
    expect([again.status, await again.json()]).toEqual([409, expect.objectContaining({ code: 'MR_ACCESS_KEY_SHOWN_ALREADY' })]);
  });

  test('a key of another workspace does not open this one', async () => {
    const { key } = await createKey({ name: 'elsewhere', role: 'admin', workspace: 'ads' });
    expect(await (await call('GET', '/api/v1/status', bearer(key))).json()).toMatchObject({
      detail: expect.stringContaining('workspace ads'),
    });
    const everywhere = await createKey({ name: 'everywhere', role: 'viewer', workspace: '*' });
    expect(await status('GET', '/api/v1/status', bearer(everywhere.key))).toBe(200);
  });

  test('an admin of one workspace gives and revokes keys of that one alone', async () => {
    const { key } = await createKey({ name: 'of-default', role: 'admin' });
    const far = await createKey({ name: 'far', role: 'viewer', workspace: 'ads' });
    const wide = await createKey({ name: 'wide', role: 'viewer', workspace: '*' });
    const refused = async (headers: Record<string, string>, method: string, path: string, body?: object) => {
      const response = await call(method, `/api/v1/access/keys${path}`, headers, body);
      return [response.status, ((await response.json()) as { code?: string }).code];
    };
    const forbidden = [403, 'MR_ACCESS_WORKSPACE_FORBIDDEN'];
    const token = await sign({ sub: 'carl', roles: ['default:admin', 'viewer'] });
    for (const headers of [bearer(key), bearer(token)]) {
      expect(await refused(headers, 'POST', '', { name: 'out', role: 'admin', workspace: '*' })).toEqual(forbidden);
      expect(await refused(headers, 'POST', '', { name: 'out', role: 'viewer', workspace: 'ads' })).toEqual(forbidden);
      for (const { keyId } of [far, wide]) expect(await refused(headers, 'DELETE', `/${keyId}`)).toEqual(forbidden);
    }
    expect(await status('POST', '/api/v1/access/keys', bearer(key), { name: 'within', role: 'admin' })).toBe(201);
    expect(await status('DELETE', '/api/v1/access/keys/within', bearer(key))).toBe(200);
    const everywhere = await sign({ sub: 'carl', roles: ['admin'] });
    expect(await status('DELETE', `/api/v1/access/keys/${far.keyId}`, bearer(everywhere))).toBe(200);
  });

  test('a token of the issuer opens, with the role of its claim', async () => {
    const token = await sign({ sub: 'carl', roles: ['default:editor'] });
    expect(await whoami(bearer(token))).toMatchObject({ actor: 'carl', role: 'editor', by: 'token' });
    expect(await status('POST', '/api/v1/tallies/tokens/grow', bearer(token), { by: 1 })).toBe(201);
    expect(await status('GET', '/api/v1/access/keys', bearer(token))).toBe(403);
    const foreign = await sign({ sub: 'carl', roles: ['editor'], aud: 'another' });
    expect(await (await call('GET', '/api/v1/status', bearer(foreign))).json()).toMatchObject({
      status: 401,
      detail: expect.stringContaining('aud'),
    });
  });

  test('a page of another site changes nothing', async () => {
    const headers = { ...bearer(ADMIN_KEY), 'sec-fetch-site': 'cross-site' };
    const refused = await call('POST', '/api/v1/tallies/csrf/grow', headers, { by: 1 });
    expect(await refused.json()).toMatchObject({ status: 403, code: 'MR_ACCESS_CROSS_SITE' });
    expect(await status('GET', '/api/v1/tallies/csrf', headers)).toBe(200);
    expect(await status('POST', '/api/v1/tallies/csrf/grow', { ...bearer(ADMIN_KEY), origin: 'http://evil.example' }, { by: 1 })).toBe(403);
    expect(await status('POST', '/api/v1/tallies/csrf/grow', { ...bearer(ADMIN_KEY), origin: service.url }, { by: 1 })).toBe(201);
  });

  test('known credentials are not looked into again', async () => {
    const { access } = service.host;
    const { key } = await createKey({ name: 'hot', role: 'viewer' });
    const header = `Bearer ${key}`;
    const asked = access.identify(header);
    expect(asked).toBeInstanceOf(Promise);
    const identity = await asked;
    // The same, and at once.
    expect(access.identify(header)).toBe(identity);
  });

  test('no secret is in a log line', () => {
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.join('\n')).not.toMatch(/mr_[0-9a-f]{16}_/);
    expect(lines.join('\n')).not.toContain(ADMIN_KEY);
  });

  test('without an admin key, the first start of a log shows the first key, and a later one none', async () => {
    await service.close();
    await temp.remove();
    temp = await tempDir('access-first');
    const shown: string[] = [];
    service = await start({}, (text) => void shown.push(text));
    const key = /mr_\S+/.exec(shown.join())?.[0] ?? '';
    expect(await whoami(bearer(key))).toMatchObject({ actor: 'admin', role: 'admin', by: 'key' });
    await service.close();
    service = await start({}, (text) => void shown.push(text));
    expect(shown.length).toBe(1);
    expect(await whoami(bearer(key))).toMatchObject({ role: 'admin' });
  }, 60_000);
});

import { afterAll, beforeAll, expect, test } from '@jest/globals';
// eslint-disable-next-line @nx/enforce-module-boundaries -- what the command talks to is a real service; only this test starts one
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
// eslint-disable-next-line @nx/enforce-module-boundaries -- as above
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { EXIT } from './cli-error.js';
import { run } from './run.js';

class EmptyModule {}

const ADMIN_KEY = 'an-admin-key-for-tests-only-0123456789';
let temp: TempDir;
let service: RunningService;

beforeAll(async () => {
  temp = await tempDir('cli-keys');
  const environment = {
    ...{ MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0', MILLRACE_LOG_LEVEL: 'error' },
    ...{ MILLRACE_AUTH: 'required', MILLRACE_ADMIN_KEY: ADMIN_KEY },
  };
  service = await bootstrap(EmptyModule, loadConfig([], environment), { service: 'mill' });
  await waitFor(async () => (await fetch(`${service.url}/readyz`)).ok);
}, 60_000);
afterAll(async () => {
  await service.close();
  await temp.remove();
});

async function millrace(key: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await run(args, {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    stdin: async () => '',
    environment: { MILLRACE_URL: service.url, MILLRACE_API_KEY: key },
    isInteractive: false,
    interrupted: new AbortController().signal,
  });
  return { code, out, err };
}

test('keys are created, used, listed and revoked', async () => {
  const created = await millrace(ADMIN_KEY, 'keys', 'create', 'trainer', '--role', 'viewer', '--expires', '90d', '--actor', 'ana');
  expect([created.code, created.out]).toEqual([0, expect.stringMatching(/^mr_[0-9a-f]{16}_[\w-]{43}\n$/)]);
  expect(created.err).toContain('shown this once');
  const key = created.out.trim();
  expect((await millrace(key, 'get', 'all')).code).toBe(0);
  const forbidden = await millrace(key, 'keys', 'list');
  expect([forbidden.code, forbidden.err]).toEqual([EXIT.refused, expect.stringContaining('takes the role admin')]);

  const listed = await millrace(ADMIN_KEY, 'keys', 'list');
  expect(listed.out).toMatch(/trainer +ana +viewer +default +live/);
  expect(listed.out).not.toContain(key);
  expect(await millrace(ADMIN_KEY, 'keys', 'revoke', 'trainer', '--reason', 'over')).toMatchObject({ code: 0 });
  const refused = await millrace(key, 'get', 'all');
  expect([refused.code, refused.err]).toEqual([EXIT.refused, expect.stringContaining('was revoked')]);
  expect((await millrace(ADMIN_KEY, 'keys', 'revoke', 'nobody')).err).toContain('there is no key nobody');
});

test('without a key the command says where to put one; a wrong role is a wrong usage', async () => {
  const refused = await millrace('', 'status');
  expect([refused.code, refused.err]).toEqual([EXIT.refused, expect.stringContaining('MILLRACE_API_KEY')]);
  expect((await millrace(ADMIN_KEY, 'keys', 'create', 'x', '--role', 'owner')).code).toBe(EXIT.usage);
  expect((await millrace(ADMIN_KEY, 'import', 'mlflow', '--from', 'sqlite:///x.db')).err).toContain('mlflow server');
  for (const from of [service.url, service.url.replace('127.0.0.1', 'localhost')])
    expect(await millrace(ADMIN_KEY, 'import', 'mlflow', '--from', from)).toMatchObject({
      code: EXIT.usage,
      err: expect.stringContaining('is the server that is imported into'),
    });
});

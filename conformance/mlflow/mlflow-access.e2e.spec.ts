import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { embeddedTopology, ensureVenv, runCommand, tempDir, type TempDir, type Topology } from '@millrace/testing';
import { join } from 'node:path';

const CLIENTS = ['2.9.2', '3.17.2'];
const ADMIN_KEY = 'an-admin-key-for-tests-only-0123456789';

describe('a server that asks who comes', () => {
  let directory: TempDir;
  let platform: Topology;

  beforeAll(async () => {
    directory = await tempDir('mlflow-access');
    platform = await embeddedTopology(directory.path, { MILLRACE_AUTH: 'required', MILLRACE_ADMIN_KEY: ADMIN_KEY });
    await platform.start();
  }, 120_000);

  afterAll(async () => {
    await platform.stop();
    await directory.remove();
  });

  async function key(name: string, role: string): Promise<string> {
    const response = await fetch(`${platform.url}/api/v1/access/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_KEY}` },
      body: JSON.stringify({ name, role }),
    });
    expect(response.status).toBe(201);
    return ((await response.json()) as { key: string }).key;
  }

  test.each(CLIENTS)(
    'MLflow’s own client %s comes in with a token and with a password, and can read why not',
    async (version) => {
      const venv = await ensureVenv(`mlflow-${version}`, [`mlflow-skinny==${version}`, 'setuptools==75.8.0']);
      const [editor, viewer] = [await key(`editor-${version}`, 'editor'), await key(`viewer-${version}`, 'viewer')];
      const script = join(import.meta.dirname, 'access_session.py');
      const output = await runCommand(venv.python, [script, platform.url, editor, viewer]);
      expect(output).toContain(`"client": "${version}"`);
    },
    600_000,
  );

  test('the ClickHouse port takes the same keys, as password, header, parameter and token', async () => {
    const viewer = await key('analyst', 'viewer');
    const ask = async (headers: Record<string, string>, query = '') => {
      const response = await fetch(`${platform.clickhouseUrl}/?${query}`, { method: 'POST', headers, body: 'SELECT 1' });
      return [response.status, (await response.text()).slice(0, 60)];
    };
    const basic = (password: string) => ({ authorization: `Basic ${Buffer.from(`default:${password}`).toString('base64')}` });
    expect(await ask(basic(viewer))).toEqual([200, '1\n']);
    expect(await ask({ 'x-clickhouse-user': 'ana', 'x-clickhouse-key': viewer })).toEqual([200, '1\n']);
    expect(await ask({}, `user=ana&password=${viewer}`)).toEqual([200, '1\n']);
    expect(await ask({ authorization: `Bearer ${viewer}` })).toEqual([200, '1\n']);
    for (const answer of [await ask({}), await ask(basic('wrong')), await ask({ 'x-clickhouse-key': 'wrong' })]) {
      expect(answer[0]).not.toBe(200);
      expect(answer[1]).toContain('Code: 516');
    }
  });
});

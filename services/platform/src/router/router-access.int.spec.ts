import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { bootstrap, createLogger, loadConfig, Metrics, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { Router } from './router.js';
import { SERVICES, type ServiceName } from './routes.js';

class EmptyModule {}

const ADMIN_KEY = 'an-admin-key-for-tests-only-0123456789';
const WITH_KEY = { headers: { authorization: `Bearer ${ADMIN_KEY}` } };

describe('a router that can be reached from beyond this machine', () => {
  let temp: TempDir;
  let service: RunningService;
  let router: Router;

  beforeAll(async () => {
    temp = await tempDir('router-access');
    const environment = { MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0', MILLRACE_LOG_LEVEL: 'error', MILLRACE_ADMIN_KEY: ADMIN_KEY };
    const config = loadConfig([], environment);
    service = await bootstrap(EmptyModule, config, { service: 'registry' });
    await waitFor(async () => (await fetch(`${service.url}/readyz`)).ok);
    router = new Router({
      ...config,
      upstreams: Object.fromEntries(SERVICES.map((name) => [name, [service.url]])) as unknown as Record<ServiceName, string[]>,
      isAuthRequired: true,
      metricsAuth: true,
      logger: createLogger({ level: 'silent', service: 'router' }),
      metrics: new Metrics('router'),
    });
    await router.listen(0, '127.0.0.1');
  }, 60_000);

  afterAll(async () => {
    await router.close();
    await service.close();
    await temp.remove();
  });

  test('has a service ask who comes that asks nobody by itself', async () => {
    expect((await fetch(`${service.url}/api/v1/status`)).status).toBe(200);
    expect((await fetch(`${router.url}/api/v1/status`)).status).toBe(401);
    expect((await fetch(`${router.url}/api/v1/status`, WITH_KEY)).status).toBe(200);
    expect(await (await fetch(`${router.url}/api/v1/access/whoami`, WITH_KEY)).json()).toMatchObject({ actor: 'admin', role: 'admin' });
  });

  test('tells what the services answer to whom they would tell it themselves', async () => {
    const refused = await fetch(`${router.url}/api/v1/openapi.json`);
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, expect.stringContaining('Basic')]);
    const { paths } = (await (await fetch(`${router.url}/api/v1/openapi.json`, WITH_KEY)).json()) as { paths: object };
    expect(Object.keys(paths)).toContain('/api/v1/apply');
  });

  test('asks a service who reads its own metrics', async () => {
    const refused = await fetch(`${router.url}/metrics`);
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, expect.stringContaining('Basic')]);
    expect(await (await fetch(`${router.url}/metrics`, WITH_KEY)).text()).toContain('millrace_http_request_seconds');
    expect((await fetch(`${router.url}/healthz`)).status).toBe(200);
  });
});

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { bootstrap, checkPathPrefix, createLogger, loadConfig, Metrics, OPENAPI_PATH, type RunningService } from '@millrace/service';
import { tempDir, type TempDir } from '@millrace/testing';
import { platformConfig } from './config.js';
import { PlatformModule } from './platform.module.js';
import { Router } from './router/router.js';
import { ownPaths, SERVICES, type ServiceName } from './router/routes.js';

let temp: TempDir;
let platform: RunningService;
let router: Router;

beforeAll(async () => {
  temp = await tempDir('path-prefix');
  const environment = {
    ...{ MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_GRPC_PORT: '0' },
    ...{ MILLRACE_PATH_PREFIX: '/millrace', MILLRACE_LOG_LEVEL: 'fatal' },
  };
  platform = await bootstrap(PlatformModule, loadConfig(platformConfig, environment), { service: 'platform' });
  const upstreams = Object.fromEntries(SERVICES.map((name) => [name, [platform.url]])) as unknown as Record<ServiceName, string[]>;
  router = new Router({
    ...platform.host.config,
    upstreams,
    logger: createLogger({ level: 'silent', service: 'router' }),
    metrics: new Metrics('router'),
  });
  await router.listen(0, '127.0.0.1');
}, 60_000);
afterAll(async () => {
  await router.close();
  await platform.close();
  await temp.remove();
});

const PLACES = [
  ['one process', () => platform.url],
  ['a router', () => router.url],
] as const;

test.each(PLACES)('a run with a file in parts is logged below the path of %s', async (_what, url) => {
  const base = `${url()}/millrace`;
  const post = async <T>(path: string, body: object): Promise<T> => {
    const response = await fetch(`${base}${path}`, { method: 'POST', body: JSON.stringify(body) });
    expect([path, response.status]).toEqual([path, 200]);
    return (await response.json()) as T;
  };
  const { run } = await post<{ run: { info: { run_id: string } } }>('/api/2.0/mlflow/runs/create', { experiment_id: '0', start_time: 1 });
  const runId = run.info.run_id;
  const at = `/api/2.0/mlflow-artifacts/mpu`;
  const folder = `0/${runId}/artifacts`;
  const parts = { path: 'a.bin', num_parts: 1 };
  const { upload_id, credentials } = await post<{ upload_id: string; credentials: { url: string }[] }>(`${at}/create/${folder}`, parts);
  expect(credentials[0]?.url).toMatch(`${base}${at}/part/${folder}/a.bin?`);
  const { headers } = await fetch(credentials[0]?.url as string, { method: 'PUT', body: 'bytes' });
  await post(`${at}/complete/${folder}`, { path: 'a.bin', upload_id, parts: [{ part_number: 1, etag: headers.get('etag') }] });
  for (const prefix of [base, url()]) expect(await (await fetch(`${prefix}/get-artifact?run_id=${runId}&path=a.bin`)).text()).toBe('bytes');
});

test.each(PLACES)('the links of %s are below the path by which the client came', async (_what, url) => {
  const text = async (path: string) => (await fetch(`${url()}${path}`)).text();
  for (const path of ['/millrace', '/millrace/']) expect(await text(path)).toContain('href="/millrace/readyz"');
  expect(await text('/')).toContain('href="/readyz"');
  expect(JSON.parse(await text(`/millrace${OPENAPI_PATH}`))).toMatchObject({ servers: [{ url: '/millrace' }] });
  expect(JSON.parse(await text(OPENAPI_PATH))).toMatchObject({ servers: [{ url: '/' }] });
});

test('a router refuses the prefixes that one process does', () => {
  const isRefused = (prefix: string, paths: Iterable<string>): boolean => {
    try {
      checkPathPrefix(prefix, paths);
      return false;
    } catch {
      return true;
    }
  };
  const fixed = platform.routes.map(({ path }) => path.replace(/\/?[:*].*$/, '')).filter((path) => path.length > 1);
  const prefixes = new Set(
    fixed.flatMap((path) =>
      path
        .split('/')
        .slice(1)
        .map((_, i, all) => `/${all.slice(0, i + 1).join('/')}`),
    ),
  );
  expect([...prefixes].filter((prefix) => !isRefused(prefix, ownPaths()))).toEqual([]);
  for (const prefix of ['/millrace', '/api/millrace', '/v2beta', '/ml/api']) {
    expect([prefix, isRefused(prefix, ownPaths())]).toEqual([prefix, false]);
    expect([
      prefix,
      isRefused(
        prefix,
        platform.routes.map(({ path }) => path),
      ),
    ]).toEqual([prefix, false]);
  }
});

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadConfig, bootstrap, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { AnalystsPort } from './analysts-port.js';
import { platformConfig } from './config.js';
import { PlatformModule } from './platform.module.js';

describe('the platform in one process', () => {
  let temp: TempDir;
  let platform: RunningService;

  beforeAll(async () => {
    temp = await tempDir('platform');
    const environment = {
      MILLRACE_DATA_DIR: temp.path,
      MILLRACE_PORT: '0',
      MILLRACE_CLICKHOUSE_PORT: '0',
      MILLRACE_GRPC_PORT: '0',
      MILLRACE_LOG_LEVEL: 'error',
    };
    platform = await bootstrap(PlatformModule, loadConfig(platformConfig, environment), { service: 'platform' });
  }, 120_000);
  afterAll(async () => {
    await platform.close();
    await temp.remove();
  });

  test('becomes ready', async () => {
    const readiness = await waitFor(
      async () => {
        const response = await fetch(`${platform.url}/readyz`);
        return response.ok && ((await response.json()) as { status: string });
      },
      { what: 'readiness' },
    );
    expect(readiness.status).toBe('ready');
  }, 60_000);

  test('shows where to look', async () => {
    const response = await fetch(`${platform.url}/`);
    expect(response.headers.get('content-type')).toContain('text/html');
    const page = await response.text();
    expect(page).toContain('/get-online-features');
    expect(page).toContain(platform.app.get(AnalystsPort).url);
  });

  test('answers analysts in ClickHouse’s words, and lets them read only', async () => {
    const { url } = platform.app.get(AnalystsPort);
    const ask = async (sql: string) => fetch(`${url}/`, { method: 'POST', body: sql });
    expect(await (await ask('SELECT count() >= 0 FROM decisions')).text()).toBe('1\n');
    expect((await ask('DROP TABLE decisions')).ok).toBe(false);
  });
});

// Writes docs/reference/rest.md from the routes that the built services register. `npm run build` first; a test holds the page against them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './setup.mjs';

const { bootstrap, loadConfig, restReference } = await import('../libs/service/dist/index.js');
const { platformConfig } = await import('../services/platform/dist/config.js');
const { PlatformModule } = await import('../services/platform/dist/platform.module.js');

const directory = mkdtempSync(join(tmpdir(), 'millrace-routes-'));
const ports = { MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_GRPC_PORT: '0' };
const config = loadConfig(platformConfig, { ...ports, MILLRACE_DATA_DIR: directory, MILLRACE_LOG_LEVEL: 'error' });
const platform = await bootstrap(PlatformModule, config, { service: 'platform' });
writeFileSync(join(root, 'docs', 'reference', 'rest.md'), restReference(platform.routes));
await platform.close();
rmSync(directory, { recursive: true, force: true });

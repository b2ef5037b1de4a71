import { freePort } from '../ports.js';
import { ServiceProcess } from './service-process.js';
import type { Topology } from './topology.js';

/** The platform in one process, on a data directory of its own. */
export async function embeddedTopology(dataDirectory: string, env: Readonly<Record<string, string>> = {}): Promise<Topology> {
  const port = await freePort();
  const clickhousePort = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const platform = new ServiceProcess({
    name: 'platform',
    script: 'services/platform/dist/main.js',
    env: {
      MILLRACE_DATA_DIR: dataDirectory,
      MILLRACE_PORT: String(port),
      MILLRACE_GRPC_PORT: String(await freePort()),
      MILLRACE_CLICKHOUSE_PORT: String(clickhousePort),
      MILLRACE_LOG_LEVEL: 'warn',
      ...env,
    },
    readyUrl: `${url}/readyz`,
  });
  return {
    kind: 'embedded',
    url,
    clickhouseUrl: `http://127.0.0.1:${clickhousePort}`,
    services: [platform],
    start: () => platform.start(),
    stop: () => platform.stop(),
  };
}

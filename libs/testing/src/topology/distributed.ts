import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../ports.js';
import { ServiceProcess } from './service-process.js';
import type { Topology } from './topology.js';

export const SERVICES = ['tracking', 'registry', 'features', 'inference', 'experimentation'] as const;

export interface DistributedOptions {
  /** Local state of each service, the ClickHouse data, the artifacts. */
  readonly directory: string;
  readonly kafkaBrokers: string;
  readonly redisUrl: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Processes of each service, which the router asks in turn. */
  readonly replicas?: number;
}

/** The five services as processes on real Kafka and Redis, chdb behind ClickHouse's HTTP interface, and a router that gives them one address. */
export async function distributedTopology(options: DistributedOptions): Promise<Topology> {
  const { directory, kafkaBrokers, redisUrl, replicas = 1 } = options;
  const clickhousePort = await freePort();
  const clickhouseUrl = `http://127.0.0.1:${clickhousePort}`;
  const clickhouse = new ServiceProcess({
    name: 'clickhouse',
    script: 'libs/offline-store/http/dist/main.js',
    args: ['--path', join(directory, 'clickhouse'), '--port', String(clickhousePort)],
    readyUrl: `${clickhouseUrl}/ping`,
  });
  const addresses = new Map<string, string[]>();
  const services: ServiceProcess[] = [];
  for (const [service, replica] of SERVICES.flatMap((name) => Array.from({ length: replicas }, (_, index) => [name, index] as const))) {
    const name = replica === 0 ? service : `${service}-${replica + 1}`;
    const port = await freePort();
    addresses.set(service, [...(addresses.get(service) ?? []), `http://127.0.0.1:${port}`]);
    mkdirSync(join(directory, name), { recursive: true });
    services.push(
      new ServiceProcess({
        name,
        script: `services/${service}/dist/main.js`,
        env: {
          MILLRACE_DATA_DIR: join(directory, name),
          MILLRACE_PORT: String(port),
          MILLRACE_GRPC_PORT: String(await freePort()),
          MILLRACE_KAFKA_BROKERS: kafkaBrokers,
          MILLRACE_REDIS_URL: redisUrl,
          MILLRACE_CLICKHOUSE_URL: clickhouseUrl,
          MILLRACE_ARTIFACTS: `file://${join(directory, 'artifacts')}`,
          MILLRACE_LOG_LEVEL: 'warn',
          ...options.env,
        },
        readyUrl: `http://127.0.0.1:${port}/readyz`,
      }),
    );
  }
  const routerPort = await freePort();
  const url = `http://127.0.0.1:${routerPort}`;
  const router = new ServiceProcess({
    name: 'router',
    script: 'services/platform/dist/router.js',
    env: {
      MILLRACE_PORT: String(routerPort),
      ...Object.fromEntries([...addresses].map(([name, address]) => [`MILLRACE_${name.toUpperCase()}_URL`, address.join(',')])),
    },
    readyUrl: `${url}/readyz`,
  });
  return {
    kind: 'distributed',
    url,
    clickhouseUrl,
    services,
    async start() {
      await clickhouse.start();
      await Promise.all(services.map((service) => service.start()));
      await router.start();
    },
    async stop() {
      await router.stop();
      await Promise.all(services.map((service) => service.stop()));
      await clickhouse.stop();
    },
  };
}

import { checkSpec } from '@millrace/contracts';
import { Fault, isFault } from '@millrace/kernel';
import { Module, type DynamicModule, type Type } from '@nestjs/common';
import { HttpAdapterHost, ModuleRef, NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { accessRoutes } from '../access/access.routes.js';
import { openFirstKey } from '../access/first-key.js';
import type { Config } from '../config/config.js';
import { EventsApiModule } from '../events/events-api.module.js';
import { HostModule } from '../host/host.module.js';
import { openHost, type Host, type HostOptions } from '../host/host.js';
import { NestLogger } from '../host/logger.js';
import { resourceRoutes } from '../resources/resources.routes.js';
import { StoredCheckpoints } from '../transport/checkpoints.js';
import { LogTransport } from '../transport/log-transport.js';
import { addHealthRoutes } from './health-routes.js';
import { createHttpServer, type Route } from './http-server.js';
import { openApiRoutes } from './openapi.js';
import { checkPathPrefix } from './path-prefix.js';
import { ProblemFilter } from './problem.filter.js';
import { resetRoutes } from '../reset/reset-routes.js';
import { rawRoutes } from './raw-routes.js';

/** A service that answers. */
export interface RunningService {
  readonly host: Host;
  readonly app: NestFastifyApplication;
  /** `http://127.0.0.1:8080`, with the port that was really taken. */
  readonly url: string;
  /** Every route it answers. */
  readonly routes: readonly Route[];
  /** Says it is not ready, goes on answering while it drains, stops accepting, lets what runs settle, closes everything in order. Safe to call twice. */
  close(): Promise<void>;
}

export interface BootstrapOptions extends Partial<HostOptions> {
  /** Where a secret is shown that is shown once; standard error unless given. */
  readonly show?: (text: string) => void;
}

@Module({})
class RootModule {}

/**
 * Opens the host, builds the application of `module` on it and listens. Every service and the platform start here. It does not wait for
 * readers to catch up: `/readyz` says when they have.
 */
export async function bootstrap(module: Type | DynamicModule, config: Config, options: BootstrapOptions = {}): Promise<RunningService> {
  const name = 'module' in module ? module.module.name : module.name;
  const service = options.service ?? name.replace(/Module$/, '').toLowerCase();
  await checkHost(config.host);
  const host = await openHost(config, { ...options, service });
  let app: NestFastifyApplication | undefined;
  let routes: readonly Route[];
  try {
    ({ app, routes } = await createApp(module, host));
    await listen(app, config);
    // All routes are known only now.
    checkPathPrefix(config.pathPrefix, new Set(routes.map(({ path }) => path)));
    await app.startAllMicroservices();
    openFirstKey({ ...host, show: options.show ?? ((text) => void process.stderr.write(text)) });
  } catch (error) {
    await app?.close().catch((closing: unknown) => host.logger.error({ err: closing }, 'closing failed'));
    await host.close();
    throw error;
  }
  const running = runningService(host, app, routes);
  host.logger.info({ url: running.url, port: addressOf(app).port }, 'listening');
  return running;
}

async function createApp(module: Type | DynamicModule, host: Host): Promise<{ app: NestFastifyApplication; routes: readonly Route[] }> {
  const { config, metrics, telemetry, ids, logger, health, consumers, topics, online, access, clock } = host;
  const { adapter, routes } = createHttpServer({ config, metrics, telemetry, ids, access, health });
  addHealthRoutes(adapter.getInstance(), health, metrics);
  const root: DynamicModule = { module: RootModule, imports: [HostModule.of(host), EventsApiModule.of(host.service), module] };
  const app = await NestFactory.create<NestFastifyApplication>(root, adapter, { logger: new NestLogger(logger), abortOnError: false });
  app.useGlobalFilters(new ProblemFilter(logger));
  rawRoutes(app.get(HttpAdapterHost), { body: 'buffer' }, (scope) => {
    resourceRoutes(scope, { resources: host.resources, checkShape: checkSpec, clock, ids });
    accessRoutes(scope, { access, clock, ids });
    resetRoutes(scope, host);
    openApiRoutes(scope, routes);
  });
  const transport = new LogTransport({ consumers, topics, logger, checkpoints: new StoredCheckpoints(online) });
  transport.attach(app.get(ModuleRef));
  app.connectMicroservice({ strategy: transport });
  return { app, routes };
}

/** Every port of the process is opened on this address; one that is not this machine's is told before anything else. */
async function checkHost(host: string): Promise<void> {
  const probe = createServer();
  try {
    probe.listen(0, host);
    await once(probe, 'listening');
  } catch (error) {
    const message = `MILLRACE_HOST is ${host}, which is no address this machine can listen on: ${messageOf(error)}`;
    throw new Fault('MR_CONFIG', message, false, { cause: error });
  } finally {
    probe.close();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function listen(app: NestFastifyApplication, { port, host }: Config): Promise<void> {
  try {
    await app.listen(port, host);
  } catch (error) {
    // Modules open what is theirs before the server listens, and say themselves what went wrong.
    if (isFault(error)) throw error;
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') {
      const message = `cannot listen on port ${port} of ${host}: ${messageOf(error)}; see MILLRACE_PORT and MILLRACE_HOST`;
      throw new Fault('MR_PORT_UNUSABLE', message, false, { cause: error });
    }
    throw new Fault('MR_PORT_IN_USE', `port ${port} of ${host} is taken by another process; stop that one, or set MILLRACE_PORT`, false, {
      cause: error,
    });
  }
}

function runningService(host: Host, app: NestFastifyApplication, routes: readonly Route[]): RunningService {
  let closing: Promise<void> | undefined;
  const close = async () => {
    host.health.stopping();
    if (host.config.drainMs > 0) await delay(host.config.drainMs);
    await app.close();
    await host.close();
  };
  return { host, app, routes, url: urlOf(app), close: () => (closing ??= close()) };
}

function addressOf(app: NestFastifyApplication): AddressInfo {
  return app.getHttpServer().address() as AddressInfo;
}

function urlOf(app: NestFastifyApplication): string {
  const { address, port, family } = addressOf(app);
  const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '[::1]' : family === 'IPv6' ? `[${address}]` : address;
  return `http://${host}:${port}`;
}

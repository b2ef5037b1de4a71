import type { ArtifactStore } from '@millrace/artifact-store';
import type { EventLog } from '@millrace/event-log';
import type { Clock, Ids, Scheduler } from '@millrace/kernel';
import { migrate, offlineStoreMigrations, type OfflineStore } from '@millrace/offline-store';
import type { OnlineStore } from '@millrace/online-store';
import type { SpanExporter } from '@opentelemetry/sdk-trace-base';
import type { DestinationStream, Logger } from 'pino';
import { Access } from '../access/access.js';
import { accessSettings, isLoopback } from '../access/access-settings.js';
import type { Config } from '../config/config.js';
import { DomainLogs } from '../log/domain-logs.js';
import { Facts } from '../log/facts.js';
import { LogConsumers } from '../log/log-consumers.js';
import { Resources } from '../log/resources.js';
import { TableProjections } from '../log/table-projections.js';
import { Topics } from '../log/topics.js';
import { Metrics } from '../telemetry/metrics.js';
import { Telemetry } from '../telemetry/telemetry.js';
import { configuredAdapters, type AdapterContext, type Adapters } from './adapters.js';
import { systemClock, systemScheduler } from './clock.js';
import { DataDirectory } from './data-directory.js';
import { Health } from './health.js';
import { SystemIds } from './ids.js';
import { Lifecycle } from './lifecycle.js';
import { createLogger } from './logger.js';
import { tooFewFiles } from './open-files.js';
import { StateStores } from './state-stores.js';
import { Reset } from '../reset/reset.js';
import { resetHost } from '../reset/reset-host.js';

/** Everything a process of Millrace stands on, opened. Services get its parts injected; tools and benches use it as it is. */
export interface Host {
  readonly service: string;
  readonly config: Config;
  readonly log: EventLog;
  readonly online: OnlineStore;
  readonly offline: OfflineStore;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
  readonly health: Health;
  readonly lifecycle: Lifecycle;
  readonly directory: DataDirectory;
  readonly topics: Topics;
  readonly consumers: LogConsumers;
  readonly domainLogs: DomainLogs;
  readonly tables: TableProjections;
  readonly states: StateStores;
  readonly facts: Facts;
  readonly resources: Resources;
  readonly access: Access;
  readonly reset: Reset;
  /** Closes all of it in order: consumers, projections, replicas, stores, log. */
  close(): Promise<void>;
}

export interface HostOptions {
  /** Name in log lines, metrics and traces: the domain, or `platform`. */
  readonly service: string;
  /** Stand-ins for some of the configured adapters; for tests. */
  readonly adapters?: Partial<Adapters>;
  /** Where log lines go; standard output unless given. */
  readonly logDestination?: DestinationStream;
  /** Where spans go instead of the configured collector; for tests. */
  readonly spanExporter?: SpanExporter;
}

/** Opens the log and the stores the configuration names, and what the kit builds on them. Closes what it opened when one of them fails. */
export async function openHost(config: Config, options: HostOptions): Promise<Host> {
  const { service } = options;
  const telemetry = new Telemetry({
    service,
    otlpEndpoint: config.otlpEndpoint,
    ratio: config.traceRatio,
    ...(options.spanExporter ? { exporter: options.spanExporter } : {}),
  });
  const logger = createLogger({
    level: config.logLevel,
    service,
    trace: () => telemetry.ids(),
    ...(options.logDestination ? { destination: options.logDestination } : {}),
  });
  const lifecycle = new Lifecycle(logger);
  lifecycle.add('telemetry', 'traces', () => telemetry.close());
  try {
    return await open(config, options, { telemetry, logger, lifecycle });
  } catch (error) {
    await lifecycle.close();
    throw error;
  }
}

async function open(
  config: Config,
  options: HostOptions,
  base: { telemetry: Telemetry; logger: Logger; lifecycle: Lifecycle },
): Promise<Host> {
  const { service } = options;
  const { telemetry, logger, lifecycle } = base;
  const clock = systemClock;
  const scheduler = systemScheduler;
  const ids = new SystemIds(clock);
  const metrics = new Metrics(service);
  const health = new Health(clock);
  logger.info({ config: config.redacted(), node: process.version }, 'starting');
  const settings = accessSettings(config);
  if (!isLoopback(config.host) && !settings.isRequired) {
    logger.warn({ host: config.host }, 'listening beyond this machine, and MILLRACE_AUTH is off: let only trusted networks reach it');
  }

  const files = tooFewFiles();
  if (files !== undefined) logger.warn(files);

  const directory = DataDirectory.open(config.dataDir);
  lifecycle.add('data-directory', config.dataDir, () => directory.close());
  const adapters: Adapters = { ...configuredAdapters, ...options.adapters };
  const context: AdapterContext = { service, config, directory, clock, scheduler, logger };

  const log = await adapters.log(context);
  lifecycle.add('log', 'event log', () => log.close());
  health.dependency('event-log', () => log.ping());
  const online = await adapters.online(context);
  lifecycle.add('stores', 'online store', () => online.close());
  health.dependency('online-store', () => online.ping());
  const offline = await adapters.offline(context);
  lifecycle.add('stores', 'offline store', () => offline.close());
  health.dependency('offline-store', () => offline.ping());
  const migrated = await migrate(offline, offlineStoreMigrations);
  if (migrated.length > 0) logger.info({ migrated }, 'offline store migrated');
  const artifacts = await adapters.artifacts(context);
  health.dependency('artifact-store', () => artifacts.ping());
  // Without room for files everything but uploads goes on: a gateway is not taken out for it.
  if (artifacts.shortage) health.trouble('artifact-store', artifacts.shortage.bind(artifacts));

  const topics = new Topics(log);
  await topics.ensureAll();
  const reset = new Reset();
  const shared = { log, topics, clock, scheduler, ids, logger, metrics, telemetry, health, lifecycle };
  const consumers = new LogConsumers(shared);
  const tables = new TableProjections({ ...shared, store: offline });
  const states = new StateStores((name, version) => adapters.state(context, name, version), lifecycle);
  const domainLogs = new DomainLogs({
    ...shared,
    consumers,
    tables,
    offline,
    states,
    reset,
    commandDeadlineMs: config.commandDeadlineMs,
    queryDeadlineMs: config.queryDeadlineMs,
  });
  const resources = await Resources.open(domainLogs);
  const access = await Access.open(domainLogs, settings, clock);
  const facts = new Facts(shared);
  resetHost({ ...shared, reset, online, offline, artifacts, consumers, tables, resources });
  return {
    ...shared,
    service,
    config,
    online,
    offline,
    artifacts,
    directory,
    consumers,
    domainLogs,
    tables,
    states,
    facts,
    resources,
    access,
    reset,
    close: async () => {
      health.stopping();
      await lifecycle.close();
    },
  };
}

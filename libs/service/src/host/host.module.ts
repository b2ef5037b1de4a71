import { Module, type DynamicModule } from '@nestjs/common';
import { Access } from '../access/access.js';
import { DomainLogs } from '../log/domain-logs.js';
import { Facts } from '../log/facts.js';
import { LogConsumers } from '../log/log-consumers.js';
import { Resources } from '../log/resources.js';
import { TableProjections } from '../log/table-projections.js';
import { Topics } from '../log/topics.js';
import { Metrics } from '../telemetry/metrics.js';
import { Telemetry } from '../telemetry/telemetry.js';
import { ARTIFACT_STORE, CLOCK, CONFIG, EVENT_LOG, IDS, LOGGER, METRICS, OFFLINE_STORE, ONLINE_STORE, SCHEDULER } from '../tokens.js';
import { Health } from './health.js';
import { Reset } from '../reset/reset.js';
import type { Host } from './host.js';
import { Lifecycle } from './lifecycle.js';
import { StateStores } from './state-stores.js';

/** Gives every module of the process what the host has opened. The host is closed by whoever opened it, after the application. */
@Module({})
export class HostModule {
  static of(host: Host): DynamicModule {
    const values: readonly (readonly [symbol | (abstract new (...args: never[]) => unknown), unknown])[] = [
      [EVENT_LOG, host.log],
      [ONLINE_STORE, host.online],
      [OFFLINE_STORE, host.offline],
      [ARTIFACT_STORE, host.artifacts],
      [CLOCK, host.clock],
      [IDS, host.ids],
      [SCHEDULER, host.scheduler],
      [CONFIG, host.config],
      [LOGGER, host.logger],
      [METRICS, host.metrics.registry],
      [Metrics, host.metrics],
      [Telemetry, host.telemetry],
      [Health, host.health],
      [Lifecycle, host.lifecycle],
      [Topics, host.topics],
      [LogConsumers, host.consumers],
      [DomainLogs, host.domainLogs],
      [TableProjections, host.tables],
      [StateStores, host.states],
      [Facts, host.facts],
      [Resources, host.resources],
      [Access, host.access],
      [Reset, host.reset],
    ];
    return {
      module: HostModule,
      global: true,
      providers: values.map(([provide, useValue]) => ({ provide, useValue })),
      exports: values.map(([token]) => token),
    };
  }
}

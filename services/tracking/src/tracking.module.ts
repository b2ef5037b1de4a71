import type { ArtifactStore } from '@millrace/artifact-store';
import type { EventLog } from '@millrace/event-log';
import type { Clock, Ids, Scheduler } from '@millrace/kernel';
import type { OfflineStore } from '@millrace/offline-store';
import {
  ARTIFACT_STORE,
  CLOCK,
  CONFIG,
  DomainLogs,
  EVENT_LOG,
  Facts,
  Health,
  IDS,
  Lifecycle,
  LogConsumers,
  LOGGER,
  OFFLINE_STORE,
  rawRoutes,
  Reset,
  SCHEDULER,
  TableProjections,
  Topics,
  type Config,
} from '@millrace/service';
import { LmdbStateStore } from '@millrace/state-store';
import { Inject, Module, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { registerTrackingApi } from './api/mlflow/register.js';
import { artifactDigestRoutes } from './api/rest/artifact-digest-routes.js';
import { gcRoutes } from './api/rest/gc-routes.js';
import { runRestRoutes } from './api/rest/runs.routes.js';
import { LATEST_METRICS_VERSION } from './projections/latest-metrics.projection.js';
import { openTracking } from './tracking.runtime.js';

/** Experiments, runs, metrics and artifacts, over MLflow's REST API. */
@Module({})
export class TrackingModule implements OnModuleInit, OnModuleDestroy {
  readonly #stopping = new AbortController();

  constructor(
    @Inject(HttpAdapterHost) private readonly http: HttpAdapterHost,
    @Inject(DomainLogs) private readonly domainLogs: DomainLogs,
    @Inject(Topics) private readonly topics: Topics,
    @Inject(Facts) private readonly facts: Facts,
    @Inject(LogConsumers) private readonly consumers: LogConsumers,
    @Inject(TableProjections) private readonly tables: TableProjections,
    @Inject(Health) private readonly health: Health,
    @Inject(Lifecycle) private readonly lifecycle: Lifecycle,
    @Inject(Reset) private readonly reset: Reset,
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(OFFLINE_STORE) private readonly offline: OfflineStore,
    @Inject(ARTIFACT_STORE) private readonly artifacts: ArtifactStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(IDS) private readonly ids: Ids,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    const { domainLogs, topics, facts, consumers, tables, health, lifecycle, reset } = this;
    const { log, offline, artifacts, clock, ids, scheduler, config, logger } = this;
    const metricsState = await LmdbStateStore.open({
      path: join(config.dataDir, 'state', 'tracking-latest-metrics', 'state.mdb'),
      version: LATEST_METRICS_VERSION,
    });
    const api = await openTracking({
      ...{ domainLogs, topics, facts, consumers, tables, health, lifecycle, reset },
      ...{ log, offline, artifacts, clock, ids, scheduler, config, logger, metricsState },
    });
    registerTrackingApi(this.http.httpAdapter.getInstance<FastifyInstance>(), api);
    rawRoutes(this.http, { body: 'json' }, (scope) => {
      gcRoutes(scope, api);
      artifactDigestRoutes(scope, api);
      runRestRoutes(scope, api, this.#stopping.signal);
    });
  }

  /** Before HTTP waits for its requests to end: streams of events do not end by themselves. */
  onModuleDestroy(): void {
    this.#stopping.abort();
  }
}

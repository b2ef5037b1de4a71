import type { ArtifactStore } from '@millrace/artifact-store';
import type { EventLog } from '@millrace/event-log';
import type { Clock, Ids, Scheduler } from '@millrace/kernel';
import type { OfflineStore } from '@millrace/offline-store';
import type { OnlineStore } from '@millrace/online-store';
import {
  ARTIFACT_STORE,
  awaitPosition,
  CLOCK,
  commandMetadata,
  CONFIG,
  DomainLogs,
  EVENT_LOG,
  Facts,
  Health,
  IDS,
  Lifecycle,
  LOGGER,
  METRICS,
  OFFLINE_STORE,
  ONLINE_STORE,
  rawRoutes,
  Resources,
  SCHEDULER,
  TableProjections,
  Topics,
  type Config,
} from '@millrace/service';
import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { oipError, oipRoutes } from './api/oip/oip.routes.js';
import { batchJobRoutes } from './api/rest/batch-jobs.routes.js';
import { labelRoutes } from './api/rest/labels.routes.js';
import { rolloutRoutes } from './api/rest/rollouts.routes.js';
import { versionCheckRoutes } from './api/rest/version-checks.routes.js';
import { inferenceConfig } from './config.js';
import { rolloutEndpoints } from './rollouts/open-rollouts.js';
import { openInference } from './inference.runtime.js';

/** The inference gateway: models from the registry behind the Open Inference Protocol, by tensors or by entity keys. */
@Module({})
export class InferenceModule implements OnModuleInit {
  constructor(
    @Inject(HttpAdapterHost) private readonly http: HttpAdapterHost,
    @Inject(DomainLogs) private readonly domainLogs: DomainLogs,
    @Inject(Resources) private readonly resources: Resources,
    @Inject(Topics) private readonly topics: Topics,
    @Inject(Facts) private readonly facts: Facts,
    @Inject(TableProjections) private readonly tables: TableProjections,
    @Inject(Health) private readonly health: Health,
    @Inject(Lifecycle) private readonly lifecycle: Lifecycle,
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(ONLINE_STORE) private readonly online: OnlineStore,
    @Inject(OFFLINE_STORE) private readonly offline: OfflineStore,
    @Inject(ARTIFACT_STORE) private readonly artifacts: ArtifactStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(IDS) private readonly ids: Ids,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(METRICS) private readonly registry: Registry,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    const { domainLogs, resources, topics, facts, tables, health, lifecycle } = this;
    const { log, online, offline, artifacts, clock, ids, scheduler, config, registry, logger } = this;
    const { gateway, status, recorder, checks, resolveVersion, rollouts, domain, batchJobs } = await openInference({
      ...{ domainLogs, resources, topics, facts, tables, health, lifecycle },
      ...{ log, online, offline, artifacts, clock, ids, scheduler, config, registry, logger },
    });
    const onError = oipError((error, request) => logger.error({ err: error, url: request.url }, 'defect: an inference request failed'));
    rawRoutes(this.http, { body: 'buffer', onError }, (scope) =>
      oipRoutes(scope, { gateway, status, serverVersion: '0.1.0', maxBodyBytes: config.maxBodyBytes }),
    );
    rawRoutes(this.http, { body: 'buffer' }, (scope) => labelRoutes(scope, { recorder, clock }));
    rawRoutes(this.http, { body: 'json' }, (scope) => rolloutRoutes(scope, rolloutEndpoints(rollouts, { clock, ids })));
    rawRoutes(this.http, { body: 'buffer' }, (scope) => versionCheckRoutes(scope, { checks, resolve: resolveVersion }));
    rawRoutes(this.http, { body: 'buffer', maxBodyBytes: config.of(inferenceConfig).batchMaxInputBytes }, (scope) =>
      batchJobRoutes(scope, {
        request: (input, metadata) => batchJobs.request(input, metadata),
        cancel: (id, metadata) => batchJobs.cancel(id, metadata),
        state: async (request, id) => {
          await awaitPosition(request, domain);
          await domain.barrier();
          return batchJobs.state(id);
        },
        settled: (id, waitMs) => batchJobs.settled(id, waitMs),
        list: () => batchJobs.list(),
        progress: (id) => batchJobs.progress(id),
        metadata: (request) => commandMetadata(request, clock, ids),
        open: (path) => artifacts.get(path),
        uri: (path) => artifacts.uri(path),
      }),
    );
  }
}

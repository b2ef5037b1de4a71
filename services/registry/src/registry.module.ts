import type { ArtifactStore } from '@millrace/artifact-store';
import type { Clock, Ids, Scheduler } from '@millrace/kernel';
import { migrate, type OfflineStore } from '@millrace/offline-store';
import type { OnlineStore } from '@millrace/online-store';
import {
  ARTIFACT_STORE,
  CLOCK,
  commandMetadata,
  CONFIG,
  DomainLogs,
  Facts,
  IDS,
  Lifecycle,
  LogConsumers,
  LOGGER,
  OFFLINE_STORE,
  ONLINE_STORE,
  SCHEDULER,
  sendPosition,
  TableProjections,
  Topics,
  type Config,
} from '@millrace/service';
import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { registerRegistryApi } from './api/mlflow/register.js';
import { RegistryCommands } from './commands/registry-commands.js';
import { loggedModelArtifacts, runArtifacts, trackedArtifacts } from './commands/run-artifacts.js';
import { SourceResolver } from './commands/source-resolver.js';
import { model } from './domain/model/model.decider.js';
import { models } from './domain/models/models.decider.js';
import { webhooks } from './domain/webhooks/webhooks.decider.js';
import { RegistryView } from './queries/registry-view.js';
import { openWebhooks } from './webhooks.runtime.js';

const DOMAIN = 'registry';

/** Registered models, their versions, stages and aliases, over MLflow's REST API. */
@Module({})
export class RegistryModule implements OnModuleInit {
  constructor(
    @Inject(HttpAdapterHost) private readonly http: HttpAdapterHost,
    @Inject(DomainLogs) private readonly domainLogs: DomainLogs,
    @Inject(OFFLINE_STORE) private readonly offline: OfflineStore,
    @Inject(ARTIFACT_STORE) private readonly artifacts: ArtifactStore,
    @Inject(Topics) private readonly topics: Topics,
    @Inject(Facts) private readonly facts: Facts,
    @Inject(LogConsumers) private readonly consumers: LogConsumers,
    @Inject(TableProjections) private readonly tables: TableProjections,
    @Inject(Lifecycle) private readonly lifecycle: Lifecycle,
    @Inject(ONLINE_STORE) private readonly online: OnlineStore,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(IDS) private readonly ids: Ids,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    const { domainLogs, offline, artifacts, clock, ids, logger } = this;
    await migrate(offline, { name: DOMAIN, directory: new URL('./migrations/', import.meta.url) });
    const domain = await domainLogs.open({ domain: DOMAIN, aggregates: { models, model, webhooks } });
    const tracking = await domainLogs.follow({
      domain: 'tracking',
      aggregates: { run: runArtifacts, 'logged-model': loggedModelArtifacts },
      as: DOMAIN,
    });
    const view = new RegistryView(domain);
    const sources = new SourceResolver(artifacts, view, trackedArtifacts(tracking));
    await openWebhooks(this.http, {
      ...{ domain, tracking, view, offline, clock, ids, logger },
      ...{ topics: this.topics, facts: this.facts, consumers: this.consumers, tables: this.tables, lifecycle: this.lifecycle },
      ...{ online: this.online, scheduler: this.scheduler, config: this.config },
    });
    registerRegistryApi(this.http.httpAdapter.getInstance<FastifyInstance>(), {
      commands: new RegistryCommands(domain, view, sources, ids),
      view,
      metadata: (request) => commandMetadata(request, clock, ids),
      sendPosition,
      onDefect: (error, request) => logger.error({ err: error, url: request.url }, 'defect: an MLflow request failed'),
    });
  }
}

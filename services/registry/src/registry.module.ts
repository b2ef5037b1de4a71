import type { ArtifactStore } from '@millrace/artifact-store';
import type { Clock, Ids } from '@millrace/kernel';
import { migrate, type OfflineStore } from '@millrace/offline-store';
import { ARTIFACT_STORE, CLOCK, commandMetadata, DomainLogs, IDS, LOGGER, OFFLINE_STORE, sendPosition } from '@millrace/service';
import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { registerRegistryApi } from './api/mlflow/register.js';
import { RegistryCommands } from './commands/registry-commands.js';
import { runArtifacts, runArtifactUris } from './commands/run-artifacts.js';
import { SourceResolver } from './commands/source-resolver.js';
import { model } from './domain/model/model.decider.js';
import { models } from './domain/models/models.decider.js';
import { RegistryView } from './queries/registry-view.js';

const DOMAIN = 'registry';

/** Registered models, their versions, stages and aliases, over MLflow's REST API. */
@Module({})
export class RegistryModule implements OnModuleInit {
  constructor(
    @Inject(HttpAdapterHost) private readonly http: HttpAdapterHost,
    @Inject(DomainLogs) private readonly domainLogs: DomainLogs,
    @Inject(OFFLINE_STORE) private readonly offline: OfflineStore,
    @Inject(ARTIFACT_STORE) private readonly artifacts: ArtifactStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(IDS) private readonly ids: Ids,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    const { domainLogs, offline, artifacts, clock, ids, logger } = this;
    await migrate(offline, { name: DOMAIN, directory: new URL('./migrations/', import.meta.url) });
    const domain = await domainLogs.open({ domain: DOMAIN, aggregates: { models, model } });
    const tracking = await domainLogs.follow({ domain: 'tracking', aggregates: { run: runArtifacts }, as: DOMAIN });
    const view = new RegistryView(domain);
    const sources = new SourceResolver(artifacts, view, runArtifactUris(tracking));
    registerRegistryApi(this.http.httpAdapter.getInstance<FastifyInstance>(), {
      commands: new RegistryCommands(domain, view, sources, ids),
      view,
      metadata: (request) => commandMetadata(request, clock, ids),
      sendPosition,
      onDefect: (error, request) => logger.error({ err: error, url: request.url }, 'defect: an MLflow request failed'),
    });
  }
}

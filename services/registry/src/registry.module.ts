import type { ArtifactStore } from '@millrace/artifact-store';
import type { EventLog } from '@millrace/event-log';
import type { Clock, Ids, Scheduler } from '@millrace/kernel';
import { migrate, type OfflineStore } from '@millrace/offline-store';
import type { OnlineStore } from '@millrace/online-store';
import {
  ARTIFACT_STORE,
  CLOCK,
  commandMetadata,
  CONFIG,
  DomainLogs,
  EVENT_LOG,
  Facts,
  IDS,
  Lifecycle,
  LogConsumers,
  LOGGER,
  OFFLINE_STORE,
  ONLINE_STORE,
  rawRoutes,
  Resources,
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
import { Policies } from './commands/policies.js';
import { RegistryCommands } from './commands/registry-commands.js';
import { RegistryImports } from './commands/registry-imports.js';
import { loggedModelArtifacts, RUN_FACTS_VERSION, runFacts, trackedArtifacts } from './commands/run-artifacts.js';
import { SourceResolver } from './commands/source-resolver.js';
import { governedModel } from './domain/governance/governed-model.decider.js';
import { models } from './domain/models/models.decider.js';
import { openIntegrity, openSigner } from './integrity.runtime.js';
import { openGovernance } from './governance.runtime.js';
import { openOpenLineage } from './open-lineage.runtime.js';
import { webhooks } from './domain/webhooks/webhooks.decider.js';
import { RegistryView } from './queries/registry-view.js';
import { openWebhooks } from './webhooks.runtime.js';

const DOMAIN = 'registry';
/** Raised when what the deciders' folds call changes: what is stored is then folded anew. */
const FOLD_VERSION = 2;

/** Registered models, their versions, stages and aliases, over MLflow's REST API. */
@Module({})
export class RegistryModule implements OnModuleInit {
  constructor(
    @Inject(HttpAdapterHost) private readonly http: HttpAdapterHost,
    @Inject(DomainLogs) private readonly domainLogs: DomainLogs,
    @Inject(Resources) private readonly resources: Resources,
    @Inject(TableProjections) private readonly tables: TableProjections,
    @Inject(Facts) private readonly facts: Facts,
    @Inject(LogConsumers) private readonly consumers: LogConsumers,
    @Inject(ONLINE_STORE) private readonly online: OnlineStore,
    @Inject(Lifecycle) private readonly lifecycle: Lifecycle,
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(OFFLINE_STORE) private readonly offline: OfflineStore,
    @Inject(ARTIFACT_STORE) private readonly artifacts: ArtifactStore,
    @Inject(Topics) private readonly topics: Topics,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(IDS) private readonly ids: Ids,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    const { domainLogs, resources, topics, tables, facts, consumers, online, lifecycle } = this;
    const { log, offline, artifacts, clock, ids, scheduler, config, logger } = this;
    await migrate(offline, { name: DOMAIN, directory: new URL('./migrations/', import.meta.url) });
    const domain = await domainLogs.open({
      domain: DOMAIN,
      aggregates: { models, model: governedModel, webhooks },
      foldVersion: FOLD_VERSION,
    });
    const tracking = await domainLogs.follow({
      domain: 'tracking',
      aggregates: { run: runFacts, 'logged-model': loggedModelArtifacts },
      as: DOMAIN,
      // There may be a million runs: neither to be kept in memory nor folded anew at every start.
      state: 'durable',
      foldVersion: RUN_FACTS_VERSION,
    });
    const view = new RegistryView(domain);
    const tracked = trackedArtifacts(tracking);
    const signer = await openSigner({ tables, facts, offline, artifacts, config });
    const sources = new SourceResolver(signer, view, tracked);
    const policies = new Policies(resources);
    const governance = openGovernance({
      ...{ domain, tracking, resources, policies, view, log, offline, artifacts, clock, ids, scheduler, logger, lifecycle },
      queryDeadlineMs: config.queryDeadlineMs,
      signedBy: ({ version }) => version.signature?.keyId ?? null,
    });
    const commands = new RegistryCommands(domain, view, sources, ids, policies, governance.commands);
    await openWebhooks(this.http, {
      ...{ domain, tracking, view, topics, facts, consumers, tables, online, lifecycle },
      ...{ offline, clock, ids, scheduler, config, logger },
    });
    registerRegistryApi(this.http.httpAdapter.getInstance<FastifyInstance>(), {
      commands,
      imports: new RegistryImports(commands, view, ids),
      view,
      artifacts,
      runArtifactUri: (runId) => tracked.ofRun(runId),
      metadata: (request) => commandMetadata(request, clock, ids),
      sendPosition,
      onDefect: (error, request) => logger.error({ err: error, url: request.url }, 'defect: an MLflow request failed'),
    });
    rawRoutes(this.http, { body: 'json' }, governance.routes);
    const host = { domain, log, online, offline, consumers, lifecycle, clock, scheduler, config, logger };
    rawRoutes(this.http, { body: 'json' }, await openOpenLineage(host));
    rawRoutes(this.http, { body: 'json' }, openIntegrity({ artifacts, config, clock, ids }, signer, { domain, view, commands }));
  }
}

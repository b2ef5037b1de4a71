import type { ArtifactStore } from '@millrace/artifact-store';
import type { EventLog } from '@millrace/event-log';
import type { Clock, CommandMetadata, Ids, Scheduler } from '@millrace/kernel';
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
  LogConsumers,
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
import type { FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { feastErrorHandler } from './api/feast/error-handler.js';
import { materializeRoutes } from './api/feast/materialize.routes.js';
import { onlineFeaturesRoutes } from './api/feast/online-features.routes.js';
import { pushRoutes } from './api/feast/push.routes.js';
import { ingestRoutes } from './api/rest/ingest.routes.js';
import { materializationRoutes } from './api/rest/materialization.routes.js';
import { sourceRoutes } from './api/rest/source.routes.js';
import { statisticsRoutes } from './api/rest/statistics.routes.js';
import { trainingSetRoutes } from './api/rest/training-set.routes.js';
import { verificationRoutes } from './api/rest/verification.routes.js';
import { featuresConfig } from './config.js';
import { runningOf } from './domain/materialization/materialization.decider.js';
import { openFeatures } from './features.runtime.js';
import { FeaturesMetrics } from './metrics.js';
import type { IntakeResult } from './sources/event-intake.js';

/** Feature sources, windows kept online and offline, Feast's online protocol, and point-in-time training sets. */
@Module({})
export class FeaturesModule implements OnModuleInit {
  constructor(
    @Inject(HttpAdapterHost) private readonly http: HttpAdapterHost,
    @Inject(DomainLogs) private readonly domainLogs: DomainLogs,
    @Inject(Resources) private readonly resources: Resources,
    @Inject(Topics) private readonly topics: Topics,
    @Inject(Facts) private readonly facts: Facts,
    @Inject(LogConsumers) private readonly consumers: LogConsumers,
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
    const { domainLogs, resources, topics, facts, consumers, tables, health, lifecycle } = this;
    const { log, online, offline, artifacts, clock, ids, scheduler, config, logger } = this;
    const metrics = new FeaturesMetrics(this.registry);
    const features = await openFeatures({
      ...{ domainLogs, resources, topics, facts, consumers, tables, health, lifecycle },
      ...{ log, online, offline, artifacts, clock, ids, scheduler, config, logger, metrics },
    });
    const own = config.of(featuresConfig);
    const { maxIngestBytes, maxAtomicIngestBytes, maxEventBytes, maxOnlineRows, maxSpineBytes, feastStrict: isStrict } = own;
    const { definitions, sources, materializations } = features;
    const isOnDemand = (view: string): boolean => definitions.onDemandView(view) !== undefined;
    const isBatch = (source: string): boolean => definitions.source(source)?.batch !== undefined;
    const metadata = (request: FastifyRequest): CommandMetadata => commandMetadata(request, clock, ids);
    const took = (source: string, { accepted, rejectedCount, rejectedKinds }: IntakeResult): void => {
      metrics.ingested.inc({ source, outcome: 'accepted' }, accepted);
      metrics.ingested.inc({ source, outcome: 'rejected' }, rejectedCount);
      for (const [reason, count] of rejectedKinds) metrics.rejected.inc({ source, via: 'http', reason }, count);
    };
    rawRoutes(this.http, { body: 'stream' }, (scope) =>
      ingestRoutes(scope, {
        intake: features.intake,
        reader: features.readerOf,
        isBatch,
        took,
        maxBytes: maxIngestBytes,
        maxAtomicBytes: maxAtomicIngestBytes,
        maxEventBytes,
      }),
    );
    const onError = feastErrorHandler((error, request) =>
      logger.error({ err: error, requestId: request.id }, "defect: a request of Feast's failed"),
    );
    rawRoutes(this.http, { body: 'buffer', onError }, (scope, addHotRoute) => {
      onlineFeaturesRoutes(addHotRoute, {
        onError,
        catalog: features.definitions.online,
        reader: features.reader,
        now: () => clock.now(),
        waitFor: features.waitForOnline,
        maxRows: maxOnlineRows,
        readLog: features.readLog,
        isStrict,
      });
      materializeRoutes(scope, {
        view: (name) => definitions.view(name),
        isOnDemand,
        onlineViews: () => definitions.views().filter((view) => view.online),
        materialize: features.materialize,
        isBusy: ({ source }) => runningOf(materializations.state(source.name)) !== undefined,
        metadata,
        failed: (views, error) => logger.warn({ err: error, views }, 'a materialization that nobody waits for did not come to its end'),
        isStrict,
      });
    });
    rawRoutes(this.http, { body: 'buffer', maxBodyBytes: maxAtomicIngestBytes, onError }, (scope) =>
      pushRoutes(scope, {
        intake: features.intake,
        reader: features.readerOf,
        isBatch,
        view: (name) => definitions.view(name),
        isOnDemand,
        viewsOf: (source) => definitions.views().filter((view) => view.source.name === source),
        took,
        // A changed view is read from its old state until the new one is up.
        waitForOnline: (views, position) =>
          features.waitForOnline(
            views.map((view) => definitions.heldView(view.name) ?? view),
            position,
          ),
        waitForTable: async (topic, { partition, offset }) => {
          const next = Array.from({ length: sources.partitionsOf(topic) }, (_, at) => (at === partition ? offset + 1 : 0));
          await sources.waitForTable(topic, next, config.queryDeadlineMs);
        },
        isStrict,
      }),
    );
    const { trainingSets, domain } = features;
    rawRoutes(this.http, { body: 'buffer', maxBodyBytes: maxSpineBytes }, (scope) =>
      trainingSetRoutes(scope, {
        request: (input, metadata) => trainingSets.request(input, metadata),
        state: async (request, id) => {
          await awaitPosition(request, domain);
          await domain.barrier();
          return trainingSets.state(id);
        },
        settled: (id, waitMs) => trainingSets.settled(id, waitMs),
        list: () => trainingSets.list(),
        progress: (id) => trainingSets.progress(id),
        metadata,
        open: (path) => artifacts.get(path),
        uri: (path) => artifacts.uri(path),
      }),
    );
    rawRoutes(this.http, { body: 'json' }, (scope) => {
      sourceRoutes(scope, {
        names: () => features.definitions.sources().map((source) => source.plan.name),
        status: features.statusOf,
        problems: () => features.definitions.problems(),
      });
      const { statistics } = features;
      statisticsRoutes(scope, {
        source: async (name) => (await features.readerOf(name))?.plan,
        view: (reference) => definitions.servedView(reference),
        ofSource: (name, columns, selection) => statistics.ofSource(name, columns, selection),
        ofEvents: (view, names, selection) => statistics.ofEvents(view, names, selection),
        ofServed: (view, names, selection) => statistics.ofServed(view, names, selection),
      });
      materializationRoutes(scope, {
        request: async (source, asked, given) => {
          // Applied a moment ago through another process, it may still be on its way here.
          if (!definitions.source(source)) await resources.log.barrier();
          return materializations.request(source, asked, given);
        },
        cancel: (source, id, given) => materializations.cancel(source, id, given),
        settled: (source, id, waitMs) => materializations.settled(source, id, waitMs),
        state: async (request, source) => {
          await awaitPosition(request, domain);
          await domain.barrier();
          materializations.batchSource(source);
          return materializations.state(source);
        },
        total: (id) => materializations.total(id),
        metadata,
      });
      verificationRoutes(scope, {
        verify: features.verify,
        last: features.lastVerification,
        isApplied: (kind, name) => resources.catalog.get(kind, name) !== undefined,
      });
    });
  }
}

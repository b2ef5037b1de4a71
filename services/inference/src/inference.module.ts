import type { ArtifactStore } from '@millrace/artifact-store';
import type { EventLog } from '@millrace/event-log';
import type { Clock, Ids, Scheduler } from '@millrace/kernel';
import type { OfflineStore } from '@millrace/offline-store';
import type { OnlineStore } from '@millrace/online-store';
import {
  Access,
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
  Telemetry,
  Topics,
  type Config,
} from '@millrace/service';
import { Inject, Module, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { invocationsError, invocationsRoutes } from './api/mlflow/invocations.routes.js';
import { startGrpcServer } from './api/oip/grpc/grpc-server.js';
import { grpcCredentials } from './api/oip/grpc/grpc-tls.js';
import { oipError, oipRoutes } from './api/oip/oip.routes.js';
import { batchJobRoutes } from './api/rest/batch-jobs.routes.js';
import { edgePredictionRoutes } from './api/rest/edge-predictions.routes.js';
import { labelRoutes } from './api/rest/labels.routes.js';
import { rolloutRoutes } from './api/rest/rollouts.routes.js';
import { streamRoutes } from './api/rest/streams.routes.js';
import { versionCheckRoutes } from './api/rest/version-checks.routes.js';
import { inferenceConfig } from './config.js';
import { rolloutEndpoints } from './rollouts/open-rollouts.js';
import { openInference, type Inference } from './inference.runtime.js';

const SERVER_VERSION = '0.1.0';
/** A stop may not wait longer for calls under way than for everything else. */
const SHARE_OF_SHUTDOWN = 0.5;

/** The inference gateway: models from the registry behind the Open Inference Protocol, by tensors or by entity keys. */
@Module({})
export class InferenceModule implements OnModuleInit, OnApplicationBootstrap {
  /** Where gRPC is answered, `127.0.0.1:8081`, once it is. */
  grpcAddress: string | undefined;
  #inference: Inference | undefined;

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
    @Inject(Access) private readonly access: Access,
    @Inject(Telemetry) private readonly telemetry: Telemetry,
  ) {}

  async onModuleInit(): Promise<void> {
    const { domainLogs, resources, topics, facts, consumers, tables, health, lifecycle } = this;
    const { log, online, offline, artifacts, clock, ids, scheduler, config, registry, logger } = this;
    this.#inference = await openInference({
      ...{ domainLogs, resources, topics, facts, consumers, tables, health, lifecycle },
      ...{ log, online, offline, artifacts, clock, ids, scheduler, config, registry, logger },
    });
    const { gateway, status, statistics, repository, labels, edge, checks, resolveVersion, rollouts, domain, batchJobs, streams } =
      this.#inference;
    const { maxBodyBytes } = config;
    const onDefect = (error: unknown, request: { readonly url: string }): void =>
      logger.error({ err: error, url: request.url }, 'defect: an inference request failed');
    const onError = oipError(onDefect);
    rawRoutes(this.http, { body: 'buffer', onError }, (scope, addHotRoute) =>
      oipRoutes(scope, addHotRoute, { gateway, status, statistics, repository, serverVersion: SERVER_VERSION, onError, maxBodyBytes }),
    );
    rawRoutes(this.http, { body: 'buffer', onError: invocationsError(onDefect) }, (scope) =>
      invocationsRoutes(scope, { gateway, status, maxBodyBytes }),
    );
    rawRoutes(this.http, { body: 'buffer' }, (scope) => labelRoutes(scope, { ...labels, clock }));
    const { edgeOrigins: origins, maxLoggedElements: maxElements } = config.of(inferenceConfig);
    rawRoutes(this.http, { body: 'json' }, (scope) =>
      edgePredictionRoutes(scope, { recorder: edge, resolve: resolveVersion, maxElements, origins }),
    );
    rawRoutes(this.http, { body: 'json' }, (scope) => rolloutRoutes(scope, rolloutEndpoints(rollouts, { clock, ids })));
    rawRoutes(this.http, { body: 'buffer' }, (scope) => versionCheckRoutes(scope, { checks, gateway, resolve: resolveVersion }));
    rawRoutes(this.http, { body: 'json' }, (scope) =>
      streamRoutes(scope, {
        list: () => streams.list(),
        show: (name) => streams.show(name),
        settled: async (request) => {
          await awaitPosition(request, resources.log);
          await resources.log.barrier();
        },
      }),
    );
    rawRoutes(this.http, { body: 'buffer', maxBodyBytes: config.of(inferenceConfig).batchMaxInputBytes }, (scope) =>
      batchJobRoutes(scope, {
        request: (input, metadata) => batchJobs.request(input, metadata),
        cancel: (id, metadata) => batchJobs.cancel(id, metadata),
        deleteOutput: (id, metadata) => batchJobs.deleteOutput(id, metadata),
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

  async onApplicationBootstrap(): Promise<void> {
    const { access, telemetry, config, logger, lifecycle } = this;
    const { gateway, status, statistics, repository, metrics } = this.#inference as Inference;
    const credentials = grpcCredentials({
      files: { cert: config.grpcTlsCert, key: config.grpcTlsKey, clientCa: config.grpcTlsClientCa },
      scheduler: this.scheduler,
      observer: {
        exchanged: (validTo) => logger.info({ validTo }, 'the certificate of the gRPC port was exchanged'),
        kept: (error) =>
          logger.warn({ err: error }, 'the certificate of the gRPC port was exchanged for one that cannot be used; the old one stays'),
      },
    });
    const server = await startGrpcServer(
      {
        ...{ gateway, status, statistics, repository, metrics, access, telemetry },
        serverVersion: SERVER_VERSION,
        maxMessageBytes: config.maxBodyBytes,
        maxInFlight: config.maxInFlight,
        keepAliveMs: config.keepAliveTimeoutMs,
        onDefect: (error, rpc) => logger.error({ err: error, rpc }, 'defect: an inference call failed'),
        credentials,
      },
      config.host,
      config.grpcPort,
    );
    lifecycle.add('servers', 'gRPC', () => server.close(config.shutdownDeadlineMs * SHARE_OF_SHUTDOWN));
    this.grpcAddress = server.address;
    logger.info(
      { address: server.address, tls: credentials.isSecure, port: Number(server.address.split(':').at(-1)) },
      'gRPC is listening',
    );
  }
}

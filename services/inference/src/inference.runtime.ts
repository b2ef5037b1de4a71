import type { ArtifactStore } from '@millrace/artifact-store';
import { TOPICS } from '@millrace/contracts';
import type { EventLog } from '@millrace/event-log';
import { StandingStates } from '@millrace/feature-engine';
import { usableMemory, type Clock, type Ids, type Scheduler } from '@millrace/kernel';
import { migrate, offlineStoreMigrations, type OfflineStore } from '@millrace/offline-store';
import type { OnlineStore } from '@millrace/online-store';
import { ServedFeatures } from '@millrace/resources';
import {
  trustedKeysOf,
  type Config,
  type DomainLog,
  type DomainLogs,
  type Facts,
  type Health,
  type Lifecycle,
  type LogConsumers,
  type NewFact,
  type Resources,
  type TableProjections,
  type Topics,
} from '@millrace/service';
import { availableParallelism, totalmem } from 'node:os';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { BatchJobs } from './batch/batch-jobs.js';
import { openBatchJobs } from './batch/open-batch-jobs.js';
import { inferenceConfig } from './config.js';
import { BATCH_JOB, batchJob } from './domain/batch-job/batch-job.decider.js';
import { CATALOG_SUBJECT, registryReaders, type CatalogState } from './domain/registry/model-catalog.js';
import { resolveModel, versionsOf, type Resolved } from './domain/registry/model-reference.js';
import { ROLLOUT, rollout } from './domain/rollout/rollout.decider.js';
import { STREAM, stream } from './domain/stream/stream.decider.js';
import { EdgeRecorder } from './gateway/edge-recorder.js';
import { FactSink, type FactSinkOptions } from './gateway/fact-sink.js';
import { followServedFeatures } from './gateway/follow-served-features.js';
import { Gateway, type GatewayOptions } from './gateway/gateway.js';
import { LabelRecorder } from './gateway/label-recorder.js';
import { OnlineFeatureReader } from './gateway/online-feature-reader.js';
import { predictionJson } from './gateway/prediction-json.js';
import { InferenceMetrics } from './metrics.js';
import { followDefinitions, predictionLogOf, saidUnitsOf } from './models/follow-definitions.js';
import { columnsOf } from './models/columns-of.js';
import { readModelArtifact } from './models/model-artifact.js';
import { ModelHost } from './models/model-host.js';
import { ServedModel } from './models/served-model.js';
import { ServingDirectory } from './models/serving-directory.js';
import { followPolicies } from './models/serving-policies.js';
import type { ModelFiles } from './models/servable-model.js';
import { openVersionChecks } from './models/open-version-checks.js';
import { hostObserver, runnerObserver } from './models/serving-observer.js';
import type { SignatureRules } from './models/verify-signature.js';
import type { VersionChecks } from './models/version-checks.js';
import { decodeLabel, labelRow } from './projections/labels.projection.js';
import { predictionRepeats } from './projections/prediction-repeats.js';
import { decodePrediction, predictionRows } from './projections/predictions.projection.js';
import { hasPredictions, LabelTargets } from './queries/label-targets.js';
import { ModelRepository } from './queries/model-repository.js';
import { ServingStatistics } from './queries/serving-statistics.js';
import { ServingStatus } from './queries/serving-status.js';
import { ArmsNow } from './rollouts/arms-now.js';
import { openRollouts, type OpenedRollouts } from './rollouts/open-rollouts.js';
import { RolloutsInForce } from './rollouts/rollouts-in-force.js';
import { RunnerOpener } from './runner/runner-opener.js';
import { openStreams } from './streaming/open-streams.js';
import type { Streams } from './streaming/streams.js';

const DOMAIN = 'inference';
const MAX_MODEL_FILES = 1000;

/** What the service stands on. */
export interface InferenceHost {
  readonly domainLogs: DomainLogs;
  readonly resources: Resources;
  readonly topics: Topics;
  readonly facts: Facts;
  readonly consumers: LogConsumers;
  readonly tables: TableProjections;
  readonly health: Health;
  readonly lifecycle: Lifecycle;
  readonly log: EventLog;
  readonly online: OnlineStore;
  readonly offline: OfflineStore;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly scheduler: Scheduler;
  readonly config: Config;
  readonly registry: Registry;
  readonly logger: Logger;
}

export interface Inference {
  readonly gateway: Gateway;
  readonly status: ServingStatus;
  readonly statistics: ServingStatistics;
  readonly repository: ModelRepository;
  readonly metrics: InferenceMetrics;
  readonly labels: { readonly recorder: LabelRecorder; readonly targets: LabelTargets };
  readonly edge: EdgeRecorder;
  readonly rollouts: OpenedRollouts;
  readonly checks: VersionChecks;
  readonly resolveVersion: (model: string, version: number) => Promise<Resolved>;
  readonly domain: DomainLog;
  readonly batchJobs: BatchJobs;
  readonly streams: Streams;
}

/** Opens the gateway: follows the registry and the resources, loads what they name, projects what it says. */
export async function openInference(host: InferenceHost): Promise<Inference> {
  const { topics, facts, log, online, resources, clock, ids, scheduler, logger } = host;
  const config = host.config.of(inferenceConfig);
  const metrics = new InferenceMetrics(host.registry);
  for (const topic of [TOPICS.predictions, TOPICS.labels, TOPICS.exposures, TOPICS.outcomes]) await topics.ensure(topic);
  await projectTables(host, config.writesTables);
  const domain = await host.domainLogs.open({
    domain: DOMAIN,
    aggregates: { [ROLLOUT]: rollout, [BATCH_JOB]: batchJob, [STREAM]: stream },
  });

  const registry = await host.domainLogs.follow({ domain: 'registry', aggregates: registryReaders, as: DOMAIN });
  const stateOf = (subject: string): unknown => registry.replica.subject(subject).state;
  const limits = { maxModelBytes: config.maxModelBytes, maxFiles: MAX_MODEL_FILES };
  const batching = {
    maxBatchRows: config.maxBatchRows,
    maxQueuedRows: config.maxQueuedRows,
    maxDelayMs: config.batchDelayMs,
    now: () => performance.now(),
    scheduler,
  };
  const signatures = signatureRules(host.config, logger);
  const opener = new RunnerOpener({
    place: config.runner,
    workers: config.workers ?? Math.max(1, availableParallelism() - 1),
    sessionsPerModel: config.workersPerModel,
    scheduler,
    observer: runnerObserver(logger, metrics),
  });
  const maxBytes = config.memoryBytes ?? Math.floor(usableMemory(process.constrainedMemory(), totalmem()) / 2);
  const observer = hostObserver(logger, metrics);
  const models = new ModelHost({
    resolve: (reference) => directory.resolve(reference),
    load: (version, admit) => {
      let admitted = 0;
      // Told of the files first, and of the graph when the weights in them make it larger than they are.
      const admitMore = (bytes: number): void => {
        if (bytes <= admitted) return;
        admitted = bytes;
        admit(bytes);
      };
      // Read again, and verified again, when its thread has to be started anew; only the first time it needs room.
      const read = (): Promise<ModelFiles> => readModelArtifact(host.artifacts, version, limits, signatures, admitMore);
      return ServedModel.load(version, read, opener, batching, admitMore);
    },
    maxBytes,
    scheduler,
    observer: {
      ...observer,
      swapped: (...swap) => {
        observer.swapped(...swap);
        directory.swapped();
      },
    },
  });
  const inForce = new RolloutsInForce();
  metrics.watch(
    () => models.loaded(),
    maxBytes,
    () => opener.workersBusyMs,
  );
  const directory: ServingDirectory = new ServingDirectory({
    host: models,
    registry: stateOf,
    maxOnDemand: config.maxOnDemand,
    loadWaitMs: config.loadWaitMs,
    rollouts: inForce,
    policies: followPolicies(resources.catalog),
    caughtUp: async (deadlineMs) => {
      await Promise.all([registry.barrier(deadlineMs), resources.log.barrier(deadlineMs)]);
      // Changes of one turn of the event loop are looked at together, after it.
      await new Promise((resolve) => setImmediate(resolve));
    },
  });
  const areDefinitionsKnown = await followDefinitions({ log, registry, resources: resources.log, catalog: resources.catalog, directory });
  const resolveVersion = async (name: string, version: number): Promise<Resolved> => {
    const known = resolveModel({ name, version }, stateOf);
    if (known.ok) return known;
    await registry.barrier();
    return resolveModel({ name, version }, stateOf);
  };
  const checks = await openVersionChecks(host, {
    ...{ registry, metrics },
    tryVersion: async (version) =>
      opener.try(`${version.name} version ${version.version}`, await readModelArtifact(host.artifacts, version, limits, signatures)),
  });
  const status = new ServingStatus({
    directory,
    slots: () => models.slots(),
    shapeOf: (featureService) => features.shapeOf(featureService),
    versionsOf: (model) => versionsOf(model, stateOf),
    areDefinitionsKnown,
    maxBatchRows: config.maxBatchRows,
    isStopping: () => host.health.isStopping,
  });
  const statistics = new ServingStatistics();
  const repository = new ModelRepository({
    directory,
    registry: stateOf,
    slots: () => models.slots(),
    waitFor: (reference, waitMs) => models.demand(reference, waitMs),
    loadWaitMs: config.loadWaitMs,
  });
  host.health.catchUp('inference.models', () => status.missing());

  // A candidate that had to make room is loaded again for the requests that are copied to it.
  const modelOf = (reference: string): ServedModel | undefined => {
    const current = models.slot(reference)?.current;
    if (!current) void models.demand(reference, 0);
    return current;
  };
  const arms = new ArmsNow({
    ...{ inForce, catalog: resources.catalog },
    resolve: (reference) => directory.resolve(reference),
    slotOf: (reference) => models.slot(reference),
    load: (reference) => models.demand(reference, config.loadWaitMs),
    barrier: async () => {
      await Promise.all([registry.barrier(), resources.log.barrier()]);
    },
  });
  const rollouts = await openRollouts(host, {
    ...{ domain, inForce, arms, modelOf, changed: () => directory.refresh(), writesTables: config.writesTables },
  });

  const sinkOptions: FactSinkOptions = {
    appendPredictions: (batch) =>
      facts.append(
        TOPICS.predictions.name,
        batch.map((fact) => newFact({ ...fact, data: predictionJson(fact.data) }, DOMAIN, 'PredictionMade', `prediction/${fact.key}`)),
      ),
    appendExposures: (batch) =>
      facts.append(
        TOPICS.exposures.name,
        batch.map((fact) => newFact(fact, 'experimentation', 'UnitExposed', `unit/${fact.key}`)),
      ),
    ids,
    scheduler,
    capacity: config.maxBufferedPredictions,
    whenFull: config.logFull,
    episodeOf: (experiment) => inForce.episodeOf(experiment),
    observer: {
      shed: (kind, count) => metrics.shed.inc({ facts: kind }, count),
      retried: (kind, error) => logger.warn({ err: error, facts: kind }, 'the log did not take the records; trying again'),
    },
  };
  const sink = new FactSink(sinkOptions);
  host.lifecycle.add('projections', 'inference.facts', () => sink.close());
  host.lifecycle.add('projections', 'inference.models', async () => {
    await models.close();
    await checks.close();
    await opener.close();
  });
  const features = new OnlineFeatureReader(serveFeatures(host), log, online);
  const gatewayOptions: GatewayOptions = {
    directory,
    features,
    sink,
    mirror: rollouts.mirror,
    observer: statistics,
    answered: (answered) => metrics.answered(answered),
    clock,
    ids,
    elapsed: () => performance.now(),
    defaultTimeoutMs: config.timeoutMs,
    maxLoggedElements: config.maxLoggedElements,
  };
  const gateway = new Gateway(gatewayOptions);
  const recorder = new LabelRecorder(
    (labels, traceparent) =>
      facts.append(
        TOPICS.labels.name,
        labels.map((label) => ({ ...label, type: 'LabelRecorded', domain: DOMAIN, subject: `deployment/${label.data.deployment}` })),
        traceparent,
      ),
    ids,
  );
  const targets = new LabelTargets({
    names: () => [...resources.catalog.names('Deployment'), ...(stateOf(CATALOG_SUBJECT) as CatalogState).modelIds.keys()],
    caughtUp: () => Promise.all([registry.barrier(), resources.log.barrier()]),
    hasPredictions: (name) => hasPredictions(host.offline, name),
    scheduler,
  });
  const labels = { recorder, targets };
  const edge = new EdgeRecorder(
    (predictions, traceparent) =>
      facts.append(
        TOPICS.predictions.name,
        predictions.map((one) => newFact(one, DOMAIN, 'PredictionMade', `prediction/${one.key}`)),
        traceparent,
      ),
    {
      of: async (deployment) => (await resources.log.barrier(), predictionLogOf(resources.catalog, deployment)),
      units: (deployment) => saidUnitsOf(resources.catalog, (service) => features.shapeOf(service), deployment),
      columns: (model, version) => columnsOf(directory, model, version),
    },
  );
  const batchJobs = await openBatchJobs(host, { config, domain, registry, directory, features });
  const streams = openStreams(host, {
    ...{ domain, directory, features, sink: new FactSink(sinkOptions) },
    openGateway: (parts) => new Gateway({ ...gatewayOptions, ...parts }),
  });
  return { gateway, status, statistics, repository, metrics, labels, edge, checks, resolveVersion, rollouts, domain, batchJobs, streams };
}

/** The features as they are served: what views' names stand for is noted in the online store. */
function serveFeatures({ resources: { catalog }, online, scheduler, health, lifecycle, logger }: InferenceHost): ServedFeatures {
  const states = new StandingStates(online);
  const served = new ServedFeatures(catalog, states);
  const failed = (error: unknown): void =>
    logger.warn({ err: error }, 'what serves of changed feature views is not known yet; asking again');
  const following = followServedFeatures({ catalog, states, served, scheduler, failed });
  health.catchUp('inference.features', () => (following.hasLooked() ? undefined : 'asking what serves of changed feature views'));
  lifecycle.add('consumers', 'inference.features', () => following.stop());
  return served;
}

/** Which signatures are believed; the keys' ids are told once, for whoever wonders. */
function signatureRules(config: Config, logger: Logger): SignatureRules {
  const rules = { required: config.signatures === 'required', trusted: trustedKeysOf(config) };
  if (rules.trusted.length > 0) logger.info({ trusted: rules.trusted.map(({ keyId }) => keyId) }, 'signatures of these keys are believed');
  else logger.warn('no key is believed (MILLRACE_TRUSTED_KEYS): files are held to their manifests, but who signed them is not checked');
  return rules;
}

function newFact(fact: { key: string; id: string; time?: number; data: unknown }, domain: string, type: string, subject: string): NewFact {
  return { ...fact, domain, type, subject };
}

async function projectTables({ tables, offline }: InferenceHost, writesTables: boolean): Promise<void> {
  await migrate(offline, offlineStoreMigrations);
  await migrate(offline, { name: DOMAIN, directory: new URL('./migrations/', import.meta.url) });
  if (!writesTables) return;
  const repeats = predictionRepeats(offline);
  await tables.add({
    name: 'inference.predictions',
    topic: TOPICS.predictions.name,
    table: 'millrace.predictions',
    shared: true,
    decode: decodePrediction,
    prepare: (batch) => repeats.prepare(batch),
    toRows: predictionRows((item) => repeats.isRepeat(item)),
    onAssigned: (partition) => repeats.assigned(partition),
    onStored: (partition, next) => repeats.stored(partition, next),
  });
  await tables.add({
    name: 'inference.labels',
    topic: TOPICS.labels.name,
    table: 'millrace.labels',
    shared: true,
    decode: decodeLabel,
    toRows: labelRow,
  });
}

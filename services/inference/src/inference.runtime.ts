import type { ArtifactStore } from '@millrace/artifact-store';
import { TOPICS } from '@millrace/contracts';
import type { EventLog } from '@millrace/event-log';
import type { Clock, Ids, Scheduler } from '@millrace/kernel';
import { migrate, offlineStoreMigrations, type OfflineStore } from '@millrace/offline-store';
import type { OnlineStore } from '@millrace/online-store';
import {
  trustedKeysOf,
  type Config,
  type DomainLogs,
  type Facts,
  type Health,
  type Lifecycle,
  type NewFact,
  type Resources,
  type TableProjections,
  type Topics,
} from '@millrace/service';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { inferenceConfig } from './config.js';
import { registryReaders } from './domain/registry/model-catalog.js';
import { FactSink } from './gateway/fact-sink.js';
import { Gateway } from './gateway/gateway.js';
import { LabelRecorder } from './gateway/label-recorder.js';
import { OnlineFeatureReader } from './gateway/online-feature-reader.js';
import { InferenceMetrics } from './metrics.js';
import { followDefinitions } from './models/follow-definitions.js';
import { readModelArtifact } from './models/model-artifact.js';
import { ModelHost, type ModelHostObserver } from './models/model-host.js';
import { ServedModel } from './models/served-model.js';
import type { SignatureRules } from './models/verify-signature.js';
import { ServingDirectory } from './models/serving-directory.js';
import { decodeLabel, labelRow } from './projections/labels.projection.js';
import { decodePrediction, predictionRows } from './projections/predictions.projection.js';
import { ModelRepository } from './queries/model-repository.js';
import { ServingStatistics } from './queries/serving-statistics.js';
import { ServingStatus } from './queries/serving-status.js';
import { InLoopRunner } from './runner/in-loop-runner.js';
import { withHalfPrecision } from './runner/half-precision-runner.js';

const DOMAIN = 'inference';
const MAX_MODEL_FILES = 1000;

/** What the service stands on. */
export interface InferenceHost {
  readonly domainLogs: DomainLogs;
  readonly resources: Resources;
  readonly topics: Topics;
  readonly facts: Facts;
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
  readonly recorder: LabelRecorder;
}

/** Opens the gateway: follows the registry and the resources, loads what they name, projects what it says. */
export async function openInference(host: InferenceHost): Promise<Inference> {
  const { topics, facts, log, online, resources, clock, ids, scheduler, logger } = host;
  const config = host.config.of(inferenceConfig);
  const metrics = new InferenceMetrics(host.registry);
  for (const topic of [TOPICS.predictions, TOPICS.labels, TOPICS.exposures]) await topics.ensure(topic);
  await projectTables(host);

  const registry = await host.domainLogs.follow({ domain: 'registry', aggregates: registryReaders, as: DOMAIN });
  const stateOf = (subject: string): unknown => registry.replica.subject(subject).state;
  const limits = { maxModelBytes: config.maxModelBytes, maxFiles: MAX_MODEL_FILES };
  const batching = { maxBatchRows: config.maxBatchRows, maxQueuedRows: config.maxQueuedRows, now: () => performance.now() };
  const signatures = signatureRules(host.config, logger);
  const models = new ModelHost({
    resolve: (reference) => directory.resolve(reference),
    load: async (version) =>
      ServedModel.load(version, await readModelArtifact(host.artifacts, version, limits, signatures), openRunner, batching),
    scheduler,
    observer: hostObserver(logger, metrics),
  });
  const directory: ServingDirectory = new ServingDirectory({
    host: models,
    registry: stateOf,
    maxOnDemand: config.maxOnDemand,
    loadWaitMs: config.loadWaitMs,
  });
  const areDefinitionsKnown = await followDefinitions({ log, registry, resources: resources.log, catalog: resources.catalog, directory });
  const status = new ServingStatus(directory, () => models.slots(), areDefinitionsKnown, config.maxBatchRows);
  const statistics = new ServingStatistics();
  const repository = new ModelRepository({
    directory,
    registry: stateOf,
    slots: () => models.slots(),
    waitFor: (reference, waitMs) => models.waitFor(reference, waitMs),
    loadWaitMs: config.loadWaitMs,
  });
  host.health.catchUp('inference.models', () => status.missing());

  const sink = new FactSink({
    appendPredictions: (batch) =>
      facts.append(
        TOPICS.predictions.name,
        batch.map((fact) => newFact(fact, DOMAIN, 'PredictionMade', `prediction/${fact.key}`)),
      ),
    appendExposures: (batch) =>
      facts.append(
        TOPICS.exposures.name,
        batch.map((fact) => newFact(fact, 'experimentation', 'UnitExposed', `unit/${fact.key}`)),
      ),
    ids,
    scheduler,
    capacity: config.maxBufferedPredictions,
    observer: {
      predicted: ({ deployment, model, version, error, latencyMicros, batchRows }) => {
        const name = deployment ?? '';
        metrics.predictions.inc({ deployment: name, model, version: String(version), outcome: error?.code ?? 'ok' });
        metrics.seconds.observe({ deployment: name }, latencyMicros / 1e6);
        if (batchRows !== null) metrics.batchRows.observe(batchRows);
      },
      shed: (kind, count) => metrics.shed.inc({ facts: kind }, count),
      retried: (kind, error) => logger.warn({ err: error, facts: kind }, 'the log did not take the records; trying again'),
    },
  });
  host.lifecycle.add('projections', 'inference.facts', () => sink.close());
  host.lifecycle.add('projections', 'inference.models', () => models.close());
  const gateway = new Gateway({
    directory,
    features: new OnlineFeatureReader(resources.catalog, log, online),
    sink,
    observer: statistics,
    clock,
    ids,
    elapsed: () => performance.now(),
    defaultTimeoutMs: config.timeoutMs,
    maxLoggedElements: config.maxLoggedElements,
  });
  const recorder = new LabelRecorder(
    (labels, traceparent) =>
      facts.append(
        TOPICS.labels.name,
        labels.map((label) => ({ ...label, type: 'LabelRecorded', domain: DOMAIN, subject: `deployment/${label.data.deployment}` })),
        traceparent,
      ),
    ids,
  );
  return { gateway, status, statistics, repository, recorder, metrics };
}

/** Which signatures are believed; the keys' ids are told once, for whoever wonders. */
function signatureRules(config: Config, logger: Logger): SignatureRules {
  const rules = { required: config.signatures === 'required', trusted: trustedKeysOf(config) };
  if (rules.trusted.length > 0) logger.info({ trusted: rules.trusted.map(({ keyId }) => keyId) }, 'signatures of these keys are believed');
  else logger.warn('no key is believed (MILLRACE_TRUSTED_KEYS): files are held to their manifests, but who signed them is not checked');
  return rules;
}

const openRunner = withHalfPrecision((bytes, inputs, outputs) => InLoopRunner.open(bytes, inputs, outputs));

function newFact(fact: { key: string; id: string; time: number; data: unknown }, domain: string, type: string, subject: string): NewFact {
  return { ...fact, domain, type, subject };
}

async function projectTables({ tables, offline }: InferenceHost): Promise<void> {
  await migrate(offline, offlineStoreMigrations);
  await migrate(offline, { name: DOMAIN, directory: new URL('./migrations/', import.meta.url) });
  await tables.add({
    name: 'inference.predictions',
    topic: TOPICS.predictions.name,
    table: 'millrace.predictions',
    shared: true,
    decode: decodePrediction,
    toRows: predictionRows,
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

function hostObserver(logger: Logger, metrics: InferenceMetrics): ModelHostObserver {
  const labels = (model: ServedModel) => ({ model: model.version.name, version: String(model.version.version) });
  return {
    loaded: (model) => {
      metrics.loaded.set(labels(model), 1);
      logger.info({ ...labels(model), inputs: model.inputs, outputs: model.outputs }, 'model loaded');
      if (model.warmUpError !== undefined) logger.warn({ ...labels(model), reason: model.warmUpError }, 'the warm-up with zeros failed');
    },
    swapped: (reference, from, to) =>
      logger.info({ reference, from: from?.version, to: to.version }, 'reference now served by another version'),
    failed: (reference, version, reason, isRetried) => {
      metrics.loadFailures.inc({ reference });
      logger.warn({ reference, version: version?.version, reason, isRetried }, 'model cannot be served');
    },
    retired: (model) => {
      metrics.loaded.remove(labels(model));
      logger.info(labels(model), 'model retired');
    },
  };
}

import { TOPICS } from '@millrace/contracts';
import { Fault } from '@millrace/kernel';
import { ScratchTables } from '@millrace/offline-store';
import { tableBarrier, type DomainLog, type NewFact } from '@millrace/service';
import type { InferenceConfig } from '../config.js';
import { trainingSetReaders, trainingSetSubject, type BuiltTrainingSet } from '../domain/features/built-training-set.js';
import type { InferenceHost } from '../inference.runtime.js';
import type { FeatureReader } from '../gateway/feature-vectors.js';
import { predictionLogOf } from '../models/follow-definitions.js';
import type { ServingDirectory } from '../models/serving-directory.js';
import { batchFault } from './batch-fault.js';
import { BatchJobs } from './batch-jobs.js';
import { BatchMetrics } from './batch-metrics.js';

export interface BatchParts {
  readonly config: InferenceConfig;
  readonly domain: DomainLog;
  readonly registry: DomainLog;
  readonly directory: ServingDirectory;
  readonly features: FeatureReader;
}

/** Opens batch jobs over the gateway's own models, and takes up what was left once the log is folded. */
export async function openBatchJobs(
  host: InferenceHost,
  { config, domain, registry, directory, features }: BatchParts,
): Promise<BatchJobs> {
  const { log, offline, artifacts, clock, ids, scheduler, logger, facts, lifecycle } = host;
  const now = (): number => clock.now();
  const metrics = new BatchMetrics(host.registry);
  const trainingSets = await host.domainLogs.follow({ domain: 'features', aggregates: trainingSetReaders, as: 'inference' });
  const jobs = new BatchJobs({
    ...{ domain, artifacts, directory, features, ids, scheduler, now },
    store: offline,
    scratch: new ScratchTables(offline, ids),
    elapsed: () => performance.now(),
    maxRows: config.batchMaxRows,
    trainingSet: (id) => builtTrainingSet(trainingSets, id),
    timeoutMs: config.timeoutMs,
    maxLoggedElements: config.maxLoggedElements,
    predictionLogOf: (name) => predictionLogOf(host.resources.catalog, name),
    appendPredictions: (records) =>
      facts.append(
        TOPICS.predictions.name,
        records.map((fact): NewFact => ({ ...fact, domain: 'inference', type: 'PredictionMade', subject: `prediction/${fact.key}` })),
      ),
    waitForPredictions: () =>
      tableBarrier({ log, store: offline, scheduler, now }, TOPICS.predictions.name, 'millrace.predictions', host.config.queryDeadlineMs),
    resolve: (reference) => directory.resolve(reference),
    // A policy that was just applied holds.
    barrier: async () => void (await Promise.all([registry.barrier(), host.resources.log.barrier()])),
    runRows: config.maxBatchRows,
    chunkRows: config.batchChunkRows,
    mostAtOnce: config.batchJobs,
    silentForMs: config.batchSilenceMs,
    // Nobody else has this process's own tables.
    isAlone: offline.kind === 'chdb',
    observer: {
      scored: (model, rows, failed) => {
        metrics.rows.inc({ model, outcome: 'ok' }, rows - failed);
        metrics.rows.inc({ model, outcome: 'failed' }, failed);
      },
      ended: (model, outcome) => metrics.jobs.inc({ model, outcome }),
      troubled: (id, error, isTriedAgain) => logger.warn({ err: error, batchJob: id, isTriedAgain }, 'a batch job has trouble'),
    },
  });
  metrics.watch(() => jobs.open());
  lifecycle.add('consumers', 'inference.batch-jobs', () => jobs.stop());
  void startWhenFolded(host, registry, jobs);
  return jobs;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/** A version or a feature service that is not known yet would fail the job that was left. */
async function startWhenFolded(
  { resources, scheduler, lifecycle, logger }: InferenceHost,
  registry: DomainLog,
  jobs: BatchJobs,
): Promise<void> {
  for (let pause = FIRST_PAUSE_MS; !lifecycle.isClosing; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      await Promise.all([registry.barrier(), resources.log.barrier()]);
      await jobs.start();
      return;
    } catch (error) {
      logger.warn({ err: error }, 'the decisions are not folded yet; batch jobs wait');
      await new Promise<void>((resolve) => void scheduler.after(pause, resolve));
    }
  }
}

async function builtTrainingSet(domain: DomainLog, id: string): Promise<BuiltTrainingSet> {
  await domain.barrier();
  const set = domain.replica.subject(trainingSetSubject(id)).state as BuiltTrainingSet;
  if (set.status === 'absent') throw new Fault('MR_INFERENCE_TRAINING_SET_NOT_FOUND', `there is no training set ${id}`, false);
  if (set.status !== 'built') throw batchFault(`training set ${id} is ${set.status}; wait until it is built`);
  if (!set.path.endsWith('.parquet')) throw batchFault(`training set ${id} was built to Arrow; build it with output parquet or table`);
  return set;
}

import type { ArtifactStore } from '@millrace/artifact-store';
import { decisionsTopic, TOPICS } from '@millrace/contracts';
import type { EventLog } from '@millrace/event-log';
import { isFault, type Clock, type Ids, type Scheduler, type StateStore } from '@millrace/kernel';
import { migrate, type OfflineStore } from '@millrace/offline-store';
import {
  ArtifactRecords,
  commandMetadata,
  decisionReader,
  sendPosition,
  type Config,
  type DomainLog,
  type DomainLogs,
  type Facts,
  type Health,
  type Lifecycle,
  type LogConsumers,
  type Reset,
  type TableProjections,
  type Topics,
} from '@millrace/service';
import type { Logger } from 'pino';
import { ARTIFACT_ROOT, type TrackingApi } from './api/mlflow/context.js';
import { GarbageCollection } from './commands/garbage-collection.js';
import { TrackingCommands } from './commands/tracking-commands.js';
import { TrackingImports } from './commands/tracking-imports.js';
import { experiments, EXPERIMENTS, type ExperimentsCommand } from './domain/experiments/experiments.decider.js';
import type { MetricPointsLogged } from './domain/metric-points/metric-points.js';
import { run, type RunState } from './domain/run/run.decider.js';
import { decodeMetricPoints, LatestMetrics } from './projections/latest-metrics.projection.js';
import { METRIC_POINTS_TABLE, metricPointRows } from './projections/metric-points.projection.js';
import { RUN_STATES_TABLE, RunStatesProjection } from './projections/run-states.projection.js';
import { datasetSummaries } from './queries/dataset-summaries.query.js';
import { deletedRuns } from './queries/deleted-runs.query.js';
import { metricHistoryBulk } from './queries/metric-history-bulk.query.js';
import { metricHistory } from './queries/metric-history.query.js';
import { readsMetrics, searchRuns } from './queries/search-runs.query.js';
import { TrackingView } from './queries/tracking-view.js';

const DOMAIN = 'tracking';
const TOPIC = decisionsTopic(DOMAIN);
const METRIC_POINTS = TOPICS.metricPoints.name;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

/** What the service stands on. */
export interface TrackingHost {
  readonly domainLogs: DomainLogs;
  readonly topics: Topics;
  readonly facts: Facts;
  readonly consumers: LogConsumers;
  readonly tables: TableProjections;
  readonly log: EventLog;
  readonly offline: OfflineStore;
  readonly artifacts: ArtifactStore;
  /** Where the latest metrics are kept. */
  readonly metricsState: StateStore;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly scheduler: Scheduler;
  readonly config: Config;
  readonly logger: Logger;
  readonly health: Health;
  readonly lifecycle: Lifecycle;
  readonly reset: Reset;
}

/** Opens the domain, its projections and what its endpoints are made of. */
export async function openTracking(host: TrackingHost): Promise<TrackingApi> {
  const { topics, facts, log, offline, clock, ids, config, logger } = host;
  await topics.ensure(TOPICS.metricPoints);
  await migrate(offline, { name: DOMAIN, directory: new URL('./migrations/', import.meta.url) });
  await migrate(offline, { name: `${DOMAIN}-purge`, directory: new URL('./migrations/purge/', import.meta.url) });
  const domain = await host.domainLogs.open({ domain: DOMAIN, aggregates: { experiments, run } });
  const metrics = await followMetrics(host);
  const tables = await projectTables(host, domain);
  const records = await ArtifactRecords.open({ tables: host.tables, offline, facts, queryDeadlineMs: config.queryDeadlineMs });
  const view = new TrackingView({ log: domain, metrics, metricEnds: () => log.end(METRIC_POINTS), deadlineMs: config.queryDeadlineMs });
  openDefaultExperiment(host, domain);
  const append = (data: MetricPointsLogged, id: string, traceparent: string | undefined) =>
    facts.append(
      METRIC_POINTS,
      [{ key: data.runId, type: 'MetricPointsLogged', domain: DOMAIN, subject: `run/${data.runId}`, id, data }],
      traceparent,
    );
  const commands = new TrackingCommands(domain, view, append, ids);
  const garbage = new GarbageCollection({
    ...{ commands, view, ids, artifacts: host.artifacts },
    deletedRuns: async (experiments, after, limit) => {
      await Promise.all([tables.runs.barrier(config.queryDeadlineMs), domain.table?.barrier(config.queryDeadlineMs)]);
      return deletedRuns(offline, experiments, after, limit);
    },
  });
  return {
    imports: new TrackingImports(domain, view, append, ids),
    commands,
    view,
    garbage,
    artifacts: records.recording(host.artifacts),
    recorded: (root) => records.of(root),
    searchRuns: async (search) => {
      await Promise.all([
        tables.runs.barrier(config.queryDeadlineMs),
        readsMetrics(search) ? tables.metricPoints.barrier(config.queryDeadlineMs) : undefined,
      ]);
      return searchRuns(offline, search);
    },
    metricHistory: async (request) => {
      await tables.metricPoints.barrier(config.queryDeadlineMs);
      return metricHistory(offline, request);
    },
    metricHistoryBulk: async (request) => {
      await tables.metricPoints.barrier(config.queryDeadlineMs);
      return metricHistoryBulk(offline, request);
    },
    datasetSummaries: async (experimentIds, limit) => {
      await tables.runs.barrier(config.queryDeadlineMs);
      return datasetSummaries(offline, experimentIds, limit);
    },
    metadata: (request) => commandMetadata(request, clock, ids),
    sendPosition,
    onDefect: (error, request) => logger.error({ err: error, url: request.url }, 'defect: an MLflow request failed'),
  };
}

/** Every process folds every run's latest metrics, because any of them may be asked for any run. */
async function followMetrics(host: TrackingHost): Promise<LatestMetrics> {
  const metrics = new LatestMetrics(host.metricsState, METRIC_POINTS, host.scheduler);
  host.lifecycle.add('replicas', 'tracking.latest-metrics', () => host.metricsState.close());
  host.reset.add('state', 'tracking.latest-metrics', () => metrics.clear());
  await host.consumers.add<MetricPointsLogged>({
    name: 'tracking.latest-metrics',
    topic: METRIC_POINTS,
    from: (partition) => metrics.next(partition),
    decode: decodeMetricPoints,
    // The table's projection reads the same topic and puts aside what cannot be read.
    writesDeadLetters: false,
    handle: async (batch) => {
      await metrics.fold(batch);
      return { kind: 'ok' };
    },
  });
  return metrics;
}

async function projectTables(host: TrackingHost, domain: DomainLog) {
  const { tables } = host;
  const states = new RunStatesProjection({
    waitFor: (position) => domain.waitFor(position),
    run: (subject) => {
      const { sequence, state } = domain.replica.subject(subject);
      return { sequence, state: state as RunState };
    },
  });
  const { prepare, toRows } = states;
  // Not shared: decisions about experiments leave no row in this table, so another process could not see from it how far this one is.
  // Several processes write the same states, which does no harm: a query takes one row of the highest sequence.
  const runs = await tables.add({
    name: 'tracking.run-states',
    topic: TOPIC,
    table: RUN_STATES_TABLE,
    decode: decisionReader(DOMAIN),
    // The projection of all decisions puts aside what cannot be read; one letter of it is enough.
    writesDeadLetters: false,
    prepare,
    toRows,
  });
  const metricPoints = await tables.add({
    name: 'tracking.metric-points',
    topic: METRIC_POINTS,
    table: METRIC_POINTS_TABLE,
    shared: true,
    decode: decodeMetricPoints,
    toRows: metricPointRows,
  });
  return { runs, metricPoints };
}

/** Clients log into experiment 0 without asking whether it is there. Tried until it is: a start may meet a log that is not up yet. */
function openDefaultExperiment({ health, clock, scheduler, logger, lifecycle, reset }: TrackingHost, domain: DomainLog): void {
  let isOpen = false;
  health.catchUp('tracking.default-experiment', () => (isOpen ? undefined : 'not opened yet'));
  const openNow = async (): Promise<void> => {
    const metadata = { commandId: 'open-default-experiment', actor: 'millrace', now: clock.now() };
    const command: ExperimentsCommand = { type: 'OpenDefaultExperiment', artifactRoot: ARTIFACT_ROOT };
    const outcome = await domain.handle(EXPERIMENTS, command, metadata);
    if (outcome.kind === 'rejected') logger.error({ rejection: outcome.rejection }, 'there is no default experiment');
  };
  reset.add('begin', 'tracking.default-experiment', openNow);
  const open = async (pauseMs: number): Promise<void> => {
    try {
      await openNow();
      isOpen = true;
    } catch (error) {
      if (!isFault(error)) health.fatal('tracking.default-experiment', error instanceof Error ? error.message : String(error));
      else if (!lifecycle.isClosing) scheduler.after(pauseMs, () => void open(Math.min(pauseMs * 2, LONGEST_PAUSE_MS)));
    }
  };
  void open(FIRST_PAUSE_MS);
}

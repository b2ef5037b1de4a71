import type { ArtifactStore } from '@millrace/artifact-store';
import { decisionsTopic, TOPICS } from '@millrace/contracts';
import type { EventLog } from '@millrace/event-log';
import { aggregateOf, isFault, type Clock, type Ids, type Scheduler, type StateStore } from '@millrace/kernel';
import { migrate, type OfflineStore } from '@millrace/offline-store';
import {
  ArtifactRecords,
  commandMetadata,
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
import { LOGGED_MODEL, loggedModel } from './domain/logged-model/logged-model.decider.js';
import type { MetricPointsLogged } from './domain/metric-points/metric-points.js';
import { run, type RunState } from './domain/run/run.decider.js';
import { EVALUATION_AGGREGATES, openEvaluation, viewEvaluation } from './evaluation.runtime.js';
import { GATEWAY_AGGREGATES, openGateway } from './gateway.runtime.js';
import { openLoggedModels } from './logged-models.runtime.js';
import { decodeMetricPoints, LatestMetrics, type LatestMetricsHooks } from './projections/latest-metrics.projection.js';
import type { LoggedPoints } from './projections/logged-points.js';
import { METRIC_POINTS_TABLE, metricPointRows } from './projections/metric-points.projection.js';
import { Linger } from './projections/linger.js';
import { RUN_STATES_TABLE, RunStatesProjection } from './projections/run-states.projection.js';
import { datasetSummaries } from './queries/dataset-summaries.query.js';
import { deletedRuns } from './queries/deleted-runs.query.js';
import { metricHistoryBulk } from './queries/metric-history-bulk.query.js';
import { LoggedModelsView } from './queries/logged-models-view.js';
import { metricHistory } from './queries/metric-history.query.js';
import { metricInterval, metricSeries } from './queries/metric-series.query.js';
import { pointsSince } from './queries/points-since.query.js';
import { RunFeed } from './queries/run-feed.js';
import { RunIndex } from './queries/run-index/run-index.js';
import { storedRuns } from './queries/run-index/stored-runs.js';
import { searchRuns } from './queries/search-runs.query.js';
import { followRegistry } from './registered-versions.runtime.js';
import { openTraces } from './traces.runtime.js';
import { TrackingView } from './queries/tracking-view.js';

const DOMAIN = 'tracking';
const TOPIC = decisionsTopic(DOMAIN);
const METRIC_POINTS = TOPICS.metricPoints.name;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;
/**
 * How long a run's changes are gathered into one row when nobody waits for the table, and how long rows are gathered into one insert after
 * that. Searches are answered from memory, so it bounds how old the analysts' view of the runs may be, and small inserts cost the most.
 */
const GATHER_MS = 2000;
/** A process that starts anew folds the whole log before it can say what a run is. */
const FOLD_DEADLINE_MS = 600_000;
/** Rows with JSON columns take the engine several times their size while they are inserted. */
const MOST_STATE_BYTES = 8 << 20;

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
  const domain = await host.domainLogs.open({
    domain: DOMAIN,
    aggregates: { experiments, run, [LOGGED_MODEL]: loggedModel, ...EVALUATION_AGGREGATES, ...GATEWAY_AGGREGATES },
  });
  const loggedModels = new LoggedModelsView(domain);
  const evaluation = viewEvaluation(domain);
  const feed = new RunFeed((milliseconds, done) => host.scheduler.after(milliseconds, done));
  const index = new RunIndex({
    run: (runId) => (domain.replica.subject(`run/${runId}`).state as RunState) ?? undefined,
    metrics: (runId) => metrics.of(runId),
  });
  const linger = new Linger(host.scheduler, GATHER_MS);
  const upToDate = async (): Promise<void> => {
    const ends = log.end(METRIC_POINTS);
    await Promise.all([domain.barrier(FOLD_DEADLINE_MS), ends.then((next) => metrics.waitUntil(next, FOLD_DEADLINE_MS))]);
  };
  const states = runStates(domain, upToDate, () => metrics, linger);
  let isIndexing = false;
  const changed = (runId: string): void => {
    if (isIndexing) index.changed(runId);
    states.changed(runId);
  };
  const metrics = await followMetrics(host, {
    onError: (error) => logger.error({ err: error }, 'the latest metrics could not be stored; trying again'),
    onFolded: (items) => {
      for (const { record, value } of items) {
        changed(value.runId);
        feed.pointsOf(value.runId, record.offset, () => value.points());
      }
    },
  });
  domain.onAccepted(({ subject }) => {
    if (aggregateOf(subject) !== 'run') return;
    changed(subject.slice('run/'.length));
    feed.stateOf(subject.slice('run/'.length));
  });
  loadIndex(host, domain, metrics, index, async () => {
    await foldedToEnd(host, upToDate);
    isIndexing = true;
  });
  host.reset.add('state', 'tracking.run-index', () => index.clear());
  const tables = await projectTables(host, states, linger);
  const records = await ArtifactRecords.open({ tables: host.tables, offline, facts, queryDeadlineMs: config.queryDeadlineMs });
  const view = new TrackingView({ log: domain, metrics, metricEnds: () => log.end(METRIC_POINTS), deadlineMs: config.queryDeadlineMs });
  openDefaultExperiment(host, domain);
  const append = (data: MetricPointsLogged, id: string, traceparent: string | undefined) =>
    facts.append(
      METRIC_POINTS,
      [{ key: data.runId, type: 'MetricPointsLogged', domain: DOMAIN, subject: `run/${data.runId}`, id, data }],
      traceparent,
    );
  const registered = await followRegistry(host);
  const traces = await openTraces(host, view);
  const commands = new TrackingCommands(domain, view, append, ids);
  const garbage = new GarbageCollection({
    ...{ commands, view, ids, registered, artifacts: host.artifacts },
    deletedRuns: async (experiments, after, limit) => {
      await Promise.all([tables.runs(config.queryDeadlineMs), domain.table?.barrier(config.queryDeadlineMs)]);
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
    registered,
    loggedModels: await openLoggedModels(host, domain, view, loggedModels, registered),
    traces,
    evaluation: await openEvaluation(host, domain, evaluation, (experimentId) => traces.experiment(experimentId)),
    gateway: await openGateway(host, domain, { view, commands, experiment: (experimentId) => traces.experiment(experimentId) }),
    searchRuns: async (search) => {
      if (index.isReady) return index.search(search);
      await tables.runs(config.queryDeadlineMs);
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
      await tables.runs(config.queryDeadlineMs);
      return datasetSummaries(offline, experimentIds, limit);
    },
    metricSeries: async (request) => {
      await tables.metricPoints.barrier(config.queryDeadlineMs);
      return metricSeries(offline, request);
    },
    metricInterval: async (request) => {
      await tables.metricPoints.barrier(config.queryDeadlineMs);
      return metricInterval(offline, request);
    },
    live: {
      feed,
      topic: METRIC_POINTS,
      partitions: TOPICS.metricPoints.partitions,
      foldedTo: (partition) => metrics.next(partition),
      pointsSince: async (run, since) => {
        await tables.metricPoints.barrier(config.queryDeadlineMs);
        return pointsSince(offline, { ...run, ...since });
      },
    },
    metadata: (request) => commandMetadata(request, clock, ids),
    sendPosition,
    onDefect: (error, request) => logger.error({ err: error, url: request.url }, 'defect: an MLflow request failed'),
  };
}

/** Every process folds every run's latest metrics, because any of them may be asked for any run. */
async function followMetrics(host: TrackingHost, hooks: LatestMetricsHooks): Promise<LatestMetrics> {
  const metrics = new LatestMetrics(host.metricsState, METRIC_POINTS, host.scheduler, hooks);
  host.lifecycle.add('replicas', 'tracking.latest-metrics', () => metrics.close());
  // Closed after the consumer added below: the tables' projections, which stop later, wait for this fold.
  host.lifecycle.add('consumers', 'tracking.latest-metrics waiters', () => metrics.ended());
  host.reset.add('state', 'tracking.latest-metrics', () => metrics.clear());
  await host.consumers.add<LoggedPoints>({
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

/**
 * Loads the index beside everything else; until it is there ClickHouse is searched. It is loaded once the folds have caught up, by one pass over
 * them: kept up all the while, it would take in a run of a long log again and again.
 */
function loadIndex(
  { logger, scheduler, lifecycle }: TrackingHost,
  domain: DomainLog,
  metrics: LatestMetrics,
  index: RunIndex,
  begin: () => Promise<void>,
): void {
  const pause = () => new Promise<void>((resolve) => void scheduler.after(lifecycle.isClosing ? 0 : 1, resolve));
  const load = async (): Promise<void> => {
    await begin();
    if (lifecycle.isClosing) return;
    // The pass sees what is stored. The decisions' fold stores what it has when it is read.
    await metrics.flush();
    const stored = storedRuns(domain.replica, metrics, () => lifecycle.isClosing);
    await index.load(stored, pause);
  };
  load().catch((error: unknown) => logger.error({ err: error }, 'runs are searched in ClickHouse: the index was not loaded'));
}

/** Resolves when the folds have come to where the log ends now, however long that takes, or when the process closes. */
async function foldedToEnd({ scheduler, lifecycle }: TrackingHost, upToDate: () => Promise<void>): Promise<void> {
  while (!lifecycle.isClosing) {
    try {
      return await upToDate();
    } catch (error) {
      if (!isFault(error)) throw error;
      await new Promise<void>((resolve) => void scheduler.after(FIRST_PAUSE_MS, resolve));
    }
  }
}

function runStates(domain: DomainLog, upToDate: () => Promise<void>, metrics: () => LatestMetrics, linger: Linger): RunStatesProjection {
  return new RunStatesProjection(
    {
      upToDate,
      run: (runId) => {
        const { sequence, state } = domain.replica.subject(`run/${runId}`);
        return { sequence, state: state as RunState };
      },
      metrics: (runId) => metrics().folded(runId),
    },
    linger,
  );
}

async function projectTables({ tables, reset, lifecycle }: TrackingHost, states: RunStatesProjection, linger: Linger) {
  // Not shared: a reader of the table has to know when it holds what the log holds, and some records leave no row in it. That several
  // processes write the same states does no harm.
  // The projections of all decisions and of all points put aside what cannot be read; one letter of it is enough.
  const into = { table: RUN_STATES_TABLE, writesDeadLetters: false, maxAgeMs: GATHER_MS, maxBytes: MOST_STATE_BYTES };
  lifecycle.add('consumers', 'tracking.run-states', () => linger.end());
  const ofDecisions = await tables.add({ name: 'tracking.run-states', topic: TOPIC, ...into, ...states.decisions });
  const ofPoints = await tables.add({ name: 'tracking.run-metrics', topic: METRIC_POINTS, ...into, ...states.metricPoints });
  const metricPoints = await tables.add({
    name: 'tracking.metric-points',
    topic: METRIC_POINTS,
    table: METRIC_POINTS_TABLE,
    shared: true,
    decode: decodeMetricPoints,
    toRows: metricPointRows,
  });
  const runs = (deadlineMs: number) => linger.hurry(() => Promise.all([ofDecisions.barrier(deadlineMs), ofPoints.barrier(deadlineMs)]));
  reset.add('hurry', 'tracking.run-states', async () => void (await runs(FOLD_DEADLINE_MS)));
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
